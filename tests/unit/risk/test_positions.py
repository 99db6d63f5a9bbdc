"""The cap on open coins."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from executor.risk.positions import MaxOpenPositions


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
