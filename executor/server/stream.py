"""``WS /api/events``: every event from a seq on, read from the record, so that nothing can be lost on the way.

The worker only says that there is more (``Tail.notify``). A reader that does not keep up is cut off and can resume
after the last seq it got; nothing is ever queued for it here.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from executor.errors import ExecutorError
from executor.server.model import Document
from executor.server.reading import Busy, Reading
from executor.server.settings import Limits

BEYOND_THE_END = 4009
"""Close code for an ``after`` the record has not reached: the client knows another record."""

TOO_SLOW = 4008
"""Close code for a reader that does not keep up; it may resume."""

_GRACE_S, _LOOK_S = 2.0, 0.05

_log = structlog.get_logger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Message = tuple[int, bytes]


def event_message(document: Document) -> Document:
    """One event as it is sent: as the record shows it, with its time in milliseconds beside the readable one."""
    at_ms = (datetime.fromisoformat(document["at"]) - _EPOCH) // timedelta(milliseconds=1)
    return {**document, "at_ms": at_ms}


class Tail:
    """The newest seq, and a bell that rings when there is more.

    ``notify`` takes constant time and wakes nobody itself: waiting streams are woken together, ``wake_s`` later.
    """

    def __init__(self, wake_s: float) -> None:
        self.last_seq = 0
        self.more = asyncio.Event()
        self._wake_s = wake_s
        self._timer: asyncio.TimerHandle | None = None

    def notify(self, last_seq: int) -> None:
        """The record now ends at this seq. Call it in the loop's thread."""
        self.last_seq = max(self.last_seq, last_seq)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._wake_s, self._ring)

    def close(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self._timer = None
        self.more.set()
        self.more = asyncio.Event()


class Pages:
    """Pages of events, ready to send. Streams that stand at the same seq share one read."""

    def __init__(self, reading: Reading, size: int) -> None:
        self._reading = reading
        self._size = size
        self._under_way: dict[int, asyncio.Task[list[Message]]] = {}

    async def after(self, seq: int) -> list[Message]:
        """The next events after this seq; none at the record's end."""
        task = self._under_way.get(seq)
        if task is None:
            task = self._under_way[seq] = asyncio.create_task(self._read(seq))
            task.add_done_callback(lambda done: self._done(seq, done))
        return await asyncio.shield(task)

    def _done(self, seq: int, task: asyncio.Task[list[Message]]) -> None:
        del self._under_way[seq]
        if not task.cancelled():
            task.exception()  # looked at: every stream that asked may have gone meanwhile

    async def _read(self, seq: int) -> list[Message]:
        return await self._reading.ask(
            lambda read: [
                (event["seq"], orjson.dumps(event_message(event))) for event in read.events(seq, self._size)["events"]
            ]
        )


class Streams:
    """All open streams. ``dropped`` counts readers that were cut off because they did not keep up."""

    def __init__(self, reading: Reading, tail: Tail, limits: Limits) -> None:
        self.dropped = 0
        self._reading = reading
        self._pages = Pages(reading, limits.batch)
        self._tail = tail
        self._limits = limits
        self._open: set[web.WebSocketResponse] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, request: web.Request, after: int) -> web.StreamResponse:
        """One stream, from the handshake to its end."""
        if len(self._open) >= self._limits.streams:
            raise web.HTTPServiceUnavailable(text="too many streams are open")
        socket = web.WebSocketResponse(heartbeat=self._limits.ping_s, compress=False, max_msg_size=1024, timeout=1)
        self._open.add(socket)
        try:
            last_seq = await self._reading.ask(lambda read: int(read.events(0, 0)["last_seq"]))
            await socket.prepare(request)
            if after <= last_seq:
                await self._run(request, socket, after)
            else:
                await socket.close(code=BEYOND_THE_END, message=f"the record ends at seq {last_seq}".encode())
        finally:
            self._open.discard(socket)
        return socket

    async def close(self) -> None:
        """End every stream; they may resume at the next worker."""
        farewells = (
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"the worker ends") for socket in set(self._open)
        )
        await asyncio.gather(*farewells, return_exceptions=True)

    async def _run(self, request: web.Request, socket: web.WebSocketResponse, after: int) -> None:
        pump = asyncio.create_task(self._pump(request, socket, after))
        try:
            await listen(socket)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self, request: web.Request, socket: web.WebSocketResponse, after: int) -> None:
        try:
            await self._send_all(socket, after)
        except ConnectionError:
            pass  # the client went; whoever listens learns it too
        except TimeoutError:
            self.dropped += 1
            await cut(request, socket, b"too slow: resume after the last seq you got", self._limits.send_s)
        except Busy:
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"busy: resume later")
        except ExecutorError as error:
            _log.warning("a stream ends: the record cannot be read", error=error.message)
            await socket.close(code=WSCloseCode.INTERNAL_ERROR, message=b"the record cannot be read")

    async def _send_all(self, socket: web.WebSocketResponse, after: int) -> None:
        while True:
            more = self._tail.more  # taken before the read: what is committed during it rings this bell
            page = await self._pages.after(after)
            for seq, message in page:
                async with asyncio.timeout(self._limits.send_s):
                    await socket.send_frame(message, WSMsgType.TEXT)
                after = seq
                await asyncio.sleep(0)  # sending need not wait for anything: the worker has its turn in between
            if not page:
                await more.wait()


async def listen(socket: web.WebSocketResponse) -> None:
    """Answers pings until the client goes. A stream takes no messages: the first one ends it."""
    message = await socket.receive()
    if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"this stream takes no messages")


async def cut(request: web.Request, socket: web.WebSocketResponse, why: bytes, grace_s: float) -> None:
    """Let go of a reader that does not keep up: it is told why, which it sees if it reads on now, and then cut off."""
    transport = request.transport
    if transport is None:
        return
    try:
        async with asyncio.timeout(min(grace_s, _GRACE_S)):
            await socket.send_frame(TOO_SLOW.to_bytes(2, "big") + why, WSMsgType.CLOSE)
            while transport.get_write_buffer_size():
                await asyncio.sleep(_LOOK_S)
            await asyncio.sleep(_LOOK_S)
    except (TimeoutError, ConnectionError):
        pass  # it does not read: nothing can be told
    finally:
        transport.abort()
