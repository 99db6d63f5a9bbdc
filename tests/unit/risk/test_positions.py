"""The caps on open coins, altogether and in one direction."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from executor.core.types import Side
from executor.risk.positions import MaxOpenPositions, MaxSameDirection

D = Decimal


@pytest.mark.parametrize(
    ("most", "open_coins", "expected"),
    [
        (2, ("ETH",), ("", "2 coins", "2 coins")),
        (2, ("ETH", "ETH"), ("", "2 coins", "2 coins")),
        (1, ("ETH",), ("MAX_OPEN_POSITIONS", "2 coins", "1 coins")),
        (1, ("ETH", "BTC"), ("", "BTC is open", "1 coins")),
    ],
)
def test_distinct_open_coins_are_counted_and_adding_to_one_is_free(
    words: Any, most: int, open_coins: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert words(MaxOpenPositions, {"max": most}, {"open_coins": open_coins}) == expected


def test_none_at_all_is_not_a_cap() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        MaxOpenPositions.Options(max=0)


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (Side.BUY, ("MAX_SAME_DIRECTION", "3 coins long", "2 coins long")),
        (Side.SELL, ("", "2 coins short", "2 coins short")),
    ],
)
def test_coins_are_counted_on_the_orders_side(words: Any, side: Side, expected: tuple[str, ...]) -> None:
    seen = {
        "long_usd": {"ETH": D(1), "SOL": D(1), "XRP": D(0)},
        "short_usd": {"SOL": D(5), "BTC": D(0)},
        "open_coins": ("ETH", "SOL", "BTC", "XRP"),
    }
    assert words(MaxSameDirection, {"max": 2}, seen, side=side) == expected


def test_adding_in_a_direction_that_is_held_is_free(words: Any) -> None:
    seen = {"long_usd": {"BTC": D(1), "ETH": D(1)}}
    assert words(MaxSameDirection, {"max": 1}, seen) == ("", "BTC is one of 2 coins long", "1 coins long")
    assert words(MaxSameDirection, {"max": 1}, {"short_usd": {"BTC": D(1)}})[0] == ""
