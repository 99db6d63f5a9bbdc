"""Writes an action as Fractrade would send it: for recorded examples, replays and property tests."""

from __future__ import annotations

import json

from executor.clock import iso
from executor.core.identity import plain
from executor.core.source_events import Action
from executor.core.types import ActionType, Side

_JsonObject = dict[str, object]


def encode(action: Action) -> str:
    """The frame of an action in its own ``shape``; ``decode`` gives back an equal action for the same origin.

    That holds for actions whose frame named its agent: one that was filled in from the channel is written out.
    """
    body = _flat(action) if action.shape == "flat" else _enveloped(action)
    return json.dumps(body)


def _given(fields: _JsonObject) -> _JsonObject:
    return {key: value for key, value in fields.items() if value is not None}


def _number(value: object) -> str | None:
    """Numbers travel as text: exact in both shapes."""
    return None if value is None else str(value)


def _config(action: Action, position: _JsonObject, metadata: _JsonObject) -> _JsonObject:
    common: _JsonObject = {
        "size": plain(action.size),
        "trigger_price": _number(action.trigger_px),
        "leverage": _number(action.leverage),
        "reduce_only": action.reduce_only,
    }
    shared: _JsonObject = {
        "event_id": action.event_id,
        "strategy_id": action.strategy_id,
        "price": _number(action.reference_px),
        "server_execution": action.server_execution,
    }
    return {"position": _given({**common, **position}), "metadata": _given({**shared, **metadata})}


def _position_side(action: Action) -> str:
    """Shape A names the position: what a trade opens, what a stop or target closes."""
    opens = action.side if action.type is ActionType.TRADE else action.side.opposite
    return "LONG" if opens is Side.BUY else "SHORT"


def _flat(action: Action) -> _JsonObject:
    position: _JsonObject = {
        "asset": action.symbol,
        "side": _position_side(action),
        "exchange": "hyperliquid",
    }
    stamp = action.stamped_at_ms
    return _given(
        {
            "action_id": action.sender_id,
            "action_type": action.type.value,
            "agent_id": action.agent.agent_id,
            "config": _config(action, position, {}),
            "created_at": None if stamp is None else iso(stamp),
            "status": action.status,
        }
    )


def _enveloped(action: Action) -> _JsonObject:
    name = action.type.value
    position: _JsonObject = {"symbol": action.symbol, "side": action.side.name}
    metadata: _JsonObject = {"agent_id": action.agent.agent_id, "timestamp": action.stamped_at_ms}
    data: _JsonObject = {
        "action_id": action.sender_id or name.lower(),
        "action_type": name if action.sender_id else None,
        "config": _config(action, position, metadata),
        "status": action.status,
    }
    return {"type": "ACTION", "data": _given(data)}
