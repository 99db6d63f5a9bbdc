"""steps: what is due next, until nothing is; entries that wait, leverage, breakers' ends, and a flatten."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from story import Story
from story import listed as rests

from executor.core import events as ev
from executor.core.facts import OpenOrder
from executor.core.reconcile import order_list_events
from executor.core.state import Leg, Leverage, Request
from executor.core.steps import next_steps
from executor.core.types import Side

D = Decimal


def order(oid: int, coin: str = "ETH", *, trigger: str | None = None, cloid: str | None = None) -> OpenOrder:
    px = D(trigger) if trigger else None
    return OpenOrder(oid, cloid, coin, Side.SELL, D(100), D(1), D(1), bool(px), px, "Limit", False, 0)


def waiting(**settings) -> Story:
    """An entry is planned and cannot leave."""
    s = Story(settings)
    s.state.reconciled = False
    s.long(1)
    return s


# -- entries that wait ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "more", "reason"),
    [
        (ev.Paused, {"by": "x"}, "PAUSED"),
        (ev.FlattenStarted, {"by": "x"}, "FLATTENED"),
        (ev.BreakerLatched, {"rule": "signer_conflict", "value": "", "limit": ""}, "SIGNER_CONFLICT"),
    ],
)
def test_a_planned_entry_is_given_up_with_its_reason(event, more, reason):
    s = waiting()
    s.command(event, **more)
    assert s.refusals() == [reason]
    s.state.reconciled = True
    s.settle()
    assert s.held() == 0


def test_a_planned_entry_leaves_up_to_its_last_millisecond():
    s = waiting()
    s.later(30_000)
    assert s.refusals() == []
    s.later(1)
    assert s.refusals() == ["STALE"]


def test_a_bracket_is_given_up_whole():
    s = Story()
    s.state.reconciled = False
    s.long(1, stop_px="90", target_px="110")
    s.later(30_001)
    assert [e.reason for e in s.of(ev.LegDropped)] == ["STALE"] * 3
    assert s.refusals()[0] == "STALE"


@pytest.mark.parametrize("what", ["filled", "absent"])
def test_an_unknown_order_keeps_new_entries_of_its_coin_alone_waiting(what):
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    s.long(1)
    s.long(1, coin="ETH")
    assert s.held("ETH") == 1
    assert s.held("BTC") == 0
    s.resolve("entry", what)
    assert s.held("BTC") == (2 if what == "filled" else 1)


# -- leverage --------------------------------------------------------------------------------------------------------


def leverages(s: Story) -> list[tuple[str, int, bool]]:
    return [(e.coin, e.leverage, e.is_cross) for e in s.of(ev.LeverageWanted)]


@pytest.mark.parametrize(
    ("mode", "coin", "cross"), [("isolated", "BTC", False), ("cross", "BTC", True), ("cross", "ISO", False)]
)
def test_leverage_is_set_before_the_first_entry_and_only_once(mode, coin, cross):
    s = Story({"margin_mode": mode})
    s.long(1, coin=coin)
    s.long(1, coin=coin)
    assert leverages(s) == [(coin, 3, cross)]
    assert [b.purpose for b in s.sent] == ["leverage", "entry", "entry"]


def test_leverage_is_set_again_when_another_is_asked_for_on_a_free_coin():
    s = Story()
    s.long(1)
    s.short(1)
    s.long(1, leverage="7")
    assert leverages(s) == [("BTC", 3, False), ("BTC", 7, False)]


def test_an_add_to_a_position_leaves_the_leverage_alone_even_where_it_is_not_known():
    s = Story()
    s.long(1)
    s.state.leverage.clear()
    s.long(1)
    assert leverages(s) == [("BTC", 3, False)]
    assert s.held() == 2


def test_a_leverage_that_is_confirmed_already_is_not_sent():
    s = Story()
    s.state.leverage["BTC"] = Leverage(3, False, "confirmed")
    s.long(1)
    assert leverages(s) == []


@pytest.mark.parametrize(("known", "expected"), [((3, True), []), ((9, True), [("BTC", 3, True)])])
def test_a_margin_mode_to_keep_is_kept(known, expected):
    s = Story({"margin_mode": "keep"})
    s.state.leverage["BTC"] = Leverage(*known, "confirmed")
    s.long(1)
    assert leverages(s) == expected
    assert s.held() == 1


def test_a_margin_mode_to_keep_that_was_never_read_is_not_set():
    s = Story({"margin_mode": "keep"})
    s.long(1)
    assert leverages(s) == []
    s.later(30_001)
    assert s.refusals() == ["STALE"]


def test_an_unconfirmed_leverage_refuses_the_entry():
    s = Story()
    s.set("leverage", "reject")
    s.long(1)
    assert s.refusals() == ["LEVERAGE_UNCONFIRMED"]
    assert s.held() == 0


def test_leverage_is_asked_once_while_its_answer_is_out():
    s = Story()
    s.set("leverage", "wait")
    s.long(1)
    s.long(1)
    s.later(100)
    assert len(leverages(s)) == 1
    s.set("leverage")
    s.settle()
    assert s.held() == 2


def test_the_opening_leg_of_a_flip_asks_for_leverage_only_when_the_coin_is_free():
    s = Story()
    s.long(1)
    s.state.leverage.clear()
    s.set("exit", "wait")
    s.short(3)
    assert len(leverages(s)) == 1
    s.set("exit")
    s.settle()
    assert len(leverages(s)) == 2
    assert s.held() == -2


# -- the whole account -------------------------------------------------------------------------------------------------


def test_a_request_whose_legs_are_all_resolved_is_closed():
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    assert [r.unknown for r in s.state.requests.values()] == [True]
    s.resolve("entry", "absent")
    assert not s.state.requests
    assert s.of(ev.RequestClosed)[-1].result == "resolved"


def test_a_request_that_merely_waits_for_its_answer_stays():
    s = Story()
    s.state.requests["r"] = Request("r", "entry", 1, None, None, {}, (), (), None, 0)
    s.settle()
    assert "r" in s.state.requests


def test_a_breaker_ends_at_its_time_and_one_without_a_time_does_not():
    s = Story()
    s.command(ev.BreakerLatched, rule="daily_loss", value="", limit="", until_ms=s.now + 5)
    s.command(ev.BreakerLatched, rule="signer_conflict", value="", limit="")
    s.later(4)
    assert sorted(s.state.breakers) == ["daily_loss", "signer_conflict"]
    s.later(1)
    assert sorted(s.state.breakers) == ["signer_conflict"]


def test_nothing_is_due_on_an_idle_account():
    s = Story()
    assert next_steps(s.desk, s.state, s.now, s.market) == []


# -- flatten -----------------------------------------------------------------------------------------------------------


def test_flatten_closes_everything_foreign_positions_too_then_cancels_triggers_and_stays_latched():
    s = Story()
    s.long(1)
    s.stop(90)
    s.later(10)
    s.read(ETH="-2", BTC="0.5")
    mine = s.state.legs_of("BTC", "stop")[0].cloid
    s.state.orders = {1: order(1), 2: order(2, trigger="90"), 3: order(3, "BTC", trigger="90", cloid=mine)}
    s.command(ev.FlattenStarted, by="x")
    assert s.held("BTC") == s.held("ETH") == 0
    assert 1 not in s.state.orders
    assert 2 in s.state.orders
    assert s.state.flattening
    s.later(10)
    s.read()
    assert 2 in s.state.orders
    s.later(10)
    s.read()
    assert not s.state.orders
    assert not s.state.flattening
    assert s.of(ev.FlattenDone)
    assert s.state.latched
    s.long(1)
    assert s.refusals() == ["FLATTENED"]
    s.command(ev.Resumed, by="x")
    s.long(1)
    assert s.held() == 1


def test_flatten_is_not_over_while_an_order_is_unknown_and_closes_what_it_brings():
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    s.command(ev.FlattenStarted, by="x")
    for _ in range(3):
        s.later(1_000)
        s.read()
    assert s.state.flattening
    s.resolve("entry", "filled")
    assert s.held() == 0
    for _ in range(3):
        s.later(1_000)
        s.read()
    assert not s.state.flattening


def test_flatten_keeps_triggers_while_an_order_is_unknown():
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    s.state.orders = {2: order(2, trigger="90")}
    s.command(ev.FlattenStarted, by="x")
    for _ in range(3):
        s.later(1_000)
        s.read()
    assert not s.of(ev.CancelWanted)


def test_flatten_asks_for_each_cancel_once():
    s = Story()
    s.state.orders = {1: order(1), 2: order(2, cloid="0xabc")}
    s.set("cancel", "ORDER_GONE", "ORDER_GONE")
    s.command(ev.FlattenStarted, by="x")
    assert len(s.of(ev.CancelWanted)) == 2
    assert not s.state.orders


def test_flatten_is_not_over_while_the_venue_refuses_to_cancel_what_rests():
    """No requests left, a nonce too low, an answer 422: none of them says that the order is gone."""
    s = Story(lists=False)
    s.note(order_list_events(s.state, [order(1)], s.now, s.now))
    s.set("cancel", *["ADDRESS_BUDGET_EXHAUSTED", "EXPIRED", "NONCE_TOO_LOW"])
    s.command(ev.FlattenStarted, by="x")
    for _ in range(5):
        s.now += 1_000
        s.read()
    assert s.of(ev.FlattenDone) == []
    assert s.alarms() == ["CANCEL_REFUSED"]
    s.later(1_000)
    assert len(s.of(ev.FlattenDone)) == 1


def test_a_cancel_is_let_go_once_its_order_is_not_listed_any_more():
    """One that cannot be made would hold a flatten up for ever."""
    s = Story(lists=False)
    s.note(order_list_events(s.state, [order(1), order(2, cloid="0xabc")], s.now, s.now))
    s.set("cancel", *["NONCE_TOO_LOW"] * 50)
    s.command(ev.FlattenStarted, by="x")
    assert set(s.state.cancels) == {"1", "0xabc"}
    s.now += 1
    s.note(order_list_events(s.state, [order(2, cloid="0xabc")], s.now, s.now))
    s.settle()
    assert set(s.state.cancels) == {"0xabc"}
    s.note(order_list_events(s.state, [], s.now, s.now))
    s.settle()
    assert s.state.cancels == {}


def test_flatten_drops_what_was_planned():
    s = waiting()
    s.command(ev.FlattenStarted, by="x")
    s.state.reconciled = True
    s.read()
    s.read()
    assert s.held() == 0
    assert s.of(ev.FlattenDone)


def test_no_order_stays_sent_for_ever():
    s = Story()
    s.set("entry", "wait")
    s.long(1)
    [leg] = s.state.legs_of("BTC", "entry")
    s.later(13_000)
    assert leg.state == "sent"
    s.later(1)
    assert leg.state == "unknown"
    s.resolve("entry", "absent")
    assert not s.state.requests


# -- left behind ---


OURS = "0xf7ac" + "1" * 28


def listed(*orders: OpenOrder, size: str = "0") -> Story:
    s = Story()
    s.read(**({"ETH": size} if size != "0" else {}))
    s.state.orders = {one.oid: one for one in orders}
    return s


def cancels(s: Story) -> list[str | None]:
    due = next_steps(s.desk, s.state, s.now, s.market)
    return [event.cloid for event in due if isinstance(event, ev.CancelWanted)]


def test_a_trigger_of_ours_whose_ledger_is_gone_goes_from_a_flat_coin():
    assert cancels(listed(order(1, trigger="90", cloid=OURS))) == [OURS]


@pytest.mark.parametrize(
    ("kept", "size"),
    [
        (order(1, trigger="90"), "0"),
        (order(1, trigger="90", cloid="0x" + "1" * 32), "0"),
        (order(1, cloid=OURS), "0"),
        (order(1, trigger="90", cloid=OURS), "1"),
    ],
    ids=["foreign", "of another program", "no trigger", "its coin has a position"],
)
def test_nothing_else_is_swept_for_being_unknown(kept, size):
    assert cancels(listed(kept, size=size)) == []


@pytest.mark.parametrize(
    ("kind", "stop", "gone"),
    [("Stop Market", 90, [OURS]), ("Stop Market", None, []), ("Take Profit Market", 90, [])],
    ids=["ours stands", "it alone protects", "a target"],
)
def test_an_unknown_stop_of_ours_goes_once_one_on_record_covers_the_position(kind, stop, gone):
    s = Story()
    s.long(1, coin="ETH")
    if stop is not None:
        s.stop(stop, coin="ETH")
    s.state.orders[77] = replace(order(77, trigger="80", cloid=OURS), order_type=kind)
    assert cancels(s) == gone


def test_nothing_is_swept_before_the_account_is_reconciled():
    s = listed(order(1, trigger="90", cloid=OURS))
    s.state.reconciled = False
    assert cancels(s) == []


def test_nothing_is_opened_into_a_flatten_that_was_resumed_too_soon():
    s = Story()
    s.long(1)
    s.set("exit", *["reject"] * 5)
    s.command(ev.FlattenStarted, by="test")
    s.command(ev.Resumed, by="test")
    s.long(1)
    assert s.refusals() == ["FLATTENED"]


# -- listed, although over --------------------------------------------------------------------------------------------


def ends(s: Story, leg: Leg, how: str = "canceled") -> None:
    """The venue tells that an order of ours is over."""
    base = {"at_ms": s.now, "account": "main", "key": leg.key, "cloid": leg.cloid}
    lost = ev.LegUnknown(**base, reason="NO_ANSWER", text="", deadline_ms=s.now)
    over = ev.LegEnded(**base, oid=None, ending="canceled", status="canceled")
    s.note([lost, ev.LegAbsent(**base)] if how == "absent" else [over])


def show(s: Story, *more: OpenOrder) -> None:
    """The list of open orders shows what rests by our own word too, and these."""
    s.note(order_list_events(s.state, [*map(rests, s.on_venue()), *more], s.now, s.now))
    s.settle()


def over_and_listed(*, asked_later_ms: int = 1, how: str = "canceled", kinds: tuple[str, ...] = ("stop", "target")):
    """A position whose stop and target end by the venue's word, are placed anew, and stand on its list all the same."""
    s = Story(lists=False)
    s.set("stop", *(["wait"] if how == "absent" else []))
    s.long(1)
    s.stop(90)
    s.target(120)
    first = [leg for leg in s.state.live.values() if leg.kind in kinds]
    for leg in first:
        ends(s, leg, how)
    s.out.clear()
    s.set("stop")
    s.now += 10_000
    s.settle()
    s.now += asked_later_ms
    return s, first


@pytest.mark.parametrize(("how", "kinds"), [("canceled", ("stop", "target")), ("absent", ("stop",))])
def test_an_order_that_is_listed_although_its_leg_is_over_is_cancelled(how, kinds):
    """Two stops and two targets would stay, and fire into the coin's next position."""
    s, first = over_and_listed(how=how, kinds=kinds)
    orders = [rests(leg) for leg in first]
    show(s, *orders)
    show(s, *orders)
    assert {e.cloid for e in s.of(ev.CancelWanted)} == {leg.cloid for leg in first}
    assert [leg.attempt for leg in s.state.live.values() if leg.kind in kinds] == [2] * len(kinds)


def test_an_order_that_is_listed_although_it_is_over_goes_from_a_flat_coin():
    s, first = over_and_listed()
    s.short(1)
    s.read()
    s.now += 1
    show(s, *map(rests, first))
    assert {leg.cloid for leg in first} < {e.cloid for e in s.of(ev.CancelWanted)}


def test_a_stop_that_is_listed_although_it_is_over_stays_while_it_alone_protects():
    s, first = over_and_listed(kinds=("stop",))
    [newer] = s.state.legs_of("BTC", "stop")
    ends(s, newer)
    s.set("stop", *["reject"] * 9)
    s.now += 1
    show(s, *map(rests, first))
    assert s.of(ev.CancelWanted) == []
    s.set("stop")
    s.later(60_000)
    show(s, *map(rests, first))
    assert [e.cloid for e in s.of(ev.CancelWanted)] == [leg.cloid for leg in first]


def test_a_list_older_than_an_orders_end_says_nothing_of_it():
    s, first = over_and_listed(kinds=("stop",))
    ended_ms = first[0].last_change_ms
    s.note(order_list_events(s.state, [rests(first[0])], ended_ms, s.now))
    s.settle()
    assert s.of(ev.CancelWanted) == []
    assert s.state.orders == {}
    s.note(order_list_events(s.state, [rests(first[0])], ended_ms + 1, s.now))
    assert set(s.state.orders) == {rests(first[0]).oid}
