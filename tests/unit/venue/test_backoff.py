"""Delays between attempts stay inside what reliability.md section A6 promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.venue.backoff import Backoff

ATTEMPT = st.integers(0, 10**9)
FAILING = st.floats(0, 10**6)
SPREAD = st.floats(0, 1, exclude_max=True)


@given(ATTEMPT, FAILING, SPREAD)
def test_no_delay_is_longer_than_the_promised_recovery(attempt: int, failing_s: float, spread: float) -> None:
    delay_s = Backoff().delay_s(attempt, failing_s, spread)
    assert 0 < delay_s <= (5 if failing_s < 60 else 30)


@pytest.mark.parametrize("spread", [0.0, 0.999])
def test_a_lasting_failure_is_tried_at_most_thirty_times_in_its_first_minute_and_ten_times_after(spread: float) -> None:
    times_s, now_s = [], 0.0
    while now_s < 600:
        times_s.append(now_s)
        now_s += Backoff().delay_s(len(times_s) - 1, now_s, spread)
    assert sum(time_s < 60 for time_s in times_s) <= 30
    assert sum(time_s >= 540 for time_s in times_s) <= 10


@given(FAILING, st.integers(0, 30))
def test_the_jitter_is_half_of_the_delay(failing_s: float, attempt: int) -> None:
    whole = Backoff().delay_s(attempt, failing_s, 1.0)
    assert Backoff().delay_s(attempt, failing_s, 0.0) == whole / 2


def test_delays_double_from_the_first() -> None:
    assert [Backoff().delay_s(n, 0, 1.0) for n in range(4)] == [0.25, 0.5, 1.0, 2.0]
