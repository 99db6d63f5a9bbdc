"""prepare: what must be known before an action is decided, and what a strategy and a proof are given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from coincurve import PrivateKey
from fake_venue import FakeVenue, StandingClock
from story import T0, Story, quote

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import AccountFact, OpenOrder, OrderFact
from executor.core.intake import IntakeState, Route, admit, evolve_intake
from executor.core.position import Holding, Position
from executor.core.settings import QuoteCheck
from executor.core.source_events import SetStop, SetTarget, Trade
from executor.core.state import DeskState
from executor.core.types import Agent, Side
from executor.core.watched import Derivation
from executor.errors import VenueUnavailable
from executor.execution.desk import Desk
from executor.execution.nonces import Nonces
from executor.execution.prepare import action_of
from executor.execution.proof import AHEAD_LOOKED_UP, fills_from_ms
from executor.execution.strategies import StrategyCaller
from executor.execution.worker import Worker
from executor.ledger.memory import MemoryLedger
from executor.ports import Lane
from executor.venue.signer import Signer
from strategies.follow import Follow

D = Decimal


class Venue(FakeVenue):
    """Says what it was asked; knows no order of an earlier life, or cannot be asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.lanes: list[Lane] = []
        self.down = False
        self.answers = asyncio.Event()
        self.answers.set()

    def ask(self, what: str) -> None:
        self.asked.append(what)
        if self.down:
            raise VenueUnavailable("down")

    async def warm(self, coin, max_age_ms=None, lane=None):
        self.lanes.append(lane)
        self.ask("warm")
        await self.answers.wait()
        self.quotes[coin] = replace(quote(100), at_ms=self.at_ms)

    async def fills_since(self, address, start_ms, lane=None):
        self.ask("fills")
        return await super().fills_since(address, start_ms)

    async def order_status(self, address, cloid, lane=None):
        self.ask("order")
        return await super().order_status(address, cloid)


@asynccontextmanager
async def working(
    settings: Any = MappingProxyType({}), venue: Venue | None = None, **state: Any
) -> Iterator[tuple[Worker, Venue]]:
    """A worker with one account, no readers and no timers."""
    story, venue = Story(settings), venue or Venue()
    read = {"equity_usd": D(10_000), "account_read_ms": T0, "reconciled": True, "continuous": True, "started_ms": T0}
    desk = Desk(
        story.desk, DeskState("main", **(read | state)), Signer(PrivateKey(b"\x01" * 32), mainnet=False), Nonces(0)
    )
    worker = Worker(
        clock=StandingClock(),
        venue=venue,
        ledger=MemoryLedger(),
        intake=IntakeState(),
        desks={"main": desk},
        routes=[Route("r", "src", ("*",), "follow", ("main",))],
        strategies={"r": StrategyCaller("follow", Follow(Follow.Options()))},
        unstated={"src": "execute"},
        after_gap={"src": "reduce_only"},
    )
    yield worker, venue
    await worker.cancel_tasks()


async def done(worker: Worker, how_many: int = 1) -> list[ev.Event]:
    """What was recorded, once so many actions have been decided and their answers came."""
    async with asyncio.timeout(5):
        while True:
            events = [stored.event for stored in worker.ledger.read()]
            decided = [e for e in events if isinstance(e, ev.ActionTaken | ev.ActionRefused)]
            if len(decided) >= how_many and not worker.desks["main"].state.requests:
                return events
            await asyncio.sleep(0)


def emit(worker: Worker, side: Side, size: str, **more: Any) -> None:
    action = Story().action(Trade, side, size, **more)
    worker.emit("{}", action)


async def test_an_action_with_everything_known_is_decided_in_the_turn_it_came_in():
    async with working() as (worker, venue):
        emit(worker, Side.BUY, "1")
        assert [type(s.event).__name__ for s in worker.ledger.read()][:2] == ["ActionReceived", "ActionTaken"]
        await done(worker)
        assert venue.asked == []


async def test_a_cold_symbol_costs_one_call():
    async with working() as (worker, venue):
        del venue.quotes["BTC"]
        emit(worker, Side.BUY, "1")
        await done(worker)
        assert venue.asked == ["warm"]
        assert worker.desks["main"].state.position("BTC").owned == 1


async def test_a_price_is_read_as_urgently_as_who_waits_for_it():
    async with working() as (worker, venue):
        emit(worker, Side.BUY, "2", sender_id="in")
        await done(worker)
        venue.down, venue.quotes = True, {}
        emit(worker, Side.BUY, "1", sender_id="entry", coin="ETH")
        emit(worker, Side.SELL, "1", sender_id="exit")
        events = await done(worker, 3)
        assert venue.lanes == [Lane.ENTRY, Lane.CLOSE]
        for kind in (SetStop, SetTarget):
            action = Story().action(kind, Side.SELL, "1", sender_id=kind.__name__, trigger_px=D(90))
            worker.emit("{}", action)
        while len(venue.lanes) < 4:
            await asyncio.sleep(0)
        assert venue.lanes[2:] == [Lane.CLOSE, Lane.RESIZE]
        assert [e.reason for e in events if isinstance(e, ev.ActionRefused)] == ["NO_QUOTE"]


async def test_a_price_read_for_an_entry_goes_first_as_soon_as_an_exit_waits_behind_it():
    async with working() as (worker, venue):
        emit(worker, Side.BUY, "2", sender_id="in")
        await done(worker)
        del venue.quotes["BTC"]
        venue.answers.clear()
        emit(worker, Side.BUY, "1", sender_id="more")
        while not venue.asked:
            await asyncio.sleep(0)
        emit(worker, Side.SELL, "3", sender_id="out")
        async with asyncio.timeout(20):
            while venue.lanes != [Lane.ENTRY, Lane.CLOSE]:
                await asyncio.sleep(0.01)
        venue.answers.set()
        await done(worker, 3)
        assert worker.desks["main"].state.position("BTC").owned == 0


LIMITED = {"quote_check": QuoteCheck(max_age_ms=5_000)}


async def test_an_old_quote_is_read_anew_before_an_entry():
    async with working(LIMITED) as (worker, venue):
        venue.at_ms = T0 + 5_001
        emit(worker, Side.BUY, "1", at=venue.at_ms)
        await done(worker)
        assert venue.asked == ["warm"]
        assert worker.desks["main"].state.position("BTC").owned == 1


async def test_a_quote_within_its_age_costs_nothing():
    async with working(LIMITED) as (worker, venue):
        venue.at_ms = T0 + 5_000
        emit(worker, Side.BUY, "1", at=venue.at_ms)
        await done(worker)
        assert venue.asked == []


async def test_an_entry_whose_old_quote_cannot_be_read_anew_is_refused_and_its_exit_is_not():
    async with working(LIMITED) as (worker, venue):
        emit(worker, Side.BUY, "1", sender_id="in")
        await done(worker)
        venue.at_ms, venue.down = T0 + 5_001, True
        emit(worker, Side.SELL, "2", sender_id="flip", at=venue.at_ms)
        emit(worker, Side.BUY, "1", sender_id="other", coin="ETH", at=venue.at_ms)
        events = await done(worker, 5)
        rejected = [e for e in events if isinstance(e, ev.QuoteRejected)]
        assert [(e.coin, e.reason, e.age_ms) for e in rejected] == [(c, "QUOTE_STALE", 5_001) for c in ("BTC", "ETH")]
        assert venue.asked == ["warm"], "the flip closes at once, without a read"
        assert [order["s"] for action in venue.sent for order in action.get("orders", [])] == ["1", "1"]
        assert worker.desks["main"].state.position("BTC").owned == 0


async def test_the_exit_of_a_flip_leaves_in_the_turn_it_came_in_however_old_the_quote():
    async with working(LIMITED) as (worker, venue):
        emit(worker, Side.BUY, "1", sender_id="in")
        await done(worker)
        venue.at_ms = T0 + 5_001
        venue.answers.clear()
        emit(worker, Side.SELL, "2", sender_id="flip", at=venue.at_ms)
        assert [leg.kind for leg in worker.desks["main"].state.live.values() if leg.state == "sent"] == ["exit"]
        await done(worker, 2)
        assert venue.asked == []


async def test_an_exit_does_not_wait_for_the_read_of_the_entry_before_it():
    async with working(LIMITED) as (worker, venue):
        emit(worker, Side.BUY, "2", sender_id="in")
        await done(worker)
        venue.at_ms = T0 + 5_001
        venue.answers.clear()
        emit(worker, Side.BUY, "1", sender_id="more", at=venue.at_ms)
        while not venue.asked:
            await asyncio.sleep(0)
        emit(worker, Side.SELL, "3", sender_id="out", at=venue.at_ms)
        events = await done(worker, 4)
        assert [e.reason for e in events if isinstance(e, ev.ActionRefused)] == ["QUOTE_STALE"]
        assert worker.desks["main"].state.position("BTC").owned == 0


async def test_what_an_earlier_life_may_have_sent_is_looked_up_before_anything_goes():
    async with working() as (worker, venue):
        venue.at_ms = T0 + 14_000  # what an earlier life sent has expired, the action has not
        emit(worker, Side.BUY, "1", at=T0 - 1)
        events = await done(worker)
        assert "order" in venue.asked
        assert "fills" in venue.asked
        assert [e.looked_up for e in events if isinstance(e, ev.ActionTaken)] == [True]
        assert venue.sent


async def test_finding_nothing_proves_nothing_while_an_earlier_lifes_order_may_be_on_its_way():
    async with working() as (worker, venue):
        emit(worker, Side.BUY, "1", at=T0 - 1)
        while "order" not in venue.asked:
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not venue.sent
        venue.at_ms = T0 + 14_000
        await done(worker)
        assert venue.sent


@pytest.mark.parametrize(("stamp", "gone_ms"), [(T0 - 1, T0 + 13_000), (T0 - 25_000, T0 + 8_000)])
async def test_nothing_found_is_a_proof_only_once_the_venues_margin_after_the_expiry_is_over(stamp, gone_ms):
    async with working() as (worker, venue):
        venue.at_ms = gone_ms
        emit(worker, Side.BUY, "1", at=stamp)
        while "order" not in venue.asked:
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not [s for s in worker.ledger.read() if isinstance(s.event, ev.ActionTaken | ev.ActionRefused)]
        venue.at_ms = gone_ms + 1
        await done(worker)


@pytest.mark.parametrize(
    ("later_ms", "stamp", "reads"),
    [(0, T0 - 1, 1), (1_000, T0 - 60_001, 1), (1_001, T0 - 1, 2), (0, T0 - 60_002, 2)],
)
async def test_one_read_of_the_fills_serves_what_is_asked_within_a_second_and_no_longer_nor_further_back(
    later_ms, stamp, reads
):
    async with working(earlier_read_ms=T0 - 60_000) as (worker, venue):
        emit(worker, Side.BUY, "1", at=T0 - 1)
        await done(worker)
        venue.at_ms = T0 + later_ms
        emit(worker, Side.BUY, "1", sender_id="second", at=stamp)
        await done(worker, 2)
        assert venue.asked.count("fills") == reads


async def test_a_ledger_that_tells_of_the_moments_before_this_start_makes_finding_nothing_a_proof():
    async with working(earlier_read_ms=T0 - 60_000) as (worker, venue):
        emit(worker, Side.BUY, "1", at=T0 - 1)
        await done(worker)
        assert venue.sent


async def test_an_exit_waits_until_this_life_has_read_its_position():
    async with working(account_read_ms=T0 - 9_000, earlier_read_ms=T0 - 9_000, reconciled=False) as (worker, _):
        emit(worker, Side.SELL, "1")
        for _ in range(20):
            await asyncio.sleep(0)
        assert not any(isinstance(s.event, ev.ActionTaken) for s in worker.ledger.read())


async def test_an_exit_behind_it_does_not_wait_for_that_and_the_entry_is_refused():
    async with working() as (worker, venue):
        emit(worker, Side.BUY, "1", at=T0 - 1)
        emit(worker, Side.SELL, "1", sender_id="close")
        events = await done(worker, 2)
        assert "UNPROVEN" in [e.reason for e in events if isinstance(e, ev.ActionRefused)]
        assert not venue.sent


async def test_what_cannot_be_looked_up_opens_nothing():
    async with working() as (worker, venue):
        venue.down = True
        emit(worker, Side.BUY, "1", at=T0 - 1)
        events = await done(worker)
        assert [e.reason for e in events if isinstance(e, ev.ActionRefused)] == ["UNPROVEN"]
        assert not venue.sent


async def test_a_queued_copy_of_what_was_decided_meanwhile_decides_nothing_again():
    async with working() as (worker, venue):
        del venue.quotes["BTC"]
        venue.answers.clear()
        emit(worker, Side.BUY, "1")
        while not venue.asked:
            await asyncio.sleep(0)
        [received] = worker.desks["main"].state.waiting.values()
        worker.preparers["main"]._enqueue(received)
        venue.answers.set()
        await done(worker)
        while worker.preparers["main"].busy:
            await asyncio.sleep(0)
        taken = [s.event for s in worker.ledger.read() if isinstance(s.event, ev.ActionTaken)]
        assert (len(taken), len(venue.placed)) == (1, 1)


async def test_actions_of_one_symbol_are_decided_in_their_order_whatever_each_waits_for():
    async with working() as (worker, venue):
        del venue.quotes["BTC"]
        for number, (side, size) in enumerate([(Side.BUY, "2"), (Side.SELL, "1"), (Side.SELL, "1")]):
            emit(worker, side, size, sender_id=f"x{number}")
        events = await done(worker, 3)
        taken = [e.action_id for e in events if isinstance(e, ev.ActionTaken)]
        assert taken == ["x0", "x1", "x2"]


async def test_an_unreadable_account_decides_nothing_until_it_is_read():
    async with working(account_read_ms=0, reconciled=False) as (worker, _):
        emit(worker, Side.BUY, "1")
        await asyncio.sleep(0)
        assert not [s for s in worker.ledger.read() if isinstance(s.event, ev.ActionTaken)]
        desk, turn = worker.desks["main"], worker.turn()
        fact = AccountFact((), D(10_000), D(0), D(0), T0)
        desk.note(turn, [ev.AccountRead(at_ms=T0, account="main", fact=fact)])
        desk.note(turn, [ev.Reconciled(at_ms=T0, account="main", why="start")])
        worker.finish(turn, [desk])
        await done(worker)
        assert desk.state.position("BTC").owned == 1


async def test_nothing_leaves_when_the_ledger_cannot_be_written():
    async with working() as (worker, venue):
        worker.ledger.fail_at = 1
        emit(worker, Side.BUY, "1")
        await asyncio.sleep(0)
        assert worker.failed is not None
        assert not venue.sent


@pytest.mark.parametrize("kind", [Trade, SetStop])
def test_the_action_a_strategy_sees_after_a_restart_is_the_one_that_came(kind):
    s = Story()
    action = s.action(kind, Side.SELL, "1.5", sender_id="x", leverage="3", event_id="e", trigger_px=D(90))
    received = s.admit(action)
    assert received is not None
    assert action_of(received) == action


def test_an_action_without_an_id_of_its_own_stays_without_one():
    s = Story()
    received = s.admit(s.action(Trade, Side.BUY, 1, sender_id="x"))
    assert received is not None
    assert action_of(replace(received, action_id=received.key or "")).sender_id is None


@pytest.mark.parametrize(
    ("stamp", "start"),
    [(T0 - 5_000, T0 - 65_000), (T0 + 5_000, T0 - 60_000), (None, T0 - 86_400_000)],
)
def test_fills_are_asked_for_from_before_the_action_could_have_filled(stamp, start):
    s = Story()
    received = s.admit(s.action(Trade, Side.BUY, 1, at=stamp))
    assert received is not None
    assert fills_from_ms(received) == start


async def test_an_exit_does_not_wait_behind_an_entry_that_waits_for_the_account():
    async with working() as (worker, _):
        emit(worker, Side.BUY, "2")
        await done(worker)
        worker.desks["main"].state.reconciled = False
        emit(worker, Side.BUY, "1", sender_id="add")
        emit(worker, Side.SELL, "3", sender_id="close")
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert worker.desks["main"].state.position("BTC").owned == 0


def action(size: str, sender_id: str) -> Trade:
    return Story().action(Trade, Side.BUY, size, sender_id=sender_id)


def recorded(worker: Worker, kind: type[Any]) -> list[Any]:
    return [stored.event for stored in worker.ledger.read() if isinstance(stored.event, kind)]


def received_before(worker: Worker, side: Side, **more: Any) -> ev.ActionReceived:
    """An action written down by an earlier life with another configuration, and never decided."""
    received = Story().admit(Story().action(Trade, side, "1", **more))
    received = replace(received, source="old", routes=("gone",))
    worker.desks["main"].state.waiting[received.key] = received
    return received


async def test_what_an_earlier_life_left_undecided_is_decided_before_what_comes_before_the_first_read():
    async with working(account_read_ms=T0 - 9000, earlier_read_ms=T0 - 9000, reconciled=False) as (worker, _):
        state = worker.desks["main"].state
        for received in admit(worker.intake, action("1", "in"), None, worker.routes, worker.venue.rules, None, T0):
            worker.ledger.commit([], [received])
            evolve_intake(worker.intake, received)
            evolve(state, received)
        emit(worker, Side.SELL, "1", sender_id="out")
        state.account_read_ms, state.reconciled = T0, True
        worker.preparers["main"].resume()
        await done(worker, 2)
        came = [e.key for e in recorded(worker, ev.ActionReceived)]
        assert [e.key for e in recorded(worker, ev.ActionTaken)] == came
        assert (state.position("BTC").owned, list(state.live)) == (0, [])


async def test_a_close_does_not_pass_an_entry_whose_deciding_broke():
    async with working() as (worker, _):
        for received in admit(worker.intake, action("1", "in"), None, worker.routes, worker.venue.rules, None, T0):
            worker.ledger.commit([], [received])
            evolve_intake(worker.intake, received)
            evolve(worker.desks["main"].state, received)
        emit(worker, Side.SELL, "1", sender_id="out", at=T0 + 1)
        await done(worker, 2)
        came = [e.key for e in recorded(worker, ev.ActionReceived)]
        assert [e.key for e in recorded(worker, ev.ActionTaken)] == came
        assert worker.desks["main"].state.position("BTC").owned == 0


async def test_what_waits_is_queued_once_however_often_it_is_resumed():
    async with working(reconciled=False, account_read_ms=0) as (worker, _):
        emit(worker, Side.BUY, "1", sender_id="a")
        emit(worker, Side.BUY, "1", sender_id="b", at=T0 + 1)
        for _ in range(3):
            worker.preparers["main"].resume()
        worker.desks["main"].state.reconciled = True
        await done(worker, 2)
        assert len(recorded(worker, ev.ActionTaken)) == 2


async def test_an_action_whose_route_is_gone_since_is_refused_and_holds_up_nobody():
    async with working() as (worker, _):
        received_before(worker, Side.BUY, server_execution=False)
        worker.preparers["main"].resume()
        emit(worker, Side.BUY, "2", sender_id="new")
        events = await done(worker, 2)
        assert [e.reason for e in events if isinstance(e, ev.ActionRefused)] == ["STRATEGY_FAILED"]
        assert worker.desks["main"].state.position("BTC").owned == 2
        assert worker.desks["main"].state.waiting == {}


@pytest.mark.parametrize(("teller", "brings", "owned"), [("execute", "skip", 0), ("skip", "execute", 1)])
async def test_who_executes_what_does_not_say_so_is_told_by_the_source_whose_route_brings_it(teller, brings, owned):
    async with working() as (worker, _):
        worker.unstated = {"first": teller, "src": brings}
        received = Story().admit(Story().action(Trade, Side.BUY, "1", server_execution=None))
        received = replace(received, source="first", routes=("r",))  # told by another, before the route's own source
        worker.desks["main"].state.waiting[received.key] = received
        worker.preparers["main"].resume()
        await done(worker)
        assert worker.desks["main"].state.position("BTC").owned == owned


async def test_a_mistake_about_one_action_holds_up_none_behind_it_and_is_told_once():
    async with working() as (worker, _):
        broken = received_before(worker, Side.BUY, server_execution=False)
        worker.desks["main"].state.waiting[broken.key] = replace(broken, accounts=())
        for _ in range(3):
            worker.preparers["main"].resume()
            emit(worker, Side.BUY, "1", sender_id="new")
            await done(worker)
        assert worker.desks["main"].state.position("BTC").owned == 1
        assert list(worker.desks["main"].state.waiting) == [broken.key]


async def test_after_a_lost_ledger_a_stamp_that_runs_ahead_is_looked_up_too():
    async with working(continuous=False) as (worker, venue):
        emit(worker, Side.BUY, "1", at=T0 + 4_000)
        await done(worker)
        assert "order" in venue.asked


async def test_what_was_looked_up_of_the_time_before_the_start_leaves_none_of_the_look_ups_of_early_stamps_out():
    async with working(continuous=False, earlier_read_ms=T0) as (worker, venue):
        for number in range(AHEAD_LOOKED_UP):
            emit(worker, Side.BUY, "1", sender_id=f"old{number}", at=T0 - 1)
        await done(worker, AHEAD_LOOKED_UP)
        for number in range(AHEAD_LOOKED_UP + 1):
            venue.asked.clear()
            emit(worker, Side.BUY, "1", sender_id=f"ahead{number}", at=T0 + 4_000)
            await done(worker, AHEAD_LOOKED_UP + number + 1)
            assert ("order" in venue.asked) is (number < AHEAD_LOOKED_UP)


async def test_what_a_timer_of_this_life_made_was_sent_by_no_earlier_one_and_costs_no_look_up():
    async with working(continuous=False) as (worker, _):
        received = Story().admit(Story().action(SetStop, Side.SELL, "1", trigger_px=D(90)))
        made = Derivation(via="trail", fact="TimerFired", identity="1000 7000")
        for received_ms, asked in ((T0 - 1, True), (T0, False)):
            fired = replace(received, at_ms=received_ms, stamped_at_ms=None, derived=made)
            assert worker.preparers["main"].prover.needed(fired) is asked


async def test_an_exit_waits_for_one_failed_look_up_not_for_that_of_every_stop_before_it():
    async with working(continuous=False) as (worker, venue):
        emit(worker, Side.BUY, "1", sender_id="in")
        await done(worker)
        venue.asked.clear()
        venue.down = True
        for number in range(5):
            stop = Story().action(SetStop, Side.SELL, "1", trigger_px=D(90 + number), sender_id=f"s{number}", at=T0 - 1)
            worker.emit("{}", replace(stop, stamped_at_ms=None))
        worker.emit("{}", replace(Story().action(Trade, Side.SELL, "1", sender_id="out"), stamped_at_ms=None))
        await done(worker, 7)
        assert venue.asked == ["fills"] * 2  # of the first stop, and of the exit itself
        assert worker.desks["main"].state.position("BTC").owned == 0


class Remembering(Venue):
    """Still knows every order it was ever sent, by its cloid: cancelled since, all of them."""

    async def order_status(self, address, cloid, lane=None):
        order = next((listed_again(row) for row in self.placed if row["c"] == cloid), None)
        return OrderFact(order, "canceled" if order else "", self.at_ms)


def listed_again(row: dict[str, Any]) -> OpenOrder:
    """An order that was sent, as a look-up tells it; its number is its own for ever."""
    size, oid, trigger_px = D(row["s"]), int(row["c"][-8:], 16), D(row["t"]["trigger"]["triggerPx"])
    side, px = Side.BUY if row["b"] else Side.SELL, D(row["p"])
    return OpenOrder(oid, row["c"], "BTC", side, px, size, size, True, trigger_px, "Stop Market", False, T0)


async def test_of_thirty_lives_that_each_forgot_the_last_none_gives_a_stop_a_name_that_was_used():
    venue, owner = Remembering(), Agent("fractrade", "alice")
    stop = Story().action(SetStop, Side.SELL, "1", trigger_px=D(90), at=T0 - 1)
    for life in range(1, 31):
        held = Position("BTC", D(1), D(100), holdings=[Holding(owner, D(1), D(100))])
        async with working(venue=venue, positions={"BTC": held}) as (worker, _):
            worker.emit("{}", stop)
            await done(worker)
        assert len({row["c"] for row in venue.placed}) == len(venue.placed) == life
