"""One coin's position and its parts: plain sums."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.position import Earned, Holding, Position, Watch
from executor.core.types import Agent

D = Decimal
A, B = Agent("fractrade", "a"), Agent("fractrade", "b")


def position(size: int, *parts: int, ahead: int = 0) -> Position:
    held = [Holding(agent, D(part)) for agent, part in zip((A, B), parts, strict=False)]
    return Position("BTC", D(size), holdings=held, ahead=[Holding(A, D(ahead))] if ahead else [])


@pytest.mark.parametrize(
    ("one", "known", "foreign", "excess"),
    [
        (position(0), 0, 0, 0),
        (position(3), 0, 3, 0),
        (position(3, 1, 2), 3, 0, 0),
        (position(5, 1, 2), 3, 2, 0),
        (position(-5, -1, -2), -3, -2, 0),
        (position(2, 1, 2), 3, 0, 1),
        (position(0, 1, 2), 3, 0, 3),
        (position(-1, 1), 1, -1, 1),  # somebody turned it: nothing of ours is there any more
        (position(1, 2, ahead=-1), 1, 0, 0),
        (position(-1, ahead=-1), -1, 0, 0),
    ],
)
def test_what_is_known_foreign_and_too_much(one: Position, known: int, foreign: int, excess: int) -> None:
    assert (one.known, one.excess) == (known, excess)
    assert one.foreign == (foreign if abs(one.size) > abs(one.known) else 0)


def test_a_holder_is_found_and_only_a_sole_one_is_the_owner() -> None:
    one, two = position(1, 1), position(3, 1, 2)
    assert (one.owner, two.owner, position(1).owner) == (A, None, None)
    assert (two.held_by(B), two.held_by(None), one.held_by(B)) == (2, 0, 0)
    assert two.holding(A) is two.holdings[0]


def test_it_is_unprotected_since_its_first_part_is() -> None:
    one = position(3, 1, 2)
    assert one.unprotected_since_ms is None
    one.holdings[1].watch = Watch(since_ms=7)
    one.watch = Watch(since_ms=9)
    assert one.unprotected_since_ms == 7


def test_what_was_earned_is_net_of_fees_and_with_funding() -> None:
    assert Earned(A, realized_usd=D(10), fees_usd=D(2), funding_usd=D(-3)).net_usd == 5
