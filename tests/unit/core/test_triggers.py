"""triggers: a protective order closes its position, under a name of its own, and a refused one waits ever longer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from story import Story

from executor.core.guarded import Guarded, parts
from executor.core.state import StopWish
from executor.core.triggers import SOON, pause_ms, trigger_leg
from executor.core.types import Side

D = Decimal


@pytest.mark.parametrize(
    ("failures", "pause"),
    [(0, 1_000), (1, 1_000), (2, 2_000), (3, 4_000), (4, 8_000), (SOON, 8_000), (SOON + 1, 60_000), (10**6, 60_000)],
)
def test_a_refused_stop_waits_twice_as_long_each_time_up_to_8_s_and_after_twenty_refusals_a_minute(
    failures: int, pause: int
) -> None:
    wish = StopWish(key="k", trigger_px=D(90), at_ms=1, failures=failures)
    assert pause_ms(wish) == pause


def held(s: Story) -> Guarded:
    return parts(s.desk, s.state, "BTC")[0]


@pytest.mark.parametrize(("opens", "closes", "px"), [("long", Side.SELL, "90"), ("short", Side.BUY, "110")])
def test_it_closes_the_position_and_only_reduces(opens: str, closes: Side, px: str) -> None:
    s = Story()
    getattr(s, opens)(2)
    leg = trigger_leg(
        s.desk,
        s.state,
        held(s),
        "stop",
        "k",
        D(px),
        5,
        D(2),
        s.now,
        s.market,
    )
    assert (leg.side, leg.size, leg.trigger_px, leg.reduce_only, leg.attempt) == (closes, 2, D(px), True, 1)
    assert (leg.limit_px < leg.trigger_px) is (closes is Side.SELL)  # it may fill on the losing side of its trigger


def test_every_attempt_has_a_name_of_its_own() -> None:
    s = Story()
    s.long(2)
    names = []
    for _ in range(3):
        leg = trigger_leg(
            s.desk,
            s.state,
            held(s),
            "stop",
            "k",
            D(90),
            5,
            D(2),
            s.now,
            s.market,
        )
        s.note([leg])
        names.append((leg.attempt, leg.cloid))
    assert [attempt for attempt, _ in names] == [1, 2, 3]
    assert len({cloid for _, cloid in names}) == 3
