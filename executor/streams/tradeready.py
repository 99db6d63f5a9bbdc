"""``AgentExchangeWS``: TradeReady's feed with the interface of its page (seed 004), in the language of its server.

Facts: signal-protocols.md sections 4.2 to 4.6.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from executor.core.source_events import AgentNotice, Candle, Origin, SourcePortfolio, SourceTrade
from executor.sources.channel import Channel
from executor.sources.connection import Connection, Endpoint
from executor.sources.fields import first_of
from executor.sources.rest import RestReader, addresses
from executor.sources.seen import Seen
from executor.sources.tradeready_poll import Poller, Wanted
from executor.sources.tradeready_wire import ALIASES, INTERVALS, PONG, SYSTEM, Decoded, Plan, decode, marks, plan
from executor.streams.client import STALE_S, Frame, StreamClient
from executor.streams.handlers import Handler, log

ALL = "ALL"
_WORTH = ("total_equity", "available_cash", "unrealized_pnl", "realized_pnl")
_ORIGIN = Origin(SYSTEM, SYSTEM, "stream:stream", 0)
_PROMISED = {
    "candles": ("open_time",),
    "orders": ("order_id", "symbol", "side", "status", "executed_price", "executed_quantity"),
    "portfolio": ("total_equity", "available_cash", "unrealized_pnl", "roi_pct"),
}
"""What the page says handlers get: there whatever the server calls it, ``None`` where it does not tell."""

_ANSWERS = ("subscribed", "unsubscribed")


class AgentExchangeWS(StreamClient):
    """Prices, candles, orders and the portfolio of a TradeReady account.

    ``poll_s``: that server pushes prices only, so the rest is also read over REST so often (``None``: not at all).
    ``batch_s`` hands on of each symbol only the newest price, so often.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str = "ws://localhost:8000",
        *,
        poll_s: float | None = 5.0,
        batch_s: float | None = None,
        stale_s: float = STALE_S,
    ) -> None:
        super().__init__()
        self._api_key = api_key
        self._sockets, self._rest = addresses(base_url, SYSTEM)
        self._poll_s, self._batch_s, self._stale_s = poll_s, batch_s, stale_s
        self._newest: dict[str, Frame] = {}
        self._seen = Seen()
        self._worth: Frame = {}
        self._plan: Plan | None = None
        self._charts: dict[tuple[str, str], None] = {}

    # -- decorators ---------------------------------------------------------------------------------------------------

    def on_ticker(self, symbol: str) -> Callable[[Handler], Handler]:
        """Each price of a symbol, or of ``"all"``: ``symbol``, ``price``, ``quantity``, ``timestamp``."""
        return self._handlers.on(("ticker", symbol.upper()))

    def on_candles(self, symbol: str, interval: str, *, closed: bool = True) -> Callable[[Handler], Handler]:
        """Candles when they close; with ``closed=False`` also while they move."""
        self._charts[symbol.upper(), interval] = None
        return self._handlers.on(("candles", symbol.upper(), interval, closed))

    def on_order_update(self) -> Callable[[Handler], Handler]:
        """What becomes of the account's orders."""
        return self._handlers.on("orders")

    def on_portfolio(self) -> Callable[[Handler], Handler]:
        """What the account is worth."""
        return self._handlers.on("portfolio")

    # -- the socket ---------------------------------------------------------------------------------------------------

    def _connect(self) -> Sequence[Connection]:
        self._seen, self._newest = Seen(), {}
        private = {"orders": self._has("orders"), "portfolio": self._has("portfolio")}
        self._plan = plan(self._symbols(), tuple(self._charts), **private)
        if self._plan.left_out:
            log.warning("no room among the server's 10 subscriptions for %s", ", ".join(self._plan.left_out))
        url = f"{self._sockets}/ws/v1?{urlencode({'api_key': self._api_key})}"
        endpoint = Endpoint("tradeready", url, secrets=(self._api_key,))
        return [self._connection(endpoint, self._stale_s)]

    def _symbols(self) -> tuple[str, ...]:
        topics = [topic for topic in self._handlers.topics() if isinstance(topic, tuple) and topic[0] == "ticker"]
        return tuple(topic[1] for topic in topics)

    def _has(self, topic: object) -> bool:
        return bool(self._handlers.of(topic))

    def _welcomed(self, connection: Connection) -> None:
        for one in self._plan.subscriptions if self._plan else ():
            self._say(connection, one.message)

    def _heard(self, connection: Connection, frame: Frame, raw: str | bytes) -> None:
        """Acknowledgements, errors and pings are told by ``type`` and reach no handler of a channel."""
        kind, channel = frame.get("type"), frame.get("channel")
        if kind == "ping":
            self._say(connection, PONG)
        elif kind == "error":
            self._complain(frame, f"{frame.get('code')}: {frame.get('message')}", (self._api_key,))
        elif kind not in _ANSWERS and isinstance(channel, str):
            self._fact(channel, frame, raw)

    def _fact(self, channel: str, frame: Frame, raw: str | bytes) -> None:
        fact = merged(frame)
        if channel == "ticker":
            self._quote(fact)
        elif self._fresh(channel, fact, decode(raw, _ORIGIN)):
            for topic in _topics(channel, fact):
                self._tell(topic, fact)

    def _fresh(self, channel: str, fact: Frame, said: Decoded) -> bool:
        """Whether neither socket nor REST told it before; what cannot be told apart is told."""
        if channel == "portfolio":
            before, self._worth = self._worth, {name: fact.get(name) for name in _WORTH}
            return before != self._worth
        known = marks(said) if isinstance(said, SourceTrade | AgentNotice | Candle) else None
        return known is None or self._seen.fresh(known)

    # -- prices -------------------------------------------------------------------------------------------------------

    def _quote(self, fact: Frame) -> None:
        if self._batch_s is None:
            self._price(fact)
        else:
            self._newest[str(fact.get("symbol"))] = fact

    def _price(self, fact: Frame) -> None:
        for symbol in (str(fact.get("symbol")).upper(), ALL):
            self._tell(("ticker", symbol), fact)

    def _beside(self) -> Sequence[Any]:
        work = [] if self._batch_s is None else [self._in_batches(self._batch_s)]
        wanted = Wanted(self._has("orders"), self._has("portfolio"), tuple(self._charts))
        return work if self._poll_s is None or not wanted.anything else [*work, self._poll(wanted, self._poll_s)]

    async def _in_batches(self, batch_s: float) -> None:
        while True:
            await asyncio.sleep(batch_s)
            newest, self._newest = self._newest, {}
            for fact in newest.values():
                self._price(fact)

    # -- REST ---------------------------------------------------------------------------------------------------------

    async def _poll(self, wanted: Wanted, poll_s: float) -> None:
        """What the server never pushes, as if it had; nothing from before the start."""
        channel, start_ms = Channel(SYSTEM, SYSTEM, "rest:stream", ("stream",)), self.clock.now_ms()

        def tell(raw: str, said: Decoded, _: object) -> None:
            if isinstance(said, SourcePortfolio) or _ended_ms(said) >= start_ms:
                frame = json.loads(raw)
                self._try(self._fact, str(frame.get("channel")), frame, raw)

        def turned(*_: object) -> None:
            if channel.state != "open":
                log.warning("REST is %s: %s", channel.state, channel.detail)
                said = {"state": channel.state, "detail": channel.detail, "remedy": channel.remedy}
                self._tell("error", {"channel": "rest", **said})

        def note(_: str, text: str) -> None:
            log.warning("REST: %s", text)

        headers = {"X-API-Key": self._api_key}
        async with RestReader(f"{self._rest}/api/v1", headers, (self._api_key,)) as rest:
            await Poller(wanted, channel, rest, self.clock, poll_s, tell, note).run(turned)


def merged(frame: Frame) -> Frame:
    """What handlers get: the fields of ``data`` and the frame's own: the page shows the one, the server the other."""
    data = frame.get("data")
    inner = data if isinstance(data, dict) else {name: value for name, value in frame.items() if name != "channel"}
    outer = {name: frame[name] for name in ("symbol", "interval") if name in frame}
    told = {name: inner.get(name) for name in _PROMISED.get(str(frame.get("channel")), ())}
    told |= {name: value for name in told if (value := _alias(name, inner)) is not None}
    return {**told, **inner, **outer, "channel": frame.get("channel"), "data": data}


def _ended_ms(said: Decoded) -> int:
    """When what REST tells happened; 0 for what does not say."""
    if isinstance(said, Candle):
        return said.open_at_ms + INTERVALS.get(said.interval, 0)
    return getattr(said, "at_ms", None) or 0


def _alias(name: str, inner: Frame) -> Any:
    return first_of(inner, ALIASES.get(name, (name,)))


def _topics(channel: str, fact: Frame) -> list[object]:
    if channel != "candles":
        return [channel]
    market = (channel, str(fact.get("symbol")).upper(), fact.get("interval"))
    return [(*market, False), (*market, True)] if fact.get("is_closed") else [(*market, False)]
