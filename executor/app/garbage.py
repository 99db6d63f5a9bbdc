"""Keeps Python's garbage collector out of an order's way: it works by the second, by itself only as a last resort."""

from __future__ import annotations

import asyncio
import gc
from itertools import count

EVERY_S = 1.0
LAST_RESORT = 50_000
"""So many new objects within a second make it run by itself."""

WHOLE_EVERY = 600
"""Each so manieth collection looks at all that was made since the start, for some milliseconds: what lived for a second
and more (connections, a failed attempt's traceback) is found by no other, and a quiet worker would keep it for good."""


async def keep_tidy(every_s: float = EVERY_S, whole_every: int = WHOLE_EVERY) -> None:
    """Until cancelled. What the start made stays for good, so no collection ever looks at it again.

    A collection of the whole start-up heap takes tens of milliseconds, one of a second's garbage some hundred
    microseconds; by its own thresholds Python would begin either in the middle of an action.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(LAST_RESORT, 10, 10)
    for turn in count(1):
        await asyncio.sleep(every_s)
        gc.collect(1 if turn % whole_every else 2)
