"""Prices from a real venue's public data: best quotes, books and marks of the coins in use, marks of all others.

It speaks to any server of Hyperliquid's protocol (hyperliquid.md sections 1.1 and 4.4) and never sends an action.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, ClientWebSocketResponse, WSMsgType

from executor.backoff import Line, Server
from executor.clock import SystemClock, chance
from executor.errors import VenueUnavailable
from executor.paper.feeds import Apply
from executor.paper.live_frames import ODD, Books, ctx_tick, subscriptions
from executor.paper.model import Json, Tick, lost

log = logging.getLogger(__name__)

POLL_S = 10
"""All marks by ``metaAndAssetCtxs``: weight 20, so 120 of the 1200 a minute."""
PING_S = 20
SILENCE_S = 60
STABLE_S = 30
"""A connection that lasted so long and spoke ends a trouble; one that greets and closes does not."""

_CONTEXTS = "metaAndAssetCtxs"
T = TypeVar("T")
_BROKEN = (ClientError, TimeoutError, OSError)


@dataclass(slots=True, eq=False)
class _Connection:
    """One connection's life: what is read on it, and what was subscribed."""

    session: ClientSession
    socket: ClientWebSocketResponse
    followed: set[str] = field(default_factory=set)

    async def follow(self, coin: str) -> None:
        """Subscribes once."""
        if coin in self.followed:
            return
        self.followed.add(coin)
        for subscription in subscriptions(coin):
            await self.socket.send_json({"method": "subscribe", "subscription": subscription})


class HyperliquidFeed:
    """Follows a venue's public data. A lost connection empties the books until it is back: old prices fill nobody.

    A frame or answer that cannot be read is passed over, and told once of each kind.
    """

    def __init__(self, url: str = "https://api.hyperliquid.xyz") -> None:
        self._url = url.rstrip("/")
        self._books = Books()
        self._coins: list[str] = []
        self._readings: dict[str, asyncio.Task[None]] = {}
        self._apply: Apply | None = None
        self._connection: _Connection | None = None
        self._tried = asyncio.Event()
        self._told: set[str] = set()
        self._clock = SystemClock()

    async def meta(self) -> Json:
        """The venue's markets. ``VenueUnavailable`` when it does not answer: the start of a dry-run ends with that."""
        async with self._session() as session:
            try:
                found: Json = await self._info(session, {"type": "meta"})
            except VenueUnavailable as error:
                remedy = "check the network, or use a recorded market: paper.feed: tape"
                raise VenueUnavailable(error.message, remedy) from error
            return found

    def _session(self) -> ClientSession:
        return ClientSession(timeout=ClientTimeout(total=10))

    async def _info(self, session: ClientSession, request: Json) -> Any:
        try:
            async with session.post(self._url + "/info", json=request) as response:
                if response.status != 200:
                    raise VenueUnavailable(f"{request['type']}: HTTP {response.status} from {self._url}")
                return orjson.loads(await response.read())
        except (*_BROKEN, orjson.JSONDecodeError) as problem:
            raise VenueUnavailable(f"{request['type']}: {_text(problem)} from {self._url}") from problem

    async def want(self, coin: str) -> None:
        """Follows a coin from now on; its book is known when this returns, unless the venue does not answer.

        Whoever asks while the book is read waits for the same reading. Before the feed runs, the coin is only noted.
        """
        if coin not in self._coins:
            self._coins.append(coin)
        if self._apply is None:
            return
        if coin not in self._readings:
            self._readings[coin] = asyncio.create_task(self._begin(coin, self._apply), name=f"book-{coin}")
        reading = self._readings[coin]
        await asyncio.wait((reading,))  # who goes while waiting takes nobody's book along
        if not reading.cancelled():
            reading.result()

    async def _begin(self, coin: str, apply: Apply) -> None:
        """Follows a coin and reads its book; where that fails, the next who wants it tries again."""
        known = False
        try:
            known = await self._read_book(coin, apply)
        finally:
            if not known and self._readings.get(coin) is asyncio.current_task():
                del self._readings[coin]

    async def _read_book(self, coin: str, apply: Apply) -> bool:
        """Whether the coin's book is known now. Without a connection it is not: nobody would keep it up to date."""
        await self._tried.wait()
        connection = self._connection
        if connection is None:
            return False
        try:
            await connection.follow(coin)
            answer = await self._info(connection.session, {"type": "l2Book", "coin": coin})
        except (*_BROKEN, VenueUnavailable) as problem:
            log.warning("no book of %s yet: %s", coin, _text(problem))
            return False
        tick = None if answer is None else self._read("l2Book answer", lambda: self._books.book(answer))
        if tick is not None:
            apply(tick)
        return tick is not None or answer is None

    async def run(self, apply: Apply) -> None:
        """Follows until cancelled, reconnecting with growing pauses."""
        self._apply = apply
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._poll(apply))
                both.create_task(self._stay(apply))
        finally:
            self._apply = None

    async def _stay(self, apply: Apply) -> None:
        """One connection after the other."""
        line = Line(Server(), chance)
        while True:
            while wait_ms := line.wait_ms(self._mono_ms()):
                await asyncio.sleep(wait_ms / 1000)
            began_ms = self._mono_ms()
            heard = await self._follow(apply)
            for coin in self._coins:
                apply(lost(coin))
            now_ms = self._mono_ms()
            line.ended(now_ms, stable=heard and now_ms - began_ms >= STABLE_S * 1000)

    def _mono_ms(self) -> int:
        return int(self._clock.monotonic_s() * 1000)

    async def _poll(self, apply: Apply) -> None:
        """Marks of all coins, also of those nobody uses."""
        while True:
            try:
                async with self._session() as session:
                    answer = await self._info(session, {"type": _CONTEXTS})
            except VenueUnavailable as problem:
                log.warning("market data: %s", problem.message)
            else:
                for tick in self._contexts(answer):
                    apply(tick)
            await asyncio.sleep(POLL_S)

    def _contexts(self, answer: Any) -> Iterator[Tick]:
        """What can be read of the answer: one coin's odd context costs no other its mark."""
        rows = self._read(_CONTEXTS, lambda: list(zip(answer[0]["universe"], answer[1], strict=True)))
        for row, ctx in rows or ():
            tick = self._read(f"{_CONTEXTS} row", partial(_context, row, ctx))
            if tick is not None:
                yield tick

    async def _follow(self, apply: Apply) -> bool:
        """One connection's life; whether it ever said something."""
        heard = False
        try:
            async with self._connected() as connection:
                for coin in self._coins:
                    await connection.follow(coin)
                while (message := await self._receive(connection.socket)) is not None:
                    heard = True
                    self._take(message, apply)
        except _BROKEN as problem:
            log.warning("market data connection: %r", problem)
        return heard

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[_Connection]:
        """A connection, and the end of what was known by it."""
        try:
            async with self._session() as session, session.ws_connect(self._url + "/ws") as socket:
                self._connection = _Connection(session, socket)
                self._tried.set()
                pings = asyncio.create_task(_ping(socket))
                try:
                    yield self._connection
                finally:
                    pings.cancel()
                    self._forget()  # before the session closes: to ask on a closed one raises
        finally:
            self._forget()

    def _forget(self) -> None:
        """What was known belongs to a connection that is over."""
        self._connection, self._books = None, Books()
        readings, self._readings = self._readings, {}
        for reading in readings.values():
            reading.cancel()
        self._tried.set()

    async def _receive(self, socket: ClientWebSocketResponse) -> str | None:
        """The next text frame; ``None`` at the connection's end, ``TimeoutError`` after a minute of silence."""
        while True:
            message = await socket.receive(timeout=SILENCE_S)
            if message.type is WSMsgType.TEXT:
                return str(message.data)
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return None

    def _take(self, text: str, apply: Apply) -> None:
        """Frames that are no JSON (the venue's greeting) or not of ours are passed over."""
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return
        channel = message.get("channel") if isinstance(message, dict) else None
        kind = f"{channel} frame" if isinstance(channel, str) else "frame"
        tick = self._read(kind, lambda: self._books.tick(message))
        if tick is not None:
            apply(tick)

    def _read(self, kind: str, read: Callable[[], T]) -> T | None:
        """What a frame or answer says; ``None`` where it cannot be read, which is told once of each kind."""
        try:
            return read()
        except ODD as problem:
            if kind not in self._told:
                self._told.add(kind)
                log.error("market data: an odd %s is passed over, as will be all like it: %r", kind, problem)
            return None


def _context(row: Json, ctx: Json) -> Tick:
    return ctx_tick(row["name"], ctx)


async def _ping(socket: ClientWebSocketResponse) -> None:
    with suppress(*_BROKEN):  # the reader tells of a broken connection
        while True:
            await asyncio.sleep(PING_S)
            await socket.send_json({"method": "ping"})


def _text(problem: Exception) -> str:
    """What a person can read of it: aiohttp's repr is its connection key, and a time-out has no text."""
    return str(problem) or type(problem).__name__
