"""Quotes of the coins in use, fed by hand: no socket is open, so what counts as fresh is exact."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from executor.core.types import Quote
from executor.errors import VenueUnavailable
from executor.ports import Lane
from executor.testing import ManualClock
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock
from executor.venue.feed import FRESH_MS, QuoteFeed
from executor.venue.socket import SocketSettings, VenueSocket

BOOK = (Decimal(10), Decimal(11))
SIZES = (Decimal(3), Decimal(4))


class HealthySocket(VenueSocket):
    """A socket that is open and heard of, without a network."""

    healthy = True
    silent = 0

    def silent_ms(self) -> int:
        return self.silent

    @property
    def is_healthy(self) -> bool:
        return self.healthy


class Stage:
    def __init__(self, max_coins: int = 60) -> None:
        self.clock = ManualClock()
        venue_clock = VenueClock(self.clock)
        self.socket = HealthySocket("ws://nowhere", venue_clock, Budgets(), SocketSettings())
        self.reads: list[str] = []
        self.lanes: list[Lane] = []
        self.failing = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.feed = QuoteFeed(self.socket, venue_clock, self.read, max_coins)

    async def read(self, coin: str, lane: Lane) -> Quote:
        self.reads.append(coin)
        self.lanes.append(lane)
        await self.gate.wait()
        if self.failing:
            raise VenueUnavailable("down")
        return Quote(*BOOK, None, self.clock.now_ms(), *SIZES)

    def push(self, coin: str, bid: str | None, ask: str) -> None:
        levels = [None if bid is None else {"px": bid, "sz": "1", "n": 1}, {"px": ask, "sz": "1", "n": 1}]
        self.socket.routes["bbo"]({"coin": coin, "time": self.clock.now_ms(), "bbo": levels})

    def mark(self, coin: str, px: str) -> None:
        self.socket.routes["activeAssetCtx"]({"coin": coin, "ctx": {"markPx": px}})

    def reconnect(self) -> None:
        for up in (False, True):
            for listener in self.socket.listeners:
                listener(up)


async def test_a_cold_coin_is_read_once_however_many_ask() -> None:
    stage = Stage()
    stage.gate.clear()
    asking = [asyncio.create_task(stage.feed.warm("A")) for _ in range(20)]
    await asyncio.sleep(0)
    stage.gate.set()
    assert {(quote.bid, quote.ask) for quote in await asyncio.gather(*asking)} == {BOOK}
    assert (stage.reads, stage.feed.cold_reads) == (["A"], 1)


async def test_a_read_is_shared_with_those_less_urgent_and_an_exit_waits_for_no_entrys() -> None:
    stage = Stage()
    stage.gate.clear()
    asking = []
    for lane in (Lane.ENTRY, Lane.ENTRY, Lane.CLOSE, Lane.RESIZE, Lane.CLOSE, Lane.ENTRY):
        asking.append(asyncio.create_task(stage.feed.warm("A", lane=lane)))
        await asyncio.sleep(0)
    stage.gate.set()
    assert {(quote.bid, quote.ask) for quote in await asyncio.gather(*asking)} == {BOOK}
    assert stage.lanes == [Lane.ENTRY, Lane.CLOSE]


async def test_a_pushed_quote_is_fresh_for_a_minute() -> None:
    stage = Stage()
    await stage.feed.warm("A")
    stage.push("A", "20", "21")
    stage.clock.advance(FRESH_MS - 1)
    assert (await stage.feed.warm("A")).bid == Decimal(20)
    stage.clock.advance(1)
    assert (await stage.feed.warm("A")).bid == BOOK[0]
    assert stage.reads == ["A", "A"]


async def test_without_a_healthy_socket_no_push_counts_as_fresh() -> None:
    stage = Stage()
    await stage.feed.warm("A")
    stage.push("A", "20", "21")
    stage.socket.healthy = False
    assert (await stage.feed.warm("A")).bid == BOOK[0]


async def test_a_pushed_quote_stands_for_as_long_as_the_socket_was_heard() -> None:
    stage = Stage()
    await stage.feed.warm("A")
    assert stage.feed.as_of_ms("A") is None, "a read speaks of its own moment"
    stage.push("A", "20", "21")
    stage.clock.advance(40_000)
    stage.socket.silent = 1_500
    assert stage.feed.as_of_ms("A") == stage.clock.now_ms() - 1_500
    stage.socket.healthy = False
    assert stage.feed.as_of_ms("A") is None
    stage.socket.healthy = True
    stage.reconnect()
    assert stage.feed.as_of_ms("A") is None


async def test_who_wants_a_younger_quote_has_it_read_though_the_socket_is_healthy() -> None:
    stage = Stage()
    await stage.feed.warm("A")
    stage.push("A", "20", "21")
    stage.socket.silent = 1_500
    assert (await stage.feed.warm("A", 1_500)).bid == Decimal(20)
    assert (await stage.feed.warm("A", 1_499)).bid == BOOK[0]
    assert (stage.feed.quotes["A"].bid, stage.reads) == (BOOK[0], ["A", "A"])


async def test_what_the_best_levels_hold_is_kept_through_marks() -> None:
    stage = Stage()
    quote = await stage.feed.warm("A")
    assert (quote.bid_size, quote.ask_size) == SIZES
    stage.push("A", "20", "21")
    stage.mark("A", "20.4")
    quote = stage.feed.quotes["A"]
    assert (quote.bid_size, quote.ask_size, quote.mark) == (Decimal(1), Decimal(1), Decimal("20.4"))


async def test_after_a_reconnect_a_quote_must_be_heard_again() -> None:
    stage = Stage()
    await stage.feed.warm("A")
    stage.push("A", "20", "21")
    stage.reconnect()
    assert stage.feed.quotes["A"].bid == Decimal(20), "the last known stays to be seen"
    assert (await stage.feed.warm("A")).bid == BOOK[0]


async def test_what_was_marked_before_the_socket_went_down_marks_nothing_that_is_read_after() -> None:
    stage = Stage()
    await stage.feed.warm("A")
    stage.push("A", "20", "21")
    stage.mark("A", "20.4")
    stage.socket.healthy = False
    for listener in stage.socket.listeners:
        listener(False)
    assert stage.feed.quotes["A"].mark == Decimal("20.4"), "the last known stays to be seen"
    assert await stage.feed.warm("A") == Quote(*BOOK, None, stage.clock.now_ms(), *SIZES)


async def test_a_push_that_overtakes_the_read_wins() -> None:
    stage = Stage()
    stage.gate.clear()
    asking = asyncio.create_task(stage.feed.warm("A"))
    while not stage.reads:
        await asyncio.sleep(0)
    stage.push("A", "20", "21")
    stage.gate.set()
    assert (await asking).bid == Decimal(20)


async def test_a_mark_stays_with_its_coin_whichever_comes_first() -> None:
    stage = Stage()
    stage.gate.clear()
    asking = asyncio.create_task(stage.feed.warm("A"))
    await asyncio.sleep(0)
    stage.mark("A", "10.4")
    stage.gate.set()
    assert (await asking).mark == Decimal("10.4")
    stage.push("A", None, "21")
    assert stage.feed.quotes["A"].mark == Decimal("10.4")
    assert stage.feed.quotes["A"].bid is None
    stage.mark("A", "10.5")
    assert stage.feed.quotes["A"].mark == Decimal("10.5")


async def test_a_read_that_failed_is_told_and_tried_again_next_time() -> None:
    stage = Stage()
    stage.failing = True
    with pytest.raises(VenueUnavailable):
        await stage.feed.warm("A")
    stage.failing = False
    assert (await stage.feed.warm("A")).bid == BOOK[0]


async def test_only_the_coins_used_last_are_kept() -> None:
    stage = Stage(max_coins=2)
    for coin in ("A", "B", "A", "C"):
        await stage.feed.warm(coin)
    assert set(stage.feed.quotes) == {"A", "C"}
    stage.push("B", "1", "2")
    stage.mark("B", "1")
    assert set(stage.feed.quotes) == {"A", "C"}


async def test_pushed_times_set_the_clock() -> None:
    stage = Stage()
    stage.clock.jump(-5_000)
    stage.push("A", "1", "2")
    stage.clock.jump(10_000)
    stage.push("A", "1", "2")
    assert VenueClock(stage.clock).now_ms() == stage.clock.now_ms()


async def test_stopping_ends_the_reads_that_are_out() -> None:
    stage = Stage()
    stage.gate.clear()
    asking = [asyncio.create_task(stage.feed.warm("A", lane=lane)) for lane in (Lane.ENTRY, Lane.CLOSE)]
    await asyncio.sleep(0)
    await stage.feed.stop()
    for one in asking:
        with pytest.raises(asyncio.CancelledError):
            await one
