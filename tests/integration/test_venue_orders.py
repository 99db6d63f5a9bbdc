"""Orders against an exchange that goes wrong on command: one way out, one answer, never sent twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from executor.backoff import Backoff
from executor.clock import SystemClock
from executor.core.facts import RawReply
from executor.core.types import Side
from executor.hyperliquid import wire
from executor.ports import AccountNews, Lane, SignedRequest
from executor.testing import (
    BAD_GATEWAY,
    BOOKED_BUT_BAD_GATEWAY,
    DROPPED_AFTER,
    DROPPED_BEFORE,
    HANGS,
    RATE_LIMITED,
    TRUNCATED,
    Reply,
    ScriptedExchange,
    until,
)
from executor.venue.adapter import HyperliquidVenue, VenueSettings
from executor.venue.envelope import exchange_body
from executor.venue.http import MAX_ANSWER
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


async def test_an_order_goes_over_the_open_socket_as_exactly_its_own_bytes(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    request = order()
    assert is_fill(await send(venue, request))
    (received,) = exchange.requests("order")
    assert received.via == "ws"
    assert received.body == exchange_body(request)


async def test_the_same_request_makes_the_same_bytes_on_either_way(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    await send(venue)
    exchange.on_connect = 503
    exchange.drop_sockets()
    await until(lambda: venue.budgets()["sockets"][0] == 0)
    again = await send(venue)
    assert again.body == {"status": "err", "response": "Invalid nonce: duplicate nonce 1"}
    first, second = exchange.requests("order")
    assert (first.via, second.via) == ("ws", "http")
    assert first.body == second.body
    assert venue.counters()["http_fallbacks"] == 1


@pytest.mark.parametrize("fault", [DROPPED_BEFORE, DROPPED_AFTER], ids=["before booking", "after booking"])
async def test_a_socket_lost_during_a_post_is_sent_and_unanswered_and_never_sent_again(
    exchange: ScriptedExchange, venue: HyperliquidVenue, fault: Reply
) -> None:
    exchange.script("order", fault)
    reply = await send(venue)
    assert reply.sent
    assert (reply.status, reply.body) == (None, None)
    await until(lambda: venue.budgets()["sockets"][0] == 1)
    await asyncio.sleep(0.1)
    assert len(exchange.requests("order")) == 1


async def test_an_order_that_is_not_answered_in_time_is_sent_and_unanswered(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    exchange.script("order", HANGS)
    reply = await send(venue, timeout_s=0.2)
    assert (reply.sent, reply.status) == (True, None)
    assert venue.budgets()["posts_in_flight"][0] == 0
    assert is_fill(await send(venue, order(2)))


async def test_a_late_answer_reaches_nobody_else(exchange: ScriptedExchange, venue: HyperliquidVenue) -> None:
    exchange.script("order", Reply(delay_s=0.2), Reply(delay_s=0.2, body={"status": "ok", "response": "the second"}))
    first = asyncio.create_task(send(venue, timeout_s=0.15))
    await until(lambda: exchange.requests("order"))
    await exchange.say('{"channel":"pong"}')  # a socket on which nothing at all came since would be dropped
    assert (await first).status is None
    assert (await send(venue, order(2))).body == {"status": "ok", "response": "the second"}


async def test_a_429_on_the_socket_is_told_as_429(exchange: ScriptedExchange, venue: HyperliquidVenue) -> None:
    exchange.script("order", RATE_LIMITED)
    reply = await send(venue)
    assert (reply.sent, reply.status, reply.body) == (True, 429, None)
    held = await venue.submit(order(2), Lane.ENTRY, 0.1)
    assert not held.sent
    assert is_fill(await venue.submit(order(3), Lane.CLOSE, 1.0))


async def test_a_post_the_venue_calls_one_too_many_is_answered_429(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    exchange.script("order", HANGS)
    waiting = asyncio.create_task(send(venue))
    await until(lambda: exchange.requests("order"))
    await exchange.say('{"channel":"error","data":"too many pending post requests id=1"}')
    assert (await waiting).status == 429


async def test_without_a_server_nothing_was_sent(exchange: ScriptedExchange, venue: HyperliquidVenue) -> None:
    await exchange.stop()
    await until(lambda: venue.budgets()["sockets"][0] == 0)
    await asyncio.sleep(0.1)  # until the idle HTTP connection is seen to be gone, a request on it counts as sent
    reply = await send(venue)
    assert not reply.sent
    assert reply.error


@pytest.mark.parametrize(
    ("fault", "status", "booked"),
    [
        pytest.param(RATE_LIMITED, 429, 0, id="429"),
        pytest.param(BAD_GATEWAY, 502, 0, id="502"),
        pytest.param(BOOKED_BUT_BAD_GATEWAY, 502, 1, id="502 booked"),
        pytest.param(TRUNCATED, 200, 1, id="truncated"),
        pytest.param(DROPPED_BEFORE, None, 0, id="dropped before"),
        pytest.param(DROPPED_AFTER, None, 1, id="dropped after"),
        pytest.param(HANGS, None, 1, id="hangs"),
    ],
)
async def test_every_odd_http_answer_is_sent_without_a_body_and_tried_once(
    exchange: ScriptedExchange, fault: Reply, status: int | None, booked: int
) -> None:
    exchange.on_connect = 503
    async with running(exchange, SocketSettings(open_timeout_s=0.1)) as venue:
        exchange.script("order", fault)
        reply = await send(venue, timeout_s=0.4)
    assert (reply.sent, reply.status, reply.body) == (True, status, None)
    assert len(exchange.requests("order")) == 1
    assert len(exchange.state.orders) == booked


async def test_an_order_is_never_carried_on_by_a_redirect(exchange: ScriptedExchange) -> None:
    exchange.on_connect = 503
    async with running(exchange, SocketSettings(open_timeout_s=0.1)) as venue:
        exchange.script("order", Reply(307, headers={"Location": exchange.url + "/exchange"}, act=False))
        assert (await send(venue)).status == 307
    assert len(exchange.requests("order")) == 1


async def test_an_answer_without_an_end_is_no_answer(exchange: ScriptedExchange) -> None:
    exchange.on_connect = 503
    async with running(exchange, SocketSettings(open_timeout_s=0.1)) as venue:
        exchange.script("order", Reply(body=b" " * (MAX_ANSWER + 1)))
        reply = await send(venue, timeout_s=5.0)
    assert (reply.sent, reply.status) == (True, None)


async def test_an_exit_over_http_waits_for_no_reads_that_hang(exchange: ScriptedExchange) -> None:
    exchange.on_connect = 503
    async with running(exchange, SocketSettings(open_timeout_s=0.1)) as venue:
        exchange.script("orderStatus", *[HANGS] * 120)
        reads = [asyncio.create_task(venue.order_status(ACCOUNT, CLOID)) for _ in range(120)]
        await until(lambda: len(exchange.requests("orderStatus")) == 120)
        assert is_fill(await venue.submit(order(), Lane.CLOSE, 20.0))
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)


async def test_a_burst_beyond_the_posts_in_flight_overflows_to_http(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    exchange.script("order", *[Reply(delay_s=0.3)] * 120)
    replies = await asyncio.gather(*(venue.submit(order(n), Lane.CLOSE, 30.0) for n in range(1, 121)))
    assert all(is_fill(reply) for reply in replies)
    assert len(exchange.requests("order", "ws")) < 100
    assert len({one.payload["nonce"] for one in exchange.requests("order")}) == 120
