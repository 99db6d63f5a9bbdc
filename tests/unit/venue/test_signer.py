"""signer.py: the key never shows, only trading is signed, and each account's own policy comes before it."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from decimal import Decimal
from typing import Any

import pytest
from coincurve import PrivateKey

from executor.core.types import Side
from executor.errors import SecretError, SignerRefused
from executor.hyperliquid import wire
from executor.hyperliquid.signer_policy import SIGNABLE, SignerPolicy
from executor.hyperliquid.signing import sign_l1
from executor.venue.signer import KEEP_SIGNED, AccountSigner, Signer

CANARY = "c0ffee" * 10 + "beef"
ADDRESS = "0x" + "ab" * 20


def signer(*, mainnet: bool = False) -> Signer:
    return Signer.from_key_text(CANARY, mainnet=mainnet)


@pytest.mark.parametrize("text", [CANARY, "0x" + CANARY, f" 0x{CANARY.upper()}\n".replace("0X", "0x")])
def test_a_key_is_read_with_or_without_its_prefix(text: str) -> None:
    assert Signer.from_key_text(text, mainnet=True).address == signer().address


@pytest.mark.parametrize("mainnet", [True, False])
def test_it_signs_for_its_network_and_the_same_each_time(mainnet: bool) -> None:
    ours = signer(mainnet=mainnet)
    cancel = wire.cancel_action([(0, 77)])
    expected = sign_l1(PrivateKey(bytes.fromhex(CANARY)), cancel, 7, ADDRESS, 9, mainnet)
    assert ours.sign(cancel, 7, ADDRESS, 9) == expected
    assert ours.sign(cancel, 7, ADDRESS, 9) == expected


@pytest.mark.parametrize(
    "kind", ["noop", "usdSend", "withdraw3", "vaultTransfer", "subAccountTransfer", "approveAgent", None, 3]
)
def test_what_moves_money_out_is_not_signed(kind: object) -> None:
    with pytest.raises(SignerRefused, match="does not sign"):
        signer().sign({"type": kind}, 1, None, None)


def test_an_action_type_that_cannot_be_hashed_is_refused_too() -> None:
    with pytest.raises(SignerRefused):
        signer().sign({"type": ["order"]}, 1, None, None)


def test_the_policy_is_trading_only() -> None:
    assert {"order", "cancel", "cancelByCloid", "modify", "batchModify", "updateLeverage"} == SIGNABLE


def test_the_key_is_in_no_text_of_the_signer() -> None:
    ours = signer()
    texts = [repr(ours), str(ours), f"{ours}", f"{ours!r}", json.dumps({"signer": str(ours)}), repr([ours])]
    assert all(CANARY not in text.lower() for text in texts)
    assert repr(ours) == f"Signer({ours.address})"
    assert not hasattr(ours, "__dict__")


def test_it_cannot_be_pickled_or_copied() -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            attempt(signer())


BAD = [
    CANARY + "zz",
    CANARY[:-2],
    "zz" + CANARY[2:],
    "0x0x" + CANARY,
    "0" * 64,
    "f" * 64,
    "correct horse battery " + CANARY,
    "",
]


@pytest.mark.parametrize("text", BAD)
def test_a_bad_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(SecretError) as caught:
        Signer.from_key_text(text, mainnet=True)
    ours = traceback.TracebackException.from_exception(caught.value, capture_locals=True, limit=-1)
    printed = "".join(ours.format())
    assert CANARY[:12] not in printed
    assert CANARY[:12] not in repr(caught.value.__dict__)
    assert caught.value.__context__ is None
    assert caught.value.remedy


# -- one account's policy -----------------------------------------------------------------------------------------

DAY = 86_400_000
NOON = 20_000 * DAY + DAY // 2


class Markets:
    def coin(self, asset_id: int) -> str | None:
        return "BTC"

    def price(self, asset_id: int) -> Decimal | None:
        return Decimal(100)


class Account:
    """An account's signer with a clock to turn."""

    def __init__(self, **more: Any) -> None:
        self.now_ms = NOON
        policy = more.pop("policy", SignerPolicy(daily_cap_usd=Decimal(100)))
        self.signer = AccountSigner(signer(), policy, Markets(), lambda: self.now_ms, **more)

    def buys(self, usd: int, nonce: int, vault: str | None = None) -> str:
        """Empty when it was signed, else the code of the refusal."""
        order = wire.limit_order(0, Side.BUY, Decimal(1), Decimal(usd), tif="Ioc")
        try:
            made = self.signer.sign(wire.order_action([order]), nonce, vault, None)
        except SignerRefused as no:
            return no.code
        assert made == signer().sign(wire.order_action([order]), nonce, vault, None)
        return ""


def test_what_the_policy_allows_is_signed_as_by_the_key_alone() -> None:
    assert Account().buys(100, 1) == ""


def test_a_day_is_counted_and_ends_at_midnight_utc() -> None:
    a = Account()
    assert [a.buys(60, 1), a.buys(50, 2), a.buys(40, 3)] == ["", "SIGNER_DAILY_CAP", ""]
    a.now_ms = NOON + DAY // 2 - 1
    assert a.buys(1, 4) == "SIGNER_DAILY_CAP"
    a.now_ms += 1
    assert a.buys(100, 5) == ""


def test_a_clock_that_goes_back_gives_no_day_again() -> None:
    a = Account()
    assert a.buys(100, 1) == ""
    a.now_ms -= 3 * DAY
    assert a.buys(1, 2) == "SIGNER_DAILY_CAP"


def test_an_earlier_life_counts_on_its_own_day_only() -> None:
    today = NOON - NOON % DAY
    assert Account(day_start_ms=today, signed_usd=Decimal(60)).buys(50, 1) == "SIGNER_DAILY_CAP"
    assert Account(day_start_ms=today - DAY, signed_usd=Decimal(60)).buys(50, 1) == ""


def test_the_same_action_under_its_nonce_is_signed_again_and_another_is_judged() -> None:
    a = Account()
    assert [a.buys(100, 1), a.buys(100, 1), a.buys(100, 2), a.buys(99, 1)] == ["", "", *["SIGNER_DAILY_CAP"] * 2]


def test_what_may_be_resent_is_remembered_with_an_end() -> None:
    a = Account(policy=SignerPolicy())
    for nonce in range(KEEP_SIGNED + 10):
        assert a.buys(1, nonce) == ""
    assert len(a.signer._signed) == KEEP_SIGNED


@pytest.mark.parametrize(("ours", "asked"), [(None, ADDRESS), (ADDRESS, None), (ADDRESS, "0x" + "cd" * 20)])
def test_another_account_of_the_same_key_is_refused(ours: str | None, asked: str | None) -> None:
    a = Account(vault=ours)
    assert a.buys(1, 1, asked) == "SIGNER_VAULT"
    assert a.buys(1, 2, ours) == ""


def test_the_policy_holds_for_what_no_cap_binds() -> None:
    with pytest.raises(SignerRefused, match="does not sign") as caught:
        Account().signer.sign({"type": "usdSend", "destination": ADDRESS, "amount": "1", "time": 1}, 1, None, None)
    assert (caught.value.rule, caught.value.code) == ("action", "SIGNER_ACTION")


def test_the_accounts_signer_shows_its_address_alone() -> None:
    a = Account()
    assert repr(a.signer) == f"AccountSigner({a.signer.address})"
    assert a.signer.address == signer().address
