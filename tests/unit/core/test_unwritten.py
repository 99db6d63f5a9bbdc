"""unwritten: without a ledger only what reduces goes on, and the next life finds it before it acts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from story import Story, listed

from executor.core import events as ev
from executor.core.batch import Batch, urgent
from executor.core.evolve import evolve
from executor.core.facts import Fill, OpenOrder, OrderFact
from executor.core.identity import cloid
from executor.core.reconcile import told_fills
from executor.core.state import Cancel, DeskState, Leverage
from executor.core.types import Agent, Side
from executor.core.unwritten import found_again, next_names, unwritten_batches, unwritten_orders, withdrawn

D = Decimal


def lost(s: Story) -> Story:
    s.note([ev.LedgerLost(at_ms=s.now, text="the disk is full")])
    return s


def held(**settings) -> Story:
    s = Story(settings)
    s.long(1)
    s.stop("90")
    return s


def name_of(s: Story, key: str, leg: str, attempt: int) -> str:
    return cloid(s.desk.network, s.desk.address, key, leg, attempt)


# -- what leaves -------------------------------------------------------------------------------------------------


def test_nothing_is_opened_any_more_and_the_reason_is_said():
    s = lost(Story())
    s.long(1)
    assert s.refusals() == ["LEDGER_FAILED"]
    assert s.sent == []


def test_an_entry_that_was_still_waiting_is_given_up():
    s = Story()
    s.state.reconciled = False
    s.long(1)
    lost(s).steps()
    assert s.refusals() == ["LEDGER_FAILED"]


def test_exits_and_stops_go_on_under_names_no_written_order_ever_has():
    s = lost(held())
    s.short("0.4")
    assert s.held() == D("0.6")
    legs = [leg for leg in s.planned() if leg.attempt > 100]
    assert [(leg.leg, leg.attempt, leg.size) for leg in legs] == [("exit", 101, D("0.4")), ("stop", 101, D("0.6"))]


def test_after_a_start_with_a_healthy_ledger_names_are_the_usual_ones_again():
    s = lost(held())
    s.note([ev.ProcessStarted(at_ms=s.now, clean=False, version="1", mode="live")])
    assert s.state.attempt_after(0) == 1


def _planned_exits(s: Story, *coins: str) -> None:
    for coin in coins:
        s.long(1, coin=coin)
    s.settle = s.steps
    for coin in coins:
        s.short("0.3", coin=coin)


def test_one_exit_per_coin_is_out_at_a_time_and_coins_do_not_wait_for_each_other():
    s = Story()
    _planned_exits(s, "BTC", "ETH")
    s.short("0.2")
    batches = unwritten_batches(s.state, urgent(s.state, s.now))
    assert [[leg.coin for leg in batch.legs] for batch in batches] == [["BTC"], ["ETH"]]
    s.send(batches[0])
    waiting = unwritten_batches(s.state, urgent(s.state, s.now))
    assert [[leg.coin for leg in batch.legs] for batch in waiting] == [["ETH"]]


def test_an_exit_waits_neither_for_a_stop_nor_for_an_entry_that_is_out():
    s = Story()
    s.set("entry", "wait")
    s.long(1)
    s.settle = s.steps
    s.short(1)
    (batch,) = unwritten_batches(s.state, urgent(s.state, s.now))
    assert batch.purpose == "exit"


def test_cancels_leave_and_leverage_settings_do_not():
    s = held()
    s.state.cancels["5"] = Cancel("BTC", 5, None, "why")
    s.state.leverage["ETH"] = Leverage(3, False, "wanted")
    assert [batch.purpose for batch in unwritten_batches(s.state, urgent(s.state, s.now))] == ["cancel"]


def test_what_does_not_reduce_never_leaves_whatever_it_is_called():
    s = Story()
    s.state.reconciled = False
    s.long(1)
    entry = next(iter(s.state.live.values()))
    assert unwritten_batches(s.state, [Batch("exit", (entry,))]) == []


# -- what was to leave with the turn that failed ---------------------------------------------------------------


def _sent(s: Story, batch: Batch) -> ev.SendStarted:
    s.send(batch)
    found = s.events[-1]
    assert isinstance(found, ev.SendStarted)
    return found


def test_a_request_that_never_left_is_taken_back_and_what_reduces_is_planned_again():
    s = held()
    s.settle = s.steps
    s.short(1)
    (batch,) = [batch for batch in urgent(s.state, s.now) if batch.purpose == "exit"]
    sent = _sent(s, batch)
    s.note(withdrawn(s.state, sent, s.now))
    lost(s).steps()
    (again,) = [leg for leg in s.state.live.values() if leg.kind == "exit"]
    assert (again.attempt, again.size) == (101, D(1))
    assert s.state.requests == {}


def test_cancels_that_never_left_are_asked_again():
    s = held()
    (stop,) = [leg for leg in s.state.live.values() if leg.kind == "stop"]
    for cancel in (Cancel("BTC", None, stop.cloid, "x"), Cancel("BTC", 5, None, "x")):
        s.state.cancels[cancel.cloid or str(cancel.oid)] = cancel
    for batch in urgent(s.state, s.now):
        s.note(withdrawn(s.state, _sent(s, batch), s.now))
    assert [cancel.asked for cancel in s.state.cancels.values()] == [False, False]


def test_a_leverage_setting_that_never_left_is_unknown_again():
    s = Story()
    s.state.leverage["BTC"] = Leverage(3, False, "wanted")
    s.note(withdrawn(s.state, _sent(s, Batch("leverage", coin="BTC")), s.now))
    assert s.state.leverage == {}


# -- found again -------------------------------------------------------------------------------------------------


def fill(name: str | None, size: str, tid: int = 7, side: Side = Side.SELL) -> Fill:
    return Fill(tid, 70 + tid, name, "BTC", side, D(100), D(size), D(0), D(0), D(1), 1_900_000_000_000)


def told(s: Story, orders: list[OpenOrder], fills: list[Fill]) -> list[ev.Event]:
    events = unwritten_orders(s.desk, s.state, orders, fills, s.now)
    s.note(events)
    s.note(told_fills(s.state, fills, s.now))
    return events


def owing(size: str) -> Story:
    """An exit is owed and no attempt of it is on record."""
    s = held()
    s.settle = lambda: None
    s.short(size)
    return s


def test_an_exit_that_executed_unwritten_is_not_executed_again():
    s = owing("0.4")
    (owed,) = s.state.exits.values()
    (leg,) = told(s, [], [fill(name_of(s, owed.key, "exit", 101), "0.3"), fill(None, "0.1", 9)])
    assert isinstance(leg, ev.LegPlanned)
    assert (leg.attempt, leg.size, leg.reduce_only) == (101, D("0.3"), True)
    assert owed.owed == D("0.1")
    assert not s.state.legs[leg.cloid].open


def test_an_exit_of_our_own_making_is_found_by_when_it_was_decided():
    s = held()
    s.settle = lambda: None
    s.command(ev.FlattenStarted, by="x")
    owed_at = s.now
    s.note(
        [
            ev.ExitOwed(
                at_ms=owed_at, account="main", key="flatten:BTC", coin="BTC", agent=None, size=D(1), why="flatten"
            )
        ]
    )
    assert told(s, [], [fill(name_of(s, f"flatten:BTC@{owed_at}", "exit", 102), "1")])
    assert s.state.exits["flatten:BTC"].owed == 0


def _trigger(s: Story, key: str, kind: str, px: str) -> OpenOrder:
    (stop,) = [leg for leg in s.state.live.values() if leg.kind == "stop"]
    name = name_of(s, key, kind, 101)
    return OpenOrder(5, name, "BTC", Side.SELL, stop.limit_px, D(1), D(1), True, D(px), "Stop Market", False, s.now)


def test_a_stop_and_a_target_placed_unwritten_are_known_and_not_placed_twice():
    s = held()
    s.target("110")
    wish, target = s.state.stops["BTC"][0], s.state.targets["BTC"][0]
    orders = [_trigger(s, wish.key, "stop", "90"), _trigger(s, target.key, "target", "110")]
    events = told(s, orders, [])
    assert [type(event).__name__ for event in events] == ["LegPlanned", "LegRested"] * 2
    assert [s.state.legs[order.cloid or ""].state for order in orders] == ["resting", "resting"]
    assert s.state.legs[orders[0].cloid or ""].agent == Agent("fractrade", "alice")


@pytest.mark.parametrize("seen", [True, False])
def test_what_is_known_already_or_is_nobodys_of_ours_is_left_alone(seen):
    s = owing("0.4")
    (owed,) = s.state.exits.values()
    name = name_of(s, owed.key, "exit", 101)
    if seen:
        evolve(s.state, ev.FillSeen(at_ms=s.now, account="main", fill=fill(name, "0.4"), cloid=None))
        assert unwritten_orders(s.desk, s.state, [], [fill(name, "0.4")], s.now) == []
    orders = [listed(leg) for leg in s.state.live.values() if leg.kind == "stop"]
    stranger = [fill("0x" + "1" * 32, "1", 3), fill(name_of(s, "another", "exit", 101), "1", 4)]
    assert unwritten_orders(s.desk, s.state, orders, stranger, s.now) == []


def _status(s: Story, key: str, kind: str, attempt: int, status: str) -> OrderFact:
    name = name_of(s, key, kind, attempt)
    order = OpenOrder(5, name, "BTC", Side.SELL, D(80), D(1), D(1), True, D(90), "Stop Market", False, s.now)
    return OrderFact(order, status, s.now)


def test_a_name_that_an_older_copy_of_the_ledger_does_not_know_is_not_given_again():
    s = held()
    ((wish,),) = s.state.stops.values()
    (name,) = next_names(s.desk, s.state)
    assert (name.leg, name.attempt, name.cloid) == ("stop", 2, name_of(s, wish.key, "stop", 2))
    s.note(found_again(s.state, name, _status(s, wish.key, "stop", 2, "canceled"), s.now))
    assert s.state.legs[name.cloid].state == "canceled"
    assert [one.attempt for one in next_names(s.desk, s.state)] == [3]


def test_a_name_the_venue_does_not_know_is_free():
    s = held()
    (name,) = next_names(s.desk, s.state)
    assert found_again(s.state, name, OrderFact(None, "unknownOid", s.now), s.now) == []


def test_an_empty_account_has_nothing_to_be_found():
    s = Story()
    assert unwritten_orders(s.desk, DeskState("main"), [], [], s.now) == []
