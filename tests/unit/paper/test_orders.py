"""An order's record: statuses as they are told, partial fills, retention (hyperliquid.md sections 1.3, 4.5)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.hyperliquid import limits
from executor.paper import views

USER = "0x" + "a1" * 20


@pytest.mark.parametrize("told", [True, False])
def test_a_partial_fill_is_told_or_not_by_rule_and_never_moves_the_recorded_size(desk_with, told):
    desk = desk_with(partial_open_updates=told)
    oid = desk.rest("buy", "1", "1990")
    desk.engine.take()
    desk.quote("ETH", "1970", "1980", size="0.3")
    rows = desk.engine.take().order_updates[USER]
    assert [(r["status"], r["order"]["sz"]) for r in rows] == ([("open", "0.7")] if told else [])
    assert views.order_status(desk.state, USER, oid)["order"]["order"]["sz"] == "1.0"
    assert views.open_orders(desk.state, USER)[0]["sz"] == "0.7"


def test_a_filled_record_shows_nothing_left(desk):
    oid = desk.place("buy", "1", "2001", "Ioc")["filled"]["oid"]
    assert views.order_status(desk.state, USER, oid)["order"]["order"]["sz"] == "0.0"


def test_only_the_newest_two_thousand_are_remembered_and_live_ones_never_forgotten(desk):
    live = desk.rest("buy", "0.1", "1000")
    first = desk.rest("buy", "0.1", "1001")
    desk.cancel(first)
    for _ in range(limits.ORDERS_REMEMBERED - 1):
        desk.cancel(desk.rest("buy", "0.1", "1001"))
    assert views.order_status(desk.state, USER, first) == {"status": "unknownOid"}
    assert desk.status(live) == "open"
    assert len(desk.state.history[USER]) == limits.ORDERS_REMEMBERED


def test_rejections_are_told_unless_the_rule_says_no(desk_with):
    for told in (True, False):
        desk = desk_with(ioc_reject_updates=told)
        desk.engine.take()
        desk.place("buy", "1", "2000", "Ioc")
        statuses = [r["status"] for r in desk.engine.take().order_updates[USER]]
        assert statuses == (["iocCancelRejected"] if told else [])


def test_a_parent_canceled_for_margin_after_a_partial_fill_still_places_its_children(desk):
    entry = desk.order("buy", "60", "1990")
    stop = desk.order("sell", "60", "1710", ro=True, tpsl="sl", trigger="1900")
    status, _ = desk.place_all(entry, stop, grouping="normalTpsl")
    desk.quote("ETH", "1985", "1989", size="1")
    desk.account().raw_usd -= Decimal(9_000)
    desk.quote("ETH", "1985", "1989", size="1")
    assert desk.status(status["resting"]["oid"]) == "marginCanceled"
    assert [o.phase.value for o in desk.state.live_orders(USER)] == ["armed"]
