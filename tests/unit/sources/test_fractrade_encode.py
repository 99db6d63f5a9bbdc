"""An action written out is the frame it came from; more of it in tests/properties/test_decode_fractrade.py."""

from __future__ import annotations

import json

import pytest

from executor.core.source_events import ActionBase, Origin
from executor.sources.fractrade import decode, encode

ORIGIN = Origin("fractrade", "f", "executor", 1)

FLAT = {
    "action_id": "x1",
    "action_type": "SET_HYPERLIQUID_PERP_STOP_LOSS",
    "agent_id": "a1",
    "config": {"position": {"asset": "SOL", "size": "1.5", "side": "LONG", "trigger_price": "131.2"}},
    "created_at": "2026-05-04T09:30:00.125Z",
}
ENVELOPE = {
    "type": "ACTION",
    "data": {
        "action_id": "execute_hyperliquid_perp_trade",
        "config": {
            "position": {"symbol": "SOL", "size": "1.5", "side": "SELL"},
            "metadata": {"event_id": "e1", "agent_id": "a1", "timestamp": 1777887000},
        },
    },
}


@pytest.mark.parametrize("frame", [FLAT, ENVELOPE])
def test_an_action_is_written_in_its_own_shape(frame: dict[str, object]) -> None:
    action = decode(json.dumps(frame), ORIGIN)
    assert isinstance(action, ActionBase)
    written = json.loads(encode(action))  # type: ignore[arg-type]  # what decode gives is an Action
    assert ("data" in written) == ("data" in frame)
    assert decode(json.dumps(written), ORIGIN) == action
