"""What all stream clients share: connecting and coming back, decorators, threads, and a clean end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

from executor.backoff import Backoff
from executor.clock import SystemClock, chance
from executor.errors import CredentialRefused
from executor.sources.connection import Closed, Connection, Endpoint, Item, Opened, Received, Stopped, Timing, redacted
from executor.streams.handlers import Caller, Handler, Handlers, log

BACKOFF = Backoff(first_s=1.0, early_cap_s=60.0, late_cap_s=60.0)
"""1, 2, 4, ... 60 seconds, each a little less by chance (seed 004)."""

STALE_S = 40.0
"""Without any frame for so long a connection is stale, where the server speaks at least every 30 s (seed 004)."""

FAREWELL_S = 5.0

Frame = dict[str, Any]
Client = TypeVar("Client", bound="StreamClient")


class AuthenticationError(CredentialRefused):
    """The server refused the credentials for good: trying again cannot help. ``remedy`` says what can."""


class StreamClient:
    """A feed. Register handlers, then ``await connect()``, ``run_forever()`` (any thread), or ``async with``.

    Handlers take one dict and may be coroutine functions or plain ones (those run in a thread of their own, so they may
    take their time; what comes meanwhile waits in order). One client serves one event loop at a time and can be used
    again after it ended.
    """

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.is_connected = False
        self._handlers = Handlers()
        self._connections: list[Connection] = []
        self._caller: Caller | None = None
        self._outbox: asyncio.Queue[tuple[Connection, str]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened: asyncio.Event | None = None
        self._background: asyncio.Task[None] | None = None

    # -- decorators every client has --------------------------------------------------------------------------------

    def on_open(self) -> Callable[[Handler], Handler]:
        """Called without arguments whenever a connection opened."""
        return self._handlers.on("open")

    def on_close(self) -> Callable[[Handler], Handler]:
        """Called with ``{"code", "reason", "retry_in_s"}`` whenever one ended."""
        return self._handlers.on("close")

    def on_error(self) -> Callable[[Handler], Handler]:
        """Called with the exception when a handler raised or a frame broke its reader, or with a dict of what is wrong.

        That is what the server called an error, or a channel beside the socket that is closed or refused.
        """
        return self._handlers.on("error")

    def on_message(self) -> Callable[[Handler], Handler]:
        """Called with every frame as it came, heartbeats included."""
        return self._handlers.on("message")

    # -- running ------------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, and stay connected until ``disconnect``; raises ``AuthenticationError``."""
        if self._loop is not None:
            raise RuntimeError("this client is connected already")
        self._loop = asyncio.get_running_loop()
        self._outbox, self._opened = asyncio.Queue(), self._opened or asyncio.Event()
        self._caller = caller = Caller(self._failed)
        beside = (caller.run(), self._speak(self._outbox), *self._beside())
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(work) for work in beside]
        for task in tasks:
            task.add_done_callback(self._watch)
        try:
            self._connections = list(self._connect())
            listening = [asyncio.create_task(one.run(self._taker(one))) for one in self._connections]
            tasks += listening
            ends = await asyncio.gather(*listening)
            await caller.rest(FAREWELL_S)
            stops = [end for end in ends if end is not None]
            if stops:
                raise AuthenticationError(f"{stops[0].reason}: {stops[0].detail}", stops[0].remedy)
        finally:
            await self._end(tasks)

    def _failed(self, handler: Handler, error: BaseException) -> None:
        if handler not in self._handlers.of("error"):  # it would fail at its own errors for ever
            self._tell("error", error)

    def _watch(self, task: asyncio.Task[Any]) -> None:
        """Nobody awaits what runs beside the connections: it would fail unseen."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("what runs beside the connections failed", exc_info=error)
            self._tell("error", error)

    async def _end(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._ended()
        self._loop, self._opened, self.is_connected = None, None, False

    def run_forever(self) -> None:
        """``connect`` for programs without an event loop; blocks, also well in a daemon thread."""
        asyncio.run(self.connect())

    async def disconnect(self) -> None:
        """End the connection for good and let ``connect`` return. For the same loop; ``stop`` is for other threads."""
        await asyncio.gather(*(connection.close() for connection in self._connections))

    def stop(self) -> None:
        """``disconnect`` from any thread; returns at once."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self.disconnect(), self._loop)

    async def __aenter__(self) -> Self:
        """Connect in the background; returns when connected, or raises ``AuthenticationError``."""
        self._opened = asyncio.Event()
        self._background = asyncio.create_task(self.connect())
        opened = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait([opened, self._background], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # what was not entered is never left
            await _dropped(self._background)
            raise
        finally:
            opened.cancel()
        if self._background.done():
            await self._background
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        background = self._background
        if background is None:
            return
        try:
            await self.disconnect()
            await asyncio.wait([background])
        finally:
            await _dropped(background)
        if not background.cancelled():
            background.result()

    # -- what each client says for itself ---------------------------------------------------------------------------

    def _connect(self) -> Sequence[Connection]:
        """The connections to keep open; made anew each time."""
        raise NotImplementedError

    def _beside(self) -> Sequence[Any]:
        """Coroutines that run beside the connections."""
        return ()

    async def _ended(self) -> None:
        """After the last connection."""

    def _welcomed(self, connection: Connection) -> None:
        """A connection opened: subscribe here, with ``_say``."""

    def _heard(self, connection: Connection, frame: Frame, raw: str | bytes) -> None:
        """A frame, an object, and as it came; decide who is to be told, with ``_tell``."""
        raise NotImplementedError

    # -- for them -----------------------------------------------------------------------------------------------------

    def _connection(self, endpoint: Endpoint, stale_s: float | None = None) -> Connection:
        return Connection(endpoint, self.clock, chance, Timing(silence_s=stale_s), policy=BACKOFF)

    def _tell(self, topic: object, *told: Any) -> None:
        if self._caller is not None:
            for handler in self._handlers.of(topic):
                self._caller.call(handler, *told)

    def _try(self, take: Callable[..., None], *told: Any) -> None:
        """Make something of what a server said: of whatever shape it is, it ends no feed."""
        try:
            take(*told)
        except Exception as odd:  # noqa: BLE001  # a stranger's frame can break any reader: a price of 400 digits
            log.warning("a frame of an odd shape was left out: %s", type(odd).__name__)
            self._tell("error", odd)

    def _complain(self, frame: Frame, text: str, secrets: Sequence[str]) -> None:
        """The server's own error: logged without the credentials it may repeat, and told as it is."""
        log.warning("the server says: %s", redacted(text, tuple(secrets)))
        self._tell("error", frame)

    def _say(self, connection: Connection, text: str) -> None:
        if self._outbox is not None:
            self._outbox.put_nowait((connection, text))

    async def _speak(self, outbox: asyncio.Queue[tuple[Connection, str]]) -> None:
        while True:
            connection, text = await outbox.get()
            await connection.send(text)

    # -- the socket ---------------------------------------------------------------------------------------------------

    def _taker(self, connection: Connection) -> Callable[[Item], None]:
        return lambda item: self._take(connection, item)

    def _take(self, connection: Connection, item: Item) -> None:
        match item:
            case Opened():
                self._now_open(connection)
            case Received(raw):
                self._read(connection, raw)
            case Closed(verdict, retry_in_s):
                self._now_closed(verdict.reason, verdict.code, retry_in_s)
            case Stopped(verdict):
                self._now_closed(verdict.reason, verdict.code, None)

    def _now_open(self, connection: Connection) -> None:
        self.is_connected = True
        if self._opened is not None:
            self._opened.set()
        self._welcomed(connection)
        self._tell("open")

    def _now_closed(self, reason: str, code: int | None, retry_in_s: float | None) -> None:
        self.is_connected = False
        self._tell("close", {"code": code, "reason": reason, "retry_in_s": retry_in_s})

    def _read(self, connection: Connection, raw: str | bytes) -> None:
        try:
            frame = json.loads(raw)
        except (ValueError, RecursionError):
            frame = None
        if not isinstance(frame, dict):
            log.warning("a frame that is no JSON object was left out")
            return
        self._tell("message", frame)
        self._try(self._heard, connection, frame, raw)


async def _dropped(task: asyncio.Task[None]) -> None:
    """End it if it has not ended, and wait until it has."""
    task.cancel()
    await asyncio.wait([task])
