"""reading: funding is asked for once after each full hour, again until it could be read, and stands in nobody's way."""

from __future__ import annotations

from typing import Any

from story import T0, Story

from executor.core import events as ev
from executor.core.facts import AccountFact, Funding
from executor.errors import VenueUnavailable
from executor.execution.desk import Desk
from executor.execution.nonces import Nonces
from executor.execution.reading import FUNDING_LATE_MS, HOUR_MS, Reader
from executor.execution.turn import Turn
from executor.ports import Lane

HOUR = T0 - T0 % HOUR_MS


class Signs:
    address = "0x" + "c" * 40

    def sign(self, action: Any, nonce: int, vault: str | None, expires_after_ms: int | None) -> dict[str, Any]:
        return {"r": "0x1", "s": "0x2", "v": 27}


class Office:
    """A worker, its venue and its preparer in one: an empty account, and funding that may be out of reach."""

    def __init__(self) -> None:
        self.story = Story()
        self.story.state.account_read_ms = 0
        self.venue, self.preparers = self, {"main": self}
        self.asked: list[int] = []
        self.paid: tuple[Funding, ...] = ()
        self.down = False
        self.resumed = 0
        desk = Desk(self.story.desk, self.story.state, Signs(), Nonces(0))
        self.desks = {"main": desk}
        self.reader = Reader(self, desk)  # type: ignore[arg-type]  # a worker as far as a reader asks

    async def at(self, ms: int) -> bool:
        self.story.now = ms
        return await self.reader.reconcile()

    def now_ms(self) -> int:
        return self.story.now

    def turn(self) -> Turn:
        return Turn(self.story.now)

    def finish(self, turn: Turn, desks: Any) -> None:
        self.story.events += turn.events

    def resume(self) -> None:
        self.resumed += 1

    async def fills_since(self, address: str, start_ms: int, lane: Lane) -> tuple[()]:
        return ()

    async def open_orders(self, address: str, lane: Lane) -> tuple[()]:
        return ()

    async def account(self, address: str, lane: Lane) -> AccountFact:
        money = self.story.state.equity_usd
        return AccountFact((), money, money, money * 0, self.story.now)

    async def fundings_since(self, address: str, start_ms: int) -> tuple[Funding, ...]:
        self.asked.append(start_ms)
        if self.down:
            raise VenueUnavailable("503")
        return tuple(one for one in self.paid if one.at_ms >= start_ms)

    def told(self) -> list[str]:
        return [str(event.funding.usd) for event in self.story.of(ev.FundingSeen)]


async def test_it_is_asked_for_at_the_start_and_once_after_each_hour():
    office = Office()
    for ms in (HOUR + 60_000, HOUR + 90_000, HOUR + HOUR_MS + FUNDING_LATE_MS - 1):
        assert await office.at(ms)
    assert office.asked == [HOUR + 60_000]
    office.paid = (Funding("BTC", office.story.state.equity_usd * 0 - 3, HOUR + HOUR_MS + 40),)
    for ms in (HOUR + HOUR_MS + FUNDING_LATE_MS, HOUR + HOUR_MS + 60_000, HOUR + 2 * HOUR_MS + FUNDING_LATE_MS):
        assert await office.at(ms)
    assert office.asked == [HOUR + 60_000, HOUR + 60_000, HOUR + HOUR_MS + 40]
    assert office.told() == ["-3"]
    assert office.story.state.earnings.realized_usd == -3


async def test_what_could_not_be_read_is_asked_for_again_and_holds_up_nothing():
    office = Office()
    office.down = True
    for second in (1, 2):
        assert await office.at(HOUR + second * 60_000)
    assert office.resumed >= 2
    assert office.story.state.reconciled
    office.down = False
    assert await office.at(HOUR + 180_000)
    assert await office.at(HOUR + 210_000)
    assert len(office.asked) == 3


async def test_a_clock_that_was_ahead_and_goes_back_keeps_no_funding_unread():
    office = Office()
    for ms in (HOUR, HOUR + 25 * HOUR_MS, HOUR + 60_000, HOUR + HOUR_MS + 60_000):
        assert await office.at(ms)
    assert len(office.asked) == 4
