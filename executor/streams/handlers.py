"""Who wants to hear what, and calling them so that none of them can stop or hold up the socket."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

log = logging.getLogger("executor.streams")

MOST_WAITING = 10_000
"""So many calls may wait for slow handlers; then the oldest are dropped, and that is logged."""

Handler = Callable[..., Any]
Of = TypeVar("Of", bound=Handler)


class Handlers:
    """The handlers of one client by topic. A topic is any hashable; several may listen to the same."""

    def __init__(self) -> None:
        self._by_topic: dict[object, list[Handler]] = {}

    def on(self, topic: object) -> Callable[[Of], Of]:
        """The decorator of a topic."""

        def register(handler: Of) -> Of:
            self._by_topic.setdefault(topic, []).append(handler)
            return handler

        return register

    def of(self, topic: object) -> list[Handler]:
        """Who listens to it."""
        return self._by_topic.get(topic, [])

    def topics(self) -> list[object]:
        """What anybody listens to."""
        return list(self._by_topic)


class Caller:
    """Calls handlers one after the other, in order, beside the loop that reads the socket.

    Coroutine functions run in the loop, all others in one thread of their own. What they raise is logged and given to
    ``failed``; the next call comes all the same.
    """

    def __init__(self, failed: Callable[[Handler, BaseException], None]) -> None:
        self.dropped = 0
        self._failed = failed
        self._waiting: deque[tuple[Handler, tuple[Any, ...]]] = deque()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread = ThreadPoolExecutor(1, "stream-handler")

    def call(self, handler: Handler, *told: Any) -> None:
        """Have it called in its turn."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
            if self.dropped in (1, MOST_WAITING):
                log.warning("the handlers are too slow: the oldest of what waits for them is dropped")
        self._waiting.append((handler, told))
        self._idle.clear()
        self._more.set()

    async def run(self) -> None:
        """Call until cancelled."""
        try:
            while not _ending():
                await self._more.wait()
                while self._waiting and not _ending():
                    await self._one(*self._waiting.popleft())
                self._more.clear()
                self._idle.set()
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def rest(self, within_s: float) -> None:
        """Wait until all that was to be called has been, at most so long."""
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning("%d calls were still to be made at the end", len(self._waiting))

    async def _one(self, handler: Handler, told: tuple[Any, ...]) -> None:
        try:
            if inspect.iscoroutinefunction(handler):
                await handler(*told)
                return
            done = await asyncio.get_running_loop().run_in_executor(self._thread, _called, handler, told)
            if inspect.isawaitable(done):
                await done
        except (Exception, asyncio.CancelledError) as error:  # a stranger's code: its mistakes are its own
            if _ending():
                raise
            log.exception("a handler failed: %s", getattr(handler, "__name__", handler))
            self._failed(handler, error)


def _ending() -> bool:
    """Whether this task itself is to end: a handler may also raise ``CancelledError`` of its own, or swallow ours."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _called(handler: Handler, told: tuple[Any, ...]) -> Any:
    """In the thread. A future takes no ``StopIteration``: whoever waits for it would wait for ever (Python 3.11)."""
    try:
        return handler(*told)
    except StopIteration as error:
        raise RuntimeError("a handler raised StopIteration") from error
