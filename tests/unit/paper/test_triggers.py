"""Stops and targets fire on the mark, within ten percent, and end what belongs to them (hyperliquid.md section 6.4)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.paper import views
from executor.paper.model import lost

USER = "0x" + "a1" * 20


@pytest.fixture
def long(desk):
    desk.place("buy", "1", "2001", "Ioc")
    desk.engine.take()
    return desk


def stop(desk, trigger="1900", px="1710", sz="1", **kw):
    return desk.rest("sell", sz, px, ro=True, tpsl="sl", trigger=trigger, **kw)


def test_a_stop_waits_for_the_mark_not_for_the_book(long):
    oid = stop(long)
    long.levels("ETH", "1850:10", "1851:10")
    assert long.status(oid) == "open"
    long.mark("ETH", "1900")
    assert long.status(oid) == "filled"
    assert long.size() == 0


def test_a_fired_order_is_triggered_then_filled_under_one_oid(long):
    oid = stop(long)
    long.engine.take()
    long.quote("ETH", "1889", "1891")
    rows = long.engine.take().order_updates[USER]
    assert [(r["order"]["oid"], r["status"]) for r in rows] == [(oid, "triggered"), (oid, "filled")]


@pytest.mark.parametrize(
    ("side", "tpsl", "trigger", "px", "quiet", "fires"),
    [
        ("sell", "sl", "1900", "1710", "1901", "1900"), ("sell", "tp", "2200", "1980", "2199", "2200"),
        ("buy", "sl", "2100", "2310", "2099", "2100"), ("buy", "tp", "1800", "1980", "1801", "1800"),
    ],
)  # fmt: skip
def test_each_kind_fires_on_its_own_side(desk, side, tpsl, trigger, px, quiet, fires):
    desk.place("buy" if side == "sell" else "sell", "1", "2001" if side == "sell" else "1999", "Ioc")
    oid = desk.rest(side, "1", px, ro=True, tpsl=tpsl, trigger=trigger)
    desk.quote("ETH", str(int(quiet) - 1), str(int(quiet) + 1), mark=quiet)
    assert desk.status(oid) == "open"
    desk.quote("ETH", str(int(fires) - 1), str(int(fires) + 1), mark=fires)
    assert desk.status(oid) == "filled"


@pytest.mark.parametrize(
    ("tpsl", "trigger", "px"),
    [
        ("sl", "1900", "1910"),
        ("sl", "2000", "1800"),
        ("sl", "2100", "1900"),
        ("tp", "1900", "1800"),
        ("tp", "2200", "2300"),
    ],
)
def test_a_trigger_that_is_reached_or_has_its_limit_on_the_wrong_side_is_refused(long, tpsl, trigger, px):
    assert long.place("sell", "1", px, ro=True, tpsl=tpsl, trigger=trigger) == {"error": "Invalid TP/SL price. asset=1"}


def test_a_limit_target_may_ask_for_more_than_its_trigger_and_then_rests(long):
    oid = long.rest("sell", "1", "2250", ro=True, tpsl="tp", trigger="2200", market=False)
    long.quote("ETH", "2209", "2211")
    assert long.status(oid) == "open"
    assert long.state.orders[oid].phase.value == "book"
    long.quote("ETH", "2250", "2251")
    assert long.status(oid) == "filled"


def test_a_passed_target_fires_at_once_where_so_ruled(desk_with):
    desk = desk_with(past_take_profit="fire")
    desk.place("buy", "1", "2001", "Ioc")
    oid = desk.rest("sell", "1", "1710", ro=True, tpsl="tp", trigger="1900")
    desk.mark("ETH", "2000")
    assert desk.status(oid) == "filled"


def test_a_gap_beyond_ten_percent_leaves_the_position_unprotected(long):
    oid = stop(long, trigger="1900", px="1500")
    long.quote("ETH", "1709", "1711")
    assert long.status(oid) == "iocCancelRejected"
    assert long.size() == 1


def test_within_ten_percent_a_gap_fills_at_the_market(long):
    stop(long)
    long.quote("ETH", "1715", "1717")
    assert long.state.fills[USER][-1]["px"] == "1715.0"


def test_the_slippage_base_and_the_remainder_follow_the_rules(desk_with):
    desk = desk_with(trigger_cap_base="mark", trigger_remainder="rests")
    desk.place("buy", "1", "2001", "Ioc")
    oid = stop(desk, trigger="1900", px="1500")
    desk.quote("ETH", "1600", "1601", size="0.4")
    assert desk.size() == Decimal("0.6")
    assert desk.state.orders[oid].phase.value == "book"


def test_an_empty_book_refuses_a_fired_market_order(long):
    oid = stop(long)
    long.levels("ETH", "", "")
    long.mark("ETH", "1900")
    assert long.status(oid) == "marketOrderNoLiquidityRejected"


def test_a_closed_position_takes_its_stops_along(long):
    oid = stop(long)
    long.place("sell", "1", "1999", "Ioc", ro=True)
    assert long.status(oid) == "reduceOnlyCanceled"


def test_a_stop_keeps_its_size_when_the_position_shrinks_and_is_clipped_when_it_fires(long):
    oid = stop(long)
    long.place("sell", "0.6", "1999", "Ioc")
    assert long.state.orders[oid].sz == 1
    long.quote("ETH", "1889", "1891")
    assert long.size() == 0
    assert long.state.fills[USER][-1]["sz"] == "0.4"


def test_a_stop_entry_needs_margin_when_it_fires(desk):
    good = desk.rest("buy", "1", "2310", tpsl="sl", trigger="2100")
    bad = desk.rest("buy", "500", "2310", tpsl="sl", trigger="2100")
    desk.quote("ETH", "2109", "2111")
    assert desk.status(good) == "filled"
    assert desk.status(bad) == "perpMarginRejected"


def test_lone_triggers_answer_as_ruled(desk_with):
    desk = desk_with(lone_trigger_reply="waitingForTrigger")
    desk.place("buy", "1", "2001", "Ioc")
    assert desk.place("sell", "1", "1710", ro=True, tpsl="sl", trigger="1900") == "waitingForTrigger"


def test_a_filled_stop_ends_its_target_even_when_a_position_is_left(long):
    entry = long.order("buy", "1", "2001", "Ioc")
    children = [
        long.order("sell", "1", "1710", ro=True, tpsl="sl", trigger="1900"),
        long.order("sell", "1", "1980", ro=True, tpsl="tp", trigger="2200"),
    ]
    long.place_all(entry, *children, grouping="normalTpsl")
    long.engine.take()
    long.quote("ETH", "1889", "1891")
    assert long.size() == 1
    statuses = {r["status"] for r in long.engine.take().order_updates[USER]}
    assert statuses == {"triggered", "filled", "siblingFilledCanceled"}


def test_no_stop_fires_while_its_book_is_lost_and_it_does_at_the_first_mark_after(long):
    oid = stop(long)
    long.engine.on_market(lost("ETH"), long.now_ms)
    long.mark("ETH", "1880")
    assert long.status(oid) == "open"
    long.levels("ETH", "1879:10", "1881:10")
    long.mark("ETH", "1880")
    assert long.status(oid) == "filled"
    assert long.size() == 0


def test_after_a_restart_no_stop_fires_before_its_book_was_seen(long):
    oid = stop(long)
    fresh = type(long)()
    fresh.state.accounts, fresh.state.orders = long.state.accounts, long.state.orders
    fresh.state.history, fresh.state.armed = long.state.history, long.state.armed
    fresh.mark("ETH", "1880")
    assert fresh.status(oid) == "open"
    fresh.quote("ETH", "1879", "1881")
    assert fresh.status(oid) == "filled"


def test_a_target_ends_the_stop_of_its_own_position_and_no_other_coins(long):
    long.place("buy", "0.01", "100010", "Ioc", coin="BTC")
    target = long.order("sell", "0", "1980", ro=True, tpsl="tp", trigger="2200")
    stop = long.order("sell", "0", "1710", ro=True, tpsl="sl", trigger="1900")
    other = long.order("sell", "0", "81000", coin="BTC", ro=True, tpsl="sl", trigger="90000")
    assert long.place_all(target, stop, other, grouping="positionTpsl") == ["waitingForTrigger"] * 3
    first, second, third = sorted(long.open_oids())
    long.quote("ETH", "2199", "2201")
    assert [long.status(oid) for oid in (first, second, third)] == ["filled", "siblingFilledCanceled", "open"]


def test_a_stop_limit_that_fired_and_rests_waits_for_no_price_any_more(long):
    oid = stop(long, px="1895", market=False)
    [armed] = views.frontend_open_orders(long.state, USER)
    long.quote("ETH", "1880", "1882", mark="1890")
    [resting] = views.frontend_open_orders(long.state, USER)
    assert (resting["oid"], long.status(oid)) == (oid, "open")
    assert [row["triggerCondition"] for row in (armed, resting)] == ["Price below 1900", "Triggered"]
