"""Reads the account from the venue: at start, after every reconnect, on a timer, and soon after something changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from executor.core import events as ev
from executor.core.answers import lookup_events
from executor.core.facts import AccountFact
from executor.core.reconcile import account_events, missing, order_list_events, told_fills
from executor.errors import VenueError
from executor.execution.desk import Desk

if TYPE_CHECKING:
    from executor.execution.worker import Worker

log = structlog.get_logger("executor.reading")

EVERY_S = 30.0
RETRY_S = 1.0
SOON_S = 1.0
"""How soon the account is read again after a fill or a flatten: positions carry on by fills meanwhile."""

RECORD_EVERY_MS = 60_000


class Reader:
    """One desk's reads."""

    def __init__(self, worker: Worker, desk: Desk) -> None:
        self._worker = worker
        self._desk = desk
        self._recorded_ms = 0
        self._recorded_shape: tuple[object, ...] = ()

    async def run(self) -> None:
        """Until cancelled: reconcile, then wait for a reason to do it again."""
        wake = self._worker.wake_reconcile[self._desk.settings.account]
        while True:
            wake.clear()
            done = await self.reconcile()
            pause_s = self._pause_s() if done else RETRY_S
            try:
                async with asyncio.timeout(pause_s):
                    await wake.wait()
            except TimeoutError:
                continue

    def _pause_s(self) -> float:
        return SOON_S if self._desk.state.flattening else EVERY_S

    async def reconcile(self) -> bool:
        """One complete read; false when some part of it failed (what was read still counts)."""
        venue, address = self._worker.venue, self._desk.settings.address
        asked_ms = venue.now_ms()
        try:
            account = await venue.account(address)
            self._take_account(account, asked_ms)
            orders = await venue.open_orders(address)
            fills = await venue.fills_since(address, self._desk.fills_from_ms())
            account = await venue.account(address) if fills else account
        except VenueError as error:
            log.warning(
                "could not read the account",
                action="reconcile_failed",
                account=self._desk.settings.account,
                error=str(error),
            )
            return False
        turn = self._worker.turn()
        self._desk.note(turn, told_fills(self._desk.state, fills, turn.now_ms))
        self._desk.note(turn, order_list_events(self._desk.state, orders, turn.now_ms))
        gone = missing(self._desk.state, orders, asked_ms)
        if not self._desk.state.reconciled:
            self._desk.note(turn, [ev.Reconciled(at_ms=turn.now_ms, account=self._desk.state.account, why="start")])
        self._worker.finish(turn, [self._desk])
        for leg in gone:
            await self._look_up(leg.cloid)
        self._worker.preparers[self._desk.settings.account].resume()
        return True

    def _take_account(self, fact: AccountFact, asked_ms: int) -> None:
        """Record a read when it says something new, or now and then."""
        state, turn = self._desk.state, self._worker.turn()
        events = account_events(state, fact, asked_ms, turn.now_ms)
        first = not state.account_read_ms
        due = fact.at_ms - self._recorded_ms >= RECORD_EVERY_MS or len(events) > 1 or state.flattening
        shape = tuple((p.coin, p.size, p.leverage, p.is_cross) for p in fact.positions)
        due = due or shape != self._recorded_shape
        if not (first or due):
            return
        self._recorded_ms, self._recorded_shape = fact.at_ms, shape
        self._desk.note(turn, events)
        self._worker.finish(turn, [self._desk])
        if first or not state.reconciled:
            self._worker.preparers[self._desk.settings.account].resume()

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
            log.warning("look-up failed", action="lookup_failed", cloid=cloid, error=str(error))
            return
        turn = self._worker.turn()
        self._desk.note(turn, lookup_events(self._desk.state, leg, fact, fills, turn.now_ms, listed=False))
        self._worker.finish(turn, [self._desk])


class Ticker:
    """Lets time pass for every desk, and reads an account again soon after it changed."""

    def __init__(self, worker: Worker, every_s: float = 0.25) -> None:
        self._worker = worker
        self._every_s = every_s
        self._seen: dict[str, object] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            self._worker.tick()
            self._watch()

    def _watch(self) -> None:
        for name, desk in self._worker.desks.items():
            shape = {coin: p.size for coin, p in desk.state.positions.items() if p.size != 0}
            if shape != self._seen.get(name) and desk.quiet() and desk.state.reconciled:
                self._seen[name] = shape
                self._worker.wake_reconcile[name].set()
