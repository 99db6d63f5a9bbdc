"""Reads the account from the venue: at start, after every reconnect, on a timer, and soon after something changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from executor.core import events as ev
from executor.core.earnings import funding_events
from executor.core.facts import AccountFact, Fill, OpenOrder
from executor.core.lifecycle import LegState
from executor.core.lookups import lookup_events
from executor.core.reconcile import (
    account_events,
    missing,
    order_list_events,
    told_fills,
    unconfirmed,
    with_causes,
)
from executor.core.spent import midnight_ms
from executor.core.state import DeskState
from executor.core.unwritten import found_again, next_names
from executor.core.watch import unlisted
from executor.errors import KeptBack, VenueError
from executor.execution import naming
from executor.execution.desk import Desk
from executor.ports import Lane

if TYPE_CHECKING:
    from executor.execution.worker import Worker

log = structlog.get_logger("executor.reading")

EVERY_S = 30.0
SOON_S = 0.5
"""How soon an account is read again after a change, times the number of accounts: positions carry on by fills."""

SLOWEST_S = 6.0
"""What that grows to while reads follow one another: a complete read costs 42 of the 1200 units of a minute (section
5.1), and one that lacks a part has cost the others for nothing."""

CALM_S = 10.0
"""After so long without a read the next ones may follow one another quickly again."""

RECORD_EVERY_MS = 60_000

RECENT_MS = 60_000
"""For so long after a complete read a next one that our own rate budget keeps back is no failure: it comes later."""

HOUR_MS = 3_600_000
FUNDING_LATE_MS = 10_000
"""How long after the hour its payments are listed for certain."""

LOOKED_BACK = 60
"""How many names are asked about after an unclean end, at most."""

HELD_TRIES, HELD_S = 3, 5.0
"""How many reads may fail, or how long one may last, before a desk goes on without knowing what an earlier life sent
unwritten."""

ALONE_S = 1.0
"""How long positions that were read wait for fills and open orders."""


WARM_EVERY_S = 5.0
"""How often a price is read that no feed vouches for."""

WARM_APART_S = 0.5
"""How far apart such reads are at least, in the long run: 240 of the 1200 units of a minute, however many the coins."""


class Pace:
    """How far apart reads are: soon after one change, ever slower while changes, or failures, do not end."""

    def __init__(self, accounts: int) -> None:
        self._soonest_s, self._slowest_s = SOON_S * accounts, SLOWEST_S * accounts
        self._apart_s = 0.0
        self._last_s = -CALM_S

    def after(self, now_s: float) -> float:
        """How long to wait after a read that ended now."""
        rested = now_s - self._last_s >= CALM_S + self._apart_s
        self._apart_s = self._soonest_s if rested else min(self._apart_s * 2, self._slowest_s)
        self._last_s = now_s
        return self._apart_s


class Reader:
    """One desk's reads."""

    def __init__(self, worker: Worker, desk: Desk) -> None:
        self._worker = worker
        self._desk = desk
        self._recorded_ms = 0
        self._complete_ms = 0
        self._recorded_shape: tuple[object, ...] = ()
        self._skipped = False
        self._pace = Pace(len(worker.desks))
        self._funding_hour = 0
        self._tries = 0
        self._unclean = desk.held

    async def run(self) -> None:
        """Until cancelled: reconcile, then wait for a reason to do it again."""
        wake = self._worker.wake_reconcile[self._desk.settings.account]
        while True:
            wake.clear()
            done = await self.reconcile()
            await asyncio.sleep(self._pace.after(self._worker.clock.monotonic_s()))
            if done and not self._goes_on():
                with suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_S):
                        await wake.wait()

    def _goes_on(self) -> bool:
        """Whether the next read is due without anybody asking for it."""
        return self._desk.state.flattening or self._skipped or bool(unlisted(self._desk.state))

    async def reconcile(self) -> bool:
        """One complete read; false when some part of it failed (what was read still counts).

        Fills are folded before positions, so that a difference has its cause; the account counts also where the
        other two cannot be read, since an exit runs as soon as its position is known.
        """
        asked_ms = self._worker.venue.now_ms()
        account, fills, orders, alone = await self._parts(asked_ms)
        if not isinstance(fills, BaseException):
            if self._desk.held:
                await self._guarded_look_back()
            self._take_fills(fills, None if isinstance(orders, BaseException) else orders)
        self._let_go(done=not isinstance(fills, BaseException) and not isinstance(orders, BaseException))
        if not isinstance(account, BaseException) and not alone:
            self._take_account(account, asked_ms, fills_read=not isinstance(fills, BaseException))
        if isinstance(fills, BaseException) or isinstance(account, BaseException) or isinstance(orders, BaseException):
            return self._failed({"fills": fills, "positions": account, "open orders": orders})
        await self._take_orders(orders, asked_ms)
        self._worker.preparers[self._desk.settings.account].resume()
        self._complete_ms = asked_ms
        await self._take_fundings(asked_ms)
        return True

    async def _parts(
        self, asked_ms: int
    ) -> tuple[AccountFact | BaseException, Sequence[Fill] | BaseException, Sequence[OpenOrder] | BaseException, bool]:
        """Positions, fills and open orders, each read or why not; and whether the first were taken alone.

        They are where the other two keep them waiting, as where the venue limits what weighs more: a position that has
        to be closed or protected does not wait for the rest, nor do the desk's steps for long.
        """
        venue, address, lane = self._worker.venue, self._desk.settings.address, self._lane()
        positions = asyncio.gather(venue.account(address, lane), return_exceptions=True)
        rest = asyncio.gather(
            venue.fills_since(address, self._desk.fills_from_ms(), lane),
            venue.open_orders(address, lane),
            return_exceptions=True,
        )
        try:
            [account] = await positions
            await asyncio.wait([rest], timeout=ALONE_S)
            alone = not rest.done()
            if alone and not isinstance(account, BaseException):
                self._take_account(account, asked_ms, fills_read=False)
            await asyncio.wait([rest], timeout=HELD_S)
            if not rest.done():
                self._desk.held = False
            fills, orders = await rest
        finally:
            positions.cancel()
            rest.cancel()
            await asyncio.gather(positions, rest, return_exceptions=True)  # else the loop tells of them in the log
        return account, fills, orders, alone

    def _lane(self) -> Lane:
        """What a position without its stop, or an execution that nothing has shown yet, waits for goes first."""
        state = self._desk.state
        bare = any(position.unprotected_since_ms is not None for position in state.positions.values())
        return Lane.RESIZE if bare or unconfirmed(state, self._worker.venue.now_ms()) else Lane.READ

    async def _look_back(self) -> None:
        """After an unclean end no name is given that the venue knows already: the ledger may be an older copy."""
        desk, asked = self._desk, set[str]()
        for _ in range(LOOKED_BACK):
            name = next((one for one in next_names(desk.settings, desk.state) if one.cloid not in asked), None)
            if name is None:
                return
            asked.add(name.cloid)
            fact = await self._worker.venue.order_status(desk.settings.address, name.cloid)
            turn = self._worker.turn()
            desk.note(turn, found_again(desk.state, name, fact, turn.now_ms))
            self._worker.finish(turn, ())

    async def _guarded_look_back(self) -> None:
        try:
            async with asyncio.timeout(HELD_S):
                await self._look_back()
        except (VenueError, TimeoutError) as error:
            account = self._desk.settings.account
            log.warning("look-up failed", action="lookup_failed", account=account, error=str(error))

    def _take_fills(self, fills: Sequence[Fill], orders: Sequence[OpenOrder] | None) -> None:
        """Fold the fills; at the first read after an unclean end what was sent unwritten becomes known before them."""
        turn = self._worker.turn()
        if self._unclean and orders is not None:
            self._unclean = False
            self._desk.look_back(turn, orders, fills)
        self._desk.note(turn, told_fills(self._desk.state, fills, turn.now_ms))
        if turn.events:
            self._worker.finish(turn, [self._desk])

    def _let_go(self, *, done: bool) -> None:
        """The desk's steps begin after that first read; a venue that cannot be read does not hold exits up for long."""
        self._tries += 1
        if done or self._tries >= HELD_TRIES:
            self._desk.held = False

    def _failed(self, parts: Mapping[str, object]) -> bool:
        """Say what is missing: in the log each time, in the record when it changes."""
        errors = {name: part for name, part in parts.items() if isinstance(part, BaseException)}
        for error in errors.values():
            if not isinstance(error, VenueError):
                raise error
        state, account, now_ms = self._desk.state, self._desk.settings.account, self._worker.venue.now_ms()
        if all(isinstance(error, KeptBack) for error in errors.values()) and now_ms - self._complete_ms < RECENT_MS:
            log.info("read later, the rate budget is for orders", action="reconcile_later", account=account)
            return False
        missing, text = tuple(errors), "; ".join(f"{name}: {error}" for name, error in errors.items())
        log.warning(
            "could not read the account", action="reconcile_failed", account=account, missing=missing, error=text
        )
        if missing != state.missing:
            self._note([ev.ReconcileFailed(at_ms=now_ms, account=account, missing=missing, text=text[:500])])
        return False

    def _note(self, events: Sequence[ev.Event]) -> None:
        """One turn with these events, if there are any."""
        if events:
            turn = self._worker.turn()
            self._desk.note(turn, events)
            self._worker.finish(turn, [self._desk])

    def _take_account(self, fact: AccountFact, asked_ms: int, *, fills_read: bool) -> None:
        """Record a read when it says something new, or now and then."""
        state = self._desk.state
        events = account_events(state, fact, asked_ms, self._worker.venue.now_ms(), fills_read=fills_read)
        self._skipped = any(event.skipped for event in events if isinstance(event, ev.AccountRead))
        first, shape = not state.account_read_ms, (_shape(fact), self._skipped)
        new_day = midnight_ms(fact.at_ms) > state.day.start_ms  # losses are counted from its first record
        due = fact.at_ms - self._recorded_ms >= RECORD_EVERY_MS or len(events) > 1 or state.flattening or new_day
        if not (first or due or shape != self._recorded_shape):
            return
        self._recorded_ms, self._recorded_shape = fact.at_ms, shape
        self._note(events)
        if first or not state.reconciled:
            self._worker.preparers[self._desk.settings.account].resume()

    async def _take_fundings(self, asked_ms: int) -> None:
        """Funding is paid at the full hour: it is asked for once after each, and again until that succeeds.

        It stops no entry and no exit: what a breaker does not know yet it measures with the next read.
        """
        state, hour = self._desk.state, (asked_ms - FUNDING_LATE_MS) // HOUR_MS
        if hour == self._funding_hour:
            return
        since_ms = max(state.last_funding_ms, state.earnings.since_ms)
        try:
            paid = await self._worker.venue.fundings_since(self._desk.settings.address, since_ms)
        except VenueError as error:
            log.warning("could not read the funding", action="funding_failed", account=state.account, error=str(error))
            return
        self._funding_hour = hour
        self._note(funding_events(state, paid, self._worker.venue.now_ms()))

    async def _take_orders(self, orders: Sequence[OpenOrder], asked_ms: int) -> None:
        state, now_ms = self._desk.state, self._worker.venue.now_ms()
        events = order_list_events(state, orders, asked_ms, now_ms)
        gone = missing(state, orders, asked_ms)
        if not state.reconciled or state.missing:
            why = "complete again" if state.reconciled else "start"
            events.append(ev.Reconciled(at_ms=now_ms, account=state.account, why=why))
        self._note(events)
        for leg in gone:
            if not leg.doubted or leg.deadline_ms is None:  # else the resolver looks it up, sooner, in a better lane
                await self._look_up(leg.cloid)

    async def _look_up(self, cloid: str) -> None:
        """A resting order of ours is not on the list any more: ask what became of it."""
        venue, address = self._worker.venue, self._desk.settings.address
        leg = self._desk.state.legs.get(cloid)
        if leg is None or not leg.open:
            return
        try:
            fact = await venue.order_status(address, cloid)
            fills = await venue.fills_since(address, leg.planned_at_ms - 60_000)
        except VenueError as error:
            named = naming.order(self._desk.settings.account, leg)
            log.warning("look-up failed", action="lookup_failed", **named, error=str(error))
            return
        turn = self._worker.turn()
        state = self._desk.state
        self._desk.note(turn, with_causes(state, lookup_events(state, leg, fact, fills, turn.now_ms, listed=False)))
        self._worker.finish(turn, [self._desk])


def _shape(fact: AccountFact) -> tuple[object, ...]:
    """What a read says beyond the passing of prices."""
    return tuple((p.coin, p.size, p.leverage, p.is_cross) for p in fact.positions)


class Ticker:
    """Lets time pass for every desk, keeps prices of what is held, and reads an account again soon after it changed."""

    def __init__(self, worker: Worker, every_s: float = 0.25) -> None:
        self._worker = worker
        self._every_s = every_s
        self._seen: dict[str, object] = {}
        self._warmed_s: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            self._worker.tick()
            self._watch()
            self._keep_prices()

    def _watch(self) -> None:
        for name, desk in self._worker.desks.items():
            shape = (
                {coin: p.size for coin, p in desk.state.positions.items() if p.size != 0},
                [leg.cloid for leg in unlisted(desk.state)],
                [leg.cloid for leg in desk.state.live.values() if leg.state is LegState.TRIGGERED],
            )
            if shape != self._seen.get(name) and desk.quiet() and desk.state.reconciled:
                self._seen[name] = shape
                self._worker.wake_reconcile[name].set()

    def _keep_prices(self) -> None:
        """What is held needs its price, also where no signal asked for one since the start, or its feed is down.

        By the mark a crossed stop is seen, and an exit is priced by the book: one that goes by a price from before the
        socket went down may never match.
        """
        worker, now_s = self._worker, self._worker.clock.monotonic_s()
        cold = self._unvouched()
        every_s = max(WARM_EVERY_S, WARM_APART_S * len(cold))
        for coin, name in cold.items():
            if now_s - self._warmed_s.get(coin, -every_s) >= every_s:
                self._warmed_s[coin] = now_s
                worker.spawn(worker.preparers[name].warm(coin, None, Lane.RESIZE), f"warm {coin}")

    def _unvouched(self) -> dict[str, str]:
        """Coins whose price is needed and not kept by a feed, each with an account that needs it."""
        venue = self._worker.venue
        needed = {coin: name for name, desk in self._worker.desks.items() for coin in needs_price(desk.state)}
        return {
            coin: name
            for coin, name in needed.items()
            if venue.quote_as_of_ms(coin) is None and venue.rules.asset(coin) is not None
        }


def needs_price(state: DeskState) -> list[str]:
    """Coins of which something is ours, owed or wished, sorted."""
    held = {coin for coin, position in state.positions.items() if position.owned != 0}
    return sorted(held | {owed.coin for owed in state.exits.values()} | set(state.stops) | set(state.targets))
