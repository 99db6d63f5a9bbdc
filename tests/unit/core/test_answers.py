"""What the venue says, as events: a repeat changes nothing, a misfit is an anomaly, a doubt stays unknown."""

from __future__ import annotations

import pytest
from one_leg import (
    EXPIRES,
    LOST,
    NOT_KNOWN,
    D,
    answer,
    desk,
    fill,
    names,
    order,
    out,
    planned,
    resting,
    sent,
    tell,
    told,
)

from executor.core import events as ev
from executor.core.answers import (
    absent_from_ms,
    answer_events,
    fill_events,
    lawful,
    leverage_failed,
    order_events,
    status_of_leg,
)
from executor.core.facts import Answer, Done, Fill, Filled, Rejected, Resting, Unknown, Waiting
from executor.core.lifecycle import LegState
from executor.core.lookups import lookup_events
from executor.core.settings import ABSENT_MARGIN_MS
from executor.core.state import DeskState

NO = Rejected("IOC_NO_MATCH", "could not match")


# -- answers ---


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (Resting(7), "resting"),
        (Filled(7, D(1), D(100)), "done"),
        (Filled(7, D("0.1"), D(100)), "done"),
        (Waiting(for_trigger=True), "resting"),
        (Waiting(for_trigger=False), "unknown"),
        (NO, "rejected"),
        (LOST, "unknown"),
        (Done(), "unknown"),
    ],
)
def test_each_answer_moves_the_leg_where_it_says(said: Answer, state: str) -> None:
    one = out()
    events = answer(one, said)
    assert one.legs["0x1"].state == state
    assert ("r" in one.requests) is (said in (LOST, Done()))
    assert all(event.account == "a" for event in events)


WAITS = Waiting(for_trigger=False)


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        (Filled(7, D(1), D(100)), "resting"),
        (Filled(7, D("0.4"), D(100)), "unknown"),
        (LOST, "unknown"),
        (NO, "canceled"),
    ],
)
def test_a_child_that_waits_for_its_entry_is_what_that_came_to(parent: Answer, child: str) -> None:
    """Whole, it is placed at once; cut for margin it is placed too (hyperliquid.md section 6.4): so it is looked up."""
    state = desk(planned("0x1"), planned("0x2", "stop"), planned("0x3", "target"), sent("0x1", "0x2", "0x3"))
    answer(state, parent, WAITS, WAITS)
    assert [state.legs[name].state for name in ("0x2", "0x3")] == [child, child]
    assert state.legs["0x2"].listed == 0
    assert ("r" in state.requests) is (parent == LOST)


def test_a_child_goes_by_what_the_feed_told_of_its_entry_where_the_answer_was_lost() -> None:
    for size, child in (("1", "resting"), ("0.4", "unknown")):
        state = desk(planned("0x1"), planned("0x2", "stop"), sent("0x1", "0x2"))
        tell(state, fill_events(state, [fill(size=size)], 5))
        answer(state, LOST, WAITS)
        assert state.legs["0x2"].state == child


def test_a_child_whose_refused_entry_has_fills_all_the_same_is_looked_up() -> None:
    state = desk(planned("0x1"), planned("0x2", "stop"), sent("0x1", "0x2"))
    tell(state, fill_events(state, [fill(size="0.4")], 5))
    answer(state, NO, WAITS)
    assert state.legs["0x2"].state == "unknown"


def test_a_child_whose_entry_is_remembered_no_more_is_looked_up() -> None:
    state = desk(planned("0x1"), planned("0x2", "stop"), sent("0x1", "0x2"))
    del state.legs["0x1"]
    answer(state, Filled(7, D(1), D(100)), WAITS)
    assert state.legs["0x2"].state == "unknown"


def test_an_unknown_leg_is_absent_only_after_its_expiry_and_margin() -> None:
    for said in (LOST, Done()):
        state = out()
        answer(state, said)
        assert state.legs["0x1"].deadline_ms == EXPIRES + ABSENT_MARGIN_MS
    assert absent_from_ms(None) is None


def test_each_leg_of_a_batch_gets_its_own_answer_and_one_unknown_keeps_the_request() -> None:
    state = desk(planned("0x1"), planned("0x2"), planned("0x3"), sent("0x1", "0x2", "0x3"))
    answer(state, Filled(1, D(1), D(100)), NO, LOST)
    assert [state.legs[name].state for name in ("0x1", "0x2", "0x3")] == ["done", "rejected", "unknown"]
    assert state.requests["r"].unknown


def test_a_lost_answer_to_a_resend_says_nothing_and_a_found_one_closes_the_request() -> None:
    state = out()
    answer(state, LOST)
    assert answer(state, LOST, resend=True) == []
    assert names(answer(state, Filled(7, D(1), D(100)), resend=True)) == ["LegFilled", "RequestClosed"]


def test_a_lost_answer_to_what_the_feed_told_already_is_no_anomaly_and_closes_the_request() -> None:
    for news in (fill(), told("open")):
        state = out("stop")
        tell(state, fill_events(state, [news], 5) if isinstance(news, Fill) else order_events(state, [news], 5))
        assert names(answer(state, LOST)) == ["RequestClosed"]


def test_resting_told_by_the_feed_first_is_not_said_twice() -> None:
    state = out("stop")
    tell(state, order_events(state, [told("open")], 5))
    assert names(answer(state, Resting(7))) == ["RequestClosed"]


def test_a_leg_that_is_remembered_no_more_leaves_only_the_request_to_close() -> None:
    state = out()
    state.legs.clear()
    assert names(answer(state, LOST)) == ["RequestClosed"]


def test_a_used_nonce_on_a_first_send_stops_entries_once() -> None:
    used = Unknown("DUPLICATE_NONCE", "used")
    state = out()
    assert names(answer(state, used)) == ["LegUnknown", "BreakerLatched", "AlarmRaised"]
    assert "signer_conflict" in state.breakers
    tell(state, [planned("0x2"), sent("0x2")])
    assert names(answer(state, used)) == ["LegUnknown"]
    fresh = out()
    assert answer(fresh, used, resend=True) == []


def test_a_used_nonce_on_the_first_send_of_a_cancel_or_setting_stops_entries_too() -> None:
    used = Unknown("DUPLICATE_NONCE", "used")
    wanted = ev.LeverageWanted(at_ms=1, key="k", coin="BTC", leverage=3, is_cross=False)
    for state in (asked_to_cancel(), desk(wanted, sent(purpose="leverage", coin="BTC"))):
        assert names(answer(state, used))[-2:] == ["BreakerLatched", "AlarmRaised"]
        assert "signer_conflict" in state.breakers


# -- lawful ---


def test_an_illegal_word_is_an_anomaly_and_leaves_the_leg() -> None:
    state = desk(planned("0x1"), ev.LegDropped(at_ms=2, cloid="0x1", reason="STALE"))
    anomaly, *rest = lawful(state, ev.LegRested(at_ms=3, cloid="0x1", oid=1))
    assert isinstance(anomaly, ev.AnomalyNoted)
    assert (anomaly.code, anomaly.key, rest) == ("ILLEGAL_STEP", "k0x1", [])
    assert state.legs["0x1"].state is LegState.DROPPED


def test_a_word_about_no_leg_of_ours_is_nothing() -> None:
    assert lawful(desk(), ev.LegRested(at_ms=3, cloid="0x1", oid=1)) == []


def test_an_absent_leg_that_appears_is_believed_and_a_person_is_told() -> None:
    state = out()
    answer(state, LOST)
    tell(state, lookup_events(state, state.legs["0x1"], NOT_KNOWN, (), EXPIRES + ABSENT_MARGIN_MS + 1, listed=False))
    assert state.legs["0x1"].state is LegState.ABSENT
    events = order_events(state, [told("filled")], 99)
    assert names(events) == ["LegEnded", "AlarmRaised"]
    tell(state, [*events, *fill_events(state, [fill()], 99)])
    assert (state.legs["0x1"].state, state.position("BTC").owned) == (LegState.DONE, D(1))


# -- cancels and leverage ---


def asked_to_cancel(*oids: int) -> DeskState:
    state = resting("target")
    tell(state, [ev.CancelWanted(at_ms=3, coin="BTC", oid=7, cloid="0x1", why="test")])
    tell(state, [ev.CancelWanted(at_ms=3, coin="BTC", oid=oid, cloid=None, why="test") for oid in oids])
    tell(state, [sent("0x1", purpose="cancel", oids=oids)])
    return state


def test_a_cancel_that_was_done_ends_the_leg_as_we_asked() -> None:
    state = asked_to_cancel()
    tell(state, [ev.TargetWanted(at_ms=1, key="k0x1", coin="BTC", trigger_px=D(9), fraction=D(1))])
    assert set(names(answer(state, Done()))) == {"CancelSettled", "LegEnded", "RequestClosed"}
    assert (state.legs["0x1"].state, state.cancels, state.requests) == (LegState.CANCELED, {}, {})
    assert state.targets["BTC"][0].failed_at_ms == 0


GONE = Rejected("ORDER_GONE", "Order was never placed, already canceled, or filled. asset=0")
BUDGET = Rejected("ADDRESS_BUDGET_EXHAUSTED", "Too many cumulative requests sent")


@pytest.mark.parametrize(("said", "doubted", "left"), [(GONE, True, 0), (LOST, False, 1), (BUDGET, False, 1)])
def test_only_the_word_that_there_is_no_such_order_settles_a_cancel_and_all_else_is_asked_again(
    said: Answer, doubted: bool, left: int
) -> None:
    state = asked_to_cancel()
    answer(state, said)
    assert (state.legs["0x1"].state, state.legs["0x1"].doubted, len(state.cancels)) == ("resting", doubted, left)


def test_why_a_cancel_was_refused_stands_in_the_record_and_a_person_is_told_at_the_third_time() -> None:
    for attempt in range(1, 5):
        state = asked_to_cancel()
        state.cancels["0x1"].attempts = attempt
        events = answer(state, BUDGET)
        [closed] = [e for e in events if isinstance(e, ev.RequestClosed)]
        assert closed.text == "ADDRESS_BUDGET_EXHAUSTED: Too many cumulative requests sent"
        assert [e.code for e in events if isinstance(e, ev.AlarmRaised)] == ["CANCEL_REFUSED"] * (attempt == 3)


def test_foreign_orders_are_cancelled_by_oid() -> None:
    state = asked_to_cancel(9)
    tell(state, [ev.OrdersRead(at_ms=3, orders=(order(None, 9),))])
    settled = [e for e in answer(state, Done(), Done()) if isinstance(e, ev.CancelSettled)]
    assert [(e.cloid, e.oid, e.result) for e in settled] == [("0x1", None, "done"), (None, 9, "done")]
    assert (state.cancels, state.orders) == ({}, {})


def test_a_cancel_of_a_leg_that_ended_meanwhile_ends_nothing() -> None:
    state = asked_to_cancel()
    tell(state, [ev.LegEnded(at_ms=4, cloid="0x1", oid=7, ending="filled", status="filled")])
    assert names(answer(state, Done())) == ["CancelSettled", "RequestClosed"]


def with_leverage(*more: ev.Event) -> DeskState:
    wanted = ev.LeverageWanted(at_ms=1, coin="BTC", leverage=5, is_cross=False)
    return desk(wanted, *more, sent(purpose="leverage", coin="BTC"))


def test_a_definite_ok_confirms_the_leverage_that_was_wanted() -> None:
    state = with_leverage()
    assert names(answer(state, Done())) == ["LeverageConfirmed", "RequestClosed"]
    assert state.leverage["BTC"].status == "confirmed"


def test_a_lost_answer_about_leverage_is_left_to_a_fresh_read() -> None:
    state = with_leverage()
    assert names(answer(state, LOST)) == ["RequestClosed"]
    assert state.leverage["BTC"].status == "wanted"


@pytest.mark.parametrize(("said", "reason"), [(NO, "IOC_NO_MATCH"), (Resting(1), "ANSWER_ODD")])
def test_anything_else_refuses_the_entries_that_wait_for_it(said: Answer, reason: str) -> None:
    waiting = (planned("0x1", bracket="b"), planned("0x2", "stop", bracket="b"))
    state = with_leverage(*waiting, planned("0x3"), planned("0x4", coin="ETH"))
    events = answer(state, said)
    refused = [event for event in events if isinstance(event, ev.ActionRefused)]
    assert [(r.key, r.reason, r.part) for r in refused] == [
        ("k0x1", "LEVERAGE_UNCONFIRMED", "entry"),
        ("k0x3", "LEVERAGE_UNCONFIRMED", "entry"),
    ]
    assert all(r.detail.startswith(reason) for r in refused)
    assert [leg.cloid for leg in state.legs.values() if leg.open] == ["0x4"]
    assert "BTC" not in state.leverage


def test_an_entry_that_left_already_is_not_refused_for_its_leverage() -> None:
    assert names(leverage_failed(out(), "BTC", "R", "text", 9)) == ["LeverageFailed"]


def test_leverage_nobody_wants_any_more_only_closes_its_request() -> None:
    state = with_leverage()
    state.leverage.clear()
    assert names(answer(state, Done())) == ["RequestClosed"]


# -- pushed news ---


def test_new_fills_come_once_oldest_first_each_with_its_leg() -> None:
    state = resting()
    fills = [fill(3, at_ms=9), fill(1, at_ms=5, cloid=None), fill(2, at_ms=7, cloid="0xother", oid=8), fill(3, at_ms=9)]
    events = fill_events(state, fills, 60)
    assert all(isinstance(event, ev.FillSeen) for event in events)
    assert [(e.fill.tid, e.cloid, e.key) for e in events if isinstance(e, ev.FillSeen)] == [
        (1, "0x1", "k0x1"),
        (2, None, None),
        (3, "0x1", "k0x1"),
    ]
    tell(state, events)
    assert fill_events(state, fills, 60) == []


@pytest.mark.parametrize("status", ["filled", "canceled", "iocCancelRejected", "reduceOnlyCanceled"])
def test_an_ending_told_before_the_answer_waits_for_it(status: str) -> None:
    """Else an exit whose fills are still to come looks like a miss, and goes out a second time."""
    state = out("exit")
    assert order_events(state, [told(status)], 5) == []
    answer(state, LOST)
    assert order_events(state, [told(status)], 5) == []


@pytest.mark.parametrize(("status", "state"), [("open", "resting"), ("triggered", "triggered")])
def test_a_life_sign_told_before_the_answer_is_taken(status: str, state: str) -> None:
    one = out("stop")
    tell(one, order_events(one, [told(status)], 5))
    assert one.legs["0x1"].state == state


def test_a_stop_told_as_filled_has_fired_and_is_done_with_its_fills() -> None:
    state = resting()
    assert names(order_events(state, [told("filled")], 5)) == ["LegTriggered"]
    tell(state, order_events(state, [told("filled")], 5))
    assert order_events(state, [told("filled")], 5) == []
    tell(state, fill_events(state, [fill()], 6))
    assert state.legs["0x1"].state is LegState.DONE


@pytest.mark.parametrize(
    ("status", "after"),
    [("canceled", "canceled"), ("siblingFilledCanceled", "canceled"), ("perpMarginRejected", "rejected")],
)
def test_a_resting_leg_ends_by_the_venues_status(status: str, after: str) -> None:
    state = resting()
    tell(state, order_events(state, [told(status)], 5))
    assert state.legs["0x1"].state == after
    assert order_events(state, [told(status)], 5) == []


def test_a_status_nobody_knows_says_nothing() -> None:
    state = resting()
    assert order_events(state, [told("frozen")], 5) == []


def test_what_an_update_only_repeats_is_left_out_unless_there_was_a_doubt() -> None:
    state = resting()
    tell(state, order_events(state, [told("open")], 5))  # the first time it says that the venue shows it
    assert state.legs["0x1"].listed == told("open").order.size
    assert order_events(state, [told("open")], 5) == []
    tell(state, [ev.CancelWanted(at_ms=3, coin="BTC", oid=7, cloid="0x1", why="t")])
    tell(state, [ev.CancelSettled(at_ms=4, oid=None, cloid="0x1", result="gone")])
    assert names(order_events(state, [told("open")], 5)) == ["LegRested"]


def test_after_a_modify_the_old_order_ends_and_the_leg_lives_on() -> None:
    state = resting()
    tell(state, order_events(state, [told("open", oid=8)], 5))
    assert order_events(state, [told("canceled", oid=7)], 6) == []
    assert (state.legs["0x1"].oid, state.legs["0x1"].state) == (8, LegState.RESTING)


def test_updates_of_orders_that_are_not_ours_are_nothing() -> None:
    assert order_events(resting(), [told("filled", cloid=None), told("filled", cloid="0x9"), NOT_KNOWN], 5) == []
    state = resting()
    assert status_of_leg(state, state.legs["0x1"], NOT_KNOWN, 5) == []


def test_a_trigger_answered_as_filled_is_looked_up_and_moves_no_position():
    """Venues have told of fills that never were; taken at its word this one would end the protection of a position."""
    state = desk(planned("0x1", "stop"), sent("0x1", purpose="protect"))
    told = answer_events(state, state.requests["r"], [Filled(7, D(1), D(90))], 5, resend=False)
    assert [type(event).__name__ for event in told] == ["LegUnknown"]
    tell(state, told)
    assert state.legs["0x1"].state is LegState.UNKNOWN
    assert state.position("BTC").size == 0
