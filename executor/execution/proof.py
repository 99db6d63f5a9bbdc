"""Whether an earlier life of ours already sent an action's orders: asked of the venue before anything may open.

With a new, restored or uncleanly stopped ledger, and for actions stamped before this process, the ledger's silence
proves nothing (design.md section 4). Executed orders are proved by their fills, read once for all that is asked
within a second, so that a burst after a start stays inside the rate budget; an entry that filled nothing, and
stops and targets that rest, by their status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from executor.core import events as ev
from executor.core.facts import Fill, OpenOrder, OrderFact
from executor.core.intake import closes, opens
from executor.core.prior import ALWAYS_ASKED, cloids_of
from executor.core.settings import ABSENT_MARGIN_MS, MAX_STAMP_AHEAD_MS
from executor.core.signal import Found
from executor.core.types import ZERO
from executor.core.watched import TimerFired
from executor.errors import VenueError
from executor.execution.desk import Desk

if TYPE_CHECKING:
    from executor.execution.worker import Worker

log = structlog.get_logger("executor.proof")

TIMEOUT_S = 5.0
EVERY_S = 0.5
SHARED_MS = 1_000
"""How long one read of the fills serves for every action asked about."""

EARLIER_MS = 60_000
"""How much further back it reads than asked, so that it also serves the next one, stamped a little earlier."""

AHEAD_LOOKED_UP = 10
"""How many actions stamped just after our start are looked up in one life."""

TIMER = TimerFired.__name__

HOPELESS_MS = 10_000
"""So long after a look-up failed nothing but an exit is looked up where an exit waits behind it."""

READS_APART_MS = 90_000
"""A worker that runs records a read of its account at least this often."""


@dataclass(frozen=True, slots=True)
class FillsRead:
    """One read of the fills from ``start_ms`` on, asked at ``asked_ms`` of the venue's time."""

    asked_ms: int
    start_ms: int
    fills: tuple[Fill, ...]


class Prover:
    """One desk's look-ups of what an earlier life may have sent."""

    def __init__(self, worker: Worker, desk: Desk) -> None:
        self._worker = worker
        self._desk = desk
        self._lock = asyncio.Lock()
        self._read: FillsRead | None = None
        self._ahead_looked_up = 0
        self._failed_ms: int | None = None

    def needed(self, received: ev.ActionReceived) -> bool:
        """Whether an earlier life of ours may have sent this action's orders.

        A sender whose clock is ahead may stamp past our start what it sent before it: a ledger that may have lost
        something tells nothing of such a stamp. That takes a restart within seconds too, so only the first few are
        looked up: a burst must not spend its rate budget on it.
        """
        state, stamp = self._desk.state, received.stamped_at_ms
        if received.derived is not None and received.derived.fact == TIMER and received.at_ms >= state.started_ms:
            return False  # its key holds the time it fired at, by the venue's clock: no earlier life had that
        if stamp is None or stamp < state.started_ms:
            return stamp is not None or not state.continuous
        ahead = not state.continuous and stamp < state.started_ms + MAX_STAMP_AHEAD_MS
        return ahead and self._ahead_looked_up < AHEAD_LOOKED_UP

    async def prove(self, received: ev.ActionReceived, exit_waits: Callable[[], bool]) -> Mapping[str, Found] | None:
        """The orders found, by cloid; asked again until finding nothing proves something.

        ``None`` when it cannot be told, or when ``exit_waits`` says that nobody may wait for it.
        """
        if self._hopeless() and not closes(received) and exit_waits():
            return None  # one failure costs five seconds, and a queue of stops would each have its own
        gone_after_ms = self._gone_after_ms(received)
        if self._after_start(received):
            self._ahead_looked_up += 1
        while True:
            asked_ms = self._worker.venue.now_ms()
            prior = await self._look_up(received)
            if prior is None or prior or asked_ms > gone_after_ms:
                return prior
            if exit_waits():
                return None
            await asyncio.sleep(EVERY_S)

    def _gone_after_ms(self, received: ev.ActionReceived) -> int:
        """When an entry an earlier life of ours sent, and no ledger tells of, can no longer be on its way.

        What the ledger received before this start was never sent: the send would be recorded beside it. The same
        holds of all it does not know, as long as it tells of the moments before this start: then it is no old copy.
        """
        settings, started_ms = self._desk.settings, self._desk.state.started_ms
        complete = started_ms - self._desk.state.earlier_read_ms <= settings.order_expiry_ms + READS_APART_MS
        stamp = received.stamped_at_ms
        if not opens(received) or received.at_ms < started_ms or complete or self._after_start(received):
            return 0
        sent_until = started_ms + settings.order_expiry_ms
        lived_until = sent_until if stamp is None else stamp + settings.entry_ttl_ms
        return min(sent_until, lived_until) + ABSENT_MARGIN_MS

    def _after_start(self, received: ev.ActionReceived) -> bool:
        stamp = received.stamped_at_ms
        return stamp is not None and stamp >= self._desk.state.started_ms

    async def _look_up(self, received: ev.ActionReceived) -> Mapping[str, Found] | None:
        """The orders of this action on the venue, by every cloid it may have had; ``None`` when that cannot be told."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._found(received)
        except (VenueError, TimeoutError) as error:
            self._failed_ms = self._worker.venue.now_ms()
            self._tell(received, error)
            return None

    def _hopeless(self) -> bool:
        """Whether a look-up failed a moment ago, so that the next one would most likely do so too."""
        return self._failed_ms is not None and self._worker.venue.now_ms() - self._failed_ms < HOPELESS_MS

    def _tell(self, received: ev.ActionReceived, error: Exception) -> None:
        settings, text = self._desk.settings, "could not look up an action's orders"
        names = {"action_id": received.action_id, "account": settings.account}
        cloids = list(cloids_of(settings, received.key or "", received.action_type))
        log.warning(text, action="proof_failed", **names, cloids=cloids, error=str(error))

    async def _found(self, received: ev.ActionReceived) -> dict[str, Found]:
        settings, venue = self._desk.settings, self._worker.venue
        fills = await self._fills(fills_from_ms(received))
        found: dict[str, Found] = {}
        listed, before = {order.cloid for order in self._desk.state.orders.values()}, ""
        for name, (leg, attempt) in cloids_of(settings, received.key or "", received.action_type).items():
            mine = tuple(fill for fill in fills if fill.cloid == name)
            if mine and leg in ("entry", "exit"):
                found[name] = Found(_filled(mine, reduce_only=leg == "exit"), mine)
            elif leg != "exit" and (attempt <= ALWAYS_ASKED or before in found or name in listed):
                # an exit without a fill did nothing: sent again, it closes what is there
                fact = await venue.order_status(settings.address, name)
                if fact.order is not None:
                    by_oid = tuple(fill for fill in fills if fill.oid == fact.order.oid)
                    found[name] = Found(fact, mine or by_oid)
            before = name
        return found

    async def _fills(self, start_ms: int) -> tuple[Fill, ...]:
        async with self._lock:
            read, now_ms = self._read, self._worker.venue.now_ms()
            if read is None or now_ms - read.asked_ms > SHARED_MS or read.start_ms > start_ms:
                start_ms -= EARLIER_MS
                told = await self._worker.venue.fills_since(self._desk.settings.address, start_ms)
                read = self._read = FillsRead(now_ms, start_ms, told)
            return read.fills


def _filled(fills: Sequence[Fill], *, reduce_only: bool) -> OrderFact:
    """The order behind these fills: an IOC order that is over, as far as it executed."""
    first, size = fills[0], sum((fill.size for fill in fills), ZERO)
    order = OpenOrder(
        oid=first.oid,
        cloid=first.cloid,
        coin=first.coin,
        side=first.side,
        limit_px=first.px,
        size=ZERO,
        orig_size=size,
        reduce_only=reduce_only,
        trigger_px=None,
        order_type="Limit",
        position_tpsl=False,
        at_ms=first.at_ms,
    )
    return OrderFact(order, "filled", fills[-1].at_ms)


def fills_from_ms(received: ev.ActionReceived) -> int:
    """No order of this action can have filled before it was stamped; without a stamp, a day back is looked at."""
    if received.stamped_at_ms is None:
        return received.received_at_ms - 86_400_000
    return min(received.stamped_at_ms, received.received_at_ms) - 60_000
