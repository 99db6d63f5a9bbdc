"""Between the worker and a notifier: passes on what matters enough, and lets nothing of it break the worker."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import structlog

from executor.ports import Notifier

log = structlog.get_logger("executor.notify")

LEVELS = ("info", "warning", "alarm")


class AtLeast:
    """Implements ``ports.Notifier`` by another one, for news of this level or above."""

    def __init__(self, level: str, notifier: Notifier) -> None:
        self._least = LEVELS.index(level)
        self._notifier = notifier

    def notify(self, level: str, title: str, body: str) -> None:
        """Pass it on; a level nobody knows counts as an alarm."""
        if level in LEVELS and LEVELS.index(level) < self._least:
            return
        try:
            self._notifier.notify(level, title, body)
        except Exception as error:  # noqa: BLE001 a stranger's notifier may raise anything, and trading goes on
            log.error("a notifier failed", action="notifier_failed", notifier=_name(self._notifier), error=str(error))

    async def close(self) -> None:
        """Let a notifier that has a ``close`` end what it is about."""
        close: Any = getattr(self._notifier, "close", None)
        if close is None:
            return
        try:
            done = close()
            if isinstance(done, Awaitable):
                await done
        except Exception as error:  # noqa: BLE001 as above: the ledger still has to be closed after it
            log.error("a notifier failed", action="notifier_failed", notifier=_name(self._notifier), error=str(error))


def _name(notifier: Notifier) -> str:
    return type(notifier).__name__
