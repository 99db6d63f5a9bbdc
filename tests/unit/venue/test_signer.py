"""signer.py: the key never shows, and only trading is signed."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import pytest
from coincurve import PrivateKey

from executor.errors import SecretError
from executor.hyperliquid import wire
from executor.hyperliquid.signing import sign_l1
from executor.venue.signer import SIGNABLE, Signer, SignerRefused

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
