"""An event loop without a world: time jumps to the next timer, and a life can be ended between two bytecodes.

Everything asyncio runs here unmodified, a day in a second, and the same way every time. Sockets come from a
``Network`` in memory. Nothing else of the system can be reached: no thread, no subprocess, no file descriptor.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

LIFE: contextvars.ContextVar[int] = contextvars.ContextVar("life", default=0)
"""Which process a callback belongs to. 0 is the world around, which never dies."""


class Stalled(RuntimeError):
    """Nothing is ready and no timer is set: the program would wait for ever."""


class Wires(Protocol):
    """Where a loop's connections lead; ``Network`` is one."""

    async def dial(self, make: Callable[[], asyncio.Protocol], host: str, port: int) -> tuple[Any, Any]:
        """Connect: a transport and its protocol, or ``OSError``."""

    async def reach(self, _host: str, port: int) -> None:
        """What a TCP handshake costs, without a protocol yet; ``OSError`` where nobody listens."""

    def listen(self, make: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.AbstractServer:
        """Serve on a port."""


class _Leap:
    """A selector that watches nothing: waiting is moving the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stalled("nothing is ready and no timer is set")
        self._loop.now_s += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """``run(coroutine)`` until it is done. ``now_s`` is the time; ``kill(life)`` ends one process as kill -9 does."""

    def __init__(self, wires: Wires | None = None) -> None:
        super().__init__()
        self.now_s = 1_000.0
        self.wires = wires
        self._selector = _Leap(self)
        self._clock_resolution = 1e-6
        self._dead: set[int] = set()
        self._tasks: dict[int, list[asyncio.Task[Any]]] = {}
        self._dialled: dict[int, tuple[str, int]] = {}
        self.set_task_factory(self._new_task)  # type: ignore[arg-type]  # typeshed wants a protocol of its own

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run to the end and close."""
        try:
            return self.run_until_complete(main)
        finally:
            for life in list(self._tasks):
                self.kill(life)
                self.bury(life)
            self.close()

    # -- time -------------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Virtual seconds."""
        return self.now_s

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none: the network calls back by timers."""

    def _write_to_self(self) -> None:
        """There is no other thread to wake us from."""

    # -- lives ------------------------------------------------------------------------------------------------

    def is_dead(self, life: int) -> bool:
        """Whether this process was killed."""
        return life in self._dead

    def kill(self, life: int) -> None:
        """End a process: none of its callbacks runs from here on. Its coroutines are kept until ``bury``."""
        self._dead.add(life)
        for handle in [*self._ready, *self._scheduled]:  # type: ignore[attr-defined]  # asyncio's two queues
            if _life_of(handle) == life:
                handle.cancel()

    def bury(self, life: int) -> None:
        """Let go of a dead process' coroutines. What their ``finally`` clauses try finds nothing alive."""
        for task in self._tasks.pop(life, []):
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is meant
                with contextlib.suppress(BaseException):
                    task.get_coro().close()

    def _new_task(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T], **options: Any
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=loop, **options)
        context = options.get("context")
        life = LIFE.get() if context is None else context.get(LIFE, 0)
        if life:
            held = self._tasks.setdefault(life, [])
            if len(held) > 256:
                held[:] = [one for one in held if not one.done()]
            held.append(task)
        return task

    def call_soon(  # type: ignore[override]  # typeshed ties the arguments to the callback
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As asyncio, but nothing is called any more for a dead process."""
        handle = super().call_soon(callback, *args, context=context)
        return self._unless_dead(handle)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio, but nothing is called any more for a dead process."""
        handle = super().call_at(when, callback, *args, context=context)
        self._unless_dead(handle)
        return handle

    def _unless_dead(self, handle: asyncio.Handle) -> asyncio.Handle:
        if self._dead and _life_of(handle) in self._dead:
            handle.cancel()
        return handle

    # -- the network --------------------------------------------------------------------------------------------

    def _network(self) -> Wires:
        if self.wires is None:
            raise OSError("this loop has no network")
        return self.wires

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """What aiohttp dials with: remembered, and answered for by ``create_connection``."""
        await self._network().reach(address[0], address[1])
        self._dialled[sock.fileno()] = (address[0], address[1])

    async def create_connection(  # type: ignore[override]  # the parts of asyncio's many forms that are used
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        **_options: Any,
    ) -> tuple[Any, Any]:
        """A connection in memory, to a listener of the same network."""
        if sock is not None:
            host, port = self._dialled.pop(sock.fileno())
            sock.close()
        return await self._network().dial(protocol_factory, host or "", port or 0)

    async def create_server(  # type: ignore[override]  # as above
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str = "", port: int = 0, **_options: Any
    ) -> asyncio.AbstractServer:
        """A listener in memory."""
        return self._network().listen(protocol_factory, host, port)


def _life_of(handle: asyncio.Handle) -> int:
    context: contextvars.Context | None = getattr(handle, "_context", None)
    return 0 if context is None else context.get(LIFE, 0)


def in_life(life: int, work: Callable[[], T]) -> T:
    """Call something as one process: whatever it starts belongs to that life."""

    def call() -> T:
        LIFE.set(life)
        return work()

    return contextvars.copy_context().run(call)


def start_in_life(
    loop: asyncio.AbstractEventLoop, life: int, work: Callable[[], Coroutine[Any, Any, T]]
) -> asyncio.Task[T]:
    """A task that is one process, with all it starts."""
    context = contextvars.copy_context()
    context.run(LIFE.set, life)
    return context.run(lambda: loop.create_task(work()))


__all__ = ["LIFE", "Stalled", "VirtualLoop", "in_life", "start_in_life"]
