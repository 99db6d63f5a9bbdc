"""The record, read in a thread of its own: no question of an observer ever holds up the worker's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from executor.server.model import OpenReader, ReadModel

T = TypeVar("T")


class Busy(Exception):
    """The record could not be read in time; to be asked again later."""


class Reading:
    """One thread and one reader, which lives and dies in it. ``answer_s`` bounds each question."""

    def __init__(self, open_reader: OpenReader, answer_s: float) -> None:
        self._open_reader = open_reader
        self._answer_s = answer_s
        self._thread = ThreadPoolExecutor(1, "server-reader")
        self._reader: ReadModel | None = None

    async def start(self) -> None:
        """Open the record; raises what opening raises."""
        self._reader = await self._run(self._open_reader)

    async def ask(self, question: Callable[[ReadModel], T]) -> T:
        """The answer of one question; raises ``Busy`` when it takes too long."""
        reader = self._reader
        if reader is None:
            raise Busy
        try:
            async with asyncio.timeout(self._answer_s):
                return await self._run(lambda: question(reader))
        except TimeoutError:
            raise Busy from None

    async def close(self) -> None:
        """Release the record after the question that is being answered; others are dropped."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await self._run(reader.close)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
