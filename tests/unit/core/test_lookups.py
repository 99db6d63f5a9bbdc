"""What a look-up proves: an order's own record, its fills, or that it never happened."""

from __future__ import annotations

import pytest
from one_leg import EXPIRES, LOST, NOT_KNOWN, D, answer, desk, fill, names, out, planned, resting, sent, tell, told

from executor.core import events as ev
from executor.core.facts import Fill, OrderFact
from executor.core.lifecycle import LegState
from executor.core.lookups import FILLS_LAG_MS, lookup_events
from executor.core.settings import ABSENT_MARGIN_MS
from executor.core.state import DeskState


def unknown(kind: ev.LegKind = "entry") -> DeskState:
    state = out(kind)
    answer(state, LOST)
    return state


def look_up(state: DeskState, fact: OrderFact, *fills: Fill, at_ms: int = 60, listed: bool = False) -> list[ev.Event]:
    events = lookup_events(state, state.legs["0x1"], fact, fills, at_ms, listed=listed)
    tell(state, events)
    return events


LATE = EXPIRES + ABSENT_MARGIN_MS + 1


def test_a_found_order_brings_its_status_and_its_own_fills() -> None:
    state = unknown()
    look_up(state, told("filled"), fill(1, "0.4"), fill(2, "0.6"), fill(3, "5", cloid="0x9", oid=99))
    assert (state.legs["0x1"].state, state.position("BTC").owned) == (LegState.DONE, D(1))


def test_an_order_told_as_filled_whose_fills_are_not_listed_yet_is_asked_again() -> None:
    state = unknown("exit")
    assert look_up(state, told("filled"), at_ms=LATE) == []
    assert state.legs["0x1"].state is LegState.UNKNOWN


def test_fills_alone_prove_that_it_happened() -> None:
    state = unknown()
    look_up(state, NOT_KNOWN, fill(1, "0.4"), at_ms=60 + FILLS_LAG_MS)
    assert (state.legs["0x1"].state, state.legs["0x1"].oid, state.position("BTC").owned) == ("done", 7, D("0.4"))


@pytest.mark.parametrize(
    ("at_ms", "listed", "absent"), [(LATE, False, True), (LATE - 1, False, False), (LATE, True, False)]
)
def test_absent_takes_the_time_past_expiry_and_margin_and_empty_reads(at_ms: int, listed: bool, absent: bool) -> None:
    state = unknown()
    look_up(state, NOT_KNOWN, at_ms=at_ms, listed=listed)
    assert state.legs["0x1"].state == ("absent" if absent else "unknown")


def test_an_order_without_an_expiry_is_never_proved_absent() -> None:
    state = desk(planned("0x1"), sent("0x1", expires_after_ms=None))
    answer(state, LOST)
    assert look_up(state, NOT_KNOWN, at_ms=10**15) == []


def test_a_resting_order_nobody_knows_any_more_is_gone() -> None:
    """The venue keeps the last 2000 records; a stop that is not there must not count as protection for ever."""
    state = resting()
    assert look_up(state, NOT_KNOWN, at_ms=LATE, listed=True) == []
    assert names(look_up(state, NOT_KNOWN, at_ms=LATE)) == ["LegEnded"]
    assert state.legs["0x1"].state is LegState.CANCELED
    assert look_up(state, NOT_KNOWN, at_ms=LATE) == []


def test_a_fill_without_our_cloid_is_found_by_its_oid() -> None:
    state = resting()
    look_up(state, NOT_KNOWN, fill(cloid=None))
    assert state.legs["0x1"].state is LegState.DONE


@pytest.mark.parametrize("fact", [told("filled"), told("canceled"), NOT_KNOWN])
def test_an_exit_whose_fills_come_in_parts_is_not_over_before_they_had_time_to(fact: OrderFact) -> None:
    state = unknown("exit")
    assert names(look_up(state, fact, fill(1, "0.4"), at_ms=60)) == ["FillSeen"]
    assert state.legs["0x1"].state is LegState.UNKNOWN
    look_up(state, fact, fill(1, "0.4"), fill(2, "0.6"), at_ms=90)
    assert state.legs["0x1"].state is LegState.DONE
    late = unknown("exit")
    look_up(late, fact, fill(1, "0.4"), at_ms=60 + FILLS_LAG_MS)
    assert not late.legs["0x1"].open
