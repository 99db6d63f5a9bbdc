"""The public-data feed follows another server of the same protocol: a second paper exchange plays the venue."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from decimal import Decimal

import pytest
from aiohttp import web

from executor.errors import VenueUnavailable
from executor.paper.feeds import ManualMarket
from executor.paper.live_feed import HyperliquidFeed
from executor.paper.server import Options, PaperExchange


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def venue():
    async with PaperExchange(ManualMarket(), options=Options(latency_ms=0)) as server:
        server.market.set_levels("BTC", [(99_990, 1), (99_980, 2)], [(100_010, 1)], mark=100_000)
        server.market.set_quote("SOL", 149, 151)
        yield server


@pytest.fixture
async def follower(venue: PaperExchange):
    async with PaperExchange(HyperliquidFeed(venue.url), options=Options(latency_ms=0)) as server:
        yield server


async def test_marks_of_every_coin_arrive_without_asking(follower: PaperExchange) -> None:
    markets = follower.service.state.markets
    await until(lambda: markets["SOL"].mark == 150)
    assert markets["BTC"].oracle == 100_000
    assert markets["BTC"].mid == 100_000


async def test_a_coin_in_use_has_its_book_at_once_and_follows_every_quote(
    venue: PaperExchange, follower: PaperExchange
) -> None:
    markets = follower.service.state.markets
    await until(lambda: markets["BTC"].mark is not None)
    await follower.feed.want("BTC")
    book = markets["BTC"].book
    assert [level.px for level in book.levels[True]] == [99_990, 99_980]
    await until(lambda: sum(len(c.subs) for c in venue.hub.connections) == 3)
    venue.market.set_quote("BTC", 99_500, 99_510, size=3)
    await until(lambda: book.best_px(True) == 99_500)
    assert book.levels[False][0].sz == Decimal(3)


async def test_a_venue_that_is_not_there_is_told_with_what_to_do() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: whoever connects is refused
        with pytest.raises(VenueUnavailable, match="Cannot connect") as told:
            await HyperliquidFeed(f"http://127.0.0.1:{nobody.getsockname()[1]}").meta()
    assert "paper.feed: tape" in told.value.remedy


async def test_a_lost_connection_empties_the_books(venue: PaperExchange, follower: PaperExchange) -> None:
    book = follower.service.state.markets["BTC"].book
    await until(lambda: follower.service.state.markets["BTC"].mark is not None)
    await follower.feed.want("BTC")
    await until(lambda: bool(venue.hub.connections))
    venue.cut_sockets()
    await until(lambda: book.best(True) is None)


async def test_a_venue_that_greets_and_closes_is_not_stormed() -> None:
    handshakes = 0

    async def greet(request: web.Request) -> web.StreamResponse:
        nonlocal handshakes
        handshakes += 1
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("Websocket connection established.")
        await socket.close(code=1011)
        return socket

    app = web.Application()
    app.router.add_get("/ws", greet)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    feed = HyperliquidFeed(f"http://127.0.0.1:{runner.addresses[0][1]}")
    following = asyncio.create_task(feed.run(lambda _tick: None))
    await until(lambda: handshakes >= 2)
    await asyncio.sleep(1.5)
    assert handshakes <= 5  # 0, 0.2, 0.6, 1.4 s: a greeting is no recovery
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await runner.cleanup()


async def test_a_connection_that_closes_is_nobodys_any_more() -> None:
    """A book asked for meanwhile would be read on a closed session, and its client get an HTTP 500."""
    closing, may_end = asyncio.Event(), asyncio.Event()

    async def linger(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoclose=False)
        await socket.prepare(request)
        await socket.receive()
        closing.set()
        await may_end.wait()
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/ws", linger)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    feed = HyperliquidFeed(f"http://127.0.0.1:{runner.addresses[0][1]}")

    async def connect() -> None:
        async with feed._connected():
            pass

    leaving = asyncio.create_task(connect())
    await asyncio.wait_for(closing.wait(), 20)
    assert not leaving.done()
    connection = feed._connection
    may_end.set()
    await leaving
    await runner.cleanup()
    assert connection is None
