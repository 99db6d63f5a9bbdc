"""No entry without a stop."""

from __future__ import annotations

from typing import Any

import pytest

from executor.risk.stops import RequireStop


@pytest.mark.parametrize(
    ("has_stop", "expected"), [(True, ("", "stop", "stop")), (False, ("STOP_REQUIRED", "no stop", "stop"))]
)
def test_an_entry_brings_a_stop_or_meets_one(words: Any, has_stop: bool, expected: tuple[str, ...]) -> None:
    assert words(RequireStop, {}, has_stop=has_stop) == expected
