"""The shared words: directions and their signs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.types import ActionType, Agent, Side, closing_side, side_of

D = Decimal


def test_a_side_knows_its_sign_and_its_opposite() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)


@pytest.mark.parametrize(
    ("size", "grows", "shrinks"),
    [(D(1), Side.BUY, Side.SELL), (D(-1), Side.SELL, Side.BUY), (D(0), Side.BUY, Side.SELL)],
)
def test_a_position_grows_on_its_own_side_and_closes_on_the_other(size: Decimal, grows: Side, shrinks: Side) -> None:
    assert side_of(size) is grows
    assert closing_side(size) is shrinks


def test_action_types_are_what_fractrade_sends() -> None:
    assert ActionType("SET_HYPERLIQUID_PERP_STOP_LOSS") is ActionType.STOP_LOSS


def test_agents_of_two_systems_differ_also_with_one_id() -> None:
    assert Agent("fractrade", "7") != Agent("nexgent", "7")
    assert sorted([Agent("b", "1"), Agent("a", "2")]) == [Agent("a", "2"), Agent("b", "1")]
