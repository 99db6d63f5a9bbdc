"""The cap on leverage."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from executor.risk.leverage import MaxLeverage

D = Decimal


@pytest.mark.parametrize(
    ("most", "leverage", "expected"),
    [(5, 5, ("", "5x", "5x")), (4, 5, ("MAX_LEVERAGE", "5x", "4x")), (20, 15, ("", "15x", "20x"))],
)
def test_more_than_the_maximum_is_refused_and_the_coins_own_is_left_to_the_venue(
    words: Any, most: int, leverage: int, expected: tuple[str, ...]
) -> None:
    assert words(MaxLeverage, {"max": most}, leverage=D(leverage)) == expected


@pytest.mark.parametrize(("most", "leverage", "allowed"), [(3, 5, 3), (20, 15, 10), (3, 15, 3)])
def test_shrinking_clamps_to_its_own_and_the_coins_maximum(ask: Any, most: int, leverage: int, allowed: int) -> None:
    options = {"max": most, "on_breach": "shrink"}
    verdict = ask(MaxLeverage, options, leverage=D(leverage))
    assert (verdict.outcome, verdict.reason) == ("shrink", "MAX_LEVERAGE")
    assert (verdict.allowed_leverage, verdict.allowed_size) == (D(allowed), None)
    assert ask(MaxLeverage, options, leverage=D(allowed)).outcome == "pass"


def test_the_maximum_is_a_whole_number_as_the_venues_setting_is() -> None:
    with pytest.raises(ValidationError, match="integer"):
        MaxLeverage.Options(max="2.5")  # type: ignore[arg-type]  # the mistake under test
