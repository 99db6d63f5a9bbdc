"""What the venue said, as questions about it are answered."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.facts import Fill, OpenOrder
from executor.core.types import Side

D = Decimal


@pytest.mark.parametrize(("side", "expected"), [(Side.BUY, D(2)), (Side.SELL, D(-2))])
def test_a_fill_adds_its_size_with_the_sign_of_its_side(side: Side, expected: Decimal) -> None:
    fill = Fill(1, 2, None, "BTC", side, D(100), D(2), D(0), D(0), D(0), 0)
    assert fill.signed_size == expected


@pytest.mark.parametrize(
    ("order_type", "trigger_px", "stop", "target"),
    [
        ("Limit", None, False, False),
        ("Stop Market", D(90), True, False),
        ("Stop Limit", D(90), True, False),
        ("Take Profit Market", D(110), False, True),
        ("Take Profit Limit", D(110), False, True),
        ("Stop Market", None, False, False),
        ("Take Profit Limit", None, False, False),
    ],
)
def test_stops_and_targets_are_told_by_type_and_trigger(
    order_type: str, trigger_px: Decimal | None, stop: bool, target: bool
) -> None:
    order = OpenOrder(
        oid=1,
        cloid=None,
        coin="BTC",
        side=Side.SELL,
        limit_px=D(80),
        size=D(1),
        orig_size=D(1),
        reduce_only=True,
        trigger_px=trigger_px,
        order_type=order_type,
        position_tpsl=False,
        at_ms=0,
    )
    assert (order.is_stop, order.is_target) == (stop, target)
