"""Orders and accounts as JSON: the texts and corners the recorded answers do not show."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.paper import views

USER = "0x" + "a1" * 20


@pytest.mark.parametrize(
    ("tpsl", "market", "text"),
    [("sl", True, "Stop Market"), ("sl", False, "Stop Limit"), ("tp", True, "Take Profit Market"),
     ("tp", False, "Take Profit Limit")],
)  # fmt: skip
def test_order_types_have_the_venues_names(desk, tpsl, market, text):
    desk.place("buy", "1", "2001", "Ioc")
    px, trigger = ("1800", "1900") if tpsl == "sl" else ("2100", "2200")
    desk.rest("sell", "1", px, ro=True, tpsl=tpsl, trigger=trigger, market=market)
    [row] = views.frontend_open_orders(desk.state, USER)
    assert row["orderType"] == text
    assert row["isTrigger"] is True
    assert row["triggerCondition"] == f"Price {'below' if tpsl == 'sl' else 'above'} {trigger}"


def test_what_could_be_traded_counts_twice_what_is_held_against_it(desk):
    desk.place("buy", "40", "2001", "Ioc")
    asset = views.active_asset(desk.state, USER, "ETH")
    buy, sell = map(float, asset["availableToTrade"])
    assert sell == pytest.approx(buy + 2 * 4000)
    assert float(asset["maxTradeSzs"][1]) == pytest.approx(sell * 20 / 2000, abs=1e-4)
    assert asset["markPx"] == "2000.0"


def test_a_fired_trigger_says_so(desk):
    desk.place("buy", "1", "2001", "Ioc")
    oid = desk.rest("sell", "1", "2250", ro=True, tpsl="tp", trigger="2200", market=False)
    desk.mark("ETH", "2200")
    row = views.order_status(desk.state, USER, oid)["order"]
    assert row["order"]["tif"] is None
    assert row["status"] in ("open", "filled")


def test_a_unified_accounts_money_is_its_spot_balance_and_the_perps_show_what_they_bind(desk_with):
    """As measured on a real one: 25.93 of 977.58 USDC in ``accountValue``, ``withdrawable`` next to nothing."""
    desk = desk_with(abstraction="unifiedAccount")
    desk.leverage("BTC", 10, cross=False)
    desk.place("buy", "1", "2001", "Ioc")
    desk.place("buy", "0.01", "100010", "Ioc", coin="BTC")
    desk.rest("buy", "1", "1900")
    [balance] = views.spot_state(desk.state, USER)["balances"]
    state = views.clearinghouse(desk.state, USER)
    total, hold = Decimal(balance["total"]), Decimal(balance["hold"])
    bound = Decimal(state["marginSummary"]["totalMarginUsed"])
    assert total == 10_000 - 1 - Decimal("0.90045") - Decimal("0.1") - Decimal("0.450045")
    assert hold == bound + 1900 / Decimal(20)
    assert balance["coin"] == "USDC"
    for summary in (state["marginSummary"], state["crossMarginSummary"]):
        assert summary["accountValue"] == summary["totalMarginUsed"]
    assert Decimal(state["marginSummary"]["totalRawUsd"]) == bound - 2000 - 1000
    assert state["withdrawable"] == "0.0"


def test_other_accounts_have_no_spot_balance(desk_with):
    assert views.spot_state(desk_with().state, USER) == {"balances": []}
    assert views.spot_state(desk_with(abstraction="unifiedAccount").state, "0x" + "99" * 20) == {"balances": []}
