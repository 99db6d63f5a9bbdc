"""Keeps a server's background work going: what ends by a mistake is told, and begins again after a pause."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

AGAIN_S = 1.0


async def keep(
    name: str, work: Callable[[], Awaitable[None]], after: Callable[[], None], sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Does what should never end, until cancelled; each time it ended nevertheless, ``after`` puts things in order."""
    while True:
        with _told(name):
            await work()
            log.error("paper exchange: %s ended", name)
        with _told(name):
            after()
        await sleep(AGAIN_S)


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # whatever the mistake is, an exchange that stands still in silence is worse
        log.exception("paper exchange: %s failed, and begins again in %s s", name, AGAIN_S)
