"""What an action says of itself: its id, its time, its type."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import Any, get_args

import pytest

from executor.core.source_events import Action, Origin, SetStop, SetTarget, SourceEvent, Trade
from executor.core.types import ActionType, Agent, Side


def trade(**more: Any) -> Trade:
    fields: dict[str, Any] = {
        "origin": Origin("fractrade", "main feed", "agent:a", 1000),
        "agent": Agent("fractrade", "a"),
        "key": "derived",
        "fingerprint": "f",
        "shape": "flat",
        "symbol": "BTC",
        "side": Side.BUY,
        "size": Decimal(1),
        "reduce_only": False,
    }
    return Trade(**(fields | more))


def test_an_action_is_called_by_its_senders_id_else_by_its_key() -> None:
    assert trade(sender_id="9f1c").action_id == "9f1c"
    assert trade().action_id == "derived"


@pytest.mark.parametrize(("stamped_at_ms", "expected"), [(None, 1000), (900, 900), (0, 0), (6001, 6000)])
def test_a_signals_time_is_its_stamp_else_its_receipt(stamped_at_ms: int | None, expected: int) -> None:
    assert trade(stamped_at_ms=stamped_at_ms).signal_at_ms == expected


def test_there_are_three_actions_one_for_each_type() -> None:
    assert (Trade.type, SetStop.type, SetTarget.type) == tuple(ActionType)
    assert get_args(Action) == (Trade, SetStop, SetTarget)
    assert set(get_args(Action)) < set(get_args(SourceEvent))


def test_an_action_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        trade().size = Decimal(2)  # type: ignore[misc]  # what must not work
