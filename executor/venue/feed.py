"""Live quotes of the coins in use: best bid and offer and mark price, kept for the most recently used ones only."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

from executor.core.types import Quote
from executor.hyperliquid import parse
from executor.ports import Lane
from executor.venue.clock_offset import VenueClock
from executor.venue.socket import VenueSocket

MAX_COINS = 60
FRESH_MS = 60_000
"""How old a pushed quote may be: the venue pushes changes only, so a quiet coin's stands unchanged."""

ReadBook = Callable[[str, Lane], Awaitable[Quote]]


class QuoteFeed:
    """``quotes`` is live and read-only. ``cold_reads`` counts the l2Book calls that had to be made."""

    def __init__(self, socket: VenueSocket, clock: VenueClock, read_book: ReadBook, max_coins: int = MAX_COINS) -> None:
        self.cold_reads = 0
        self._socket = socket
        self._clock = clock
        self._read_book = read_book
        self._max_coins = max_coins
        self._quotes: dict[str, Quote] = {}
        self.quotes: Mapping[str, Quote] = MappingProxyType(self._quotes)
        self._in_use: OrderedDict[str, None] = OrderedDict()
        self._marks: dict[str, Decimal] = {}
        self._heard_ms: dict[str, int] = {}
        self._reading: dict[tuple[str, Lane], asyncio.Task[Quote]] = {}
        socket.routes["bbo"] = self._on_bbo
        socket.routes["activeAssetCtx"] = self._on_mark
        socket.listeners.append(self._on_state)

    async def warm(self, coin: str, max_age_ms: int | None = None, lane: Lane = Lane.ENTRY) -> Quote:
        """A fresh quote of a listed coin; callers that ask for the same cold coin at once share one l2Book call.

        ``max_age_ms`` asks for one that was known to stand so lately, also where the socket counts as healthy. Nobody
        waits for the call of somebody less urgent, whose ``lane`` may hold it back.
        """
        self._use(coin)
        quote = self._quotes.get(coin)
        if quote is not None and self._is_fresh(coin, max_age_ms):
            return quote
        reading = next((self._reading[coin, one] for one in Lane if one <= lane and (coin, one) in self._reading), None)
        if reading is None:
            reading = self._reading[coin, lane] = asyncio.create_task(self._read(coin, lane), name=f"l2Book-{coin}")
            reading.add_done_callback(lambda done: self._read_ended(coin, lane, done))
        return await asyncio.shield(reading)

    def as_of_ms(self, coin: str) -> int | None:
        """Until when, by the venue's time, a pushed quote is known to stand; ``None``: all we know is its own time.

        Frames come in order, so whatever the socket heard last proves that no change of this quote came before it.
        """
        if coin not in self._heard_ms or not self._socket.is_healthy:
            return None
        return self._clock.now_ms() - self._socket.silent_ms()

    async def stop(self) -> None:
        """Cancel the reads that are out."""
        out = tuple(self._reading.values())
        for reading in out:
            reading.cancel()
        await asyncio.gather(*out, return_exceptions=True)

    def _read_ended(self, coin: str, lane: Lane, reading: asyncio.Task[Quote]) -> None:
        """Make way for the next read; its error was told to everyone who still waited."""
        del self._reading[coin, lane]
        if not reading.cancelled():
            reading.exception()

    def _use(self, coin: str) -> None:
        """Mark as used just now; a new one is subscribed, the one unused for longest goes."""
        if coin in self._in_use:
            self._in_use.move_to_end(coin)
            return
        self._in_use[coin] = None
        for subscription in _subscriptions(coin):
            self._socket.want(subscription)
        if len(self._in_use) > self._max_coins:
            self._forget(self._in_use.popitem(last=False)[0])

    def _forget(self, coin: str) -> None:
        for subscription in _subscriptions(coin):
            self._socket.unwant(subscription)
        for held in (self._quotes, self._marks, self._heard_ms):
            held.pop(coin, None)

    def _is_fresh(self, coin: str, max_age_ms: int | None) -> bool:
        heard_ms = self._heard_ms.get(coin)
        if heard_ms is None or not self._socket.is_healthy or self._clock.mono_ms() - heard_ms >= FRESH_MS:
            return False
        return max_age_ms is None or self._socket.silent_ms() <= max_age_ms

    async def _read(self, coin: str, lane: Lane) -> Quote:
        self.cold_reads += 1
        heard_ms = self._heard_ms.get(coin)
        quote = _marked(await self._read_book(coin, lane), self._marks.get(coin))
        overtaken = self._heard_ms.get(coin) not in (None, heard_ms)
        if coin in self._in_use and not overtaken:
            self._quotes[coin] = quote
        return self._quotes.get(coin, quote)

    def _on_bbo(self, data: object) -> None:
        coin, quote = parse.parse_bbo(data)
        self._clock.observe_push(quote.at_ms)
        if coin in self._in_use:
            self._quotes[coin] = _marked(quote, self._marks.get(coin))
            self._heard_ms[coin] = self._clock.mono_ms()

    def _on_mark(self, data: object) -> None:
        coin, mark = parse.parse_mark(data)
        if coin not in self._in_use:
            return
        self._marks[coin] = mark
        quote = self._quotes.get(coin)
        if quote is not None:
            self._quotes[coin] = _marked(quote, mark)

    def _on_state(self, _up: bool) -> None:
        """After a time without a socket no quote counts as fresh until it was pushed or read again.

        Nor does a mark: what is read meanwhile has none, and the middle of its book stands for it (``Market.mark``).
        """
        self._heard_ms.clear()
        self._marks.clear()


def _marked(quote: Quote, mark: Decimal | None) -> Quote:
    return Quote(quote.bid, quote.ask, mark, quote.at_ms, quote.bid_size, quote.ask_size)


def _subscriptions(coin: str) -> tuple[dict[str, str], ...]:
    return {"type": "bbo", "coin": coin}, {"type": "activeAssetCtx", "coin": coin}
