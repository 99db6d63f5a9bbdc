"""mirror: the other side, the negative book, stops for targets; twice is the same again."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from story import RULES, T0, Story

from executor.core import events as ev
from executor.core.intake import IntakeState, Route, admit
from executor.core.mirror import mirrored
from executor.core.source_events import Trade
from executor.core.types import ActionType, Side

D = Decimal
ROUTES = (Route("all", "main", ("*",), "follow", ("acc",)),)


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        (ActionType.TRADE, ActionType.TRADE),
        (ActionType.STOP_LOSS, ActionType.TAKE_PROFIT),
        (ActionType.TAKE_PROFIT, ActionType.STOP_LOSS),
    ],
)
def test_all_that_has_a_direction_is_turned_around(kind: ActionType, other: ActionType) -> None:
    story = Story()
    told, *_ = admit(IntakeState(), story.action(Trade, Side.BUY, 2), None, ROUTES, RULES, None, T0)
    assert isinstance(told, ev.ActionReceived)
    told = replace(told, action_type=kind, book_before=D(1), book_after=D(3), trigger_px=D(9))
    image = mirrored(told)
    assert (image.side, image.action_type) == (Side.SELL, other)
    assert (image.book_before, image.book_after) == (-1, -3)
    assert (image.key, image.size, image.trigger_px) == (told.key, told.size, told.trigger_px)
    assert mirrored(image) == told
