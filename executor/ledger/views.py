"""How facts look to people and programs: JSON-ready dicts, numbers as plain decimal strings, times as ISO-8601."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from executor.clock import iso
from executor.core.events import ActionReceived
from executor.core.identity import plain
from executor.ledger.outcomes import ActionOutcome, LegOutcome

Document = dict[str, Any]


def number(value: Decimal | int | None) -> str | None:
    """A number as plain text without trailing zeros; ``None`` stays."""
    return None if value is None else plain(Decimal(value))


def event_view(seq: int, kind: str, body: str) -> Document:
    """One event, straight from its row: the common part on top, the rest under ``data``."""
    data = orjson.loads(body)
    at_ms, account, key = data.pop("at_ms"), data.pop("account"), data.pop("key")
    return {"seq": seq, "at": iso(at_ms), "kind": kind, "account": account, "key": key, "data": data}


def frame_view(row: tuple[int, int, str, str, str | bytes]) -> Document:
    """One raw frame as ``export-frames`` prints and ``replay`` reads it; a binary one as base64."""
    _, received_at_ms, source, channel, data = row
    shown = {"received_at": iso(received_at_ms), "source": source, "channel": channel}
    if isinstance(data, str):
        return {**shown, "frame": data}
    return {**shown, "frame_base64": base64.b64encode(data).decode()}


def leg_view(item: LegOutcome) -> Document:
    """One leg, as it stands in an action."""
    return {
        "leg": item.leg.kind,
        "cloid": item.leg.cloid,
        "outcome": item.outcome.value,
        "size": number(item.leg.size),
        "filled": number(item.leg.filled),
        "avg_px": number(item.avg_px),
    }


def order_view(item: LegOutcome, account: str | None, action_id: str) -> Document:
    """One leg, as an order of its own."""
    leg = item.leg
    return {
        "account": account,
        "action_id": action_id,
        **leg_view(item),
        "reason": item.reason or None,
        "oid": leg.oid,
        "attempt": leg.attempt,
        "symbol": leg.coin,
        "side": leg.side.value,
        "limit_px": number(leg.limit_px),
        "trigger_px": number(leg.trigger_px),
        "reduce_only": leg.reduce_only,
        "planned_at": iso(leg.planned_at_ms),
    }


def action_view(received: ActionReceived, account: str | None, outcome: ActionOutcome) -> Document:
    """One action on one account (contract.md, ``actions --json``)."""
    return {
        "action_id": received.action_id,
        "account": account,
        "source": received.source,
        "agent_id": received.agent_id,
        "type": received.action_type,
        "symbol": received.coin or received.symbol,
        "received_at": iso(received.received_at_ms),
        "outcome": outcome.outcome.value,
        "reason": outcome.reason or None,
        "legs": [leg_view(item) for item in outcome.legs],
    }


def without(document: Mapping[str, Any], *names: str) -> Document:
    """The document without these members."""
    return {name: value for name, value in document.items() if name not in names}
