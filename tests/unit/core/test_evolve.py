"""State is the fold of events: legs follow the table, requests open and close, a miss counts once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from executor.core import events as ev
from executor.core.evolve import KEEP_ENTRY_TIMES, evolve
from executor.core.facts import OpenOrder
from executor.core.settings import ABSENT_MARGIN_MS
from executor.core.state import KEEP_CLOSED_LEGS, DeskState
from executor.core.types import Side

D = Decimal


def desk(*events: ev.Event) -> DeskState:
    state = DeskState(account="a")
    for event in events:
        evolve(state, event)
    return state


def planned(cloid: str = "0x1", kind: ev.LegKind = "entry", **more: Any) -> ev.LegPlanned:
    values: dict[str, Any] = {
        "at_ms": 10,
        "key": "k",
        "cloid": cloid,
        "leg": kind,
        "attempt": 1,
        "coin": "BTC",
        "side": Side.BUY,
        "size": D(1),
        "limit_px": D(100),
        "reduce_only": kind != "entry",
    }
    return ev.LegPlanned(**(values | more))


def sent(*cloids: str, purpose: str = "entry", **more: Any) -> ev.SendStarted:
    values: dict[str, Any] = {
        "at_ms": 20,
        "request_id": "r",
        "purpose": purpose,
        "signer": "s",
        "nonce": 1,
        "expires_after_ms": 100,
        "vault": None,
        "action": {"type": "order"},
        "cloids": cloids,
    }
    return ev.SendStarted(**(values | more))


def owes(key: str = "k") -> ev.ExitOwed:
    return ev.ExitOwed(at_ms=5, key=key, coin="BTC", agent=None, size=D(1), why="signal")


def stop() -> ev.StopWanted:
    return ev.StopWanted(at_ms=5, key="k", coin="BTC", trigger_px=D(90), signal_at_ms=5)


def target(key: str = "k") -> ev.TargetWanted:
    return ev.TargetWanted(at_ms=5, key=key, coin="BTC", trigger_px=D(110), fraction=D(1))


def filled(size: str = "1", oid: int | None = 7) -> ev.LegFilled:
    return ev.LegFilled(at_ms=30, cloid="0x1", oid=oid, size=D(size), avg_px=D(100))


def rested(oid: int | None = 7) -> ev.LegRested:
    return ev.LegRested(at_ms=30, cloid="0x1", oid=oid)


def ended(ending: Any = "canceled", status: str = "canceled", oid: int | None = 7) -> ev.LegEnded:
    return ev.LegEnded(at_ms=31, cloid="0x1", oid=oid, ending=ending, status=status)


def unknown() -> ev.LegUnknown:
    return ev.LegUnknown(at_ms=30, cloid="0x1", reason="R", text="", deadline_ms=77)


NO = ev.LegRejected(at_ms=30, cloid="0x1", reason="R", text="")
ABSENT = ev.LegAbsent(at_ms=40, cloid="0x1")
CANCEL = ev.CancelWanted(at_ms=32, coin="BTC", oid=7, cloid="0x1", why="t")


def settled(result: Any, cloid: str | None = "0x1", oid: int | None = None) -> ev.CancelSettled:
    return ev.CancelSettled(at_ms=33, oid=oid, cloid=cloid, result=result)


def test_events_that_say_nothing_of_a_desk_change_nothing() -> None:
    assert desk(ev.AlarmRaised(at_ms=1, code="X", text="")) == DeskState(account="a")


# -- planned ---


def test_a_planned_leg_is_all_that_was_planned() -> None:
    leg = desk(planned(size=D(3), trigger_px=D(9), bracket="b", wait_flat=True, good_until_ms=4)).legs["0x1"]
    assert (leg.size, leg.trigger_px, leg.bracket, leg.wait_flat, leg.good_until_ms) == (D(3), D(9), "b", True, 4)
    assert (leg.state, leg.last_change_ms, leg.filled, leg.key) == ("planned", 10, D(0), "k")
    assert desk(planned(key=None)).legs["0x1"].key == ""


def test_entries_are_timed_for_the_rules_that_pace_them() -> None:
    state = desk(*(planned(f"0x{n}", at_ms=n) for n in range(KEEP_ENTRY_TIMES + 5)))
    assert state.last_entry_ms == {"BTC": KEEP_ENTRY_TIMES + 4}
    assert len(state.entries_at_ms) == KEEP_ENTRY_TIMES + 1
    assert state.entries_at_ms[-1] == KEEP_ENTRY_TIMES + 4


def test_each_attempt_is_counted_with_its_wish_and_without_one_with_none() -> None:
    state = desk(owes(), stop())
    for kind in ("exit", "stop"):
        evolve(state, planned(f"0x{kind}", kind))
        evolve(state, planned(f"0x{kind}2", kind, key="stranger", coin="ETH"))
    assert (state.exits["k"].attempts, state.exits["k"].last_attempt_ms) == (1, 10)
    assert state.stops["BTC"][0].attempts == 1


def test_old_finished_legs_are_forgotten_and_open_ones_never() -> None:
    state = desk(planned("0xlive"))
    for n in range(2 * KEEP_CLOSED_LEGS):
        evolve(state, planned(f"0x{n}"))
        evolve(state, ev.LegDropped(at_ms=11, cloid=f"0x{n}", reason="STALE"))
    assert len(state.legs) <= 2 * KEEP_CLOSED_LEGS
    assert "0xlive" in state.legs
    assert f"0x{2 * KEEP_CLOSED_LEGS - 1}" in state.legs
    assert "0x0" not in state.legs


def test_live_legs_are_always_the_open_ones() -> None:
    state = desk(planned(), sent("0x1"), rested())
    assert list(state.live) == ["0x1"]
    evolve(state, ended())
    assert state.live == {}


# -- requests ---


def test_a_request_is_kept_whole_and_its_legs_are_sent() -> None:
    state = desk(planned(), sent("0x1", "0xgone"))
    request, leg = state.requests["r"], state.legs["0x1"]
    assert (request.action, request.nonce, request.cloids) == ({"type": "order"}, 1, ("0x1", "0xgone"))
    assert (leg.state, leg.request_id, leg.sent_at_ms) == ("sent", "r", 20)
    assert leg.deadline_ms == 100 + ABSENT_MARGIN_MS
    assert desk(planned(), sent("0x1", expires_after_ms=None)).legs["0x1"].deadline_ms is None


def test_a_leg_that_cannot_be_sent_any_more_keeps_its_state() -> None:
    leg = desk(planned(), ev.LegDropped(at_ms=11, cloid="0x1", reason="STALE"), sent("0x1")).legs["0x1"]
    assert (leg.state, leg.request_id) == ("dropped", None)


def test_a_cancel_request_marks_its_cancels_and_leaves_the_legs() -> None:
    foreign = ev.CancelWanted(at_ms=32, coin="BTC", oid=9, cloid=None, why="flatten")
    state = desk(planned(), sent("0x1"), rested(), CANCEL, foreign, sent("0x1", "0xgone", purpose="cancel", oids=(9,)))
    assert [(c.asked, c.attempts, c.last_attempt_ms) for c in state.cancels.values()] == [(True, 1, 20)] * 2
    assert state.legs["0x1"].state == "resting"


def test_a_leverage_request_marks_the_setting_as_asked() -> None:
    state = desk(
        ev.LeverageWanted(at_ms=1, coin="BTC", leverage=2, is_cross=True), sent(purpose="leverage", coin="BTC")
    )
    assert state.leverage["BTC"].asked
    assert desk(sent(purpose="leverage", coin="BTC")).leverage == {}


def test_a_request_closes_once() -> None:
    state = desk(planned(), sent("0x1"))
    for _ in range(2):
        evolve(state, ev.RequestClosed(at_ms=40, request_id="r", result="answered"))
    assert state.requests == {}


def test_an_unknown_leg_makes_its_request_unknown() -> None:
    state = desk(planned(), sent("0x1"), unknown())
    assert (state.legs["0x1"].state, state.legs["0x1"].deadline_ms, state.requests["r"].unknown) == (
        "unknown",
        77,
        True,
    )
    gone = desk(planned(), sent("0x1"), ev.RequestClosed(at_ms=21, request_id="r", result="x"), unknown())
    assert (gone.legs["0x1"].state, gone.requests) == ("unknown", {})


# -- outcomes ---


def test_every_word_about_a_leg_nobody_knows_changes_nothing() -> None:
    words = (filled(), rested(), ended(), unknown(), NO, ABSENT, ev.LegTriggered(at_ms=1, cloid="0x1"), settled("gone"))
    words = (*words, ev.LegCleared(at_ms=1, cloid="0x1"))
    for event in (*words, ev.LegDropped(at_ms=1, cloid="0x1", reason="R"), ev.Paused(at_ms=1, by="x")):
        state = desk(event)
        assert (state.legs, state.positions, state.cancels) == ({}, {}, {})


@pytest.mark.parametrize("word", [filled(), rested(), ended(), unknown(), NO, ABSENT])
def test_an_illegal_word_changes_nothing(word: ev.Event) -> None:
    leg = desk(planned(), ev.LegDropped(at_ms=11, cloid="0x1", reason="STALE"), word).legs["0x1"]
    assert (leg.state, leg.last_change_ms, leg.oid, leg.filled) == ("dropped", 11, None, D(0))


@pytest.mark.parametrize(("word", "state"), [(rested, "resting"), (filled, "done"), (ended, "canceled")])
def test_an_oid_once_known_is_not_forgotten(word: Any, state: str) -> None:
    leg = desk(planned(), sent("0x1"), word(oid=7), word(oid=None)).legs["0x1"]
    assert (leg.state, leg.oid) == (state, 7)


def test_a_stop_that_fires_is_triggered() -> None:
    assert (
        desk(planned(), sent("0x1"), rested(), ev.LegTriggered(at_ms=1, cloid="0x1")).legs["0x1"].state == "triggered"
    )


NO_MATCH = replace(NO, reason="IOC_NO_MATCH")
MISSES: list[tuple[ev.Event, ...]] = [
    (filled("0.4"),),
    (filled("0.4"), filled("0.4"), ended()),
    (ended(), filled("0.4")),
    (NO_MATCH,),
    (NO_MATCH, NO, ended()),
    (ended("rejected", "iocCancelRejected"), NO),
    (ended("rejected", "marketOrderNoLiquidityRejected"),),
    (filled("0.4"), NO),
]
FAILURES: list[tuple[tuple[ev.Event, ...], str]] = [
    ((NO,), "R"),
    ((NO, NO_MATCH, ended()), "R"),
    ((unknown(), ABSENT), "ABSENT"),
    ((unknown(), ABSENT, ended()), "ABSENT"),
    ((ended("canceled", "reduceOnlyCanceled"),), "reduceOnlyCanceled"),
]


@pytest.mark.parametrize("words", MISSES)
def test_an_attempt_that_missed_counts_once_however_often_it_is_told(words: tuple[ev.Event, ...]) -> None:
    owed = desk(owes(), planned("0x1", "exit"), sent("0x1"), *words).exits["k"]
    assert (owed.missed, owed.failed, owed.failed_for) == (1, 0, "")


@pytest.mark.parametrize(("words", "why"), FAILURES)
def test_an_attempt_that_ended_for_another_reason_than_its_price_is_no_miss(
    words: tuple[ev.Event, ...], why: str
) -> None:
    owed = desk(owes(), planned("0x1", "exit"), sent("0x1"), *words).exits["k"]
    assert (owed.missed, owed.failed, owed.failed_for) == (0, 1, why)


@pytest.mark.parametrize("words", [(filled(),), (filled(), ended()), (ended("filled", "filled"),), (rested(),)])
def test_what_did_all_it_should_or_still_may_missed_nothing(words: tuple[ev.Event, ...]) -> None:
    assert desk(owes(), planned("0x1", "exit"), sent("0x1"), *words).exits["k"].missed == 0


@pytest.mark.parametrize("kind", ["stop", "target"])
def test_protection_that_failed_remembers_when(kind: Any) -> None:
    state = desk(stop(), target("u"), target(), planned("0x1", kind), sent("0x1"), NO)
    failed = {"stop": state.stops["BTC"][0].failed_at_ms, "target": state.targets["BTC"][1].failed_at_ms}
    assert failed == {"stop": 0, "target": 0} | {kind: 30}
    assert state.targets["BTC"][0].failed_at_ms == 0


def test_a_failure_nobody_wishes_for_any_more_is_nothing() -> None:
    for kind in ("exit", "stop", "target"):
        state = desk(planned("0x1", kind), sent("0x1"), NO)
        assert (state.exits, state.stops, state.targets) == ({}, {}, {})


def test_what_could_not_be_signed_failed_and_what_was_given_up_did_not() -> None:
    for reason, failed in (("UNSENDABLE", 1), ("STALE", 0)):
        gone = ev.LegDropped(at_ms=11, cloid="0x1", reason=reason)
        assert desk(owes(), planned("0x1", "exit"), gone).exits["k"].failed == failed


@pytest.mark.parametrize("asked", [True, False])
def test_a_target_that_ended_as_we_asked_may_be_placed_again_at_once(asked: bool) -> None:
    cancels = [CANCEL] if asked else []
    state = desk(target("u"), target(), planned("0x1", "target"), sent("0x1"), rested(), *cancels, ended())
    wish = state.targets["BTC"][1]
    assert (wish.failures, wish.failed_at_ms) == ((0, 0) if asked else (1, 31))
    assert state.cancels == {}


def test_a_brackets_child_whose_parent_filled_in_part_did_not_fail() -> None:
    state = desk(stop(), planned("0x1", "stop"), sent("0x1"), ended(status="waitingForFill"))
    assert state.stops["BTC"][0].failed_at_ms == 0


# -- cancels ---


def test_a_cancel_is_wanted_once() -> None:
    state = desk(planned(), sent("0x1"), rested(), CANCEL, sent("0x1", purpose="cancel"), CANCEL)
    assert (len(state.cancels), state.cancels["0x1"].asked) == (1, True)


@pytest.mark.parametrize(
    ("result", "cancels", "asked", "doubted"),
    [("done", 0, None, False), ("gone", 0, None, True), ("unknown", 1, False, False)],
)
def test_a_settled_cancel_is_done_gone_or_asked_again(
    result: str, cancels: int, asked: bool | None, doubted: bool
) -> None:
    state = desk(planned(), sent("0x1"), rested(), CANCEL, sent("0x1", purpose="cancel"), settled(result))
    assert (len(state.cancels), state.legs["0x1"].doubted) == (cancels, doubted)
    assert asked is None or state.cancels["0x1"].asked is asked


def test_a_settled_cancel_takes_its_order_off_the_list() -> None:
    def order(oid: int, cloid: str | None) -> OpenOrder:
        return OpenOrder(oid, cloid, "BTC", Side.BUY, D(1), D(1), D(1), False, None, "Limit", False, 0)

    foreign = ev.CancelWanted(at_ms=32, coin="BTC", oid=9, cloid=None, why="flatten")
    state = desk(ev.OrdersRead(at_ms=1, orders=(order(7, "0x1"), order(8, None), order(9, None))), CANCEL, foreign)
    evolve(state, settled("done"))
    evolve(state, settled("gone", None, 9))
    evolve(state, settled("unknown", None, 8))
    assert (set(state.orders), state.cancels) == ({8}, {})


def test_a_cancel_of_a_finished_leg_raises_no_doubt() -> None:
    state = desk(planned(), sent("0x1"), filled(), CANCEL, settled("gone"))
    assert not state.legs["0x1"].doubted
