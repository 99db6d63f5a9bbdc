"""Every event worth a person's eye as one log line; lines about an order carry action_id, account and cloid."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from executor.app.story import tell
from executor.core import events as ev
from executor.execution import naming

log = structlog.get_logger("executor.trade")

LEVELS = {"alarm": "warning", "refused": "warning"}


SOON_S = 0.05
"""Lines are written this much later: what an order still has to do comes first, also in a burst."""

SLICE = 4
"""How many lines are written at a time, so that no signal waits long behind them."""

PAUSE_S = 0.002


class EventLog:
    """A listener for ``Worker.on_event``. ``flush`` writes what still waits; call it at the end."""

    def __init__(self) -> None:
        self._waiting: deque[ev.Event] = deque()

    def __call__(self, event: ev.Event) -> None:
        """Take an event; its line is written in a moment."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(SOON_S, self._slice)
        self._waiting.append(event)

    def flush(self) -> None:
        """Write every line that waits."""
        while self._waiting:
            self._write(self._waiting.popleft())

    def _slice(self) -> None:
        for _ in range(min(SLICE, len(self._waiting))):
            self._write(self._waiting.popleft())
        if self._waiting:
            asyncio.get_running_loop().call_later(PAUSE_S, self._slice)

    def _write(self, event: ev.Event) -> None:
        naming.remember(event)
        told = tell(event)
        if told is None:
            return
        text, style = told
        write = getattr(log, LEVELS.get(style, "info"))
        write(text, action=type(event).__name__, **self._names(event))

    def _names(self, event: ev.Event) -> dict[str, str]:
        named = {
            "action_id": naming.action_id(event.key),
            "account": event.account,
            "cloid": getattr(event, "cloid", None),
        }
        return {name: value for name, value in named.items() if value is not None}
