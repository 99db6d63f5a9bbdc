"""One suite for whatever speaks Hyperliquid: the paper exchange and the scripted one agree through the same adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Protocol

import pytest

from executor.clock import SystemClock
from executor.core.facts import Answer, Done, Filled, Rejected, Resting
from executor.core.types import Side
from executor.hyperliquid import wire
from executor.hyperliquid.answers import classify
from executor.paper.feeds import ManualMarket
from executor.paper.server import Options, PaperExchange
from executor.ports import AccountNews, FeedNews, FillsNews, Lane, OrdersNews, SignedRequest, Venue
from executor.testing import ScriptedExchange, until
from executor.venue.adapter import HyperliquidVenue
from executor.venue.identity import check_identity
from executor.venue.signer import Signer

SIGNER = Signer.from_key_text("07" * 32, mainnet=False)
ACCOUNT = SIGNER.address
SIZE = Decimal("0.5")
WAIT_S = 3.0


class Stage(Protocol):
    """An exchange to test against."""

    @property
    def url(self) -> str:
        """Its origin."""

    async def quote(self, coin: str, bid: str, ask: str) -> None:
        """Move a coin's touch."""


class PaperStage:
    def __init__(self, paper: PaperExchange) -> None:
        self._paper = paper
        self.url = paper.url

    async def quote(self, coin: str, bid: str, ask: str) -> None:
        self._paper.market.set_quote(coin, Decimal(bid), Decimal(ask))


@pytest.fixture(params=["paper", "scripted"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    if request.param == "scripted":
        async with ScriptedExchange(SystemClock().now_ms) as scripted:
            await scripted.quote("ETH", "2999", "3001")
            yield scripted
        return
    options = Options(latency_ms=0, ip_limit=False)
    async with PaperExchange(ManualMarket(), fund={ACCOUNT: 100_000}, options=options) as paper:
        paper.market.set_quote("BTC", Decimal(59_999), Decimal(60_001))
        paper.market.set_quote("ETH", Decimal(2999), Decimal(3001))
        yield PaperStage(paper)


@pytest.fixture
async def venue(stage: Stage) -> AsyncIterator[HyperliquidVenue]:
    started = HyperliquidVenue("custom", stage.url, SystemClock())
    await started.start()
    yield started
    await started.close()


class Desk:
    """Signs and sends one thing at a time, as the real one does."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self._nonce = SystemClock().now_ms()

    def request(self, action: dict[str, object], expires_after_ms: int | None = None) -> SignedRequest:
        self._nonce += 1
        signature = SIGNER.sign(action, self._nonce, None, expires_after_ms)
        return SignedRequest(action, self._nonce, signature, None, expires_after_ms)

    async def send(self, request: SignedRequest, *, resend: bool = False) -> Answer:
        reply = await self.venue.submit(request, Lane.ENTRY, WAIT_S)
        (answer,) = classify(reply, 1, resend=resend)
        return answer

    def order(self, side: Side, px: str, tif: str = "Ioc", *, number: int = 1) -> dict[str, object]:
        asset = self.venue.rules.asset("ETH")
        assert asset is not None
        built = wire.limit_order(asset.asset_id, side, Decimal(px), SIZE, tif=tif, cloid=cloid(number))
        return wire.order_action([built])

    async def place(self, side: Side, px: str, tif: str = "Ioc", *, number: int = 1) -> Answer:
        return await self.send(self.request(self.order(side, px, tif, number=number)))


@pytest.fixture
def desk(venue: HyperliquidVenue) -> Desk:
    return Desk(venue)


def cloid(number: int) -> str:
    return f"0xf7ac{number:028x}"


def is_a(venue: Venue) -> Venue:
    return venue


async def test_the_adapter_is_a_venue(venue: HyperliquidVenue) -> None:
    assert is_a(venue).network == "custom"


async def test_an_entry_that_crosses_fills_and_every_read_agrees(venue: HyperliquidVenue, desk: Desk) -> None:
    before = venue.now_ms() - 5_000
    filled = await desk.place(Side.BUY, "3010")
    assert isinstance(filled, Filled)
    assert (filled.size, filled.avg_px) == (SIZE, Decimal(3001))
    (fill,) = await venue.fills_since(ACCOUNT, before)
    assert (fill.oid, fill.cloid, fill.side, fill.size) == (filled.oid, cloid(1), Side.BUY, SIZE)
    (position,) = (await venue.account(ACCOUNT)).positions
    assert (position.coin, position.size) == ("ETH", SIZE)
    found = await venue.order_status(ACCOUNT, cloid(1))
    assert found.status == "filled"
    assert found.order is not None
    assert found.order.oid == filled.oid
    assert await venue.open_orders(ACCOUNT) == ()


async def test_an_entry_that_does_not_cross_is_rejected_with_a_reason(venue: HyperliquidVenue, desk: Desk) -> None:
    answer = await desk.place(Side.BUY, "2900")
    assert isinstance(answer, Rejected)
    assert answer.text.startswith("Order could not immediately match")
    assert (await venue.account(ACCOUNT)).positions == ()


async def test_a_resting_order_is_listed_found_and_cancelled_once(venue: HyperliquidVenue, desk: Desk) -> None:
    resting = await desk.place(Side.SELL, "3500", "Gtc", number=2)
    assert isinstance(resting, Resting)
    (listed,) = await venue.open_orders(ACCOUNT)
    assert (listed.oid, listed.cloid, listed.side) == (resting.oid, cloid(2), Side.SELL)
    assert (listed.limit_px, listed.size, listed.reduce_only, listed.trigger_px) == (Decimal(3500), SIZE, False, None)
    assert (await venue.order_status(ACCOUNT, cloid(2))).status == "open"
    asset = venue.rules.asset("ETH")
    assert asset is not None
    cancel = wire.cancel_by_cloid_action([(asset.asset_id, cloid(2))])
    assert await desk.send(desk.request(cancel)) == Done()
    assert isinstance(await desk.send(desk.request(cancel)), Rejected)
    assert await venue.open_orders(ACCOUNT) == ()
    assert (await venue.order_status(ACCOUNT, cloid(2))).status == "canceled"


async def test_a_stop_is_listed_as_a_stop(venue: HyperliquidVenue, desk: Desk) -> None:
    await desk.place(Side.BUY, "3010")
    asset = venue.rules.asset("ETH")
    assert asset is not None
    trigger_px = Decimal(2500)
    limit_px = venue.rules.stop_limit_px("ETH", Side.SELL, trigger_px)
    stop = wire.trigger_order(
        asset.asset_id, Side.SELL, limit_px, SIZE, trigger_px=trigger_px, tpsl="sl", cloid=cloid(3)
    )
    assert isinstance(await desk.send(desk.request(wire.order_action([stop]))), Resting)
    (listed,) = await venue.open_orders(ACCOUNT)
    assert (listed.is_stop, listed.trigger_px, listed.size) == (True, trigger_px, SIZE)
    assert (listed.cloid, listed.reduce_only, listed.side) == (cloid(3), True, Side.SELL)


async def test_an_order_nobody_sent_is_not_found(venue: HyperliquidVenue) -> None:
    found = await venue.order_status(ACCOUNT, cloid(99))
    assert (found.order, found.status) == (None, "")


async def test_the_same_bytes_again_place_nothing_and_say_so(venue: HyperliquidVenue, desk: Desk) -> None:
    request = desk.request(desk.order(Side.BUY, "3010"))
    assert isinstance(await desk.send(request), Filled)
    again = await desk.send(request, resend=True)
    assert getattr(again, "reason", None) == "DUPLICATE_NONCE"
    (position,) = (await venue.account(ACCOUNT)).positions
    assert position.size == SIZE


async def test_an_expired_action_does_nothing(venue: HyperliquidVenue, desk: Desk) -> None:
    late = desk.request(desk.order(Side.BUY, "3010"), expires_after_ms=venue.now_ms() - 10_000)
    assert isinstance(await desk.send(late), Rejected)
    assert (await venue.account(ACCOUNT)).positions == ()


async def test_leverage_is_set_and_read_back_while_flat(venue: HyperliquidVenue, desk: Desk) -> None:
    asset = venue.rules.asset("ETH")
    assert asset is not None
    action = wire.update_leverage_action(asset.asset_id, 3, is_cross=False)
    assert await desk.send(desk.request(action)) == Done()
    fact = await venue.leverage(ACCOUNT, "ETH")
    assert (fact.coin, fact.leverage, fact.is_cross) == ("ETH", 3, False)


async def test_quotes_come_at_once_and_follow_the_market(venue: HyperliquidVenue, stage: Stage) -> None:
    quote = await venue.warm("ETH")
    assert (quote.bid, quote.ask) == (Decimal(2999), Decimal(3001))
    await until(lambda: venue.quotes["ETH"].mark is not None)
    await stage.quote("ETH", "3100", "3102")
    await until(lambda: venue.quotes["ETH"].bid == Decimal(3100))
    assert venue.counters()["cold_reads"] == 1


async def test_a_followed_account_hears_of_a_snapshot_then_of_what_happens(venue: HyperliquidVenue, desk: Desk) -> None:
    news: list[AccountNews] = []
    venue.follow(ACCOUNT, news.append)
    await until(lambda: FeedNews(connected=True) in news)
    await until(lambda: any(isinstance(one, FillsNews) and one.snapshot for one in news))
    await desk.place(Side.BUY, "3010", number=5)
    await desk.place(Side.SELL, "3500", "Gtc", number=6)
    await until(lambda: _told(news, OrdersNews, cloid(6)) and _told(news, FillsNews, cloid(5)))
    fills = [fill for one in news if isinstance(one, FillsNews) and not one.snapshot for fill in one.fills]
    assert [(fill.cloid, fill.size) for fill in fills] == [(cloid(5), SIZE)]


def _told(news: list[AccountNews], kind: type[AccountNews], wanted: str) -> bool:
    told = [one for one in news if isinstance(one, kind)]
    return any(wanted in repr(one) for one in told)


async def test_the_venue_time_is_the_exchanges_time(venue: HyperliquidVenue) -> None:
    stamped = await venue.exchange_time()
    assert abs(venue.now_ms() - stamped) < 2_000
    assert abs(venue.clock_skew_ms()) < 2_000


async def test_who_is_who_and_what_it_costs_is_readable(venue: HyperliquidVenue) -> None:
    role, mode, agents = await venue.role(ACCOUNT), await venue.account_mode(ACCOUNT), await venue.agents(ACCOUNT)
    findings = check_identity(SIGNER.address, ACCOUNT, role, role, agents, mode, venue.now_ms())
    assert [finding.code for finding in findings] == ["ACCOUNT_KNOWN", "SIGNER_IS_MASTER", "MODE_STANDARD"]
    assert (await venue.fees(ACCOUNT)).taker == Decimal("0.00045")
    assert (await venue.rate_limit(ACCOUNT)).cap >= 10_000
    assert all(balance.coin for balance in await venue.spot_state(ACCOUNT))
