"""The worker's heart: one inbox, one turn at a time, written down before anything leaves.

Whatever comes in (a frame, an answer, a fill, a timer, a command) is handled here synchronously, as one turn: decide,
record, sign, ONE transaction, then send. Awaiting happens in tasks around it, and each comes back as a turn of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import structlog

from executor import faults
from executor.clock import Clock
from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import RawReply
from executor.core.intake import IntakeState, Route, admit, channel_events, evolve_intake, refused_frame
from executor.core.protocols import Market
from executor.core.source_events import Malformed, Origin, SetStop, SetTarget, SourceEvent, Status, Trade
from executor.core.state import Request
from executor.errors import ExecutorError, LedgerError
from executor.execution.desk import Desk
from executor.execution.facts import FactDesk
from executor.execution.fault_points import about_to_leave, settled
from executor.execution.news import news_of
from executor.execution.prepare import Preparer
from executor.execution.requests import LANES
from executor.execution.strategies import StrategyCaller
from executor.execution.turn import Outgoing, Turn
from executor.execution.unwritten import Unwritten
from executor.logs import without_secrets
from executor.ports import AccountNews, FeedNews, Frame, Ledger, Notifier, Venue

log = structlog.get_logger("executor.worker")

SIGNER_CONFLICT = "signer_conflict"

SEND = "send "
"""What the name of a task that waits for an order's answer starts with."""

AGAIN_S = 1.0
"""The pause before what ended by a mistake of ours is run again."""

MISTAKES_KEPT = 200
"""How many different mistakes of ours are remembered, so that each is told once."""

Unstated = Literal["skip", "execute"]
AfterGap = Literal["reduce_only", "continue"]


class Worker:
    """Everything between the sources and the venue. Build it, ``start`` it, feed it, ``stop`` it."""

    def __init__(
        self,
        *,
        clock: Clock,
        venue: Venue,
        ledger: Ledger,
        intake: IntakeState,
        desks: Mapping[str, Desk],
        routes: Sequence[Route],
        strategies: Mapping[str, StrategyCaller],
        unstated: Mapping[str, Unstated],
        after_gap: Mapping[str, AfterGap],
        notifiers: Sequence[Notifier] = (),
        reply_timeout_s: float = 3.0,
    ) -> None:
        self.clock = clock
        self.venue = venue
        self.ledger = ledger
        self.intake = intake
        self.desks = dict(desks)
        self.routes = tuple(routes)
        self.brought_by = {route.name: route.source for route in self.routes}
        self.strategies = dict(strategies)
        self.unstated = dict(unstated)
        self.after_gap = dict(after_gap)
        self.notifiers = tuple(notifiers)
        self.reply_timeout_s = reply_timeout_s
        self.facts = FactDesk(self, self.routes, self.strategies)
        self.preparers = {name: Preparer(self, desk) for name, desk in self.desks.items()}
        self.unwritten = Unwritten(self)
        self._mistakes: set[str] = set()
        self.on_event: list[Callable[[ev.Event], None]] = []
        self.on_commit: list[Callable[[int], None]] = []
        self.wake_reconcile: dict[str, asyncio.Event] = {name: asyncio.Event() for name in self.desks}
        self._tasks: set[asyncio.Task[None]] = set()

    # -- turns --------------------------------------------------------------------------------------------------

    @property
    def market(self) -> Market:
        """The venue's rules and live quotes."""
        return Market(self.venue.rules, self.venue.quotes, self.venue.quote_as_of_ms)

    def turn(self) -> Turn:
        """A new turn at the venue's time."""
        return Turn(self.venue.now_ms())

    def finish(self, turn: Turn, desks: Iterable[Desk]) -> None:
        """Let the desks' steps happen, write the turn down, and only then let its requests go."""
        market, monotonic_s = self.market, self.clock.monotonic_s()
        for desk in desks:
            self._advance(desk, turn, market, monotonic_s)
        if not turn.events and not turn.frames:
            return
        seq = self.ledger.last_seq if self._commit(turn) else None
        for outgoing in turn.outgoing:
            about_to_leave(outgoing.record)
            answer = self.venue.submit(outgoing.request, LANES[outgoing.record.purpose], self.reply_timeout_s)
            self.spawn(self._deliver(outgoing, answer), f"{SEND}{outgoing.record.request_id}")
        # Behind the sends in the loop's queue: people are told after the order's bytes are out.
        asyncio.get_running_loop().call_soon(self._announce, turn.events, seq)

    def _advance(self, desk: Desk, turn: Turn, market: Market, monotonic_s: float) -> None:
        """A desk is the unit of failure: what it decided is recorded and leaves, and the others go on."""
        try:
            desk.advance(turn, market, monotonic_s)
        except Exception as error:  # noqa: BLE001 a mistake of ours, whatever it is, must not stop exits elsewhere
            turn.events += self.mistaken(f"account {desk.settings.account}", error, desk.settings.account)

    def mistaken(self, what: str, error: Exception, account: str | None = None) -> list[ev.Event]:
        """Tell of a mistake of our own, in full once; the alarm to record where there is a turn for it."""
        text = f"{what}: {type(error).__name__}: {error}"[:300]
        if text in self._mistakes:
            return []
        if len(self._mistakes) >= MISTAKES_KEPT:
            self._mistakes.clear()
        self._mistakes.add(text)
        log.error("a mistake of our own", action="mistake", what=what, exc_info=error)
        self.notify("alarm", "TASK_FAILED", text)
        return [ev.AlarmRaised(at_ms=self.venue.now_ms(), account=account, code="TASK_FAILED", text=text)]

    @property
    def failed(self) -> LedgerError | None:
        """Why the ledger cannot be written any more; ``None`` while all is well."""
        return self.unwritten.since

    def _commit(self, turn: Turn) -> bool:
        """One transaction; when it fails nothing of the turn leaves, and from then on only what reduces."""
        if self.failed is None:
            try:
                self.ledger.commit(turn.frames, turn.events)
                return True
            except LedgerError as error:
                self.unwritten.take_back(turn)
                self.unwritten.begin(error)
        self.unwritten.remember(turn)
        return False

    async def _deliver(self, outgoing: Outgoing, answer: Awaitable[RawReply]) -> None:
        record, desk = outgoing.record, self.desks[outgoing.account]
        reply = await answer
        faults.point("answer_parsed")
        turn = self.turn()
        desk.answered(turn, record, reply)
        self.finish(turn, [desk, *self._share_conflict(turn, desk)])
        settled(record)
        self.preparers[outgoing.account].after_answer(record)

    def _share_conflict(self, turn: Turn, desk: Desk) -> list[Desk]:
        """Whoever else signs with our key also signs for every other desk of that signer: they stop with it."""
        told = [e for e in turn.events if isinstance(e, ev.BreakerLatched) and e.rule == SIGNER_CONFLICT]
        others = [o for o in self.desks.values() if o is not desk and o.signer.address == desk.signer.address]
        sharing = [other for other in others if told and SIGNER_CONFLICT not in other.state.breakers]
        for other in sharing:
            other.note(turn, [replace(told[0], account=other.state.account)])
        return sharing

    def record_of(self, request: Request) -> ev.SendStarted:
        """A request that is out, as the record that was written before it left."""
        return ev.SendStarted(
            at_ms=request.at_ms,
            request_id=request.request_id,
            purpose=request.purpose,
            signer=request.signer,
            nonce=request.nonce,
            expires_after_ms=request.expires_after_ms,
            vault=request.vault,
            action=request.action,
            cloids=request.cloids,
            oids=request.oids,
            coin=request.coin,
        )

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something beside the inbox; its failure is logged, and never lost."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task failed", action="task_failed", task=task.get_name(), exc_info=task.exception())
            self.notify("alarm", "TASK_FAILED", f"{task.get_name()}: {task.exception()}")

    async def keep(self, run: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Run what protection depends on, and run it again after a mistake: none of it may end by itself."""
        while True:
            try:
                await run()
                return
            except Exception as error:  # noqa: BLE001 a worker whose timer or reads are dead only looks alive
                self.mistaken(name, error)
            await asyncio.sleep(AGAIN_S)

    async def cancel_tasks(self) -> None:
        """End everything that runs beside the inbox; sends last, since whatever runs may still make one."""
        for sends in (False, True):
            await asyncio.sleep(0)  # a send that was just made has to begin before it can be ended
            tasks = [task for task in self._tasks if sends or not task.get_name().startswith(SEND)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -- what people see ------------------------------------------------------------------------------------------

    def _announce(self, events: Sequence[ev.Event], seq: int | None) -> None:
        if seq is not None:
            for listener in self.on_commit:
                listener(seq)
        self.facts.told(events)
        for event in events:
            for told in self.on_event:
                told(event)
            news = news_of(event)
            if news is not None:
                self.notify(*news)

    def notify(self, level: str, title: str, body: str) -> None:
        """Tell people by every notifier."""
        for notifier in self.notifiers:
            notifier.notify(level, title, body)

    # -- inputs: signals ------------------------------------------------------------------------------------------

    def emit(self, raw: str | bytes, event: SourceEvent | Malformed) -> None:
        """One decoded frame (or a channel's change) from a source. Never raises: a source would end of it."""
        try:
            self._take(raw, event)
        except LedgerError as error:
            self.unwritten.begin(error)
        except Exception as error:  # noqa: BLE001 one frame must not cost the channel that carries the exits
            self.mistaken(f"a frame of {event.origin.source}", error)

    def _take(self, raw: str | bytes, event: SourceEvent | Malformed) -> None:
        if isinstance(event, Trade | SetStop | SetTarget):
            self._action(raw, event)
            return
        if not isinstance(event, Malformed | Status):
            self.facts.take(raw, event)
            return
        turn = self.turn()
        if isinstance(event, Malformed):
            alone = len(raw) < 2  # so short, an equal frame is the same object to Python
            frame_id = (self.journal if alone else self.facts.frame)(turn, raw, event.origin)
            self.record(turn, [refused_frame(_discreet(raw, event), frame_id, turn.now_ms)])
        else:
            self.journal(turn, raw, event.origin)
            self.record(turn, channel_events(self.intake, event, turn.now_ms))
        self.finish(turn, ())

    def journal(self, turn: Turn, raw: str | bytes, origin: Origin) -> int | None:
        """Write a raw frame down; its number in the journal, ``None`` where there is no frame."""
        if not raw:
            return None
        turn.frames.append(Frame(origin.received_at_ms, origin.source, origin.channel, without_secrets(raw)))
        return self.ledger.reserve_frame()

    def record(self, turn: Turn, events: Iterable[ev.Event]) -> None:
        """Record events that concern no account."""
        for event in events:
            turn.events.append(event)
            evolve_intake(self.intake, event)

    def take_global(self, turn: Turn, events: Iterable[ev.Event]) -> None:
        """Record events that concern every desk as well as the intake."""
        for event in events:
            self.record(turn, [event])
            for desk in self.desks.values():
                evolve(desk.state, event)

    def _action(self, raw: str | bytes, action: Trade | SetStop | SetTarget) -> None:
        faults.point("received")
        turn = self.turn()
        frame_id = self.journal(turn, raw, action.origin)
        known = self.unwritten.known(action.key, action.fingerprint)
        admitted = admit(
            self.intake,
            action,
            None if known is None else known.fingerprint,
            self.routes,
            self.venue.rules,
            frame_id,
            turn.now_ms,
        )
        faults.point("deduped")
        self.record(turn, admitted)
        received = admitted[0]
        desks = self._routed(turn, received)
        self.finish(turn, desks)
        if isinstance(received, ev.ConflictSeen):
            self.notify("alarm", "ID_CONFLICT", f"{action.action_id}: the same id came with another content")

    def bring(self, turn: Turn, received: ev.ActionReceived) -> list[Desk]:
        """Record an action that strategies made of a fact and let each of its accounts decide; returns their desks."""
        self.record(turn, [received])
        return self._routed(turn, received)

    def _routed(self, turn: Turn, received: ev.Event) -> list[Desk]:
        if not isinstance(received, ev.ActionReceived):
            return []
        desks = [self.desks[name] for name in received.accounts]
        for desk in desks:
            evolve(desk.state, received)
        for desk in desks:
            self._offer(turn, desk, received)
        return desks

    def _offer(self, turn: Turn, desk: Desk, received: ev.ActionReceived) -> None:
        """Where deciding breaks the action stays received on that account, and is resumed after its next read."""
        try:
            self.preparers[desk.settings.account].offer(turn, received)
        except Exception as error:  # noqa: BLE001 one account's mistake is not the other's
            turn.events += self.mistaken(f"account {desk.settings.account}", error, desk.settings.account)

    # -- inputs: the venue ----------------------------------------------------------------------------------------

    def news(self, account: str, news: AccountNews) -> None:
        """What the venue pushed for one account."""
        if isinstance(news, FeedNews):
            if news.connected:
                self.wake_reconcile[account].set()
            return
        desk, turn = self.desks[account], self.turn()
        desk.told(turn, news)
        self.finish(turn, [desk])

    def idle(self) -> bool:
        """Whether nothing is out, nothing is being prepared and nothing waits to leave."""
        rest = all(desk.at_rest() and not desk.uncertain_legs() for desk in self.desks.values())
        return rest and not self.facts.busy and not any(preparer.busy for preparer in self.preparers.values())

    def tick(self) -> None:
        """Let time pass: expiries, retries, protection, timers, whatever is due."""
        self.facts.tick()
        for desk in self.desks.values():
            self.finish(self.turn(), [desk])

    # -- inputs: commands -----------------------------------------------------------------------------------------

    def command(self, name: str, account: str | None, by: str, rule: str | None = None) -> list[str]:
        """pause, resume, flatten or reset, for one account or all; returns the accounts concerned.

        Raises ``ValueError`` for a command there is not, ``ExecutorError`` for one that cannot be carried out now, as
        for a breaker that has not fired.
        """
        faults.point("received")
        self.unwritten.allow(name)
        names = [account] if account is not None else list(self.desks)
        if name == "reset":
            names = [one for one in names if rule in self.desks[one].state.breakers]
            if not names:
                raise ExecutorError(f"no breaker {rule!r} has fired", "see `executor status`")
        if name == "resume" and any(self.desks[one].state.flattening for one in names):
            raise ExecutorError("a flatten is under way", "resume once `executor status` shows that it is done")
        for one in names:
            desk, turn = self.desks[one], self.turn()
            event = command_event(name, one, by, rule, turn.now_ms)
            faults.point("deduped")
            desk.note(turn, [event])
            self.finish(turn, [desk])
            self.wake_reconcile[one].set()
        return names


def _discreet(raw: str | bytes, event: Malformed) -> Malformed:
    """Of a frame that repeats our credentials nothing is told but the reason: its parts may be pieces of them."""
    if without_secrets(raw) is raw:
        return event
    return replace(event, field="", detail="the frame repeats a credential", action_id=None, agent_id=None)


def command_event(name: str, account: str, by: str, rule: str | None, now_ms: int) -> ev.Event:
    """The event a command is recorded as; ``ValueError`` for a command there is not."""
    if name == "pause":
        return ev.Paused(at_ms=now_ms, account=account, by=by)
    if name == "resume":
        return ev.Resumed(at_ms=now_ms, account=account, by=by)
    if name == "flatten":
        return ev.FlattenStarted(at_ms=now_ms, account=account, by=by)
    if name == "reset" and rule:
        return ev.BreakerReset(at_ms=now_ms, account=account, rule=rule, by=by)
    raise ValueError(f"unknown command {name!r}")
