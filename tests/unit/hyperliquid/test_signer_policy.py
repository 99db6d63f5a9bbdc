"""signer_policy: deny by default, judged on the wire action itself; what reduces is bound by nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from executor.core.types import Side
from executor.hyperliquid import wire
from executor.hyperliquid.signer_policy import REASONS, SIGNABLE, Refusal, SignerPolicy, judge

D = Decimal
CLOID = "0x" + "ab" * 16


class Markets:
    """BTC is asset 0 at 100 USD, ETH asset 1 without a price."""

    def coin(self, asset_id: int) -> str | None:
        return {0: "BTC", 1: "ETH"}.get(asset_id)

    def price(self, asset_id: int) -> Decimal | None:
        return {0: D(100)}.get(asset_id)


def order(side: Side = Side.BUY, px: str = "100", size: str = "1", asset: int = 0, **more: Any) -> dict[str, Any]:
    return wire.limit_order(asset, side, D(px), D(size), tif="Ioc", cloid=CLOID, **more)


def stop(asset: int = 0) -> dict[str, Any]:
    return wire.trigger_order(asset, Side.SELL, D(80), D(500), trigger_px=D(90), tpsl="sl", cloid=CLOID)


def asked(action: dict[str, Any], today: int = 0, **limits: Any) -> Decimal | str:
    """What it adds, or the code of the refusal."""
    judged = judge(action, SignerPolicy(**limits), Markets(), D(today))
    if isinstance(judged, Refusal):
        assert judged.code in REASONS
        assert judged.text
        return judged.code
    return judged


TIGHT = {"symbols": frozenset({"SOL"}), "per_trade_cap_usd": D(1), "daily_cap_usd": D(1)}
REDUCING = {
    "a reduce-only order": wire.order_action([order(reduce_only=True, size="900")]),
    "a stop": wire.order_action([stop(asset=1)]),
    "a sell without a price": wire.order_action([order(Side.SELL, asset=1, reduce_only=True)]),
    "a cancel": wire.cancel_action([(0, 7)]),
    "a cancel by name": wire.cancel_by_cloid_action([(1, CLOID)]),
    "a modified stop": {"type": "modify", "oid": 5, "order": stop()},
    "modified stops": {"type": "batchModify", "modifies": [{"oid": CLOID, "order": stop()}]},
}


@pytest.mark.parametrize("what", REDUCING)
def test_no_cap_and_no_list_binds(what: str) -> None:
    assert asked(REDUCING[what], today=10**9, **TIGHT) == 0


@pytest.mark.parametrize(
    "kind",
    [
        "usdSend", "spotSend", "withdraw3", "sendAsset", "usdClassTransfer", "vaultTransfer", "subAccountTransfer",
        "subAccountSpotTransfer", "approveAgent", "approveBuilderFee", "updateIsolatedMargin", "scheduleCancel",
        "twapOrder", "createSubAccount", "setReferrer", "convertToMultiSigUser", "noop", "agentSetAbstraction",
        "evmUserModify", "ORDER", "", None, 3, ["order"],
    ],
)  # fmt: skip
def test_whatever_is_not_trading_is_not_signed(kind: object) -> None:
    assert asked({"type": kind}) == "SIGNER_ACTION"


def test_of_all_actions_the_venue_knows_six_are_signed() -> None:
    assert set(wire.SCHEMAS) >= SIGNABLE
    assert {"order", "cancel", "cancelByCloid", "modify", "batchModify", "updateLeverage"} == SIGNABLE


def test_a_fee_for_somebody_is_not_signed() -> None:
    fee = {"b": "0x" + "9" * 40, "f": 100}
    assert asked({**wire.order_action([order()]), "builder": fee}) == "SIGNER_ACTION"


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "order"},
        {**wire.order_action([order()]), "extra": 1},
        wire.order_action([{**order(), "r": 1}]),
        wire.order_action([{**order(), "r": "true"}]),
        wire.order_action([{**order(), "s": "01"}]),
        wire.order_action([{**order(), "s": "-5"}]),
        wire.order_action([{**order(), "s": "0"}]),
        wire.order_action([{**order(reduce_only=True), "p": "0"}]),
        wire.order_action([{**order(), "s": "1e9"}]),
        wire.order_action([{**order(), "s": "1.50"}]),
        wire.order_action([{**order(), "p": D(100)}]),
        wire.order_action([{**order(), "c": CLOID.upper()}]),
        wire.order_action([{k: v for k, v in order().items() if k != "r"}]),
    ],
)
def test_what_is_not_exactly_the_venues_form_is_not_signed(odd: dict[str, Any]) -> None:
    assert asked(odd) == "SIGNER_SHAPE"


def test_without_limits_trading_is_signed_and_its_worth_told() -> None:
    assert asked(wire.order_action([order(), order(px="200", size="2"), stop()])) == 500
    assert asked(wire.order_action([order(Side.SELL, asset=1)])) == 0
    assert asked(wire.update_leverage_action(7, 3, is_cross=True)) == 0


def test_only_listed_coins_may_be_opened_or_levered_in_any_case() -> None:
    allowed = {"symbols": frozenset({"btc"})}
    assert asked(wire.order_action([order()]), **allowed) == 100
    assert asked(wire.order_action([order(), order(asset=1)]), **allowed) == "SIGNER_ALLOWLIST"
    assert asked(wire.order_action([order(asset=99)]), **allowed) == "SIGNER_ALLOWLIST"
    assert asked(wire.update_leverage_action(0, 3, is_cross=True), **allowed) == 0
    assert asked(wire.update_leverage_action(1, 3, is_cross=True), **allowed) == "SIGNER_ALLOWLIST"
    assert asked({"type": "modify", "oid": 5, "order": order(asset=1)}, **allowed) == "SIGNER_ALLOWLIST"


def test_the_cap_of_one_order_holds_for_each_and_exactly() -> None:
    cap = {"per_trade_cap_usd": D(100)}
    assert asked(wire.order_action([order(), order()]), **cap) == 200
    assert asked(wire.order_action([order(), order(size="1.01")]), **cap) == "SIGNER_PER_TRADE_CAP"
    assert asked({"type": "modify", "oid": 5, "order": order(size="2")}, **cap) == "SIGNER_PER_TRADE_CAP"


def test_a_sell_is_worth_the_price_however_low_its_limit() -> None:
    cap = {"per_trade_cap_usd": D(100)}
    assert asked(wire.order_action([order(Side.SELL, px="1", size="1")]), **cap) == 100
    assert asked(wire.order_action([order(Side.SELL, px="1", size="1.5")]), **cap) == "SIGNER_PER_TRADE_CAP"
    assert asked(wire.order_action([order(Side.SELL, px="150", size="1")]), **cap) == "SIGNER_PER_TRADE_CAP"


def test_a_sell_nobody_can_value_is_not_signed_under_a_cap() -> None:
    assert asked(wire.order_action([order(Side.SELL, asset=1)]), daily_cap_usd=D(9)) == "SIGNER_PRICE"


def test_the_days_cap_counts_what_was_signed_before() -> None:
    cap = {"daily_cap_usd": D(1000)}
    assert asked(wire.order_action([order()]), today=900, **cap) == 100
    assert asked(wire.order_action([order()]), today=901, **cap) == "SIGNER_DAILY_CAP"
    assert asked(wire.order_action([order(size="6"), order(size="6")]), **cap) == "SIGNER_DAILY_CAP"
