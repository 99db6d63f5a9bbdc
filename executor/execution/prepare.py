"""What must be known before an action can be decided, found out in order per symbol: a price, a proof, an intent.

Most actions need nothing (a warm symbol, a fresh stamp, an inline strategy) and are decided in the turn they came
in. Others wait in their symbol's queue, so that a stop never overtakes its entry.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from executor.core import events as ev
from executor.core.answers import leverage_failed
from executor.core.entry import occupied_leverage
from executor.core.executed import as_followed
from executor.core.identity import real_id
from executor.core.intake import closes, opens
from executor.core.intents import Intent
from executor.core.mirror import mirrored
from executor.core.precedence import Precedence, settled
from executor.core.protocols import StrategyView
from executor.core.signal import Found, Signal
from executor.core.source_events import Action, Origin, SetStop, SetTarget, Trade
from executor.core.types import ActionType
from executor.core.watched import Derivation
from executor.errors import VenueError
from executor.execution.desk import Desk
from executor.execution.proof import Prover
from executor.execution.strategies import StrategyCaller, Wanted
from executor.execution.turn import Turn
from executor.ports import Lane

if TYPE_CHECKING:
    from executor.execution.worker import Worker

log = structlog.get_logger("executor.prepare")

WARM_TIMEOUT_S = 2.0
LEVERAGE_TIMEOUT_S = 5.0
RECONCILE_WAIT_S = 2.0
"""How long an action with both an exit and an entry part waits for reconciliation; then only its exit runs."""

_CLASSES: dict[str, type[Trade] | type[SetStop] | type[SetTarget]] = {
    ActionType.TRADE: Trade,
    ActionType.STOP_LOSS: SetStop,
    ActionType.TAKE_PROFIT: SetTarget,
}


def action_of(received: ev.ActionReceived) -> Action:
    """The action as a strategy sees it, from its record (so that it can be resumed after a restart)."""
    return _CLASSES[received.action_type](
        origin=Origin(received.system, received.source, received.channel, received.received_at_ms),
        agent=received.agent,
        key=received.key or "",
        fingerprint=received.fingerprint,
        shape=received.shape,
        symbol=received.symbol,
        side=received.side,
        size=received.size,
        reduce_only=received.reduce_only,
        sender_id=None if received.action_id == received.key else real_id(received.action_id),
        event_id=received.event_id,
        leverage=received.leverage,
        reference_px=received.reference_px,
        trigger_px=received.trigger_px,
        stamped_at_ms=received.stamped_at_ms,
        status=received.status,
        server_execution=received.server_execution,
    )


def _recorded(derived: Derivation) -> Wanted:
    """What the strategy wanted when it was shown the fact: it is not asked again, not even after a restart."""
    return Wanted(() if derived.intent is None else (derived.intent,), derived.failure)


def as_traded(received: ev.ActionReceived, caller: StrategyCaller | None) -> ev.ActionReceived:
    """The action as its route trades it: the mirror image for an opposite strategy (``core/mirror.py``)."""
    return mirrored(received) if caller is not None and caller.opposite and received.derived is None else received


async def _unless(overtaken: Callable[[], bool], work: Coroutine[Any, Any, None]) -> bool:
    """Let something be done until it is, or until it is overtaken; whether it was done."""
    working = asyncio.create_task(work)
    try:
        while not working.done() and not overtaken():
            await asyncio.wait({working}, timeout=0.02)
        if not working.done():
            return False
        working.result()  # raises what went wrong
        return True
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


class Preparer:
    """One desk's queues, by symbol."""

    def __init__(self, worker: Worker, desk: Desk) -> None:
        self._worker = worker
        self._desk = desk
        self.prover = Prover(worker, desk)
        self._queues: dict[str, deque[ev.ActionReceived]] = {}

    @property
    def busy(self) -> bool:
        """Whether some action is being prepared."""
        return bool(self._queues)

    # -- in --------------------------------------------------------------------------------------------------------

    def offer(self, turn: Turn, received: ev.ActionReceived) -> None:
        """Decide the action in this turn if nothing is missing, else queue it behind its symbol's others."""
        coin = received.coin or ""
        if coin not in self._queues and not self._is_behind(received) and not self._missing(received):
            received = self._as_traded(received)
            self._decide(turn, received, self._wanted_inline(received), {}, looked_up=False, unproven=False)
            return
        self._enqueue(received)

    def resume(self) -> None:
        """Queue what was received and not decided: before a restart, or before the account was read."""
        for coin in dict.fromkeys(received.coin or "" for received in self._desk.state.waiting.values()):
            queue = self._queues.get(coin)
            if queue is None:
                self._start(coin)
            else:
                queued = {received.key for received in queue}
                queue.extend(received for received in self._undecided(coin) if received.key not in queued)

    def _enqueue(self, received: ev.ActionReceived) -> None:
        coin = received.coin or ""
        queue = self._queues.get(coin)
        if queue is None:
            self._start(coin)
        else:
            queue.append(received)

    def _start(self, coin: str) -> None:
        """A queue begins with all that waits for the coin: what an earlier life left undecided came first."""
        self._queues[coin] = deque(self._undecided(coin))
        self._worker.spawn(self._drain(coin), f"prepare {coin}")

    def _is_behind(self, received: ev.ActionReceived) -> bool:
        """Whether an older action of the coin is undecided, as where deciding it broke: a close must not pass it."""
        return len(self._desk.state.waiting) > 1 and len(self._undecided(received.coin or "")) > 1

    def _undecided(self, coin: str) -> list[ev.ActionReceived]:
        return [received for received in self._desk.state.waiting.values() if (received.coin or "") == coin]

    async def _drain(self, coin: str) -> None:
        queue = self._queues[coin]
        try:
            while queue:
                await self._guarded(queue[0])
                queue.popleft()
        finally:
            del self._queues[coin]

    async def _guarded(self, received: ev.ActionReceived) -> None:
        """A mistake of ours about one action must not hold up those behind it: it stays received, and is resumed."""
        try:
            await self._prepare(received)
        except Exception as error:  # noqa: BLE001 whatever it is, an exit may be next in line
            self._worker.mistaken(f"preparing action {received.action_id}", error)

    # -- what is missing -------------------------------------------------------------------------------------------

    def _missing(self, received: ev.ActionReceived) -> bool:
        return received.coin is not None and (
            not self._readable(received)
            or self._cold(received.coin)
            or self._stale(received)
            or self.prover.needed(received)
            or self._needs_leverage(received)
            or not (received.derived is not None or self._worker.strategies[self._route(received)].inline)
        )

    def _readable(self, received: ev.ActionReceived) -> bool:
        """An exit runs as soon as its position is read; what opens waits for the whole reconciliation."""
        return self._desk.state.reconciled or (self._read() and not opens(received))

    def _read(self) -> bool:
        """Whether this life has read the account: what an earlier one knew may have changed meanwhile."""
        state = self._desk.state
        return state.reconciled or state.account_read_ms > state.earlier_read_ms

    def _cold(self, coin: str) -> bool:
        quote = self._worker.venue.quotes.get(coin)
        return quote is None or quote.bid is None or quote.ask is None

    def _stale(self, received: ev.ActionReceived) -> bool:
        """Whether an entry would be refused for its old quote, which a read may renew. No exit waits for that."""
        coin, limit = received.coin or "", self._desk.settings.quote_check.max_age_ms
        if limit is None or not opens(received) or closes(received):
            return False
        return self._worker.market.age_ms(coin, self._worker.venue.now_ms()) > limit

    def _needs_leverage(self, received: ev.ActionReceived) -> bool:
        coin, desk = received.coin or "", self._desk
        unknown = coin not in desk.state.leverage and occupied_leverage(desk.state, coin) is None
        return desk.settings.margin_mode == "keep" and unknown and opens(received)

    def _as_traded(self, received: ev.ActionReceived) -> ev.ActionReceived:
        received = as_followed(self._desk.state, received)
        return as_traded(received, self._worker.strategies.get(self._route(received)))

    def _route(self, received: ev.ActionReceived) -> str:
        return received.routes[received.accounts.index(self._desk.settings.account)]

    # -- finding it out --------------------------------------------------------------------------------------------

    async def _prepare(self, received: ev.ActionReceived) -> None:
        await self._until_readable(received)
        received = self._as_traded(received)
        prior: Mapping[str, Found] | None = {}
        looked_up = self.prover.needed(received)
        if looked_up:
            prior = await self.prover.prove(received, lambda: self._exit_waits(received))
        if received.coin is not None and self._cold(received.coin):
            await self._price(received)
        elif self._stale(received):
            await self._renew(received)
        if self._needs_leverage(received):
            await self.read_leverage(received.coin or "")
        wanted = await self._wanted(received)
        turn = self._worker.turn()
        self._decide(turn, received, wanted, prior or {}, looked_up=looked_up, unproven=prior is None)
        self._worker.finish(turn, [self._desk])

    async def _until_readable(self, received: ev.ActionReceived) -> None:
        """Wait for the account; an action that also opens waits a little longer, then runs without its entry."""
        while not self._read():
            await asyncio.sleep(0.02)
        waited_from = self._worker.clock.monotonic_s()
        while not self._readable(received):
            if self._worker.clock.monotonic_s() - waited_from >= self._patience_s(received):
                return
            await asyncio.sleep(0.02)

    def _patience_s(self, received: ev.ActionReceived) -> float:
        """How long what opens may wait for reconciliation: not at all where an exit waits behind it."""
        if any(closes(one) for one in self._queues.get(received.coin or "", ()) if one is not received):
            return 0.0
        return RECONCILE_WAIT_S if closes(received) else self._desk.settings.entry_ttl_ms / 1000

    def _exit_waits(self, received: ev.ActionReceived) -> bool:
        """Whether this action, or one behind it, also closes something: exits wait for nobody's entry."""
        queue = self._queues.get(received.coin or "", ())
        return any(closes(one) for one in (received, *queue))

    def _lane(self, received: ev.ActionReceived) -> Lane:
        """Who waits for this action's price: a read for an exit or a stop is held back by nothing."""
        if self._exit_waits(received) or received.action_type == ActionType.STOP_LOSS:
            return Lane.CLOSE
        return Lane.ENTRY if opens(received) else Lane.RESIZE

    async def _price(self, received: ev.ActionReceived) -> None:
        """Read the first price of a coin; once more where somebody comes behind who is in a greater hurry."""
        coin, lane = received.coin or "", self._lane(received)
        if not await _unless(lambda: self._lane(received) < lane, self.warm(coin, None, lane)):
            await self.warm(coin, None, self._lane(received))

    async def _renew(self, received: ev.ActionReceived) -> None:
        """Read an old quote anew, until an exit waits behind the entry: that one goes by the price there is."""
        max_age_ms = self._desk.settings.quote_check.max_age_ms
        await _unless(lambda: self._exit_waits(received), self.warm(received.coin or "", max_age_ms, Lane.ENTRY))

    async def warm(self, coin: str, max_age_ms: int | None, lane: Lane) -> None:
        """Get a price for a coin and have it kept; where none is to be had that is told, and no more."""
        try:
            async with asyncio.timeout(WARM_TIMEOUT_S):
                await self._worker.venue.warm(coin, max_age_ms, lane)
        except (VenueError, TimeoutError) as error:
            log.warning("no quote", action="warm_failed", coin=coin, error=str(error))

    async def read_leverage(self, coin: str) -> None:
        """Read the coin's setting afresh; it confirms what was wanted, or fails it."""
        desk = self._desk
        try:
            async with asyncio.timeout(LEVERAGE_TIMEOUT_S):
                fact = await self._worker.venue.leverage(desk.settings.address, coin)
        except (VenueError, TimeoutError) as error:
            self._leverage_events(
                leverage_failed(desk.state, coin, "LEVERAGE_UNREADABLE", str(error), self._worker.venue.now_ms())
            )
            return
        wanted = desk.state.leverage.get(coin)
        now_ms = self._worker.venue.now_ms()
        if wanted is None or (wanted.leverage, wanted.is_cross) == (fact.leverage, fact.is_cross):
            confirmed = ev.LeverageConfirmed(
                at_ms=now_ms,
                account=desk.state.account,
                coin=coin,
                leverage=fact.leverage,
                is_cross=fact.is_cross,
            )
            self._leverage_events([confirmed])
            return
        text = f"wanted {wanted.leverage}x, the venue says {fact.leverage}x"
        self._leverage_events(leverage_failed(desk.state, coin, "LEVERAGE_DIFFERS", text, now_ms))

    def _leverage_events(self, events: list[ev.Event]) -> None:
        turn = self._worker.turn()
        self._desk.note(turn, events)
        self._worker.finish(turn, [self._desk])

    def after_answer(self, record: ev.SendStarted) -> None:
        """A leverage request whose outcome is not known is settled by reading the setting."""
        known = self._desk.state.leverage.get(record.coin or "")
        if record.purpose == "leverage" and known is not None and known.status == "wanted":
            self._worker.spawn(self.read_leverage(record.coin or ""), f"leverage {record.coin}")

    # -- the strategy ----------------------------------------------------------------------------------------------

    def view(self, received: ev.ActionReceived) -> StrategyView:
        """What the strategy may see."""
        state, coin = self._desk.state, received.coin or ""
        return StrategyView(
            now_ms=self._worker.venue.now_ms(),
            account=state.account,
            coin=coin,
            book_before=received.book_before,
            book_after=received.book_after,
            our_size=state.position(coin).held_by(received.agent),
            equity_usd=state.equity_usd,
            quote=self._worker.venue.quotes.get(coin),
            memory=self._worker.facts.memory(self._route(received)),
        )

    def _wanted_inline(self, received: ev.ActionReceived) -> Wanted:
        if received.coin is None:
            return Wanted()
        if received.derived is not None:
            return _recorded(received.derived)
        return self._worker.strategies[self._route(received)].call(action_of(received), self.view(received))

    async def _wanted(self, received: ev.ActionReceived) -> Wanted:
        if received.coin is None:
            return Wanted()
        if received.derived is not None:
            return _recorded(received.derived)
        caller = self._worker.strategies.get(self._route(received))
        if caller is None:  # received before a restart with another configuration
            return Wanted(failure=f"route {self._route(received)!r} is not configured any more")
        if caller.inline:
            return self._wanted_inline(received)
        return await caller.call_in_thread(action_of(received), self.view(received))

    # -- out -------------------------------------------------------------------------------------------------------

    def _decide(
        self,
        turn: Turn,
        received: ev.ActionReceived,
        wanted: Wanted,
        prior: Mapping[str, Found],
        *,
        looked_up: bool,
        unproven: bool,
    ) -> None:
        if received.key not in self._desk.state.waiting:
            return
        worker, route = self._worker, self._route(received)
        source = worker.brought_by.get(route, received.source)  # another may have told it first
        caller = worker.strategies.get(route)
        word = caller.precedence if caller else None
        signal = Signal(
            received=received,
            route=route,
            strategy=caller.name if caller else "",
            intents=wanted.intents if word is None else self._settled(received, wanted, word),
            failure=wanted.failure,
            unstated=worker.unstated.get(source, "skip"),
            after_gap=worker.after_gap.get(source, "reduce_only"),
            prior=prior,
            looked_up=looked_up,
            unproven=unproven,
            entries_open=self._desk.state.reconciled and self._desk.entries_open,
            files_present=self._desk.files_present(),
        )
        if wanted.memory is not None and caller is not None:
            worker.facts.remember(turn, route, wanted.memory)
        self._desk.take(turn, signal, worker.market)

    def _settled(self, received: ev.ActionReceived, wanted: Wanted, word: Precedence) -> tuple[Intent, ...]:
        """By what this agent itself has signalled for the side it opens: another's stop is none of this entry's."""
        coin, state = received.coin or "", self._desk.state
        wishes = [wish for wish in state.stops.get(coin, ()) if not wish.default]
        stop, target = (
            any(w.agent in (None, received.agent) and w.side in (None, received.side.opposite) for w in some)
            for some in (wishes, state.targets.get(coin, []))
        )
        return settled(wanted.intents, received, word, stop=stop, target=target)
