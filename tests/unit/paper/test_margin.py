"""Account arithmetic against the documents' own worked examples and identities (hyperliquid.md 1.2, 6.7)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.types import Asset
from executor.paper import margin
from executor.paper.model import Account, Leverage, Market, Position, State
from executor.paper.views import clearinghouse

D = Decimal
TIERS = ((D(0), 40), (D(150_000_000), 20))


def one_position(szi: str, entry: str, mark: str, leverage: int, *, cross: bool, raw: str, max_leverage: int = 50):
    market = Market(Asset("ETH", 1, 4, max_leverage), ((D(0), max_leverage),), mark=D(mark))
    account = Account("0xme", D(13_009), {"ETH": Position(D(szi), D(entry), D(raw))})
    account.leverage["ETH"] = Leverage(cross, leverage)
    return State({"ETH": market}, accounts={"0xme": account}), account


def test_the_documents_isolated_example_comes_out_to_the_last_digit():
    state, account = one_position("0.0335", "2986.3", "2985.9", 20, cross=False, raw="-95.059824")
    row = clearinghouse(state, "0xme")["assetPositions"][0]["position"]
    assert row["positionValue"] == "100.02765"
    assert row["unrealizedPnl"] == "-0.0134"
    assert row["marginUsed"] == "4.967826"
    assert row["leverage"] == {"type": "isolated", "value": 20, "rawUsd": "-95.059824"}
    assert row["returnOnEquity"].startswith("-0.0026")
    assert row["liquidationPx"].startswith("2866.2693")
    assert margin.liquidation_px(state, account, "ETH").quantize(D("0.0001")) == D("2866.2694")


def test_a_liquidation_price_below_zero_is_none():
    state, account = one_position("0.1", "2000", "2000", 20, cross=True, raw="0")
    assert margin.liquidation_px(state, account, "ETH") is None
    assert clearinghouse(state, "0xme")["assetPositions"][0]["position"]["liquidationPx"] is None


def test_a_shorts_liquidation_lies_above():
    state, account = one_position("-100", "2000", "2000", 20, cross=True, raw="0")
    account.raw_usd = D(210_000)
    px = margin.liquidation_px(state, account, "ETH")
    state.markets["ETH"].mark = px
    need = margin.cross_maintenance(state, account)
    assert margin.cross_equity(state, account) == pytest.approx(need)


@pytest.mark.parametrize(
    ("notional", "maintenance"),
    [(D(1_000_000), D(12_500)), (D(150_000_000), D(1_875_000)), (D(200_000_000), D(3_125_000))],
)
def test_maintenance_is_continuous_over_tiers(notional, maintenance):
    market = Market(Asset("BTC", 0, 5, 40), TIERS)
    rate, deduction = margin.tier_rate(market, notional)
    assert notional * rate - deduction == maintenance


@pytest.mark.parametrize(("notional", "allowed"), [(D(1), 40), (D(150_000_000), 40), (D(150_000_001), 20), (D(0), 40)])
def test_the_tier_limits_leverage(notional, allowed):
    assert margin.max_leverage_at(Market(Asset("BTC", 0, 5, 40), TIERS), notional) == allowed


@pytest.mark.parametrize(
    ("szi", "is_buy", "sz", "opening"),
    [
        ("0", True, "1", "1"),
        ("2", True, "1", "1"),
        ("-2", True, "1", "0"),
        ("-2", True, "3", "1"),
        ("2", False, "5", "3"),
    ],
)
def test_only_what_exceeds_the_position_opens(szi, is_buy, sz, opening):
    assert margin.opening_part(D(szi), is_buy=is_buy, sz=D(sz)) == D(opening)


def test_field_algebra_holds_on_an_account_with_both_modes(desk):
    desk.leverage("ETH", 5, cross=False)
    desk.place("buy", "1", "2001", "Ioc")
    desk.place("sell", "0.02", "99990", "Ioc", coin="BTC")
    desk.mark("ETH", "2100")
    state = clearinghouse(desk.state, desk.account().user)
    rows = {p["position"]["coin"]: {**p["position"]} for p in state["assetPositions"]}
    total, cross = state["marginSummary"], state["crossMarginSummary"]
    signed = sum(D(r["positionValue"]) * (1 if D(r["szi"]) > 0 else -1) for r in rows.values())
    assert D(total["accountValue"]) == D(total["totalRawUsd"]) + signed
    assert D(cross["accountValue"]) == D(cross["totalRawUsd"]) - D(rows["BTC"]["positionValue"])
    eth = rows["ETH"]
    assert D(eth["marginUsed"]) == D(eth["szi"]) * 2100 + D(eth["leverage"]["rawUsd"])
    assert D(eth["unrealizedPnl"]) == D(eth["szi"]) * (2100 - D(eth["entryPx"]))
    assert D(rows["BTC"]["marginUsed"]) == D(rows["BTC"]["positionValue"]) / 20
    assert D(total["totalMarginUsed"]) == D(eth["marginUsed"]) + D(rows["BTC"]["marginUsed"])
    assert D(cross["totalMarginUsed"]) == D(rows["BTC"]["marginUsed"])
    assert D(state["crossMaintenanceMarginUsed"]) == D(rows["BTC"]["positionValue"]) / 80
    bound = max(D(cross["totalMarginUsed"]), D(rows["BTC"]["positionValue"]) / 10)
    assert D(state["withdrawable"]) == D(cross["accountValue"]) - bound


def test_resting_orders_hold_margin_on_their_more_demanding_side_only(desk):
    desk.rest("buy", "10", "1900")
    desk.rest("sell", "10", "2100")
    assert margin.reserved(desk.state, desk.account()) == 10 * D(2100) / 20
    desk.place("buy", "4", "2001", "Ioc")
    held = margin.reserved(desk.state, desk.account())
    assert held == 10 * D(1900) / 20, "the sell closes 4 of its 10"


def test_orders_beyond_free_margin_are_refused_and_a_flip_may_use_what_it_frees(desk):
    assert "error" in desk.place("buy", "101", "2000")
    assert "filled" in desk.place("buy", "90", "2001", "Ioc")
    assert "error" in desk.place("buy", "15", "2001", "Ioc")
    assert "filled" in desk.place("sell", "170", "1999", "Ioc")
    assert desk.size() == -80


def test_a_position_past_its_tier_is_refused(desk):
    desk.engine.fund(desk.account().user, D(10_000_000))
    desk.quote("kPEPE", "0.01999", "0.02001", size="1000000000")
    desk.leverage("kPEPE", 10, cross=True)
    text = "Order would cause position to exceed margin tier limit at current leverage asset=15"
    assert desk.place("buy", "200000000", "0.02001", "Ioc", coin="kPEPE") == {"error": text}
    desk.leverage("kPEPE", 5, cross=True)
    assert "filled" in desk.place("buy", "200000000", "0.02001", "Ioc", coin="kPEPE")
