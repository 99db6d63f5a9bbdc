"""Prices from a real venue's public data: best quotes, books and marks of the coins in use, marks of all others.

It speaks to any server of Hyperliquid's protocol (hyperliquid.md sections 1.1 and 4.4) and never sends an action.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, ClientWebSocketResponse, WSMsgType

from executor.backoff import Line, Server
from executor.clock import SystemClock, chance
from executor.errors import VenueUnavailable
from executor.paper.feeds import Apply
from executor.paper.model import Json, Tick

log = logging.getLogger(__name__)

POLL_S = 10
"""All marks by ``metaAndAssetCtxs``: weight 20, so 120 of the 1200 a minute."""
PING_S = 20
SILENCE_S = 60
STABLE_S = 30
"""A connection that lasted so long and spoke ends a trouble; one that greets and closes does not."""

Levels = tuple[tuple[Decimal, Decimal], ...]


def _levels(rows: list[Json]) -> Levels:
    return tuple((Decimal(r["px"]), Decimal(r["sz"])) for r in rows)


def _price(value: str | None) -> Decimal | None:
    """A price, or ``None`` where the venue has none (delisted coins show null or zero)."""
    return Decimal(value) if value is not None and Decimal(value) > 0 else None


class Books:
    """The newest known levels a coin; turns the venue's frames into ticks."""

    def __init__(self) -> None:
        self._levels: dict[tuple[str, bool], Levels] = {}

    def tick(self, message: Json) -> Tick | None:
        """The news in one websocket message, if there is any for the engine."""
        data: Any = message.get("data")
        if message.get("channel") == "l2Book":
            return self.book(data)
        if message.get("channel") == "bbo":
            return self._bbo(data)
        if message.get("channel") == "activeAssetCtx":
            return ctx_tick(data["coin"], data["ctx"])
        return None

    def book(self, data: Any) -> Tick:
        """A whole book."""
        bids, asks = (_levels(rows) for rows in data["levels"])
        self._levels[data["coin"], True], self._levels[data["coin"], False] = bids, asks
        return Tick(data["coin"], bids, asks)

    def _bbo(self, data: Any) -> Tick:
        """New best levels in front of what was known behind them."""
        coin, (bid, ask) = data["coin"], data["bbo"]
        return Tick(coin, self._fronted(coin, bid, is_bid=True), self._fronted(coin, ask, is_bid=False))

    def _fronted(self, coin: str, top: Json | None, *, is_bid: bool) -> Levels:
        if top is None:
            return ()
        best = (Decimal(top["px"]), Decimal(top["sz"]))
        known = self._levels.get((coin, is_bid), ())
        behind = tuple(lv for lv in known if (lv[0] < best[0] if is_bid else lv[0] > best[0]))
        self._levels[coin, is_bid] = (best, *behind)
        return self._levels[coin, is_bid]


def ctx_tick(coin: str, ctx: Json) -> Tick:
    """Mark, oracle, funding and middle from a ``PerpAssetCtx``."""
    return Tick(
        coin,
        mark=_price(ctx["markPx"]),
        oracle=_price(ctx["oraclePx"]),
        funding=Decimal(ctx["funding"]),
        last=_price(ctx.get("midPx")),
    )


def subscriptions(coin: str) -> Iterator[Json]:
    """What is followed of a coin in use."""
    yield {"type": "bbo", "coin": coin}
    yield {"type": "l2Book", "coin": coin, "fast": True}
    yield {"type": "activeAssetCtx", "coin": coin}


class HyperliquidFeed:
    """Follows a venue's public data. A lost connection empties the books until it is back: old prices fill nobody."""

    def __init__(self, url: str = "https://api.hyperliquid.xyz") -> None:
        self._url = url.rstrip("/")
        self._books = Books()
        self._coins: list[str] = []
        self._apply: Apply | None = None
        self._socket: ClientWebSocketResponse | None = None
        self._clock = SystemClock()

    async def meta(self) -> Json:
        """The venue's markets. ``VenueUnavailable`` when it does not answer."""
        async with self._session() as session:
            found: Json = await self._info(session, {"type": "meta"})
            return found

    def _session(self) -> ClientSession:
        return ClientSession(timeout=ClientTimeout(total=10))

    async def _info(self, session: ClientSession, request: Json) -> Any:
        try:
            async with session.post(self._url + "/info", json=request) as response:
                if response.status != 200:
                    raise VenueUnavailable(f"{request['type']}: HTTP {response.status} from {self._url}")
                return orjson.loads(await response.read())
        except (ClientError, TimeoutError, orjson.JSONDecodeError) as problem:
            raise VenueUnavailable(f"{request['type']}: {_told(problem)} from {self._url}") from problem

    async def want(self, coin: str) -> None:
        """Follows a coin from now on; its book is known when this returns, unless the venue does not answer."""
        if coin in self._coins or self._apply is None:
            return
        self._coins.append(coin)
        if self._socket is not None:
            await self._subscribe(self._socket, coin)
        try:
            async with self._session() as session:
                book = await self._info(session, {"type": "l2Book", "coin": coin})
        except VenueUnavailable as problem:
            log.warning("no book of %s yet: %s", coin, problem.message)
            return
        if book is not None:
            self._apply(self._books.book(book))

    async def run(self, apply: Apply) -> None:
        """Follows until cancelled, reconnecting with growing pauses."""
        self._apply = apply
        poll = asyncio.create_task(self._poll(apply))
        line = Line(Server(), chance)
        try:
            while True:
                while wait_ms := line.wait_ms(self._mono_ms()):
                    await asyncio.sleep(wait_ms / 1000)
                began_ms = self._mono_ms()
                heard = await self._follow(apply)
                self._empty(apply)
                now_ms = self._mono_ms()
                line.ended(now_ms, stable=heard and now_ms - began_ms >= STABLE_S * 1000)
        finally:
            poll.cancel()

    def _mono_ms(self) -> int:
        return int(self._clock.monotonic_s() * 1000)

    def _empty(self, apply: Apply) -> None:
        for coin in self._coins:
            apply(Tick(coin, bids=(), asks=()))

    async def _poll(self, apply: Apply) -> None:
        """Marks of all coins, also of those nobody uses."""
        while True:
            try:
                async with self._session() as session:
                    meta, ctxs = await self._info(session, {"type": "metaAndAssetCtxs"})
                for row, ctx in zip(meta["universe"], ctxs, strict=True):
                    apply(ctx_tick(row["name"], ctx))
            except VenueUnavailable as problem:
                log.warning("market data: %s", problem.message)
            await asyncio.sleep(POLL_S)

    async def _follow(self, apply: Apply) -> bool:
        """One connection's life; whether it ever said something."""
        heard = False
        try:
            async with self._session() as session, session.ws_connect(self._url + "/ws") as socket:
                self._socket = socket
                pings = asyncio.create_task(_ping(socket))
                try:
                    for coin in self._coins:
                        await self._subscribe(socket, coin)
                    while (message := await self._receive(socket)) is not None:
                        heard = True
                        self._take(message, apply)
                finally:
                    pings.cancel()
        except (ClientError, TimeoutError, OSError) as problem:
            log.warning("market data connection: %r", problem)
        finally:
            self._socket = None
        return heard

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
        tick = self._books.tick(message)
        if tick is not None:
            apply(tick)

    async def _subscribe(self, socket: ClientWebSocketResponse, coin: str) -> None:
        for subscription in subscriptions(coin):
            await socket.send_json({"method": "subscribe", "subscription": subscription})


async def _ping(socket: ClientWebSocketResponse) -> None:
    while True:
        await asyncio.sleep(PING_S)
        await socket.send_json({"method": "ping"})


def _told(problem: Exception) -> str:
    """What a person can read of it: aiohttp's repr is its connection key, and a time-out has no text."""
    return str(problem) or type(problem).__name__
