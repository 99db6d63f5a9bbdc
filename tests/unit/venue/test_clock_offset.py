"""The venue's time: within half a round trip, whatever the machine's clock does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.testing import START_MS, ManualClock
from executor.venue.clock_offset import KEEP_MS, PUSH_AHEAD_MS, VenueClock

HOUR_MS = 3_600_000


def exchange(clock: ManualClock, venue: VenueClock, ahead_ms: int, there_ms: int, back_ms: int) -> None:
    """One request and its answer, stamped by a venue whose clock is that far ahead."""
    sent_ms = venue.mono_ms()
    clock.advance(there_ms)
    stamp_ms = clock.now_ms() + ahead_ms
    clock.advance(back_ms)
    venue.observe_answer(sent_ms, venue.mono_ms(), stamp_ms)


def test_before_the_first_answer_it_is_the_machines_time() -> None:
    venue = VenueClock(ManualClock())
    assert (venue.now_ms(), venue.skew_ms()) == (START_MS, 0)


@given(st.integers(-HOUR_MS, HOUR_MS), st.integers(0, 900), st.integers(0, 900))
def test_one_answer_is_right_to_half_its_round_trip(ahead_ms: int, there_ms: int, back_ms: int) -> None:
    clock = ManualClock()
    venue = VenueClock(clock)
    exchange(clock, venue, ahead_ms, there_ms, back_ms)
    assert abs(venue.now_ms() - clock.now_ms() - ahead_ms) <= (there_ms + back_ms) / 2 + 1


def test_a_quicker_answer_is_believed_and_a_slower_one_is_not() -> None:
    clock = ManualClock()
    venue = VenueClock(clock)
    exchange(clock, venue, 5_000, 10, 10)
    exchange(clock, venue, 5_000, 800, 0)
    assert abs(venue.skew_ms() - 5_000) <= 1
    exchange(clock, venue, 5_001, 3, 1)
    assert venue.skew_ms() == 5_002


def test_after_some_minutes_a_slower_answer_is_believed_again() -> None:
    clock = ManualClock()
    venue = VenueClock(clock)
    exchange(clock, venue, 0, 1, 1)
    clock.advance(KEEP_MS + 1)
    exchange(clock, venue, 10, 30, 30)
    assert venue.skew_ms() == 0, "it contradicts nothing, and is the measure from now on"
    exchange(clock, venue, 8, 20, 20)
    assert venue.skew_ms() == 8


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS, 25 * HOUR_MS, -49 * HOUR_MS])
def test_a_jump_of_the_wall_clock_does_not_move_the_venues_time(jump_ms: int) -> None:
    clock = ManualClock()
    venue = VenueClock(clock)
    exchange(clock, venue, 0, 5, 5)
    before_ms = venue.now_ms()
    clock.jump(jump_ms)
    clock.advance(1_000)
    assert venue.now_ms() == before_ms + 1_000
    assert venue.skew_ms() == -jump_ms


def test_an_answer_that_contradicts_the_estimate_replaces_it_however_slow_it_was() -> None:
    clock = ManualClock()
    venue = VenueClock(clock)
    exchange(clock, venue, 0, 1, 1)
    exchange(clock, venue, 6 * HOUR_MS, 200, 200)  # the machine slept and its monotonic clock with it
    assert abs(venue.skew_ms() - 6 * HOUR_MS) <= 200


@pytest.mark.parametrize(("there_ms", "back_ms"), [(10_000, 0), (0, 10_000), (5_000, 5_000)])
@pytest.mark.parametrize("drift_ms", [-3, 0, 3])
def test_a_slow_answer_moves_what_is_known_better_no_further_than_it_must(
    there_ms: int, back_ms: int, drift_ms: int
) -> None:
    clock = ManualClock()
    venue = VenueClock(clock)
    exchange(clock, venue, 0, 5, 5)
    for after_ms in (0, KEEP_MS + 1):
        clock.advance(after_ms)
        exchange(clock, venue, drift_ms, there_ms, back_ms)
        assert abs(venue.skew_ms() - drift_ms) <= 10


def test_a_pushed_stamp_only_ever_moves_it_forward() -> None:
    clock = ManualClock()
    venue = VenueClock(clock)
    venue.observe_push(START_MS - 500)
    assert venue.now_ms() == START_MS
    venue.observe_push(START_MS + 500)
    assert venue.now_ms() == START_MS + 500


def test_a_push_from_far_ahead_is_not_believed_once_an_answer_told_the_time() -> None:
    clock = ManualClock()
    venue = VenueClock(clock)
    exchange(clock, venue, 0, 1, 1)
    before_ms = venue.now_ms()
    venue.observe_push(before_ms + PUSH_AHEAD_MS + 1)
    assert venue.now_ms() == before_ms
    venue.observe_push(before_ms + PUSH_AHEAD_MS)
    assert venue.now_ms() == before_ms + PUSH_AHEAD_MS


def test_the_spread_for_retries_is_a_fraction() -> None:
    assert 0 <= VenueClock(ManualClock()).spread() < 1


@pytest.mark.parametrize("jump_ms", [40_000, -40_000])
def test_clocks_moved_apart_ask_for_the_venues_time_until_it_answers(jump_ms: int) -> None:
    """A machine that slept for seconds: its monotonic clock stood still, its sockets may live on."""
    clock = ManualClock()
    venue = VenueClock(clock)
    exchange(clock, venue, 0, 1, 1)
    clock.advance(HOUR_MS)
    assert not venue.is_doubted()
    clock.jump(jump_ms)
    assert venue.is_doubted()
    exchange(clock, venue, 0, 1, 1)
    assert not venue.is_doubted()


def test_a_push_from_far_ahead_asks_for_the_venues_time() -> None:
    """A virtual machine that stood still: none of its clocks tells."""
    clock = ManualClock()
    venue = VenueClock(clock)
    exchange(clock, venue, 0, 1, 1)
    venue.observe_push(venue.now_ms() + PUSH_AHEAD_MS)
    assert not venue.is_doubted()
    venue.observe_push(venue.now_ms() + PUSH_AHEAD_MS + 1)
    assert venue.is_doubted()
    exchange(clock, venue, 40_000, 1, 1)
    assert not venue.is_doubted()
    assert abs(venue.skew_ms() - 40_000) <= 1
