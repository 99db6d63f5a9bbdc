"""One permanently open websocket to the venue: reconnects, resubscribes, pings, and knows when the other end is dead.

Facts: hyperliquid.md sections 4.1 and 4.2. Subscriptions are a wanted set; each connection is brought up to it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.protocol import State

from executor import faults
from executor.backoff import Backoff, Line
from executor.errors import VenueAnswerOdd
from executor.hyperliquid import limits, reading
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock

log = logging.getLogger(__name__)

_WIRE_LOG = logging.getLogger("executor.venue.wire")
_WIRE_LOG.setLevel(logging.INFO)  # the library's debug log would print signed requests

MAX_FRAME = 16 * 2**20
"""A snapshot of 2000 fills is more than the library's own limit of 1 MiB."""

PING = b'{"method":"ping"}'
TOO_MANY_USERS = "Cannot track more than"
"""How the venue begins to refuse a user's channel, to all programs of one IP together (hyperliquid.md section 4.1)."""

COMPLAINTS = 20
"""So many different errors of the venue's are told on one connection."""


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Times of one socket, in seconds. The venue closes a socket it has sent nothing to for 60 s; it answers pings."""

    open_timeout_s: float = 10.0
    ping_s: float = 20.0
    silence_s: float = 50.0
    stable_s: float = 30.0
    backoff: Backoff = field(default_factory=Backoff)


class VenueSocket:
    """Frames go to ``routes`` by channel; ``listeners`` hear of every time up (true) and down (false)."""

    def __init__(
        self, url: str, clock: VenueClock, budgets: Budgets, settings: SocketSettings, *, spare_opens: int = 0
    ) -> None:
        self.routes: dict[str, Callable[[Any], None]] = {"error": self.complained}
        self.listeners: list[Callable[[bool], None]] = []
        self.connections = 0
        self.odd_frames = 0
        self.down_reason = "not connected yet"
        self._url = url
        self._clock = clock
        self._budgets = budgets
        self._settings = settings
        self._line = Line(budgets.server, clock.spread, settings.backoff, spare_opens)
        self._ws: ClientConnection | None = None
        self._wanted: dict[bytes, None] = {}
        self._subscribed: set[bytes] = set()
        self._changed = asyncio.Event()
        self._heard_ms = 0
        self._opened_ms: int | None = None
        self._spoke = False
        self._complaints: set[str] = set()

    # -- what users of the socket call --------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether a frame can leave now."""
        return self._ws is not None and self._ws.state is State.OPEN

    @property
    def is_healthy(self) -> bool:
        """Open, and the venue was heard of lately."""
        return self.is_open and self.silent_ms() < self._settings.silence_s * 1000

    def silent_ms(self) -> int:
        """How long the venue has said nothing."""
        return self._clock.mono_ms() - self._heard_ms

    def want(self, subscription: Mapping[str, str]) -> None:
        """Subscribe, now and after each reconnect. Never with a coin that is not listed: that kills the socket."""
        self._wanted[orjson.dumps(subscription)] = None
        self._changed.set()

    def unwant(self, subscription: Mapping[str, str]) -> None:
        """Unsubscribe."""
        self._wanted.pop(orjson.dumps(subscription), None)
        self._changed.set()

    async def send(self, frame: bytes) -> None:
        """Write one text frame; raises ``ConnectionError`` when not open, and what the library raises while writing."""
        if self._ws is None:
            raise ConnectionError("the socket is not open")
        self._budgets.messages.add(1, self._clock.mono_ms())
        await self._ws.send(frame, text=True)

    @property
    def is_clear(self) -> bool:
        """Whether a frame written now goes to the network at once, behind nothing else."""
        ws = self._ws
        return ws is not None and ws.state is State.OPEN and ws.transport.get_write_buffer_size() == 0

    def write(self, frame: bytes) -> None:
        """``send`` in one step, for a socket that ``is_clear``: a task of its own would cost an order its start.

        It is what the library does for one whole message, less the waiting and the book-keeping for messages in parts,
        for which there is no reason then.
        """
        if self._ws is None:
            raise ConnectionError("the socket is not open")
        self._budgets.messages.add(1, self._clock.mono_ms())
        wire = text_frame(frame)
        faults.point("first_byte_sent", self._ws.transport)
        self._ws.transport.write(wire)
        faults.point("last_byte_sent")

    def drop(self, reason: str) -> None:
        """Give this connection up at once, and open another."""
        if self._ws is not None:
            log.warning("venue socket dropped: %s", reason)
            self._ws.transport.abort()

    # -- its life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect and reconnect until cancelled. Only a connection that lasted and spoke ends the trouble."""
        while True:
            while wait_ms := self._line.wait_ms(self._clock.mono_ms()):
                await asyncio.sleep(wait_ms / 1000)
            self._opened_ms, self._spoke = None, False
            self.down_reason = await self._guarded_connection()
            _heed_cancel()
            now_ms = self._clock.mono_ms()
            self._line.ended(now_ms, stable=self._was_stable(now_ms))

    def _was_stable(self, now_ms: int) -> bool:
        """Whether the connection that ended now lasted, and the venue spoke on it."""
        lasted = self._opened_ms is not None and now_ms - self._opened_ms >= self._settings.stable_s * 1000
        return lasted and self._spoke

    async def _guarded_connection(self) -> str:
        try:
            return await self._connection()
        except Exception:  # a mistake of ours in reading one frame must not end the socket that carries the exits
            log.exception("venue socket: our own mistake")
            return "our own mistake, see the log"

    async def _connection(self) -> str:
        """One connection from handshake to end; returns why it ended."""
        try:
            ws = await connect(
                self._url,
                compression=None,
                proxy=None,
                open_timeout=self._settings.open_timeout_s,
                ping_interval=None,  # protocol pings are not documented; the venue has its own
                close_timeout=1,
                max_size=MAX_FRAME,
                logger=_WIRE_LOG,
            )
        except (OSError, TimeoutError, WebSocketException) as problem:
            return f"cannot connect: {type(problem).__name__}: {problem}"
        try:
            return await self._session(ws)
        finally:
            ws.transport.abort()

    async def _session(self, ws: ClientConnection) -> str:
        reason = "closed"
        self._up(ws)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(ws), name="venue-socket-watch")
                group.create_task(self._control(), name="venue-socket-control")
                await self._read(ws)
        except* (OSError, WebSocketException) as problems:
            reason = str(problems.exceptions[0])
        finally:
            self._down()
        return reason

    def _up(self, ws: ClientConnection) -> None:
        self.connections += 1
        self._opened_ms = self._heard_ms = self._clock.mono_ms()
        self._line.opened(self._opened_ms)
        self._subscribed.clear()
        self._complaints.clear()
        self._changed.set()
        self._ws = ws
        self._tell(up=True)

    def _down(self) -> None:
        self._ws = None
        self._tell(up=False)

    def _tell(self, up: bool) -> None:
        for listener in self.listeners:
            listener(up)

    async def _read(self, ws: ClientConnection) -> None:
        while True:
            raw = await ws.recv(decode=False)
            self._heard_ms, self._spoke = self._clock.mono_ms(), True
            self.on_raw(raw)

    def on_raw(self, raw: bytes) -> None:
        """Hand a frame to its channel; one that cannot be read is counted, and never ends the connection."""
        try:
            frame = reading.mapping(orjson.loads(raw), "frame")
            route = self.routes.get(reading.text(frame, "channel"))
            if route is not None:
                route(frame.get("data"))
        except (orjson.JSONDecodeError, VenueAnswerOdd) as problem:
            self.odd_frames += 1
            log.debug("odd venue frame: %s: %s", type(problem).__name__, raw[:80])

    def complained(self, data: object) -> NoReturn:
        """What the venue has against a frame of ours, say a subscription: people are told once on each connection.

        After the first brace it may repeat a signed request. A user it cannot track now is asked for again soon.
        """
        text = reading.spoken(data.partition("{")[0]) if isinstance(data, str) else ""
        if text.startswith(TOO_MANY_USERS):
            self._subscribed -= {key for key in self._subscribed if b'"user":' in key}
        if text and text not in self._complaints and len(self._complaints) < COMPLAINTS:
            self._complaints.add(text)
            log.warning("the venue refuses what the socket asked for: %s", text)
        raise VenueAnswerOdd(text)

    async def _watch(self, ws: ClientConnection) -> None:
        """Drop the connection when nothing at all has arrived for too long, whatever we send meanwhile."""
        while True:
            await asyncio.sleep(self._settings.silence_s / 10)
            if self.silent_ms() >= self._settings.silence_s * 1000:
                log.warning("venue socket silent for %d ms, reconnecting", self.silent_ms())
                ws.transport.abort()
                return

    async def _control(self) -> None:
        """Bring the subscriptions up to what is wanted, and ping, as long as the connection lasts.

        Apart from ``_watch``, because a write to a peer that stopped reading can block for ever.
        """
        next_ping_ms = 0
        while True:
            self._changed.clear()
            await self._bring_up()
            if self._clock.mono_ms() >= next_ping_ms:
                next_ping_ms = self._clock.mono_ms() + int(self._settings.ping_s * 1000)
                await self.send(PING)
            await self._change_or(self._settings.ping_s / 4)

    async def _change_or(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass  # time to look at the ping again

    async def _bring_up(self) -> None:
        wanted = self._wanted.keys()
        for key in [key for key in wanted if key not in self._subscribed][: limits.WS_SUBSCRIPTIONS]:
            self._subscribed.add(key)
            await self.send(b'{"method":"subscribe","subscription":%b}' % key)
        for key in [key for key in self._subscribed if key not in wanted]:
            self._subscribed.discard(key)
            await self.send(b'{"method":"unsubscribe","subscription":%b}' % key)


def text_frame(payload: bytes) -> bytes:
    """One whole text message as a client sends it: RFC 6455 section 5.2, masked as section 5.3 asks.

    The library's own way there is right for any frame and touches so much that a cold order waits 50 µs longer.
    """
    length, mask = len(payload), os.urandom(4)
    if length < 126:
        head = bytes((0x81, 0x80 | length))
    elif length < 1 << 16:
        head = b"\x81\xfe" + length.to_bytes(2, "big")
    else:
        head = b"\x81\xff" + length.to_bytes(8, "big")
    pattern = (mask * (length // 4 + 1))[:length]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")
    return head + mask + masked.to_bytes(length, "big")


def _heed_cancel() -> None:
    """A task group that ends by an error swallows the cancel that comes meanwhile (CPython before 3.13)."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
