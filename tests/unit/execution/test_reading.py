"""reading: soon after a change, slower while they follow one another, not kept waiting by their slowest part."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import pytest
from story import T0, Story

from executor.core import events as ev
from executor.core.facts import AccountFact, OpenOrder, OrderFact, PositionFact
from executor.core.spent import DAY_MS, midnight_ms
from executor.core.state import Exit
from executor.core.types import Side
from executor.core.unwritten import next_names
from executor.errors import KeptBack, VenueUnavailable
from executor.execution.desk import Desk
from executor.execution.nonces import Nonces
from executor.execution.reading import (
    ALONE_S,
    CALM_S,
    HELD_S,
    RECENT_MS,
    SLOWEST_S,
    SOON_S,
    WARM_EVERY_S,
    Pace,
    Reader,
    Ticker,
    needs_price,
)
from executor.execution.turn import Turn
from executor.hyperliquid import limits
from executor.ports import Lane
from executor.testing import ManualClock
from executor.testing.virtual_loop import VirtualLoop

D = Decimal


def follow(pace: Pace, count: int, now_s: float = 100.0) -> list[float]:
    waits = []
    for _ in range(count):
        waits.append(pace.after(now_s))
        now_s += waits[-1]
    return waits


def test_the_first_reads_follow_soon_and_then_ever_more_slowly():
    waits = follow(Pace(1), 12)
    assert waits[:2] == [SOON_S, SOON_S * 2]
    assert waits == sorted(waits)
    assert waits[-1] == SLOWEST_S


@pytest.mark.parametrize("accounts", [1, 2])
def test_however_long_changes_go_on_a_minute_of_them_stays_inside_the_budget_for_reads(accounts):
    spent = 0
    for pace in [Pace(accounts) for _ in range(accounts)]:
        at_s = 0.0
        while at_s < 60:
            spent += 42
            at_s += pace.after(at_s)
    assert spent <= 0.6 * 1200


def test_after_a_rest_a_change_is_read_soon_again():
    pace = Pace(1)
    waits = follow(pace, 12)
    assert pace.after(100.0 + sum(waits) + CALM_S + SLOWEST_S) == SOON_S


class Office:
    """A worker and a venue in one: positions come at once, fills and open orders when they are let go."""

    def __init__(self) -> None:
        self.story = Story()
        self.venue, self.preparers = self, {"main": self}
        self.lanes: list[Lane] = []
        self.statuses: list[str] = []
        self.slow = asyncio.Event()
        self.limited: Exception | None = None
        self.desk = Desk(self.story.desk, self.story.state, None, Nonces(0))  # type: ignore[arg-type]  # nothing is signed
        self.desk.held, self.desks = True, {"main": self.desk}
        self.reader = Reader(self, self.desk)  # type: ignore[arg-type]  # a worker as far as a reader asks

    def now_ms(self) -> int:
        return self.story.now

    def turn(self) -> Turn:
        return Turn(self.story.now)

    def finish(self, turn: Turn, desks: Any) -> None:
        self.story.events += turn.events

    def resume(self) -> None:
        """Nothing waits here."""

    async def account(self, address: str, lane: Lane) -> AccountFact:
        held = PositionFact("BTC", D(1), D(100), 3, False, None, D(33), D(0))
        return AccountFact((held,), D(1000), D(900), D(33), self.story.now)

    async def fills_since(self, address: str, start_ms: int, lane: Lane = Lane.READ) -> tuple[()]:
        self.lanes.append(lane)
        await self.slow.wait()
        if self.limited:
            raise self.limited
        return ()

    async def open_orders(self, address: str, lane: Lane) -> tuple[()]:
        await self.slow.wait()
        return ()

    async def fundings_since(self, address: str, start_ms: int) -> tuple[()]:
        return ()

    async def order_status(self, address: str, cloid: str, lane: Lane = Lane.READ) -> OrderFact:
        self.statuses.append(cloid)
        return OrderFact(None, "", self.story.now)


async def _slow_parts() -> None:
    office = Office()
    reading = asyncio.ensure_future(office.reader.reconcile())
    await asyncio.sleep(ALONE_S + 0.1)
    assert office.story.state.position("BTC").size == 1
    assert office.desk.held
    await asyncio.sleep(HELD_S)
    assert not office.desk.held
    office.slow.set()
    assert await reading
    assert office.story.state.reconciled


def test_positions_and_the_desks_steps_do_not_wait_for_what_keeps_them_waiting():
    VirtualLoop().run(_slow_parts())


async def test_a_desk_that_holds_back_is_let_go_after_a_few_failed_reads_without_looking_anything_up():
    office = Office()
    office.story.long(1)
    office.slow.set()
    office.limited = VenueUnavailable("429")
    for held in (True, True, False):
        assert not await office.reader.reconcile()
        assert office.desk.held is held


class Remembering(Office):
    """The venue filled an order of this name once; and whether the desk was held when it was asked of one."""

    name = ""

    async def order_status(self, address: str, cloid: str, lane: Lane = Lane.READ) -> OrderFact:
        self.statuses.append(cloid)
        assert self.desk.held
        order = OpenOrder(7, cloid, "BTC", Side.SELL, D(100), D(0), D(1), True, None, "Limit", False, T0)
        return OrderFact(order, "filled", T0) if cloid == self.name else OrderFact(None, "unknownOid", T0)


async def test_after_an_unclean_end_the_next_name_of_an_exit_is_asked_for_before_it_may_be_given():
    office = Remembering()
    office.slow.set()
    state, settings = office.story.state, office.desk.settings
    state.exits["x"] = Exit("x", "BTC", None, D(1), "signal", T0)
    [given] = next_names(settings, state)
    office.name = given.cloid
    assert await office.reader.reconcile()
    [following] = next_names(settings, state)
    assert office.statuses == [given.cloid, following.cloid]
    assert (given.attempt, following.attempt, office.desk.held) == (1, 2, False)


@pytest.mark.parametrize("fired", [False, True])
async def test_what_the_list_lacks_is_looked_up_once_by_the_resolver_where_that_is_told_to_doubt_it(fired):
    office = Office()
    office.slow.set()
    office.desk.held = False
    office.story.long(1)
    office.story.stop(90)
    [stop] = [leg for leg in office.story.state.live.values() if leg.kind == "stop"]
    if fired:
        stop.turn("triggered", office.story.now)
    office.story.now += 60_000
    await office.reader.reconcile()
    assert office.statuses == ([stop.cloid] if fired else [])
    assert office.desk.uncertain_legs() == ([] if fired else [stop])


async def _lane(office: Office) -> Lane:
    office.slow.set()
    await office.reader.reconcile()
    return office.lanes[-1]


async def test_what_a_naked_position_or_an_unconfirmed_execution_waits_for_is_read_before_all_else():
    plain, naked, claimed = Office(), Office(), Office()
    assert await _lane(plain) is Lane.READ
    naked.story.state.positions["BTC"] = naked.story.state.position("BTC")
    naked.story.state.positions["BTC"].watch.since_ms = naked.story.now
    assert await _lane(naked) is Lane.RESIZE
    claimed.story.trade(Side.BUY, 1)
    assert await _lane(claimed) is Lane.READ
    claimed.story.now += 1_000
    assert await _lane(claimed) is Lane.RESIZE


async def test_a_read_our_own_budget_keeps_back_is_no_failure_soon_after_a_complete_one():
    office = Office()
    office.slow.set()
    assert await office.reader.reconcile()
    office.limited = KeptBack("our own rate budget is short")
    office.story.now += RECENT_MS - 1
    assert not await office.reader.reconcile()
    assert office.story.of(ev.ReconcileFailed) == []
    office.story.now += 1
    assert not await office.reader.reconcile()
    assert [event.missing for event in office.story.of(ev.ReconcileFailed)] == [("fills",)]


async def test_a_read_the_venue_refuses_is_a_failure_at_once():
    office = Office()
    office.slow.set()
    await office.reader.reconcile()
    office.limited = VenueUnavailable("429")
    await office.reader.reconcile()
    assert len(office.story.of(ev.ReconcileFailed)) == 1


async def test_the_first_read_of_a_day_is_recorded_at_once_since_its_losses_count_from_there():
    office = Office()
    office.slow.set()
    office.story.now = midnight_ms(T0) + DAY_MS - 10_000
    await office.reader.reconcile()
    office.story.now += 9_999
    await office.reader.reconcile()
    office.story.now += 1
    await office.reader.reconcile()
    assert [read.at_ms % DAY_MS for read in office.story.of(ev.AccountRead)] == [DAY_MS - 10_000, 0]


def test_a_price_is_kept_of_what_is_held_owed_or_wished_and_of_nothing_else():
    s = Story()
    s.long(1)
    s.stop(90, coin="ETH")
    s.read(BTC="1", SOL="5")
    assert needs_price(s.state) == ["BTC", "ETH"]


class AnyCoin:
    """Rules of a venue that lists whatever it is asked about."""

    def asset(self, coin: str) -> str:
        return coin


class Shop:
    """A worker, its venue and its preparer in one, that has no price yet; ``vouched`` are the coins of a live feed."""

    def __init__(self) -> None:
        self.story = Story()
        self.story.long(1)
        self.venue, self.preparers, self.desks = self, {"main": self}, {"main": self.story}
        self.rules, self.vouched = self.story.market.rules, set[str]()
        self.clock = ManualClock()
        self.asked: list[str] = []
        self.ticker = Ticker(self)  # type: ignore[arg-type]  # a worker as far as a ticker asks here

    def quote_as_of_ms(self, coin: str) -> int | None:
        return T0 if coin in self.vouched else None

    async def warm(self, coin: str, max_age_ms: int | None, lane: Lane) -> None:
        assert lane is Lane.RESIZE
        self.asked.append(coin)

    def spawn(self, work: Coroutine[Any, Any, None], _: str) -> None:
        with pytest.raises(StopIteration):
            work.send(None)


def test_the_price_of_what_is_held_is_asked_for_until_it_is_there():
    shop = Shop()
    for after_s, asked in ((0, 1), (WARM_EVERY_S - 0.1, 1), (0.2, 2)):
        shop.clock.advance(int(after_s * 1000))
        shop.ticker._keep_prices()
        assert shop.asked == ["BTC"] * asked
    shop.vouched.add("BTC")
    shop.clock.advance(60_000)
    shop.ticker._keep_prices()
    assert len(shop.asked) == 2
    shop.vouched.clear()  # the socket is down: the quote that was pushed last may be any age
    shop.ticker._keep_prices()
    assert len(shop.asked) == 3


@pytest.mark.parametrize("coins", [1, 10, 20, 60])
def test_prices_of_many_coins_are_read_at_once_and_then_within_a_fifth_of_the_budget(coins):
    shop = Shop()
    shop.rules = AnyCoin()
    for number in range(coins - 1):
        shop.story.state.stops[f"C{number}"] = []
    shop.ticker._keep_prices()
    assert len(shop.asked) == coins
    for _ in range(600):
        shop.clock.advance(250)
        shop.ticker._keep_prices()
    a_minute = (len(shop.asked) - coins) / 2.5
    assert a_minute == min(12 * coins, 120)
    assert a_minute * limits.info_weight("l2Book") <= limits.IP_WEIGHT_PER_MINUTE / 5


async def test_a_read_that_is_cancelled_at_the_end_leaves_nothing_for_the_log():
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["message"])))
    office = Office()
    reading = asyncio.ensure_future(office.reader.reconcile())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    for _ in range(5):
        await asyncio.sleep(0)  # what was cancelled comes to its end
    del reading, office
    gc.collect()
    assert told == []
