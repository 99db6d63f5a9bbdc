"""What the venue is read and heard for, over real loopback connections: quotes, account news, upkeep, reads."""

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
from executor.errors import VenueAnswerOdd, VenueUnavailable
from executor.hyperliquid import wire
from executor.ports import AccountNews, FeedNews, FillsNews, Lane, OrdersNews, SignedRequest
from executor.testing import (
    BAD_GATEWAY,
    DROPPED_BEFORE,
    RATE_LIMITED,
    TRUNCATED,
    Reply,
    ScriptedExchange,
    until,
)
from executor.venue.adapter import HyperliquidVenue, VenueSettings
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock
from executor.venue.signer import Signer
from executor.venue.socket import SocketSettings, VenueSocket

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
    venue = HyperliquidVenue("custom", exchange.url, SystemClock(), VenueSettings(settings, budgets_after_s=0))
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


# -- quotes


async def test_a_cold_symbol_costs_one_l2book_call_and_a_warm_one_none(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    await until(lambda: exchange.requests("l2Book"))  # the one that sets the clock
    before = len(exchange.requests("l2Book"))
    quotes = await asyncio.gather(*(venue.warm("ETH") for _ in range(50)))
    assert {(quote.bid, quote.ask) for quote in quotes} == {(Decimal("2999.9"), Decimal("3000.1"))}
    await until(lambda: venue.quotes["ETH"].mark is not None)
    for _ in range(50):
        await venue.warm("ETH")
    assert len(exchange.requests("l2Book")) - before == 1
    assert venue.counters()["cold_reads"] == 1


async def test_after_a_reconnect_a_quote_is_fresh_only_once_pushed_again(exchange: ScriptedExchange) -> None:
    async with running(exchange) as venue:
        await venue.warm("ETH")
        await until(lambda: venue.quotes["ETH"].mark is not None)
        exchange.on_connect = 503
        exchange.drop_sockets()
        await until(lambda: venue.budgets()["sockets"][0] == 0)
        exchange.state.books["ETH"] = ("3100", "3101")
        assert (await venue.warm("ETH")).bid == Decimal(3100)
        assert venue.counters()["cold_reads"] == 2


async def test_a_coin_that_is_not_listed_never_reaches_the_socket(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    for coin in ("btc", "NOPE", ""):
        with pytest.raises(VenueAnswerOdd):
            await venue.warm(coin)
    await asyncio.sleep(0.1)
    assert exchange.handshakes == 1
    assert exchange.subscriptions() == [[]]


async def test_a_listed_coin_without_a_book_is_odd_and_harms_nothing(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    with pytest.raises(VenueAnswerOdd):
        await venue.warm("kPEPE")
    assert (await venue.warm("BTC")).bid == Decimal(59999)


async def test_only_the_coins_used_last_stay_subscribed(exchange: ScriptedExchange) -> None:
    venue = HyperliquidVenue("custom", exchange.url, SystemClock(), VenueSettings(QUICK, max_coins=2))
    await venue.start()
    try:
        for coin in ("BTC", "ETH", "BTC", "SOL"):
            await venue.warm(coin)
        await until(lambda: len(exchange.subscriptions()[0]) == 4)
        assert {one["coin"] for one in exchange.subscriptions()[0]} == {"BTC", "SOL"}
        assert set(venue.quotes) == {"BTC", "SOL"}
    finally:
        await venue.close()


# -- account feeds


async def test_each_account_hears_of_its_own_fills_and_orders_only(exchange: ScriptedExchange) -> None:
    mine: list[AccountNews] = []
    theirs: list[AccountNews] = []
    async with running(exchange, follow={ACCOUNT: mine, OTHER: theirs}) as venue:
        await until(lambda: venue.feed_up(ACCOUNT) and venue.feed_up(OTHER))
        assert exchange.handshakes == 2
        users = [{one["user"] for one in wanted} for wanted in exchange.subscriptions()]
        assert sorted(map(sorted, users)) == [[ACCOUNT], [OTHER]]
        theirs.clear()
        fill = {"coin": "BTC", "px": "1", "sz": "1", "side": "B", "time": 1, "startPosition": "0", "closedPnl": "0"}
        fill |= {"oid": 7, "tid": 8, "fee": "0", "crossed": True}
        await exchange.push("userFills", {"user": ACCOUNT, "fills": [fill]}, user=ACCOUNT)
        await until(lambda: isinstance(mine[-1], FillsNews))
        (news,) = [one for one in mine if isinstance(one, FillsNews) and not one.snapshot]
        assert [one.tid for one in news.fills] == [8]
        assert theirs == []


async def test_snapshots_are_marked_and_order_updates_arrive(exchange: ScriptedExchange) -> None:
    news: list[AccountNews] = []
    async with running(exchange, follow={ACCOUNT.upper().replace("X", "x"): news}) as venue:
        await until(lambda: venue.feed_up(ACCOUNT))
        await until(lambda: any(isinstance(one, FillsNews) for one in news))
        await send(venue, order(tif="Gtc", px="50000"))
        await until(lambda: isinstance(news[-1], OrdersNews))
    assert [one.snapshot for one in news if isinstance(one, FillsNews)] == [True]
    (update,) = [one for one in news if isinstance(one, OrdersNews)]
    assert [(fact.status, fact.order.cloid if fact.order else None) for fact in update.orders] == [("open", CLOID)]


async def test_a_fill_that_cannot_be_read_asks_for_a_comparison(exchange: ScriptedExchange) -> None:
    news: list[AccountNews] = []
    async with running(exchange, follow={ACCOUNT: news}) as venue:
        await until(lambda: venue.feed_up(ACCOUNT))
        news.clear()
        await exchange.push("userFills", {"user": ACCOUNT, "fills": [{"coin": 1}]}, user=ACCOUNT)
        await until(lambda: FeedNews(connected=True) in news)
        assert news[-2:] == [FeedNews(connected=False), FeedNews(connected=True)]


async def test_a_listener_that_fails_costs_nobody_the_socket(exchange: ScriptedExchange) -> None:
    news: list[AccountNews] = []

    def broken(_: AccountNews) -> None:
        raise RuntimeError("a listener's mistake")

    venue = HyperliquidVenue("custom", exchange.url, SystemClock(), VenueSettings(QUICK))
    venue.follow(ACCOUNT, broken)
    venue.follow(ACCOUNT, news.append)
    await venue.start()
    try:
        await until(lambda: FeedNews(connected=True) in news)
        assert is_fill(await send(venue))
    finally:
        await venue.close()


async def test_an_account_followed_later_gets_its_feed(exchange: ScriptedExchange, venue: HyperliquidVenue) -> None:
    news: list[AccountNews] = []
    venue.follow(ACCOUNT, news.append)
    await until(lambda: FeedNews(connected=True) in news)
    again: list[AccountNews] = []
    venue.follow(ACCOUNT, again.append)
    assert again == [FeedNews(connected=True)]


async def test_a_second_account_followed_later_gets_a_socket_of_its_own(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    mine: list[AccountNews] = []
    theirs: list[AccountNews] = []
    venue.follow(ACCOUNT, mine.append)
    venue.follow(OTHER, theirs.append)
    await until(lambda: FeedNews(connected=True) in mine and FeedNews(connected=True) in theirs)
    assert venue.budgets()["sockets"] == (2, 10)


# -- upkeep


class Slept(SystemClock):
    """A machine whose monotonic clock stood still for ``ms``, as in a sleep, while its sockets lived on."""

    ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ms


async def test_after_a_short_sleep_the_venues_time_is_asked_for_at_once() -> None:
    clock = Slept()
    async with ScriptedExchange(clock.now_ms) as exchange:
        venue = HyperliquidVenue("custom", exchange.url, clock, VenueSettings(doubt_s=0.01))
        await venue.start()
        try:
            await until(lambda: exchange.requests("l2Book"))  # the first, at the start
            clock.ms = 40_000
            await until(lambda: abs(venue.clock_skew_ms()) < 1_000, 20)
        finally:
            await venue.close()
        assert len(exchange.requests("l2Book")) < 20, "asked again and again although it was answered"


async def test_a_venue_that_tells_no_time_and_no_budgets_is_still_traded_on(
    exchange: ScriptedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.reads |= {"userRateLimit": lambda _: None, "l2Book": lambda _: None}
    async with running(exchange, follow={ACCOUNT: []}) as venue:
        assert is_fill(await send(venue))
        await until(lambda: "not read" in caplog.text)


async def test_a_mistake_of_ours_in_reading_a_frame_costs_one_connection_and_not_the_socket(
    exchange: ScriptedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    def mistaken(_: object) -> None:
        raise KeyError("ours")

    socket = VenueSocket(exchange.url.replace("http", "ws") + "/ws", VenueClock(SystemClock()), Budgets(), QUICK)
    socket.routes["pong"] = mistaken
    running_socket = asyncio.create_task(socket.run())
    await until(lambda: exchange.handshakes == 2)
    socket.routes.clear()
    await until(lambda: socket.is_healthy)
    running_socket.cancel()
    assert "KeyError: 'ours'" in caplog.text


# -- reads


@pytest.mark.parametrize("fault", [RATE_LIMITED, BAD_GATEWAY, DROPPED_BEFORE], ids=["429", "502", "dropped"])
async def test_a_read_is_tried_again_while_the_venue_is_unavailable(
    exchange: ScriptedExchange, venue: HyperliquidVenue, fault: Reply
) -> None:
    exchange.script("l2Book", fault)
    exchange.script("activeAssetData", *([] if fault is RATE_LIMITED else [fault, fault]))
    await venue.warm("SOL")
    if fault is not RATE_LIMITED:
        assert (await venue.leverage(ACCOUNT, "BTC")).leverage == 20
        assert len(exchange.requests("activeAssetData")) == 3


async def test_a_read_gives_up_after_a_few_tries(exchange: ScriptedExchange, venue: HyperliquidVenue) -> None:
    exchange.script("clearinghouseState", *[BAD_GATEWAY] * 10)
    with pytest.raises(VenueUnavailable):
        await venue.account(ACCOUNT)
    assert len(exchange.requests("clearinghouseState")) == 3


@pytest.mark.parametrize("body", [None, [], {"levels": "no"}, TRUNCATED.body], ids=["null", "list", "odd", "truncated"])
async def test_an_odd_answer_to_a_read_is_odd_and_not_tried_again(
    exchange: ScriptedExchange, venue: HyperliquidVenue, body: object
) -> None:
    exchange.script("clearinghouseState", *[Reply(body=body)] * 3)
    with pytest.raises(VenueAnswerOdd):
        await venue.account(ACCOUNT)
    assert len(exchange.requests("clearinghouseState")) == 1


async def test_a_unified_account_has_the_money_of_its_spot_balance(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    assert (await venue.account(ACCOUNT)).equity_usd == Decimal(1000)
    venue.set_mode(ACCOUNT, "unifiedAccount")
    fact = await venue.account(ACCOUNT)
    assert (fact.equity_usd, fact.withdrawable_usd) == (Decimal("977.5"), Decimal(970))


async def test_the_requests_left_are_read_and_then_counted(exchange: ScriptedExchange) -> None:
    async with running(exchange, follow={ACCOUNT: []}) as venue:
        await until(lambda: f"address:{ACCOUNT}" in venue.budgets())
        exchange.reads["userRateLimit"] = lambda _: {"nRequestsUsed": 9_801, "nRequestsCap": 10_000}
        await venue.rate_limit(ACCOUNT)
        assert not (await send(venue)).sent
        assert is_fill(await venue.submit(order(2), Lane.CLOSE, 1.0))
        assert venue.budgets()[f"address:{ACCOUNT}"] == (9_802, 10_000)


async def test_the_requests_left_of_an_account_followed_later_are_read(
    exchange: ScriptedExchange, venue: HyperliquidVenue
) -> None:
    await venue.exchange_time()  # what goes on by itself has begun
    venue.follow(ACCOUNT, lambda _news: None)
    await until(lambda: venue.budgets().get(f"address:{ACCOUNT}") is not None)
