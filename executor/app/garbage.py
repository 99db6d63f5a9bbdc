"""Keeps Python's garbage collector out of an order's way: it works by the second, by itself only as a last resort."""

from __future__ import annotations

import asyncio
import gc

EVERY_S = 1.0
LAST_RESORT = 50_000
"""So many new objects within a second make it run by itself."""


async def keep_tidy() -> None:
    """Until cancelled. What the start made stays for good, so no collection ever looks at it again.

    A collection of the whole start-up heap takes tens of milliseconds, one of a second's garbage some hundred
    microseconds; by its own thresholds Python would begin either in the middle of an action.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(LAST_RESORT, 10, 10)
    while True:
        await asyncio.sleep(EVERY_S)
        gc.collect(1)
