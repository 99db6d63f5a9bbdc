"""limits.py: what a request costs, by the documented examples."""

from __future__ import annotations

import pytest

from executor.core.batch import MAX_BATCH
from executor.hyperliquid import limits


@pytest.mark.parametrize(("length", "weight"), [(1, 1), (39, 1), (40, 2), (79, 2), (80, 3)])
def test_an_action_weighs_one_plus_one_per_forty(length: int, weight: int) -> None:
    assert limits.action_weight(length) == weight


def test_the_largest_batch_still_weighs_one() -> None:
    assert limits.action_weight(MAX_BATCH) == 1
    assert limits.action_weight(MAX_BATCH + 1) == 2


@pytest.mark.parametrize(
    ("kind", "items", "weight"),
    [
        ("l2Book", 40, 2),
        ("clearinghouseState", 0, 2),
        ("userRole", 0, 60),
        ("frontendOpenOrders", 500, 20),
        ("userFills", 0, 20),
        ("userFillsByTime", 2000, 120),
        ("candleSnapshot", 5000, 103),
        ("somethingNew", 10, 20),
    ],
)
def test_an_info_request_weighs_as_documented(kind: str, items: int, weight: int) -> None:
    assert limits.info_weight(kind, items) == weight
