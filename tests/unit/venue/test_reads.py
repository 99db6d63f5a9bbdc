"""Reads against scripted answers: pages, modes, shapes, retries. No network."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from executor.errors import VenueAnswerOdd, VenueUnavailable
from executor.ports import Lane
from executor.testing import LittleExchange, ManualClock
from executor.venue.clock_offset import VenueClock
from executor.venue.identity import Agent, Role
from executor.venue.reads import FULL_PAGE, Fees, RateLimit, Reads

ME = "0x" + "aa" * 20
Answer = Callable[[dict[str, Any]], object]


class Asked:
    """An ``/info`` door over a little exchange; ``answers`` replace kinds. Counts and remembers what was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.clock = ManualClock()
        self.exchange = LittleExchange(self.clock.now_ms)
        self.answers = answers
        self.calls: list[tuple[str, Lane, dict[str, object]]] = []

    async def __call__(self, kind: str, lane: Lane, fields: dict[str, object]) -> object:
        self.calls.append((kind, lane, fields))
        return self.answers.get(kind, self.exchange.read)({"type": kind, **fields})

    def reads(self) -> Reads:
        return Reads(self, VenueClock(self.clock), at_once)


async def at_once(_: float) -> None:
    """Retries do not wait here."""


def saying(value: object) -> Answer:
    return lambda _: value


def fill(number: int, at_ms: int) -> dict[str, object]:
    numbers = {"px": "1", "sz": "1", "startPosition": "0", "closedPnl": "0", "fee": "0"}
    return {"coin": "BTC", "side": "B", "time": at_ms, "tid": number, "oid": 1, "crossed": True, **numbers}


def pages(fills: list[dict[str, Any]], size: int) -> Answer:
    return lambda asked: [one for one in fills if one["time"] >= asked["startTime"]][:size]


@pytest.mark.parametrize("size", [500, 501, 2000])
@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 3000])
async def test_every_fill_comes_once_and_oldest_first_whatever_the_page_size(size: int, count: int) -> None:
    fills = [fill(n, 1_000 + n // 3) for n in range(count)]
    asked = Asked(userFillsByTime=pages(fills, size))
    found = await asked.reads().fills_since(ME, 0)
    assert [one.tid for one in found] == list(range(count))


async def test_both_sides_of_one_trade_are_two_fills() -> None:
    asked = Asked(userFillsByTime=saying([fill(1, 5), {**fill(1, 5), "oid": 2}]))
    assert len(await asked.reads().fills_since(ME, 0)) == 2


async def test_fills_and_payments_of_other_markets_are_paged_over_and_left_out() -> None:
    """A page full of spot trades is no end of the list, and no perp position comes of one."""
    fills = [{**fill(n, n), "coin": "@107" if n < FULL_PAGE else "BTC"} for n in range(FULL_PAGE + 3)]
    asked = Asked(userFillsByTime=pages(fills, FULL_PAGE))
    assert [one.tid for one in await asked.reads().fills_since(ME, 0)] == [FULL_PAGE, FULL_PAGE + 1, FULL_PAGE + 2]
    paid = [{"time": 5, "delta": {"coin": coin, "usdc": "-1"}} for coin in ("xyz:NVDA", "BTC")]
    assert [one.coin for one in await Asked(userFunding=saying(paid)).reads().fundings_since(ME, 0)] == ["BTC"]


@pytest.mark.parametrize(("whose", "ours"), [(ME, True), ("0x" + "9" * 40, False)])
async def test_a_liquidation_is_told_as_the_accounts_that_was_liquidated(whose: str, ours: bool) -> None:
    row = {**fill(1, 5), "liquidation": {"liquidatedUser": whose, "markPx": "1", "method": "market"}}
    [told] = await Asked(userFillsByTime=saying([row])).reads().fills_since(ME, 0)
    assert told.liquidation is ours


@pytest.mark.parametrize("before", [0, 1_700])
async def test_many_fills_of_one_block_are_whole_where_the_page_was_not_cut(before: int) -> None:
    """One order through 600 others: what comes again from its time on is the same, and there is no more."""
    fills = [fill(n, min(n, before)) for n in range(before + 600)]
    found = await Asked(userFillsByTime=pages(fills, 2_000)).reads().fills_since(ME, 0)
    assert len(found) == before + 600


async def test_fills_that_cannot_be_paged_through_are_odd_and_not_endless() -> None:
    stuck = [fill(n, 1_000) for n in range(FULL_PAGE + 1)]
    with pytest.raises(VenueAnswerOdd):
        await Asked(userFillsByTime=pages(stuck, FULL_PAGE)).reads().fills_since(ME, 0)
    endless = [fill(n, n) for n in range(30 * FULL_PAGE)]
    asked = Asked(userFillsByTime=pages(endless, FULL_PAGE))
    with pytest.raises(VenueAnswerOdd):
        await asked.reads().fills_since(ME, 0)
    assert len(asked.calls) <= 25


async def test_equity_is_read_where_the_accounts_mode_keeps_it() -> None:
    asked = Asked()
    reads = asked.reads()
    assert (await reads.account(ME)).equity_usd == Decimal(1000)
    reads.set_mode(ME.upper().replace("X", "x"), "unifiedAccount")
    unified = await reads.account(ME)
    assert (unified.equity_usd, unified.withdrawable_usd) == (Decimal("977.5"), Decimal(970))
    reads.set_mode(ME, "default")
    assert (await reads.account(ME)).equity_usd == Decimal(1000)


async def test_the_money_of_a_unified_account_is_read_as_urgently_as_its_positions() -> None:
    asked = Asked()
    reads = asked.reads()
    reads.set_mode(ME, "unifiedAccount")
    await reads.account(ME, Lane.RESIZE)
    assert [lane for _, lane, _ in asked.calls] == [Lane.RESIZE, Lane.RESIZE]


async def test_a_unified_account_without_the_collateral_has_nothing() -> None:
    reads = Asked(spotClearinghouseState=saying({"balances": []})).reads()
    reads.set_mode(ME, "unifiedAccount")
    assert (await reads.account(ME)).equity_usd == 0


async def test_an_unavailable_venue_is_asked_three_times_and_an_odd_one_once() -> None:
    def unavailable(_: dict[str, Any]) -> object:
        raise VenueUnavailable("down")

    asked = Asked(userFees=unavailable, userRateLimit=saying([]))
    with pytest.raises(VenueUnavailable):
        await asked.reads().fees(ME)
    assert len(asked.calls) == 3
    asked.calls.clear()
    with pytest.raises(VenueAnswerOdd):
        await asked.reads().rate_limit(ME)
    assert len(asked.calls) == 1


@pytest.mark.parametrize(("lane", "tries"), [(Lane.CLOSE, 1), (Lane.RESIZE, 1), (Lane.ENTRY, 3), (Lane.READ, 3)])
async def test_what_goes_before_entries_is_asked_once(lane: Lane, tries: int) -> None:
    def unavailable(_: dict[str, Any]) -> object:
        raise VenueUnavailable("down")

    asked = Asked(l2Book=unavailable)
    with pytest.raises(VenueUnavailable):
        await asked.reads().book("ETH", lane)
    assert [went for _, went, _ in asked.calls] == [lane] * tries


async def test_a_book_is_as_urgent_as_who_asks_for_it_and_sets_the_clock() -> None:
    asked = Asked()
    asked.exchange.now_ms = lambda: asked.clock.now_ms() + 7_000
    clock = VenueClock(asked.clock)
    reads = Reads(asked, clock)
    quote = await reads.book("ETH", Lane.CLOSE)
    assert (quote.bid, quote.ask) == (Decimal("2999.9"), Decimal("3000.1"))
    assert quote.at_ms == asked.clock.now_ms() + 7_000, "as old as the venue says"
    assert asked.calls == [("l2Book", Lane.CLOSE, {"coin": "ETH"})]
    assert clock.skew_ms() == 7_000
    assert await reads.exchange_time("ETH") == asked.clock.now_ms() + 7_000


@pytest.mark.parametrize(
    ("answer", "role"),
    [
        ({"role": "user"}, Role("user")),
        ({"role": "missing"}, Role("missing")),
        ({"role": "agent", "data": {"user": ME.upper().replace("X", "x")}}, Role("agent", ME)),
        ({"role": "subAccount", "data": {"master": ME}}, Role("subAccount", ME)),
        ({"role": "agent", "data": {"user": 7}}, Role("agent")),
    ],
)
async def test_roles_name_their_master(answer: object, role: Role) -> None:
    assert await Asked(userRole=saying(answer)).reads().role(ME) == role


async def test_agents_have_an_end_or_none() -> None:
    rows = [{"address": ME, "name": "a", "validUntil": 5}, {"address": ME, "name": "b", "validUntil": None}]
    reads = Asked(extraAgents=saying(rows)).reads()
    assert await reads.agents(ME) == (Agent(ME, "a", 5), Agent(ME, "b", None))


@pytest.mark.parametrize("mode", ["default", "disabled", "unifiedAccount", "portfolioMargin", "dexAbstraction"])
async def test_every_documented_mode_is_read(mode: str) -> None:
    assert await Asked(userAbstraction=saying(mode)).reads().account_mode(ME) == mode


@pytest.mark.parametrize("mode", ["something new", None, {}])
async def test_an_unknown_mode_is_odd(mode: object) -> None:
    with pytest.raises(VenueAnswerOdd):
        await Asked(userAbstraction=saying(mode)).reads().account_mode(ME)


async def test_small_answers_are_read() -> None:
    reads = Asked().reads()
    assert await reads.fees(ME) == Fees(Decimal("0.00045"), Decimal("0.00015"))
    assert await reads.rate_limit(ME) == RateLimit(0, 10_000)
    assert [balance.coin for balance in await reads.spot_state(ME)] == ["USDC"]
    assert (await reads.leverage(ME, "BTC")).leverage == 20
    assert (await reads.order_status(ME, "0xno")).order is None
    assert await reads.open_orders(ME) == ()
    assert isinstance(await reads.meta(), dict)


def payment(hour: int, coin: str) -> dict[str, Any]:
    delta = {"type": "funding", "coin": coin, "usdc": "-1.5", "szi": "2", "fundingRate": "0.0001", "nSamples": None}
    return {"time": hour * 3_600_000, "hash": "0x0", "delta": delta}


async def test_funding_is_paged_through_and_each_payment_stands_once() -> None:
    paid = [payment(hour, coin) for hour in range(300) for coin in ("BTC", "ETH", "SOL")]
    found = await Asked(userFunding=pages(paid, FULL_PAGE)).reads().fundings_since(ME, 0)
    assert [(one.at_ms, one.coin) for one in found] == [(one["time"], one["delta"]["coin"]) for one in paid]
    assert {one.usd for one in found} == {Decimal("-1.5")}


async def test_what_goes_before_other_reads_is_tried_once_and_they_a_few_times() -> None:
    asked = Asked(clearinghouseState=unavailable)
    for lane, tries in ((Lane.RESIZE, 1), (Lane.READ, 3)):
        asked.calls.clear()
        with pytest.raises(VenueUnavailable):
            await asked.reads().account(ME, lane)
        assert [called for _, called, _ in asked.calls] == [lane] * tries


def unavailable(_: dict[str, Any]) -> object:
    raise VenueUnavailable("429")
