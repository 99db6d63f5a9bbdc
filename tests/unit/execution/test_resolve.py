"""resolve: what is uncertain is looked up, exits first; what shall not open any more is never sent again."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from story import Story, listed

from executor.core import events as ev
from executor.core.facts import OpenOrder, OrderFact, RawReply
from executor.core.state import Leg
from executor.core.types import Side
from executor.execution.desk import Desk
from executor.execution.nonces import Nonces
from executor.execution.resolve import Resolver
from executor.execution.turn import Turn
from executor.ports import Lane


class Signs:
    """Signs whatever it is shown."""

    def __init__(self, address: str = "0x1") -> None:
        self.address = address

    def sign(self, action: Any, nonce: int, vault: str | None, expires_after_ms: int | None) -> dict[str, Any]:
        return {"r": "0x1", "s": "0x2", "v": 27}


class Office:
    """A worker and a venue in one: counts what is sent again, and answers no look-up of an entry."""

    reply_timeout_s, failed = 1.0, None

    def __init__(self, story: Story) -> None:
        self.venue, self.story = self, story
        self.again: list[Any] = []
        self.asked: list[str] = []
        self.lanes: dict[str, Lane] = {}
        self.never = asyncio.Event()
        self.hang = {"entry"}
        self.found = ""
        self.starts: list[int] = []
        self.takes_ms = 0
        self.listed: tuple[OpenOrder, ...] = ()

    def now_ms(self) -> int:
        return self.story.now

    def turn(self) -> Turn:
        return Turn(self.story.now)

    def finish(self, turn: Turn, desks: Any) -> None:
        pass

    def record_of(self, request: Any) -> Any:
        return next(e for e in self.story.of(ev.SendStarted) if e.request_id == request.request_id)

    async def submit(self, request: Any, lane: Any, timeout_s: float) -> RawReply:
        self.again.append(request)
        return RawReply(sent=True)

    async def order_status(self, address: str, cloid: str, lane: Lane) -> OrderFact:
        kind = self.story.state.legs[cloid].kind
        self.asked.append(kind)
        self.lanes[kind] = lane
        if kind in self.hang:
            await self.never.wait()
        self.story.now += self.takes_ms
        if not self.found:
            return OrderFact(None, "", self.story.now)
        leg, now_ms = self.story.state.legs[cloid], self.story.now
        px, size = Decimal(100), leg.size
        order = OpenOrder(7, cloid, leg.coin, leg.side, px, size, size, False, None, "Limit", False, now_ms)
        return OrderFact(order, self.found, now_ms)

    async def fills_since(self, address: str, start_ms: int, lane: Lane) -> tuple[()]:
        self.asked.append("fills")
        self.starts.append(start_ms)
        return ()

    async def open_orders(self, address: str, lane: Lane) -> tuple[OpenOrder, ...]:
        self.asked.append("listed")
        return self.listed


def bench() -> tuple[Story, Office, Resolver]:
    story = Story()
    desk = Desk(story.desk, story.state, Signs(), Nonces(0))
    office = Office(story)
    return story, office, Resolver(office, desk)  # type: ignore[arg-type]  # as much of a worker as it needs


async def test_an_exit_nobody_knows_of_is_looked_up_while_an_entrys_look_up_hangs():
    story, office, resolver = bench()
    story.long(1)
    story.set("entry", "unknown")
    story.long(1, coin="ETH")
    running = asyncio.create_task(resolver.run())
    async with asyncio.timeout(2):
        while "entry" not in office.asked and not running.done():
            await asyncio.sleep(0.01)
    story.set("exit", "unknown")
    story.short(1)
    async with asyncio.timeout(2):
        while "exit" not in office.asked:
            await asyncio.sleep(0.01)
    running.cancel()


async def test_an_exit_is_looked_up_beside_stops_and_entries_that_are_not_answered_and_before_them_in_the_budget():
    story, office, resolver = bench()
    office.hang = {"entry", "stop"}
    story.long(1)
    story.set("entry", "unknown")
    story.long(1, coin="ETH")
    story.set("stop", "unknown")
    story.stop(90)
    story.set("exit", "unknown")
    story.short("0.5")
    running = asyncio.create_task(resolver.run())
    async with asyncio.timeout(20):
        while not {"entry", "stop", "exit"} <= set(office.asked):
            await asyncio.sleep(0.01)
    running.cancel()
    assert office.lanes == {"entry": Lane.READ, "stop": Lane.RESIZE, "exit": Lane.RESIZE}


async def test_an_entry_is_sent_again_with_the_same_bytes():
    story, office, resolver = bench()
    story.set("entry", "unknown")
    story.long(1)
    office.never.set()
    await resolver.once("entry")
    assert [request.nonce for request in office.again] == [story.of(ev.SendStarted)[-1].nonce]


async def test_what_another_key_signed_is_only_looked_up_since_its_nonce_is_new_to_the_key_of_now():
    story, office, resolver = bench()
    story.set("entry", "unknown")
    story.long(1)
    office.never.set()
    resolver._desk.signer = Signs("0x2")  # started again with another signer while the order is out
    await resolver.once("entry")
    assert (office.again, office.asked) == ([], ["entry"])


async def test_what_is_known_by_its_fills_is_not_sent_again_though_its_answer_never_came():
    story, office, resolver = bench()
    story.set("entry", "unknown")
    story.long(1)
    story.settle = lambda: None  # as right after a start, before the first step
    story.resolve("entry", "filled")
    assert [request.unknown for request in story.state.requests.values()] == [True]
    await resolver.once("entry")
    assert (office.again, office.asked) == ([], [])


@pytest.mark.parametrize(("after_ms", "times"), [(8_000, 1), (8_001, 0), (20_000, 0)])
async def test_the_same_bytes_go_again_only_while_they_would_certainly_arrive_before_their_expiry(after_ms, times):
    story, office, resolver = bench()
    story.set("entry", "unknown")
    story.long(1)
    assert story.of(ev.SendStarted)[-1].expires_after_ms == story.now + 10_000
    story.now += after_ms
    await resolver._send_again("entry")
    assert len(office.again) == times


async def test_the_same_bytes_go_again_once_in_a_second():
    story, office, resolver = bench()
    story.set("entry", "unknown")
    story.long(1)
    for step_ms, times in ((0, 1), (999, 1), (1, 2), (999, 2)):
        story.now += step_ms
        await resolver._send_again("entry")
        assert len(office.again) == times


@pytest.mark.parametrize("found", [True, False])
async def test_fills_are_looked_for_from_a_minute_before_the_oldest_order_was_sent(found):
    story, office, resolver = bench()
    office.never.set()
    sent_ms = story.now
    for coin in ("BTC", "ETH"):
        story.set("entry", "unknown")
        story.long(1, coin=coin)
        story.now += 1_000
    office.found = "canceled" if found else ""
    story.now += 0 if found else 60_000
    await resolver.once("entry")
    assert office.starts == [sent_ms - 60_000]


@pytest.mark.parametrize(
    ("stop", "more"),
    [
        (ev.Paused, {"by": "test"}),
        (ev.FlattenStarted, {"by": "test"}),
        (ev.BreakerLatched, {"rule": "signer_conflict", "value": "", "limit": ""}),
        (None, {}),
    ],
)
async def test_an_entry_that_shall_not_open_any_more_is_only_looked_up(stop, more):
    story, office, resolver = bench()
    story.set("entry", "unknown")
    story.long(1)
    if stop is None:
        story.trade(Side.SELL, 1)  # the agent closed it meanwhile
    else:
        story.command(stop, **more)
    office.never.set()
    await resolver.once("entry")
    assert office.again == []
    assert office.asked == ["entry"]


async def test_once_the_ledger_is_lost_no_entry_is_sent_again():
    story, office, resolver = bench()
    story.set("entry", "unknown")
    story.long(1)
    story.command(ev.LedgerLost, text="the disk is full")
    office.never.set()
    await resolver.once("entry")
    assert office.again == []


async def test_an_exit_that_another_order_carried_out_is_looked_up_and_never_sent_again():
    story, office, resolver = bench()
    story.long(1)
    story.set("exit", "unknown")
    story.short("0.4")
    (owed,) = story.state.exits.values()
    office.never.set()
    await resolver.once("exit")
    assert len(office.again) == 1
    owed.owed = owed.owed - owed.owed / 4
    story.later(1_500)
    await resolver.once("exit")
    assert len(office.again) == 1
    story.state.exits.clear()
    story.later(1_500)
    await resolver.once("exit")
    assert len(office.again) == 1


async def test_before_the_first_read_after_a_crash_nothing_is_sent_again():
    story, office, resolver = bench()
    story.long(1)
    story.set("exit", "unknown")
    story.short(1)
    resolver._desk.held = True
    office.never.set()
    await resolver.once("exit")
    assert (office.again, office.asked) == ([], [])


async def test_look_ups_of_one_order_slow_down():
    story, office, resolver = bench()
    story.set("entry", "unknown")
    story.long(1)
    office.never.set()
    story.command(ev.Paused, by="test")
    for _ in range(100):
        await resolver.once("entry")
        story.now += 100
    assert 5 <= len(office.asked) <= 12


async def test_many_orders_nobody_knows_of_cost_one_reading_of_fills_and_open_orders():
    story, office, resolver = bench()
    for coin in ("BTC", "ETH", "SOL"):
        story.set("entry", "unknown")
        story.long(1, coin=coin)
    office.never.set()
    story.now += 60_000
    await resolver.once("entry")
    assert sorted(office.asked) == ["entry", "entry", "entry", "fills", "listed"]
    assert [leg.kind for leg in story.state.live.values()] == []


def unknown_entry(story: Story, office: Office) -> Leg:
    """An entry nobody has answered for; its look-ups are answered: the venue does not know it."""
    story.set("entry", "unknown")
    story.long(1)
    office.never.set()
    [leg] = story.state.live.values()
    assert leg.deadline_ms is not None
    return leg


async def test_a_look_up_asked_for_before_the_deadline_proves_nothing_however_long_it_took():
    story, office, resolver = bench()
    leg = unknown_entry(story, office)
    story.now, office.takes_ms = leg.deadline_ms, 5_000
    await resolver.once("entry")
    assert story.now > leg.deadline_ms
    assert leg.state == "unknown"


async def test_an_order_that_stands_in_the_list_is_not_absent_whatever_its_look_up_says():
    story, office, resolver = bench()
    leg = unknown_entry(story, office)
    story.now, office.listed = leg.deadline_ms + 1, (listed(leg),)
    await resolver.once("entry")
    assert "listed" in office.asked
    assert leg.state == "unknown"
    story.now, office.listed = story.now + 60_000, ()
    await resolver.once("entry")
    assert leg.state == "absent"


async def test_what_is_answered_is_not_remembered_as_sent_again():
    story, office, resolver = bench()
    office.never.set()
    for coin in ("BTC", "ETH", "SOL"):
        story.set("entry", "unknown")
        story.long(1, coin=coin)
        await resolver._send_again("entry")
        assert list(resolver._resent_ms) == list(story.state.requests)
        story.now += 60_000
        await resolver._look("entry")
    assert len(office.again) == 3


async def test_what_is_sent_again_waits_for_no_look_up():
    story, office, resolver = bench()
    story.set("entry", "unknown")
    story.long(1)
    running = asyncio.create_task(resolver.run())  # the look-up hangs
    async with asyncio.timeout(5):
        while len(office.again) < 2:
            await asyncio.sleep(0.05)
            story.now += 250
    running.cancel()
