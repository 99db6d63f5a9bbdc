"""An action as the ledger records it: a long of one BTC, but for what a test is about."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from executor.core.events import ActionReceived
from executor.core.types import ActionType, Side


def received(**changes: Any) -> ActionReceived:
    """One agent's entry, told on its own channel and routed to ``main``; any field may be another."""
    fields: dict[str, Any] = {
        "at_ms": 1,
        "key": "k",
        "frame_id": None,
        "system": "fractrade",
        "source": "main",
        "channel": "agent:7",
        "agent_id": "7",
        "action_id": "x",
        "action_type": ActionType.TRADE,
        "shape": "flat",
        "fingerprint": "f",
        "symbol": "BTC",
        "coin": "BTC",
        "symbol_problem": "",
        "side": Side.BUY,
        "size": Decimal(1),
        "reduce_only": False,
        "leverage": None,
        "trigger_px": None,
        "reference_px": None,
        "event_id": None,
        "stamped_at_ms": 1,
        "received_at_ms": 1,
        "status": None,
        "server_execution": None,
        "book_before": Decimal(0),
        "book_after": Decimal(1),
        "gapped": False,
        "superseded": False,
        "accounts": ("main",),
        "routes": ("r",),
    }
    return ActionReceived(**{**fields, **changes})
