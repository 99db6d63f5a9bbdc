"""The TradeReady source: one socket for quotes and whatever it pushes, and REST for what it never does.

Facts: signal-protocols.md section 4. The wire itself is ``tradeready_wire``, the polling ``tradeready_poll``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from executor.clock import Clock
from executor.core.source_events import Candle, Malformed, SourceEvent, SourcePortfolio, SourceTrade, Ticker
from executor.errors import ConfigError, CredentialRefused
from executor.ports import ChannelState, Emit, Recall, SourceContext
from executor.sources.channel import Channel
from executor.sources.connection import Connection, Endpoint, Item, Opened, Received, Timing, redacted
from executor.sources.rest import RestReader, addresses
from executor.sources.seen import Overtaken, Seen, heard_ms
from executor.sources.tradeready_poll import Poller, Wanted
from executor.sources.tradeready_rest import agents
from executor.sources.tradeready_wire import (
    INTERVALS,
    PONG,
    SYSTEM,
    Ack,
    Decoded,
    Fact,
    Ping,
    ServerError,
    decode,
    marks,
    plan,
)

__all__ = ["Newest", "TradeReadyOptions", "TradeReadySource", "decode"]

STALE_S = 40.0
"""Without any frame for so long the connection is dead (seed 004): every frame counts, pings too."""

SYMBOLS_KEPT = 5_000

OUTBOX = 64
"""What waits to be said, at most: a server that reads nothing gets no more."""

Note = Callable[[str, str], None]


def _symbol(value: str) -> str:
    if not value.isascii() or not value.replace("-", "").replace("_", "").isalnum():
        raise ValueError("takes symbols like BTCUSDT")
    return value


def _chart(value: str) -> str:
    symbol, _, interval = value.partition(":")
    if not interval.isalnum():
        raise ValueError("takes symbol:interval, like BTCUSDT:1m")
    return f"{_symbol(symbol)}:{interval}"


class TradeReadyOptions(BaseModel):
    """The keys of a ``type: tradeready`` source (contract.md).

    ``agent`` is what routes call the account; give two sources two names. ``poll_s`` is how often orders are asked
    for, portfolio and candles every fifth time. ``ticker_ms`` is the pause between two hand-overs of the newest prices
    when the whole market is subscribed. ``live_candles`` also tells candles that still move.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "ws://localhost:8000"
    api_key_env: str | None = "TRADEREADY_API_KEY"
    tickers: tuple[Annotated[str, AfterValidator(_symbol)], ...] = ()
    candles: tuple[Annotated[str, AfterValidator(_chart)], ...] = ()
    orders: bool = False
    portfolio: bool = False
    agent: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[!-~]+$")] = "account"
    poll_s: Annotated[Decimal, Field(gt=0, le=3600)] = Decimal(2)
    ticker_ms: Annotated[int, Field(ge=0, le=60_000)] = 250
    live_candles: bool = False
    after_gap: Literal["reduce_only", "continue"] = "reduce_only"

    @property
    def pause_s(self) -> float:
        """``poll_s`` for the event loop."""
        return int(self.poll_s * 1000) / 1000

    @property
    def charts(self) -> tuple[tuple[str, str], ...]:
        """Symbol and interval of each candle subscription."""
        return tuple((symbol.upper(), interval) for symbol, _, interval in (c.partition(":") for c in self.candles))


class Newest:
    """The newest price of each symbol, until somebody takes them: a flood costs one place per symbol, not a queue."""

    def __init__(self, limit: int = SYMBOLS_KEPT) -> None:
        self.dropped = 0
        self._limit = limit
        self._kept: dict[str, tuple[str | bytes, Ticker]] = {}
        self._some = asyncio.Event()

    def put(self, raw: str | bytes, ticker: Ticker) -> None:
        """Keep it in place of an older one; the longest untouched symbol goes when there are too many."""
        if self._kept.pop(ticker.symbol, None) is not None:
            self.dropped += 1
        self._kept[ticker.symbol] = (raw, ticker)
        if len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]
            self.dropped += 1
        self._some.set()

    async def take(self) -> list[tuple[str | bytes, Ticker]]:
        """All that are kept, once there are any."""
        await self._some.wait()
        self._some.clear()
        taken, self._kept = list(self._kept.values()), {}
        return taken


class TradeReadySource:
    """One account. The socket is the channel ``stream:<agent>``, the REST API ``rest:<agent>`` where it is needed."""

    Options: ClassVar = TradeReadyOptions
    system: ClassVar[str] = SYSTEM

    def __init__(
        self,
        name: str,
        options: TradeReadyOptions,
        secrets: Mapping[str, SecretStr],
        clock: Clock,
        jitter: Callable[[], float],
        note: Note | None = None,
        stale_s: float = STALE_S,
        recall: Recall = lambda: iter(()),
    ) -> None:
        self.name = name
        self.options = options
        self._clock = clock
        self._note = note or (lambda channel, text: None)
        self._recall = recall
        self._key = _key(secrets)
        self._plan = plan(options.tickers, options.charts, orders=options.orders, portfolio=options.portfolio)
        if not self._plan.subscriptions:
            raise ConfigError("the tradeready source has no channel", "set tickers, candles, orders or portfolio")
        self._wanted = Wanted(options.orders, options.portfolio, options.charts)
        sockets, self._rest = addresses(options.url, SYSTEM)
        self._stream = Channel(SYSTEM, name, f"stream:{options.agent}", (options.agent,))
        self._polled = Channel(SYSTEM, name, f"rest:{options.agent}", (options.agent,))
        url = f"{sockets}/ws/v1?{urlencode({'api_key': self._key})}"
        endpoint = Endpoint(self._stream.name, url, secrets=(self._key,))
        self._connection = Connection(endpoint, clock, jitter, Timing(silence_s=stale_s))
        self._seen = Seen()
        self._overtaken = Overtaken()
        self._newest = Newest()
        self._worth: tuple[Decimal | None, ...] = ()
        self._outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX)
        self._asked: deque[str] = deque()

    @classmethod
    def build(cls, name: str, options: TradeReadyOptions, context: SourceContext) -> TradeReadySource:
        """The source as the configuration asks for it."""
        recall = context.recall
        return cls(name, options, context.secrets, context.clock, context.jitter, context.note, recall=recall)

    def channels(self) -> tuple[ChannelState, ...]:
        """The channels as they are now."""
        stream = self._stream.shown(self._connection.attempts)
        return (stream, self._polled.shown()) if self._wanted.anything else (stream,)

    async def run(self, emit: Emit) -> None:
        """Listen and poll until cancelled; raises ``CredentialRefused`` once both were refused for good."""
        self._mention_limits()
        heard = heard_ms(await asyncio.to_thread(self._recall), self._clock.now_ms())
        headers = {"X-API-Key": self._key}
        async with RestReader(f"{self._rest}/api/v1", headers, (self._key,)) as rest, asyncio.TaskGroup() as group:
            beside = [group.create_task(self._speak()), group.create_task(self._hand_over(emit))]
            beside.append(group.create_task(self._mention_siblings(rest)))
            work = [group.create_task(self._listen(emit), name=f"{self.name} {self._stream.name}")]
            if self._wanted.anything:
                polling = self._poller(rest, heard).run(emit)
                work.append(group.create_task(polling, name=f"{self.name} {self._polled.name}"))
            await asyncio.wait(work)
            for task in beside:
                task.cancel()
        raise CredentialRefused(f"{self.name}: refused for good ({self._stream.detail})", self._stream.remedy)

    def _mention_limits(self) -> None:
        if self._plan.left_out:
            told = ", ".join(self._plan.left_out)
            self._note(self._stream.name, f"no room among 10 subscriptions, read over REST only: {told}")
        for symbol, interval in self.options.charts:
            if interval not in INTERVALS:
                known = ", ".join(INTERVALS)
                self._note(self._stream.name, f"candles {symbol}:{interval}: the server is known to have {known} only")

    async def _mention_siblings(self, rest: RestReader) -> None:
        """The real server lists the whole account's orders, whatever the key, and names no agent in them."""
        if self.options.orders and agents((await rest.get("/agents", {"limit": "2"})).body) > 1:
            told = "this account has several agents, and its orders name none: those of all of them are told"
            self._note(self._polled.name, f"{told}; to copy one agent alone, give it an account of its own")

    def _poller(self, rest: RestReader, heard: int) -> Poller:
        pause_s = self.options.pause_s
        return Poller(self._wanted, self._polled, rest, self._clock, pause_s, self._tell, self._note, heard)

    # -- the socket -----------------------------------------------------------------------------------------------

    async def _listen(self, emit: Emit) -> None:
        await self._connection.run(lambda item: self._take(item, emit))

    def _take(self, item: Item, emit: Emit) -> None:
        self._stream.follow(item, emit)
        if isinstance(item, Opened):
            self._subscribe()
        elif isinstance(item, Received):
            self._hear(item.raw, decode(item.raw, self._stream.origin(item.at_ms)), emit)

    def _subscribe(self) -> None:
        """All of it again: a new connection knows nothing of the last one."""
        _empty(self._outbox)
        self._asked = deque(one.key for one in self._plan.subscriptions)
        for one in self._plan.subscriptions:
            self._say(one.message)

    def _hear(self, raw: str | bytes, said: Decoded, emit: Emit) -> None:
        match said:
            case Ping():
                self._say(PONG)
            case Ack(channel=channel):
                if channel in self._asked:
                    self._asked.remove(channel)
            case ServerError(code=code, message=message):
                self._refused(code, message)
            case _:
                self._tell(raw, said, emit)

    def _refused(self, code: str, message: str) -> None:
        """The server answers in order: an error belongs to the first request that has no answer yet."""
        asked = self._asked.popleft() if self._asked else "a message of ours"
        told = redacted(f"{code}: {message}", (self._key,))
        self._note(self._stream.name, f"{asked}: the server says {told}")

    def _say(self, text: str) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._outbox.put_nowait(text)

    async def _speak(self) -> None:
        while True:
            await self._connection.send(await self._outbox.get())

    # -- facts ----------------------------------------------------------------------------------------------------

    def _tell(self, raw: str | bytes, said: Decoded, emit: Emit) -> None:
        """Emit what was asked for and not told before, whether the socket or REST brought it."""
        if said is None or isinstance(said, Ack | ServerError | Ping):
            return
        if isinstance(said, Malformed):
            emit(raw, said)
        elif isinstance(said, Ticker):
            self._quote(raw, said, emit)
        elif self._wants(said):
            known = marks(said)
            if known is None or self._seen.fresh(known):
                self._emit(raw, said, emit)

    def _emit(self, raw: str | bytes, fact: Fact, emit: Emit) -> None:
        if isinstance(fact, SourceTrade) and self._overtaken.late(fact):
            self._note(self._stream.name, f"the buy {fact.ref} came to light after a later sell: not told")
        else:
            emit(raw, fact)

    def _quote(self, raw: str | bytes, ticker: Ticker, emit: Emit) -> None:
        if self._plan.symbols is not None and ticker.symbol not in self._plan.symbols:
            return
        if self._plan.every_ticker:
            self._newest.put(raw, ticker)
        else:
            emit(raw, ticker)

    async def _hand_over(self, emit: Emit) -> None:
        """Prices of the whole market, the newest of each symbol, a few times a second."""
        while True:
            for raw, ticker in await self._newest.take():
                emit(raw, ticker)
            await asyncio.sleep(self.options.ticker_ms / 1000)

    def _wants(self, fact: SourceEvent) -> bool:
        """Private frames come unasked too: the server does not look at what we subscribed to."""
        if isinstance(fact, Candle):
            return fact.closed or self.options.live_candles
        if isinstance(fact, SourcePortfolio):
            return self.options.portfolio and self._changed(fact)
        return self.options.orders

    def _changed(self, portfolio: SourcePortfolio) -> bool:
        """Polled, it is the same most of the time."""
        worth = (
            portfolio.equity_usd,
            portfolio.available_usd,
            portfolio.unrealized_pnl_usd,
            portfolio.realized_pnl_usd,
        )
        before, self._worth = self._worth, worth
        return worth != before


def _empty(queue: asyncio.Queue[str]) -> None:
    while not queue.empty():
        queue.get_nowait()


def _key(secrets: Mapping[str, SecretStr]) -> str:
    if "api_key" not in secrets or not secrets["api_key"].get_secret_value():
        raise ConfigError("the tradeready source needs api_key", "set the variable that api_key_env names")
    return secrets["api_key"].get_secret_value()
