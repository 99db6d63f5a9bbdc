"""The life of the venue's socket over real loopback connections: restarts, silence, storms, odd frames."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from executor.backoff import Backoff
from executor.clock import SystemClock
from executor.core.facts import RawReply
from executor.core.types import Side
from executor.errors import VenueUnavailable
from executor.hyperliquid import wire
from executor.ports import AccountNews, FeedNews, FillsNews, Lane, SignedRequest
from executor.testing import (
    ScriptedExchange,
    until,
)
from executor.venue.adapter import HyperliquidVenue, VenueSettings
from executor.venue.signer import Signer
from executor.venue.socket import SocketSettings

ACCOUNT = "0x" + "ab" * 20
OTHER = "0x" + "cd" * 20
CLOID = "0xf7ac" + "0" * 28
SIGNER = Signer.from_key_text("01" * 32, mainnet=False)
QUICK = SocketSettings(
    open_timeout_s=1.0, ping_s=0.1, silence_s=0.5, stable_s=1.0, backoff=Backoff(first_s=0.05, early_cap_s=0.2)
)


@asynccontextmanager
async def running(
    exchange: ScriptedExchange, settings: SocketSettings = QUICK, follow: dict[str, list[AccountNews]] | None = None
) -> AsyncIterator[HyperliquidVenue]:
    venue = HyperliquidVenue("custom", exchange.url, SystemClock(), VenueSettings(settings))
    for address, news in (follow or {}).items():
        venue.follow(address, news.append)
    await venue.start()
    try:
        yield venue
    finally:
        await venue.close()


@pytest.fixture
async def exchange() -> AsyncIterator[ScriptedExchange]:
    async with ScriptedExchange(SystemClock().now_ms) as served:
        yield served


@pytest.fixture
async def venue(exchange: ScriptedExchange) -> AsyncIterator[HyperliquidVenue]:
    async with running(exchange) as started:
        yield started


def order(nonce: int = 1, px: str = "60100", tif: str = "Ioc", cloid: str = CLOID) -> SignedRequest:
    built = wire.limit_order(0, Side.BUY, Decimal(px), Decimal("0.001"), tif=tif, cloid=cloid)
    action = wire.order_action([built])
    return SignedRequest(action, nonce, SIGNER.sign(action, nonce, None, None), None, None)


async def send(venue: HyperliquidVenue, request: SignedRequest | None = None, timeout_s: float = 1.0) -> RawReply:
    return await venue.submit(request or order(), Lane.ENTRY, timeout_s)


def is_fill(reply: RawReply) -> bool:
    return reply.sent and reply.status == 200 and b"filled" in json.dumps(reply.body).encode()


async def test_after_a_restart_of_the_server_quotes_and_pushes_flow_again(exchange: ScriptedExchange) -> None:
    news: list[AccountNews] = []
    async with running(exchange, follow={ACCOUNT: news}) as venue:
        await venue.warm("BTC")
        await until(lambda: FeedNews(connected=True) in news)
        await exchange.stop()
        await until(lambda: news[-1] == FeedNews(connected=False))
        await exchange.start()
        await until(lambda: news[-1] == FeedNews(connected=True))
        await until(lambda: len(exchange.subscriptions()[0]) == 4)
        await exchange.quote("BTC", "61000", "61002")
        await until(lambda: venue.quotes["BTC"].bid == Decimal(61000))
        assert is_fill(await send(venue, order(px="61100")))
        assert venue.counters()["reconnects"] >= 1
        kinds = [type(one) for one in news]
        assert kinds.count(FillsNews) == 3, "a snapshot for each connection, and the fill"


async def test_a_server_that_goes_silent_is_found_out_and_left(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    exchange.silent = True
    await until(lambda: exchange.handshakes >= 2)
    exchange.silent = False
    await until(lambda: venue.budgets()["sockets"][0] == 1)


async def test_our_own_requests_do_not_keep_a_dead_connection_alive(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    exchange.silent = True
    async with asyncio.timeout(20):
        for nonce in itertools.count(1):
            await send(venue, order(nonce), timeout_s=0.03)
            if exchange.handshakes >= 2:
                break
            await asyncio.sleep(0.01)


async def test_a_quiet_but_living_venue_is_kept(exchange: ScriptedExchange, venue: HyperliquidVenue) -> None:
    await asyncio.sleep(3 * QUICK.silence_s)
    assert exchange.handshakes == 1
    assert venue.budgets()["messages"][0] >= 5


@pytest.mark.parametrize("greeting", [1008, 1000, 429])
async def test_a_server_that_accepts_and_closes_is_not_stormed(exchange: ScriptedExchange, greeting: int) -> None:
    exchange.on_connect = greeting
    settings = SocketSettings(open_timeout_s=0.1)
    async with running(exchange, settings) as venue:
        await asyncio.sleep(1.5)
        assert 2 <= exchange.handshakes <= 5
        exchange.on_connect = 0
        await until(lambda: venue.budgets()["sockets"][0] == 1)


async def test_no_more_than_thirty_sockets_a_minute_are_ever_opened(exchange: ScriptedExchange) -> None:
    exchange.on_connect = 1011
    hasty = SocketSettings(open_timeout_s=0.1, backoff=Backoff(first_s=0.001, early_cap_s=0.001))
    async with running(exchange, hasty):
        await asyncio.sleep(1.0)
        assert exchange.handshakes <= 30


async def test_only_a_connection_that_lasted_makes_the_next_attempt_a_first_one(exchange: ScriptedExchange) -> None:
    patient = SocketSettings(open_timeout_s=0.1, stable_s=0.3, backoff=Backoff(first_s=0.1, early_cap_s=30.0))
    exchange.on_connect = 503
    async with running(exchange, patient) as venue:
        await until(lambda: exchange.handshakes >= 4)
        exchange.on_connect = 0
        await until(lambda: venue.budgets()["sockets"][0] == 1)
        line, tried = venue._socket._line, exchange.handshakes
        assert line.failures >= 4
        await asyncio.sleep(0.4)
        exchange.drop_sockets()
        await until(lambda: exchange.handshakes > tried)
        assert line.failures == 1


async def test_odd_frames_are_counted_and_end_nothing(exchange: ScriptedExchange, venue: HyperliquidVenue) -> None:
    await venue.warm("BTC")
    odd = ["Websocket connection established.", "[1]", "{}", '{"channel":"bbo","data":{"coin":"BTC"}}', "[" * 10_000]
    for text in odd:
        await exchange.say(text)
    await exchange.quote("BTC", "61000", "61002")
    await until(lambda: venue.quotes["BTC"].bid == Decimal(61000))
    assert venue.counters()["odd_frames"] == len(odd)
    assert exchange.handshakes == 1


async def test_a_venue_whose_socket_does_not_open_still_starts_and_reads(exchange: ScriptedExchange) -> None:
    exchange.on_connect = 503
    async with running(exchange, SocketSettings(open_timeout_s=0.1)) as venue:
        assert (await venue.warm("BTC")).bid == Decimal(59999)
        assert (await venue.account(ACCOUNT)).positions == ()


async def test_a_venue_that_cannot_be_reached_does_not_start_until_it_can(exchange: ScriptedExchange) -> None:
    venue = HyperliquidVenue("custom", exchange.url, SystemClock(), VenueSettings(QUICK))
    await exchange.stop()
    try:
        with pytest.raises(VenueUnavailable):
            await venue.start()
        await exchange.start()
        await venue.start()
        assert is_fill(await send(venue))
    finally:
        await venue.close()
