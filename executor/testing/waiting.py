"""Waiting for something another task must bring about, without guessing how long it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

STEP_S = 0.01


async def until(true: Callable[[], object], within_s: float = 20.0) -> None:
    """Return once ``true()`` is; ``AssertionError`` when it never came true in this time."""
    deadline_s = asyncio.get_running_loop().time() + within_s
    while not true():
        if asyncio.get_running_loop().time() > deadline_s:
            raise AssertionError(f"it did not come true in {within_s} s")
        await asyncio.sleep(STEP_S)
