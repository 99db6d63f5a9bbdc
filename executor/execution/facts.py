"""Brings facts to the strategies that watch them, and what these want into the way of every action.

A strategy's handlers are called once per route and fact, not once per account. What nobody watches is not written down;
of a source's prices only the frames are that somebody acted on. A strategy that hangs or raises costs what it would
have opened; what the source itself reports as closed is closed all the same (``core/derive.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import structlog

from executor.core import events as ev
from executor.core.derive import Derived, content_of, derive, key_of
from executor.core.intake import Route, admit_derived
from executor.core.intents import Remember, Wish
from executor.core.protocols import NOTHING, StrategyView
from executor.core.source_events import Candle, Origin, SourcePortfolio, SourcePosition, SourceTrade, Ticker
from executor.core.strategy import Handler, Hook
from executor.core.watched import Fact, OrderUpdate, TimerFired, VenueFill
from executor.errors import LedgerError
from executor.execution.desk import Desk
from executor.execution.moment import ENDINGS, Listener, Seen, of_venue, standing, view
from executor.execution.strategies import StrategyCaller, Wished
from executor.execution.turn import Turn
from executor.logs import redact

if TYPE_CHECKING:
    from executor.execution.worker import Worker

log = structlog.get_logger("executor.facts")

FLOODS = (Ticker, Candle, SourcePortfolio)
"""Facts that come in by the second: only newest ones are kept waiting, and only frames acted on are written down."""

BACKLOG_MAX = 10_000
"""How many facts wait for one strategy at most; of the oldest only what the source itself closes is done then."""

BACKLOG_HUNG = 4
"""With so many calls that never came back, a strategy is not asked about what waits: exits must not wait for it."""

TELL_EVERY_MS = 60_000
"""How often a strategy's failures are recorded while they last."""

_KIND_OF: dict[type[ev.Event], type] = {ev.FillSeen: VenueFill, **dict.fromkeys(ENDINGS, OrderUpdate)}


class FactDesk:
    """All routes that watch facts."""

    def __init__(self, worker: Worker, routes: Iterable[Route], callers: Mapping[str, StrategyCaller]) -> None:
        self._worker = worker
        self._vias = {route.name: route.via or route.strategy for route in routes}
        self.listeners = [Listener(r, callers[r.name]) for r in routes if r.name in callers and callers[r.name].hooks]
        self._by_kind: dict[type, list[tuple[Listener, Hook]]] = {}
        for listener in self.listeners:
            for hook in listener.caller.hooks:
                self._by_kind.setdefault(hook.kind, []).append((listener, hook))
        self._watches_venue = VenueFill in self._by_kind or OrderUpdate in self._by_kind
        self._timers: dict[int, int] = {hook.every_ms: 0 for _, hook in self._by_kind.get(TimerFired, ())}
        self._last_raw: dict[tuple[str, str], tuple[str | bytes, int | None]] = {}

    # -- in -------------------------------------------------------------------------------------------------------

    def take(self, raw: str | bytes, fact: Any) -> None:
        """One fact from a source. ``raw`` is its frame; empty or the same object again for more facts of that frame."""
        turn = self._worker.turn()
        seen = Seen(fact, raw)
        if not isinstance(fact, FLOODS):
            self._journal(turn, seen)
        self._offer(turn, seen)

    def told(self, events: Sequence[ev.Event]) -> None:
        """What was just written down of the venue's fills and our orders."""
        if not self._watches_venue:
            return
        for event in events:
            fact = self._of_venue(event)
            if fact is not None:
                self._guarded(fact)

    def tick(self) -> None:
        """Let time pass: a timer fires soon after each multiple of its time; a missed one is not made up."""
        now_ms = self._worker.venue.now_ms() if self._timers else 0
        for every_ms, last_ms in self._timers.items():
            due_ms = now_ms - now_ms % every_ms
            if due_ms > last_ms:
                self._timers[every_ms] = due_ms
                if last_ms:
                    self._guarded(TimerFired(every_ms=every_ms, at_ms=due_ms))

    def _guarded(self, fact: Fact) -> None:
        """Where a fact comes from inside, a mistake about it must not cost what it came with."""
        try:
            self._offer(self._worker.turn(), Seen(fact))
        except LedgerError as error:
            self._worker.unwritten.begin(error)
        except Exception as error:  # noqa: BLE001 the desks' own steps, and other listeners, come after this
            self._worker.mistaken(f"a {type(fact).__name__}", error)

    def memory(self, route: str) -> Mapping[str, Any]:
        """What a route's strategy asked to remember: a copy."""
        kept = self._worker.intake.memories.get(self._vias.get(route, ""))
        return NOTHING if kept is None else deepcopy(kept)

    def remember(self, turn: Turn, route: str, memory: dict[str, Any]) -> None:
        """Record what a strategy wants to know from now on."""
        via = self._vias.get(route, route)
        self._worker.record(turn, [ev.StrategyRemembered(at_ms=turn.now_ms, via=via, memory=memory)])

    @property
    def busy(self) -> bool:
        """Whether some strategy still has to be asked about something."""
        return any(listener.busy for listener in self.listeners)

    # -- who is asked ---------------------------------------------------------------------------------------------

    def _offer(self, turn: Turn, seen: Seen) -> None:
        """Ask each strategy that watches it: here and now, or beside the loop."""
        desks: dict[str, Desk] = {}
        for listener, handlers in self._listening(seen.fact):
            try:
                desks.update(self._ask_or_queue(turn, listener, seen, handlers))
            except LedgerError:
                raise
            except Exception as error:  # noqa: BLE001 a mistake of ours about one route is not the others'
                turn.events += self._worker.mistaken(f"a {type(seen.fact).__name__} for {listener.via}", error)
        self._worker.finish(turn, desks.values())

    def _ask_or_queue(
        self, turn: Turn, listener: Listener, seen: Seen, handlers: tuple[Handler, ...]
    ) -> dict[str, Desk]:
        if self._repeats(turn, listener, seen):
            return {}
        if not listener.caller.inline:
            return self._queue(turn, listener, seen, handlers)
        wished = listener.caller.call_hooks(handlers, seen.fact, self._view(listener, seen.fact))
        return self._conclude(turn, listener, seen, wished)

    def _listening(self, fact: Fact) -> list[tuple[Listener, tuple[Handler, ...]]]:
        found: dict[int, tuple[Listener, tuple[Handler, ...]]] = {}
        for listener, hook in self._by_kind.get(type(fact), ()):
            if listener.concerns(fact) and hook.wants(fact):
                _, handlers = found.get(id(listener), (listener, ()))
                found[id(listener)] = (listener, (*handlers, hook.handler))
        return list(found.values())

    def _repeats(self, turn: Turn, listener: Listener, seen: Seen) -> bool:
        """Whether this route acted on the fact before; told again with another content it is a conflict."""
        fact = seen.fact
        if isinstance(fact, Ticker):
            return False  # asked where somebody acts on it: prices flood
        key = key_of(fact, listener.via, 0)
        known = self._worker.unwritten.known(key, content_of(fact))
        if known is None:
            return False
        if known.fingerprint != content_of(fact):
            channel = fact.origin.channel if hasattr(fact, "origin") else ""
            conflict = ev.ConflictSeen(at_ms=turn.now_ms, key=key, frame_id=seen.frame_id, channel=channel)
            text = f"{type(fact).__name__} {key}: the same reference came with another content"
            self._worker.record(
                turn, [conflict, ev.AlarmRaised(at_ms=turn.now_ms, key=key, code="ID_CONFLICT", text=text)]
            )
        return True

    def _queue(self, turn: Turn, listener: Listener, seen: Seen, handlers: tuple[Handler, ...]) -> dict[str, Desk]:
        """Let it wait its turn; returns the desks of what there is no more room for, which goes unasked."""
        if isinstance(seen.fact, Ticker):
            self._only_newest(listener, seen.fact)
        listener.waiting.append((seen, handlers))
        if not listener.busy:
            listener.busy = True
            self._worker.spawn(self._drain(listener), f"facts {listener.via}")
        if len(listener.waiting) <= BACKLOG_MAX:
            return {}
        oldest, _ = listener.waiting.popleft()
        return self._conclude(turn, listener, oldest, Wished(failure=f"{listener.caller.name} does not keep up"))

    def _only_newest(self, listener: Listener, fact: Ticker) -> None:
        for waiting in listener.waiting:
            if isinstance(waiting[0].fact, Ticker) and waiting[0].fact.symbol == fact.symbol:
                listener.waiting.remove(waiting)
                return

    async def _drain(self, listener: Listener) -> None:
        try:
            while listener.waiting:
                seen, handlers = listener.waiting.popleft()
                try:
                    await self._ask(listener, seen, handlers)
                except Exception as error:  # noqa: BLE001 a mistake of ours about one fact must not hold up the next
                    self._worker.mistaken(f"a fact for {listener.via}", error)
        finally:
            listener.busy = False

    async def _ask(self, listener: Listener, seen: Seen, handlers: tuple[Handler, ...]) -> None:
        caller = listener.caller
        if caller.hung >= BACKLOG_HUNG:
            wished = Wished(failure=f"{caller.name} hangs: {caller.hung} calls never came back")
        else:
            wished = await caller.call_hooks_in_thread(handlers, seen.fact, self._view(listener, seen.fact))
        turn = self._worker.turn()
        self._worker.finish(turn, self._conclude(turn, listener, seen, wished).values())

    # -- what comes of it -----------------------------------------------------------------------------------------

    def _conclude(self, turn: Turn, listener: Listener, seen: Seen, wished: Wished) -> dict[str, Desk]:
        """What the strategy wants as actions on their way; returns the desks concerned."""
        if not (wished.wishes or wished.failure or isinstance(seen.fact, SourceTrade | SourcePosition)):
            return {}  # prices flood: nothing is wanted of most
        self._remembered(turn, listener, wished.wishes)
        made, failure = self._derived(listener, seen.fact, wished)
        if failure:
            self._failed(turn, listener, seen.fact, failure)
        if made and self._known(made[0]):
            return {}  # told twice before it was decided: what is wanted now may be other things under other keys
        if made and seen.frame_id is None:
            self._journal(turn, seen)
        desks: dict[str, Desk] = {}
        for one in made:
            desks.update(self._admit(turn, listener, seen, one))
        return desks

    def _derived(self, listener: Listener, fact: Fact, wished: Wished) -> tuple[list[Derived], str]:
        """The actions; where the wishes make none, those the fact itself asks for."""
        known = standing(self._worker, listener, fact)
        source = listener.route.source
        try:
            return derive(fact, listener.via, source, wished.wishes, known, wished.failure), wished.failure
        except (ArithmeticError, ValueError) as error:
            failure = f"{listener.via} wants what cannot be done: {error}"[:300]
        return derive(fact, listener.via, source, (), known, failure), failure

    def _admit(self, turn: Turn, listener: Listener, seen: Seen, one: Derived) -> dict[str, Desk]:
        worker = self._worker
        received = admit_derived(
            worker.intake,
            one.action,
            one.derivation,
            listener.route,
            worker.venue.rules,
            seen.frame_id,
            turn.now_ms,
        )
        return {desk.settings.account: desk for desk in worker.bring(turn, received)}

    def _known(self, one: Derived) -> bool:
        return self._worker.unwritten.known(one.action.key, one.action.fingerprint) is not None

    def _remembered(self, turn: Turn, listener: Listener, wishes: Sequence[Wish]) -> None:
        memories = [wish.memory for wish in wishes if isinstance(wish, Remember)]
        if memories and memories[-1] != self._worker.intake.memories.get(listener.via):
            self.remember(turn, listener.route.name, memories[-1])

    def _failed(self, turn: Turn, listener: Listener, fact: Fact, text: str) -> None:
        listener.failures += 1
        if text == listener.told and turn.now_ms - listener.told_ms < TELL_EVERY_MS:
            return
        kind = type(fact).__name__
        event = ev.StrategyFailed(at_ms=turn.now_ms, via=listener.via, fact=kind, text=text, count=listener.failures)
        listener.told, listener.told_ms, listener.failures = text, turn.now_ms, 0
        log.error("a strategy failed", action="strategy_failed", strategy=listener.via, fact=kind, error=redact(text))
        self._worker.record(turn, [event])

    def _journal(self, turn: Turn, seen: Seen) -> None:
        """Write the fact's frame down once, however many facts it brought."""
        origin = getattr(seen.fact, "origin", None)
        if origin is None:
            return
        seen.frame_id = self.frame(turn, seen.raw, origin)

    def frame(self, turn: Turn, raw: str | bytes, origin: Origin) -> int | None:
        """A frame's number in the journal: written once, whatever it brought; the same object is the same frame."""
        place = (origin.source, origin.channel)
        last_raw, last_id = self._last_raw.get(place, (b"", None))
        if not raw or raw is last_raw:
            return last_id
        frame_id = self._worker.journal(turn, raw, origin)
        self._last_raw[place] = (raw, frame_id)
        return frame_id

    def _view(self, listener: Listener, fact: Fact) -> StrategyView:
        return view(self._worker, listener, fact, self.memory(listener.route.name))

    def _of_venue(self, event: ev.Event) -> Fact | None:
        return of_venue(self._worker, event) if _KIND_OF.get(type(event)) in self._by_kind else None
