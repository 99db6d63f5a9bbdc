"""Polls TradeReady's REST API for what its socket never pushes: orders, portfolio and candles, politely.

Facts: signal-protocols.md sections 4.5 and 4.6. 600 requests a minute are allowed, 100 for trading; a 429 says with
``Retry-After`` when to come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from executor.clock import Clock
from executor.core.source_events import AgentNotice, Malformed, SourceTrade
from executor.ports import Emit
from executor.sources import tradeready_rest as rows
from executor.sources.channel import Channel
from executor.sources.reconnect import Retry, judge_status
from executor.sources.rest import Answer, RestReader
from executor.sources.seen import Seen, once
from executor.sources.strict_json import JsonObject, text_of
from executor.sources.tradeready_rest import Frame
from executor.sources.tradeready_wire import DONE, INTERVALS, Decoded, decode

PAGE = 100
PAGES = 10
LOOKED_UP = 20
"""At most so many working orders that left the first page are asked for one by one in a round."""

SLOWLY = 5
"""Portfolio and candles are read in every fifth round."""

LONGEST_PAUSE_S = 60.0
PATIENT = 5
"""With so many failures in a row, or a longer pause than ours asked for, nobody is heard: the channel is closed."""

HORIZON_MS = 86_400_000
"""So long before a worker last listened trades are told at a start: its last poll, or an outage, may miss some."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to poll for; ``candles`` are (symbol, interval)."""

    orders: bool
    portfolio: bool
    candles: tuple[tuple[str, str], ...]

    @property
    def anything(self) -> bool:
        """Whether there is anything to poll for."""
        return self.orders or self.portfolio or bool(self.candles)


class Poller:
    """One account's REST API. ``tell`` takes each frame as it would stand on the socket, and what it was decoded to.

    ``heard_ms`` is when a worker last listened: what was traded since a day before is told however old it is. What
    opened then is too old to be copied, but what was closed must be closed.
    """

    def __init__(
        self,
        wanted: Wanted,
        channel: Channel,
        rest: RestReader,
        clock: Clock,
        poll_s: float,
        tell: Callable[[str, Decoded, Emit], None],
        note: Callable[[str, str], None],
        heard_ms: int | None = None,
    ) -> None:
        self._wanted = wanted
        self._channel = channel
        self._rest = rest
        self._clock = clock
        self._poll_s = poll_s
        self._tell = tell
        self._note = note
        self._heard_ms = heard_ms
        self._failures = 0
        self._pause_s = poll_s
        self._first = True
        self._total = 0
        self._newest: set[str] = set()
        self._working: dict[str, None] = {}
        self._noted: set[str] = set()
        self._unread = Seen()

    async def run(self, emit: Emit) -> None:
        """Poll until cancelled, or refused for good."""
        round_no = 0
        while self._channel.state != "refused":
            self._pause_s = self._poll_s
            if await self._round(emit, slow=round_no % SLOWLY == 0):
                round_no += 1
            await asyncio.sleep(self._pause_s)

    async def _round(self, emit: Emit, *, slow: bool) -> bool:
        """Everything that is due once; false when it broke off, to be done again."""
        if self._wanted.orders and not await self._orders(emit):
            return False
        if not slow:
            return True
        if self._wanted.portfolio and not await self._portfolio(emit):
            return False
        for symbol, interval in self._wanted.candles:
            if not await self._candles(symbol, interval, emit):
                return False
        return True

    # -- orders -----------------------------------------------------------------------------------------------------

    async def _orders(self, emit: Emit) -> bool:
        """All pages before any is told: the newest come first, and an entry belongs before its exit."""
        pages: list[list[JsonObject]] = []
        offset: int | None = 0
        total = self._total
        while offset is not None and len(pages) < PAGES:
            answer = await self._get("/trade/orders", emit, {"limit": str(PAGE), "offset": str(offset)})
            if answer is None:
                return False
            pages.append(rows.listed(answer.body))
            total = rows.total(answer.body)
            offset = self._next_page(_ids(pages[-1]), total, offset)
        listed = self._take(rows.orders([row for page in pages for row in page]), emit)
        # only now: a round that broke off is to read as far again
        self._first, self._total, self._newest = False, total, _ids(pages[0])
        return await self._left_behind(listed, emit)

    def _next_page(self, ids: set[str], total: int, offset: int) -> int | None:
        """The first time all pages; later back to what the last round began with. A page without end may be the last.

        The real server says how many the page has where it promises how many there are, newest first. One that counts
        them all may list them otherwise: where they grew the last page is read as well.
        """
        last = total - PAGE
        if len(ids) >= PAGE and not 0 < last == offset and (self._first or ids.isdisjoint(self._newest)):
            return offset + PAGE
        return last if not self._first and total > self._total and last > offset else None

    async def _left_behind(self, listed: set[str], emit: Emit) -> bool:
        """Working orders that newer ones pushed off the pages read."""
        left = [order_id for order_id in self._working if order_id not in listed]
        for order_id in left[: max(1, min(LOOKED_UP, int(self._poll_s)))]:  # one a second, the longest unasked first
            answer = await self._get(f"/trade/order/{quote(order_id, safe='')}", emit, tolerant=True)
            if answer is None:
                return False
            del self._working[order_id]
            self._take(rows.orders([answer.body]), emit)
        return True

    def _take(self, frames: list[Frame], emit: Emit) -> set[str]:
        """Tell of these orders; the ids of those among them that still work."""
        now_ms = self._clock.now_ms()
        working: set[str] = set()
        for frame in frames:
            raw = text_of(frame)
            event = decode(raw, self._channel.origin(now_ms))
            working |= self._follow(event)
            if not self._first or self._told_at_start(event, now_ms):
                self._tell_once(raw, event, emit)
            else:
                self._tell(raw, event, _nobody)
        return working

    def _told_at_start(self, event: Decoded, now_ms: int) -> bool:
        """Of all that happened before us the trades that no worker may have heard of."""
        since_ms = (now_ms if self._heard_ms is None else min(now_ms, self._heard_ms)) - HORIZON_MS
        return isinstance(event, SourceTrade) and event.at_ms is not None and event.at_ms > since_ms

    def _follow(self, event: Decoded) -> set[str]:
        """Remember which orders still work; this one's id where it does."""
        if isinstance(event, AgentNotice) and event.ref is not None and event.rule not in DONE:
            self._working[event.ref] = None
            return {event.ref}
        if isinstance(event, AgentNotice | SourceTrade) and event.ref is not None:
            self._working.pop(event.ref, None)
        return set()

    # -- portfolio and candles --------------------------------------------------------------------------------------

    async def _portfolio(self, emit: Emit) -> bool:
        answer = await self._get("/account/portfolio", emit)
        if answer is not None:
            self._take_all(rows.portfolio(answer.body), emit)
        return answer is not None

    async def _candles(self, symbol: str, interval: str, emit: Emit) -> bool:
        path = f"/market/candles/{quote(symbol, safe='')}"
        answer = await self._get(path, emit, {"interval": interval, "limit": "3"}, tolerant=True)
        if answer is None:
            return False
        if answer.error:
            self._mention(f"candles:{symbol}:{interval}", answer.error)
            return True
        frames = rows.candles(answer.body, symbol, interval, INTERVALS.get(interval), self._clock.now_ms())
        self._take_all(frames, emit)
        return True

    def _take_all(self, frames: list[Frame], emit: Emit) -> None:
        for frame in frames:
            raw = text_of(frame)
            self._tell_once(raw, decode(raw, self._channel.origin(self._clock.now_ms())), emit)

    def _tell_once(self, raw: str, event: Decoded, emit: Emit) -> None:
        """What nobody can read stands in the next answer too, and would be written down every few seconds."""
        if not isinstance(event, Malformed) or self._unread.fresh(once(hash(raw))):
            self._tell(raw, event, emit)

    def _mention(self, what: str, error: str) -> None:
        if what not in self._noted:
            self._noted.add(what)
            self._note(self._channel.name, f"{what} cannot be read: {error}")

    # -- one request ------------------------------------------------------------------------------------------------

    async def _get(
        self, path: str, emit: Emit, params: dict[str, str] | None = None, *, tolerant: bool = False
    ) -> Answer | None:
        """The answer; ``None`` when the round ends here. ``tolerant`` takes a 4xx that concerns this path alone."""
        answer = await self._rest.get(path, params)
        own = tolerant and answer.status is not None and 400 <= answer.status < 500
        if answer.ok or (own and answer.status not in (401, 403, 429)):
            self._failures = 0
            self._channel.last_frame_at_ms = self._clock.now_ms()
            self._channel.turn("open", self._clock.now_ms(), emit)
            return answer
        self._failed(answer, emit)
        return None

    def _failed(self, answer: Answer, emit: Emit) -> None:
        self._failures += 1
        backing_off_s = self._poll_s * 2.0 ** min(self._failures, 10)
        self._pause_s = max(answer.retry_after_s, min(backing_off_s, LONGEST_PAUSE_S))
        if answer.status == 429 and answer.retry_after_s <= LONGEST_PAUSE_S and self._failures < PATIENT:
            return  # asked to wait, not cut off
        known = answer.status is not None and answer.status != 200
        verdict = judge_status(answer.status or 0) if known else Retry("UNREACHABLE", answer.error)
        refused = verdict.reason in ("UNAUTHORIZED", "FORBIDDEN")
        self._channel.turn("refused" if refused else "closed", self._clock.now_ms(), emit, verdict)


def _ids(page: list[JsonObject]) -> set[str]:
    return {str(row.get("order_id")) for row in page}


def _nobody(raw: str | bytes, event: object) -> None:
    """Where old news goes: it is remembered as told."""
