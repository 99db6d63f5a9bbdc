"""reading: reads follow a change soon, and slow down while they follow one another."""

from __future__ import annotations

import pytest

from executor.execution.reading import CALM_S, SLOWEST_S, SOON_S, Pace


def follow(pace: Pace, count: int, now_s: float = 100.0) -> list[float]:
    waits = []
    for _ in range(count):
        waits.append(pace.after(now_s))
        now_s += waits[-1]
    return waits


def test_the_first_reads_follow_soon_and_then_ever_more_slowly():
    waits = follow(Pace(1), 12)
    assert waits[:2] == [SOON_S, SOON_S * 2]
    assert waits == sorted(waits)
    assert waits[-1] == SLOWEST_S


@pytest.mark.parametrize("accounts", [1, 2])
def test_however_long_changes_go_on_a_minute_of_them_stays_inside_the_budget_for_reads(accounts):
    spent = 0
    for pace in [Pace(accounts) for _ in range(accounts)]:
        at_s = 0.0
        while at_s < 60:
            spent += 42
            at_s += pace.after(at_s)
    assert spent <= 0.6 * 1200


def test_after_a_rest_a_change_is_read_soon_again():
    pace = Pace(1)
    waits = follow(pace, 12)
    assert pace.after(100.0 + sum(waits) + CALM_S + SLOWEST_S) == SOON_S
