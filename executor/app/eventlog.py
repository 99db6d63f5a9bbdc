"""Every event worth a person's eye as one log line; lines about an order carry action_id, account and cloid."""

from __future__ import annotations

from collections import OrderedDict

import structlog

from executor.app.story import tell
from executor.core import events as ev

log = structlog.get_logger("executor.trade")

KEPT = 10_000
"""How many action ids are remembered by their keys."""

LEVELS = {"alarm": "warning", "refused": "warning"}


class EventLog:
    """A listener for ``Worker.on_event``."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, str] = OrderedDict()

    def __call__(self, event: ev.Event) -> None:
        """Log the event if it has a line."""
        if isinstance(event, ev.ActionReceived) and event.key is not None:
            self._remember(event.key, event.action_id)
        told = tell(event)
        if told is None:
            return
        text, style = told
        write = getattr(log, LEVELS.get(style, "info"))
        write(text, action=type(event).__name__, **self._names(event))

    def _names(self, event: ev.Event) -> dict[str, str]:
        named = {
            "action_id": self._ids.get(event.key or "", event.key),
            "account": event.account,
            "cloid": getattr(event, "cloid", None),
        }
        return {name: value for name, value in named.items() if value is not None}

    def _remember(self, key: str, action_id: str) -> None:
        self._ids[key] = action_id
        if len(self._ids) > KEPT:
            self._ids.popitem(last=False)
