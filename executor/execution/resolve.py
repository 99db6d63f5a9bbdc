"""Finds out what became of orders nobody knows about: the same bytes again, then look-ups, until there is a proof.

An unknown order is never sent with a new nonce. Until two seconds before its expiry the identical request goes again (a
nonce works once, so it cannot execute twice); meanwhile and after it is looked up. Absent takes the venue's time
past expiry and margin, and then successful, empty reads of its status, the open orders and the fills.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Literal

import structlog

from executor.core.facts import Fill, OpenOrder, OrderFact
from executor.core.lifecycle import LegState
from executor.core.lookups import lookup_events
from executor.core.reconcile import with_causes
from executor.core.settings import LOOK_SLOWEST_MS, RESEND_EVERY_MS, RESEND_STOPS_MS
from executor.core.state import Leg, Request
from executor.errors import SignerRefused, VenueError
from executor.execution import naming
from executor.execution.desk import Desk
from executor.execution.requests import LANES, signed
from executor.ports import Lane

if TYPE_CHECKING:
    from executor.execution.worker import Worker

log = structlog.get_logger("executor.resolve")

POLL_S = 0.3

Concern = Literal["exit", "protection", "entry"]

CONCERNS: dict[Concern, Lane] = {"exit": Lane.RESIZE, "protection": Lane.RESIZE, "entry": Lane.READ}
"""What is resolved apart from each other, and whom its look-ups stand beside when the budget is short: the next attempt
of an exit or stop waits for them. Not ``CLOSE``, which nothing holds back: with many orders out in a storm they would
leave no budget for the exits themselves."""


def _concern(word: str) -> Concern:
    """Whose a leg of this kind, or a request of this purpose, is."""
    return "entry" if word == "entry" else "exit" if word == "exit" else "protection"


class Resolver:
    """One desk's look-ups."""

    def __init__(self, worker: Worker, desk: Desk) -> None:
        self._worker = worker
        self._desk = desk
        self._resent_ms: dict[str, int] = {}
        self._looked: dict[str, tuple[int, int]] = {}

    async def run(self) -> None:
        """Until cancelled: resolve what is uncertain; exits wait behind nothing, and protection not behind entries.

        Nor do resends behind look-ups: while the venue fails, those wait for its recovery, and a request expires.
        """
        async with asyncio.TaskGroup() as group:
            for step in (self._send_again, self._look):
                for concern in CONCERNS:
                    group.create_task(_for_ever(step, concern))

    async def once(self, concern: Concern) -> None:
        """One round over what is uncertain of this concern; after a crash its first read comes first."""
        await self._send_again(concern)
        await self._look(concern)

    async def _send_again(self, concern: Concern) -> None:
        for request in () if self._desk.held else self._desk.unknown_requests():
            if _concern(request.purpose) == concern:
                await self._resend(request)

    async def _look(self, concern: Concern) -> None:
        legs = [leg for leg in self._desk.uncertain_legs() if _concern(leg.kind) == concern and self._is_due(leg)]
        if legs and not self._desk.held:
            await self._look_up(legs, CONCERNS[concern])

    def _is_due(self, leg: Leg) -> bool:
        """At once, then ever more slowly: look-ups without end would leave nothing of the rate budget for reads."""
        now_ms = self._worker.venue.now_ms()
        due_ms, pause_ms = self._looked.get(leg.cloid, (0, int(POLL_S * 1000)))
        if now_ms < due_ms:
            return False
        self._looked = {name: row for name, row in self._looked.items() if name in self._desk.state.live}
        self._looked[leg.cloid] = (now_ms + pause_ms, min(pause_ms * 3 // 2, LOOK_SLOWEST_MS))
        return True

    def _unwanted(self, request: Request) -> bool:
        """Whether a request opens what shall not open any more: then it is only looked up, never sent again.

        Nor is what another key signed, before a restart with another signer: a nonce works once per signer. Nor what
        is known of by its fills already, as after a stop between them and the answer.
        """
        state = self._desk.state
        if request.signer != self._desk.signer.address or state.is_certain(request):
            return True
        closed = {name for owed in state.exits.values() for name in owed.against}
        stopped = state.paused or state.latched or state.unwritten or "signer_conflict" in state.breakers
        opens = request.purpose == "entry" and (stopped or not closed.isdisjoint(request.cloids))
        return opens or any(self._outdone(name) for name in request.cloids)

    def _outdone(self, name: str) -> bool:
        """Whether an exit order is for more than its exit still owes: another order did it while the ledger failed."""
        state = self._desk.state
        leg = state.legs.get(name)
        if leg is None or leg.kind != "exit":
            return False
        owed = state.exits.get(leg.key)
        return owed is None or leg.remaining > owed.owed

    async def _resend(self, request: Request) -> None:
        if self._unwanted(request):
            return
        now_ms, expires = self._worker.venue.now_ms(), request.expires_after_ms
        if expires is None or now_ms > expires - RESEND_STOPS_MS:
            return
        if now_ms - self._resent_ms.get(request.request_id, 0) < RESEND_EVERY_MS:
            return
        known = self._desk.state.requests
        self._resent_ms = {name: at_ms for name, at_ms in self._resent_ms.items() if name in known}
        self._resent_ms[request.request_id] = now_ms
        record = self._worker.record_of(request)
        try:
            same = signed(self._desk.signer, request)
        except SignerRefused as no:
            for leg in filter(None, map(self._desk.state.legs.get, request.cloids)):
                log.warning("not sent again", action="resend_refused", **self._named(leg), reason=no.code)
            return
        reply = await self._worker.venue.submit(same, LANES[request.purpose], self._worker.reply_timeout_s)
        turn = self._worker.turn()
        self._desk.answered(turn, record, reply, resend=True)
        self._worker.finish(turn, [self._desk])

    async def _look_up(self, legs: Sequence[Leg], lane: Lane) -> None:
        """Each by its name; fills and open orders are read once for all: after a storm there may be many."""
        asked_ms = self._worker.venue.now_ms()
        facts = await asyncio.gather(*(self._status(leg, lane) for leg in legs))
        found = [(leg, fact) for leg, fact in zip(legs, facts, strict=True) if fact is not None]
        try:
            fills, listed = await self._evidence(found, asked_ms, lane)
        except VenueError as error:
            for leg, _ in found:
                log.warning("look-up failed", action="lookup_failed", **self._named(leg), error=str(error))
            return
        for leg, fact in found:
            self._conclude(leg, fact, fills, listed, asked_ms)

    async def _status(self, leg: Leg, lane: Lane) -> OrderFact | None:
        try:
            return await self._worker.venue.order_status(self._desk.settings.address, leg.cloid, lane)
        except VenueError as error:
            log.warning("look-up failed", action="lookup_failed", **self._named(leg), error=str(error))
            return None

    def _named(self, leg: Leg) -> dict[str, str | None]:
        return naming.order(self._desk.settings.account, leg)

    async def _evidence(
        self, found: Sequence[tuple[Leg, OrderFact]], asked_ms: int, lane: Lane
    ) -> tuple[tuple[Fill, ...], tuple[OpenOrder, ...]]:
        """Fills, for what is known or may prove absent or unsent; open orders, for the latter. Read after statuses."""
        venue, address = self._worker.venue, self._desk.settings.address
        gone = [leg for leg, fact in found if fact.order is None and _may_be_gone(leg, asked_ms)]
        asked = [leg for leg, fact in found if fact.order is not None] + gone
        if not asked:
            return (), ()
        start_ms = min(asked_ms, *(leg.sent_at_ms or leg.planned_at_ms for leg in asked)) - 60_000
        fills = await venue.fills_since(address, start_ms, lane)
        return fills, await venue.open_orders(address, lane) if gone else ()

    def _conclude(
        self, leg: Leg, fact: OrderFact, fills: Sequence[Fill], listed: Sequence[OpenOrder], asked_ms: int
    ) -> None:
        turn = self._worker.turn()
        turn.now_ms = max(turn.now_ms, asked_ms)
        is_listed = any(order.cloid == leg.cloid for order in listed)
        told = lookup_events(self._desk.state, leg, fact, fills, asked_ms, listed=is_listed)
        self._desk.note(turn, with_causes(self._desk.state, told))
        self._worker.finish(turn, [self._desk])


def _may_be_gone(leg: Leg, now_ms: int) -> bool:
    """Past its expiry, or planned by an earlier life that may not have sent it."""
    return leg.state is LegState.PLANNED or (leg.deadline_ms is not None and now_ms > leg.deadline_ms)


async def _for_ever(step: Callable[[Concern], Awaitable[None]], concern: Concern) -> None:
    while True:
        await step(concern)
        await asyncio.sleep(POLL_S)
