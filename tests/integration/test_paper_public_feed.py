"""The paper exchange on a venue's public data that takes its time, breaks off, and says odd things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from upstream import Upstream

from executor.paper import live_feed
from executor.paper.live_feed import HyperliquidFeed
from executor.paper.server import Options, PaperExchange
from executor.testing.waiting import until

FAST = Options(latency_ms=0)
PATIENT_S = 20
USER = "0x" + "a1" * 20


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as venue:
        yield venue


@pytest.fixture
async def paper(upstream: Upstream) -> AsyncIterator[PaperExchange]:
    async with PaperExchange(HyperliquidFeed(upstream.url), options=FAST) as server:
        await paper_ready(server, upstream)
        yield server


@pytest.fixture
def quick_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks of all coins come all the time."""
    monkeypatch.setattr(live_feed, "POLL_S", 0.05)


async def paper_ready(paper: PaperExchange, upstream: Upstream) -> None:
    """It has marks, and a connection."""
    await until(lambda: paper.service.state.markets["SOL"].mark is not None and upstream.sockets, PATIENT_S)


async def book_of(paper: PaperExchange, coin: str) -> list[list[dict[str, str]]]:
    async with ClientSession() as client, client.post(paper.url + "/info", json={"type": "l2Book", "coin": coin}) as r:
        levels: list[list[dict[str, str]]] = (await r.json())["levels"]
        return levels


async def test_whoever_asks_for_a_coin_while_its_book_is_read_gets_the_book_too(
    upstream: Upstream, paper: PaperExchange
) -> None:
    upstream.latency_s, upstream.streams = 0.3, False
    async with ClientSession() as client, client.ws_connect(paper.url + "/ws") as socket:
        await socket.send_json({"method": "subscribe", "subscription": {"type": "bbo", "coin": "SOL"}})
        await until(lambda: upstream.asked["l2BookSOL"], PATIENT_S)
        assert all(await book_of(paper, "SOL"))
    assert upstream.asked["l2BookSOL"] == 1


async def test_a_caller_that_goes_leaves_the_reading_of_a_book_to_the_others(
    upstream: Upstream, paper: PaperExchange
) -> None:
    upstream.latency_s, upstream.streams = 0.3, False
    first = asyncio.create_task(paper.feed.want("SOL"))
    await until(lambda: upstream.asked["l2BookSOL"], PATIENT_S)
    second = asyncio.create_task(paper.feed.want("SOL"))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert paper.service.state.markets["SOL"].book.best(True) is not None


async def test_a_book_that_could_not_be_read_is_asked_for_again_by_the_next(
    upstream: Upstream, paper: PaperExchange
) -> None:
    upstream.streams = False
    upstream.answer = lambda _payload: {"odd": "answer"}
    assert not any(await book_of(paper, "SOL"))
    upstream.answer = upstream.usual
    assert all(await book_of(paper, "SOL"))


NO_RATE = {"markPx": "150", "oraclePx": "150", "funding": None}
ODD_FRAMES = (
    {"channel": "activeAssetCtx", "data": {"coin": "SOL", "ctx": NO_RATE}},
    {"channel": "l2Book", "data": {"coin": "SOL", "levels": [[{"px": "NaN", "sz": "1"}], []]}},
    {"channel": "bbo", "data": {"coin": ["SOL"], "bbo": [None, None]}},
    {"channel": "bbo"},
    {"channel": ["bbo"], "data": {}},
    [1, 2],
    None,
)


async def test_an_odd_frame_is_told_once_and_passed_over(
    upstream: Upstream, paper: PaperExchange, caplog: pytest.LogCaptureFixture
) -> None:
    await paper.feed.want("SOL")
    for frame in (*ODD_FRAMES, *ODD_FRAMES):
        await upstream.say(frame)
    upstream.exchange.books["SOL"] = ("155", "156")
    await upstream.say(upstream.frame("bbo", "SOL"))
    await until(lambda: paper.service.state.markets["SOL"].book.best_px(True) == 155, PATIENT_S)
    odd = [record.message for record in caplog.records if "an odd" in record.message]
    assert [text.split(" is passed")[0].split("odd ")[1] for text in odd] == [
        "activeAssetCtx frame", "l2Book frame", "bbo frame", "frame",
    ]  # fmt: skip
    assert upstream.asked["l2BookSOL"] == 1, "the connection and its books stood all the while"


async def test_an_odd_context_costs_no_other_coin_its_mark(upstream: Upstream) -> None:
    def odd(payload: dict[str, str]) -> object:
        answer = upstream.usual(payload)
        if payload["type"] == "metaAndAssetCtxs":
            answer[1][0] |= {"funding": None}
        return answer

    upstream.answer = odd
    async with PaperExchange(HyperliquidFeed(upstream.url), options=FAST) as paper:
        markets = paper.service.state.markets
        await until(lambda: markets["SOL"].mark is not None, PATIENT_S)
        assert markets["BTC"].mark is None


async def test_a_mistake_while_market_data_is_taken_empties_the_books_and_the_feed_runs_again(
    upstream: Upstream, paper: PaperExchange, caplog: pytest.LogCaptureFixture
) -> None:
    await paper.feed.want("SOL")
    book = paper.service.state.markets["SOL"].book
    upstream.streams = False
    paper.service.listeners.insert(0, breaks := Breaks())
    await upstream.say(upstream.frame("bbo", "SOL"))
    await until(lambda: breaks.count, PATIENT_S)
    await until(lambda: book.best(True) is None, PATIENT_S)
    assert any("market data" in r.message and r.exc_info for r in caplog.records)
    upstream.streams = True
    await until(lambda: book.best(True) is not None, PATIENT_S)


async def test_a_mistake_of_the_beat_does_not_end_it(paper: PaperExchange, caplog: pytest.LogCaptureFixture) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        beats += 1
        if beats == 1:
            raise ZeroDivisionError("a mistake of ours")

    paper.hub.beat = beat  # type: ignore[method-assign]  # the mistake to survive
    await until(lambda: beats > 1, PATIENT_S)
    assert any("beat" in record.message for record in caplog.records)


async def holding(paper: PaperExchange) -> None:
    """A long SOL with a stop at 145."""
    stop = {"isMarket": True, "triggerPx": "145", "tpsl": "sl"}
    buy = {"a": 2, "b": True, "p": "151", "s": "1", "r": False, "t": {"limit": {"tif": "Ioc"}}}
    guard = {"a": 2, "b": False, "p": "130", "s": "1", "r": True, "t": {"trigger": stop}}
    paper.service.exchange.apply({"type": "order", "orders": [buy, guard], "grouping": "na"}, USER, paper.service.now())
    paper.service.tick()
    assert stop_of(paper) == "open"


def stop_of(paper: PaperExchange) -> str:
    return next(order.status for order in paper.service.state.orders.values() if order.trigger_px)


def fall(upstream: Upstream) -> None:
    """The market goes through the stop."""
    upstream.marks["SOL"] = "140"
    upstream.exchange.books["SOL"] = ("139.9", "140.1")


async def protected(paper: PaperExchange) -> None:
    """The stop did its work, at the market's price."""
    await until(lambda: stop_of(paper) == "filled", PATIENT_S)
    assert "SOL" not in paper.service.state.accounts[USER].positions
    assert paper.service.state.fills[USER][-1]["px"] == "139.9"


async def test_a_stop_of_an_earlier_life_waits_for_its_book_which_is_asked_for_at_once(
    upstream: Upstream, tmp_path: Path
) -> None:
    path, fund = tmp_path / "paper.db", {USER: 1000}
    async with PaperExchange(HyperliquidFeed(upstream.url), fund=fund, state_path=path, options=FAST) as paper:
        await paper_ready(paper, upstream)
        await paper.feed.want("SOL")
        await holding(paper)
    fall(upstream)
    upstream.shut = True
    async with PaperExchange(HyperliquidFeed(upstream.url), state_path=path, options=FAST) as paper:
        await until(lambda: paper.service.state.markets["SOL"].mark == 140, PATIENT_S)
        assert stop_of(paper) == "open"
        upstream.shut = False
        await protected(paper)


async def test_no_stop_dies_while_the_socket_is_down_and_marks_go_on(
    upstream: Upstream, quick_marks: None, paper: PaperExchange
) -> None:
    await paper.feed.want("SOL")
    paper.service.fund(USER, 1000)
    await holding(paper)
    upstream.shut = True
    await upstream.cut()
    fall(upstream)
    market = paper.service.state.markets["SOL"]
    await until(lambda: market.mark == 140, PATIENT_S)
    assert (market.book.best(True), stop_of(paper)) == (None, "open")
    upstream.shut = False
    await protected(paper)


async def test_after_a_lost_connection_nothing_of_the_old_book_stands_behind_the_new_quote(
    upstream: Upstream, paper: PaperExchange
) -> None:
    await paper.feed.want("SOL")
    upstream.streams = False
    await upstream.cut()
    await until(lambda: upstream.sockets, PATIENT_S)
    upstream.exchange.books["SOL"] = ("160", "161")
    await upstream.say(upstream.frame("bbo", "SOL"))
    book = paper.service.state.markets["SOL"].book
    await until(lambda: book.best_px(True) == 160, PATIENT_S)
    assert len(book.levels[True]) == 1


class Breaks:
    """A listener that fails the first time it hears something."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _pushes: object) -> None:
        self.count += 1
        if self.count == 1:
            raise ZeroDivisionError("a mistake of ours")
