"""Orders and accounts as JSON: the texts and corners the recorded answers do not show."""

from __future__ import annotations

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
