"""Between the worker and a notifier: passes on what matters enough; nothing of it breaks or holds up the worker."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from executor.ports import Notifier

log = structlog.get_logger("executor.notify")

LEVELS = ("info", "warning", "alarm")

DEADLINE_S = 0.25
"""So long a notifier is waited for, until it was slower once; from then on it is told in the background."""

CLOSE_S = 2.0
"""So long what is still to be told may take when the worker ends."""

MOST_WAITING = 100
"""How much news waits for one that is slow; more is in the log alone."""


class AtLeast:
    """Implements ``ports.Notifier`` by another one, for news of this level or above."""

    def __init__(self, level: str, notifier: Notifier) -> None:
        self._least = LEVELS.index(level)
        self._notifier = notifier
        self._beside = None if getattr(notifier, "inline", False) is True else _Beside(self._tell, _name(notifier))

    def notify(self, level: str, title: str, body: str) -> None:
        """Pass it on; a level nobody knows counts as an alarm."""
        if level in LEVELS and LEVELS.index(level) < self._least:
            return
        tell = self._tell if self._beside is None else self._beside.take
        tell(level, title, body)

    def _tell(self, level: str, title: str, body: str) -> None:
        try:
            self._notifier.notify(level, title, body)
        except (Exception, SystemExit) as error:  # noqa: BLE001 a stranger's may raise anything, and trading goes on
            log.error("a notifier failed", action="notifier_failed", notifier=_name(self._notifier), error=str(error))

    async def close(self) -> None:
        """Let a notifier that has a ``close`` end what it is about."""
        if self._beside is not None:
            await self._beside.told()
        close: Any = getattr(self._notifier, "close", None)
        if close is None:
            return
        try:
            done = close()
            if isinstance(done, Awaitable):
                await done
        except Exception as error:  # noqa: BLE001 as above: the ledger still has to be closed after it
            log.error("a notifier failed", action="notifier_failed", notifier=_name(self._notifier), error=str(error))


class _Beside:
    """Tells in a thread, in order: exits must not wait for a stranger's request to a server that hangs."""

    def __init__(self, tell: Callable[[str, str, str], None], name: str) -> None:
        self._tell = tell
        self._name = name
        self._waiting: deque[tuple[str, str, str]] = deque()
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._slow = False

    def take(self, level: str, title: str, body: str) -> None:
        """Have it told; returns after a moment at the latest."""
        if len(self._waiting) >= MOST_WAITING:
            log.warning("too much to tell: this is in the log alone", action="notifier_full", title=title)
            return
        with self._lock:
            self._waiting.append((level, title, body))
            begins = self._idle.is_set()
            self._idle.clear()
        if begins:
            self._begin()
        if not self._slow and not self._idle.wait(DEADLINE_S):
            self._slow = True
            log.warning("a notifier is slow: it is waited for no more", action="notifier_slow", notifier=self._name)

    def _begin(self) -> None:
        try:
            threading.Thread(target=self._run, name=f"notifier-{self._name}", daemon=True).start()
        except RuntimeError as error:  # no thread is left: what waits is told with the next news
            self._idle.set()
            log.error("a notifier failed", action="notifier_failed", notifier=self._name, error=str(error))

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._idle.set()
                    return
                news = self._waiting.popleft()
            self._tell(*news)

    async def told(self) -> None:
        """Wait a moment until all is told."""
        if not self._idle.is_set() and not await asyncio.to_thread(self._idle.wait, CLOSE_S):
            left = len(self._waiting) + 1
            log.warning("not everything was told", action="notifier_left", notifier=self._name, left=left)


def _name(notifier: Notifier) -> str:
    return type(notifier).__name__
