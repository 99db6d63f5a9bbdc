"""signing.py: the SDK's test vectors, and byte identity with the SDK on hundreds of random actions."""

from __future__ import annotations

from decimal import Decimal
from random import Random  # noqa: TID251  # seeded: the same actions each time
from typing import Any, Literal

import pytest
from coincurve import PrivateKey
from eth_account import Account
from hyperliquid.utils import signing as sdk

from executor.core.types import Side
from executor.hyperliquid import signing, wire

KEY_TEXT = "0x" + "0123456789" * 6 + "0123"
KEY = PrivateKey(bytes.fromhex(KEY_TEXT[2:]))
WALLET = Account.from_key(KEY_TEXT)
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"


def _order(**extra: Any) -> wire.Action:
    order = {"a": 1, "b": True, "p": "100", "s": "100", "r": False, "t": {"limit": {"tif": "Gtc"}}, **extra}
    return wire.order_action([order])


def test_the_connection_id_of_the_published_order() -> None:
    order = wire.limit_order(4, Side.BUY, Decimal("1670.1"), Decimal("0.0147"), tif="Ioc")
    digest = signing.action_hash(wire.order_action([order]), 1677777606040, None, None)
    assert digest.hex() == "0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908"


VECTORS = [
    (
        _order(),
        True,
        "0xd65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
        "0x2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e",
        28,
    ),
    (
        _order(),
        False,
        "0x82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54",
        "0x6b53878fc99d26047f4d7e8c90eb98955a109f44209163f52d8dc4278cbbd9f5",
        27,
    ),
    (
        _order(c="0x00000000000000000000000000000001"),
        True,
        "0x41ae18e8239a56cacbc5dad94d45d0b747e5da11ad564077fcac71277a946e3",
        "0x3c61f667e747404fe7eea8f90ab0e76cc12ce60270438b2058324681a00116da",
        27,
    ),
]


@pytest.mark.parametrize(("action", "mainnet", "r", "s", "v"), VECTORS)
def test_the_published_signatures(action: wire.Action, mainnet: bool, r: str, s: str, v: int) -> None:
    assert signing.sign_l1(KEY, action, 0, None, None, mainnet) == {"r": r, "s": s, "v": v}


def test_the_published_schedule_cancel_signature() -> None:
    signature = signing.sign_l1(KEY, {"type": "scheduleCancel"}, 0, None, None, True)
    assert signature["r"] == "0x6cdfb286702f5917e76cd9b3b8bf678fcc49aec194c02a73e6d4f16891195df9"
    assert signature["v"] == 27


def _random_number(rng: Random) -> Decimal:
    return Decimal(rng.randrange(1, 10**7)).scaleb(-rng.randrange(0, 6))


def _random_order(rng: Random) -> wire.Action:
    cloid = f"0x{rng.getrandbits(128):032x}" if rng.random() < 0.7 else None
    side = rng.choice(list(Side))
    px, size, asset = _random_number(rng), _random_number(rng), rng.randrange(0, 200_000)
    if rng.random() < 0.5:
        return wire.limit_order(
            asset, side, px, size, tif=rng.choice(["Ioc", "Gtc", "Alo"]), reduce_only=rng.random() < 0.5, cloid=cloid
        )
    kinds: list[Literal["sl", "tp"]] = ["sl", "tp"]
    trigger_px, is_market, tpsl = _random_number(rng), rng.random() < 0.5, rng.choice(kinds)
    return wire.trigger_order(asset, side, px, size, trigger_px=trigger_px, tpsl=tpsl, is_market=is_market, cloid=cloid)


def _random_action(rng: Random) -> wire.Action:
    builders = [
        lambda: wire.order_action(
            [_random_order(rng) for _ in range(rng.randrange(1, 40))], rng.choice(["na", "normalTpsl"])
        ),
        lambda: wire.cancel_action([(rng.randrange(300), rng.getrandbits(40)) for _ in range(rng.randrange(1, 5))]),
        lambda: wire.cancel_by_cloid_action([(rng.randrange(300), f"0x{rng.getrandbits(128):032x}")]),
        lambda: wire.update_leverage_action(rng.randrange(300), rng.randrange(1, 41), rng.random() < 0.5),
        lambda: {"type": "noop"},
    ]
    return rng.choice(builders)()


def test_600_random_actions_are_signed_byte_for_byte_like_the_sdk() -> None:
    rng = Random(20261121)
    short = 0
    for _ in range(600):
        action, nonce = _random_action(rng), rng.randrange(2**43)
        vault = rng.choice([None, VAULT])
        expires = rng.choice([None, nonce + 10_000])
        mainnet = rng.random() < 0.5
        ours = signing.sign_l1(KEY, action, nonce, vault, expires, mainnet)
        assert ours == sdk.sign_l1_action(WALLET, action, vault, nonce, expires, mainnet)
        digest = signing.l1_digest(signing.action_hash(action, nonce, vault, expires), mainnet)
        assert signing.recover_address(digest, ours) == WALLET.address.lower()
        short += len(ours["r"]) < 66 or len(ours["s"]) < 66
    assert short > 20, "the sample must contain signatures with dropped leading zeros"


def test_the_address_of_a_key_is_lower_case() -> None:
    assert signing.address_of(KEY) == WALLET.address.lower()


GOOD = signing.sign_l1(KEY, _order(), 0, None, None, True)


@pytest.mark.parametrize(
    "signature",
    [
        {},
        {**GOOD, "v": 0},
        {**GOOD, "v": 27.0},
        {**GOOD, "v": "27"},
        {**GOOD, "r": "0x0"},
        {**GOOD, "r": "0x" + "f" * 64},
        {**GOOD, "r": "0x" + "f" * 65},
        {**GOOD, "s": "-0x1"},
        {**GOOD, "s": "nonsense"},
        {**GOOD, "s": None},
    ],
)
def test_what_is_no_signature_raises_value_error(signature: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # libsecp256k1's own words differ by what is wrong
        signing.recover_address(b"\x01" * 32, signature)


USER_SIGNED = [
    (
        "UsdSend",
        sdk.USD_SEND_SIGN_TYPES,
        {"type": "usdSend", "destination": VAULT, "amount": "1.5", "time": 1700000000000},
    ),
    (
        "SpotSend",
        sdk.SPOT_TRANSFER_SIGN_TYPES,
        {"type": "spotSend", "destination": VAULT, "token": "PURR:0xc4", "amount": "1", "time": 1},
    ),
    ("Withdraw", sdk.WITHDRAW_SIGN_TYPES, {"type": "withdraw3", "destination": VAULT, "amount": "1", "time": 2**50}),
    (
        "UsdClassTransfer",
        sdk.USD_CLASS_TRANSFER_SIGN_TYPES,
        {"type": "usdClassTransfer", "amount": "10 subaccount:" + VAULT, "toPerp": True, "nonce": 5},
    ),
    (
        "SendAsset",
        sdk.SEND_ASSET_SIGN_TYPES,
        {
            "type": "sendAsset",
            "destination": VAULT,
            "sourceDex": "",
            "destinationDex": "spot",
            "token": "USDC",
            "amount": "1",
            "fromSubAccount": "",
            "nonce": 5,
        },
    ),
    (
        "UserSetAbstraction",
        sdk.USER_SET_ABSTRACTION_SIGN_TYPES,
        {"type": "userSetAbstraction", "user": VAULT, "abstraction": "unifiedAccount", "nonce": 5},
    ),
]


@pytest.mark.parametrize(("name", "types", "action"), USER_SIGNED, ids=[row[0] for row in USER_SIGNED])
@pytest.mark.parametrize("mainnet", [True, False])
def test_user_signed_actions_of_the_sdk_are_recovered(
    name: str, types: list[dict[str, str]], action: dict[str, Any], mainnet: bool
) -> None:
    sent = dict(action)
    signature = sdk.sign_user_signed_action(WALLET, sent, types, f"HyperliquidTransaction:{name}", mainnet)
    assert signing.recover_user_signed(sent, signature) == WALLET.address.lower()
    assert signing.recover_user_signed({**sent, "hyperliquidChain": "Elsewhere"}, signature) != WALLET.address.lower()


def test_agent_and_builder_approvals_of_the_sdk_are_recovered() -> None:
    agent = {"type": "approveAgent", "agentAddress": VAULT, "agentName": "", "nonce": 3}
    signature = sdk.sign_agent(WALLET, agent, True)
    del agent["agentName"]  # as the SDK does for an unnamed agent
    assert signing.recover_user_signed(agent, signature) == WALLET.address.lower()
    fee = {"type": "approveBuilderFee", "maxFeeRate": "0.001%", "builder": VAULT, "nonce": 3}
    signature = sdk.sign_approve_builder_fee(WALLET, fee, False)
    assert signing.recover_user_signed(fee, signature) == WALLET.address.lower()


COMPLETE = {**USER_SIGNED[0][2], "signatureChainId": "0x66eee", "hyperliquidChain": "Mainnet"}


@pytest.mark.parametrize(
    "action",
    [
        {},
        {"type": "order"},
        {key: value for key, value in COMPLETE.items() if key != "amount"},
        {**COMPLETE, "amount": 1},
        {**COMPLETE, "time": "soon"},
        {**COMPLETE, "time": -1},
        {**COMPLETE, "signatureChainId": "zz"},
        {**COMPLETE, "signatureChainId": None},
    ],
)
def test_what_is_no_user_signed_action_raises_value_error(action: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"user-signed|invalid literal"):
        signing.recover_user_signed(action, GOOD)
