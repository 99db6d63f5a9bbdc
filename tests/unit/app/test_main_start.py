"""main: a run for a time ends also where it never began."""

from __future__ import annotations

import asyncio
from typing import Any

from executor.app.main import started


class Runtime:
    """Starts at once, or never: a venue that cannot be read is waited for."""

    def __init__(self, *, never: bool) -> None:
        self.never = never
        self.cancelled = False

    async def start(self) -> None:
        try:
            await asyncio.sleep(3600 if self.never else 0)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def test_a_start_that_does_not_end_is_given_up_when_its_time_is_over() -> None:
    runtime: Any = Runtime(never=True)
    assert not await started(runtime, asyncio.Event(), 0)
    assert runtime.cancelled


async def test_a_start_that_does_not_end_is_given_up_when_told_to_stop() -> None:
    runtime: Any = Runtime(never=True)
    stop = asyncio.Event()
    stop.set()
    assert not await started(runtime, stop, None)
    assert runtime.cancelled


async def test_a_start_that_ends_is_one() -> None:
    assert await started(Runtime(never=False), asyncio.Event(), 30)  # type: ignore[arg-type]  # a fake
