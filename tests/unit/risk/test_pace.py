"""How often entries may go, to the millisecond."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from executor.core.evolve import KEEP_ENTRY_TIMES
from executor.risk.pace import ENTRIES_KEPT, Cooldown, OrderRate

NOW_MS = 1_000_000


@pytest.mark.parametrize(
    ("last_entry_ms", "expected"),
    [
        ({"ETH": NOW_MS}, ("", "no entry yet")),
        ({"BTC": NOW_MS - 59_999}, ("COOLDOWN", "59.999 s")),
        ({"BTC": NOW_MS - 60_000}, ("", "60 s")),
        ({"BTC": NOW_MS + 1000}, ("COOLDOWN", "-1 s")),
    ],
)
def test_a_coin_rests_after_its_own_last_entry(
    words: Any, last_entry_ms: dict[str, int], expected: tuple[str, str]
) -> None:
    assert words(Cooldown, {"per_symbol_s": 60}, {"last_entry_ms": last_entry_ms}) == (*expected, "60 s")


@pytest.mark.parametrize(
    ("ages_ms", "expected"),
    [
        ((), ("", "1 entries")),
        ((10_000, 9_999), ("", "2 entries")),
        ((9_999, 0), ("ORDER_RATE", "3 entries")),
    ],
)
def test_entries_of_the_last_seconds_are_counted(
    words: Any, ages_ms: tuple[int, ...], expected: tuple[str, str]
) -> None:
    seen = {"entries_at_ms": tuple(NOW_MS - age_ms for age_ms in ages_ms)}
    assert words(OrderRate, {"max": 2, "per_s": 10}, seen) == (*expected, "2 entries in 10 s")


def test_the_highest_rate_allowed_is_one_that_what_is_remembered_can_show(words: Any) -> None:
    seen = {"entries_at_ms": (NOW_MS,) * KEEP_ENTRY_TIMES}
    assert words(OrderRate, {"max": ENTRIES_KEPT, "per_s": 10}, seen)[0] == "ORDER_RATE"


@pytest.mark.parametrize(
    ("kind", "options", "complaint"),
    [
        (Cooldown, {"per_symbol_s": 86401}, "86400"),
        (Cooldown, {"per_symbol_s": 0}, "greater than 0"),
        (OrderRate, {"max": 1}, "per_s"),
        (OrderRate, {"max": 0, "per_s": 1}, "greater than or equal to 1"),
        (OrderRate, {"max": ENTRIES_KEPT + 1, "per_s": 1}, "less than or equal to 1000"),
    ],
)
def test_spans_longer_than_memory_and_missing_ones_are_errors(
    kind: type[Any], options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        kind.Options(**options)
