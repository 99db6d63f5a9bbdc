"""The Nexgent source: one socket per agent, a mirror of its positions, and REST where the socket cannot tell.

Facts: signal-protocols.md section 2. Events are ``SourcePosition`` (every position at each snapshot, then what changed;
one of size zero when it was closed or vanished), ``Ticker`` (dollars, from the price batches) and ``Status``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from pydantic import SecretStr

from executor.backoff import Server
from executor.clock import Clock, iso
from executor.core.source_events import Malformed, Origin, SourceEvent, Status
from executor.errors import CredentialRefused
from executor.ports import ChannelState, Emit, Frame, SourceContext
from executor.sources.connection import Closed, Item, Opened, Received, Stopped, redacted
from executor.sources.fields import Refusal
from executor.sources.nexgent_connection import AgentConnection, Pace
from executor.sources.nexgent_mirror import Mirror, Position, Step, apply, as_event, tickers, told
from executor.sources.nexgent_options import HTTP, WS, NexgentOptions, base, check, seconds
from executor.sources.nexgent_session import Session, Unreachable
from executor.sources.nexgent_wire import (
    SYSTEM,
    Connected,
    Failure,
    Message,
    Ping,
    Prices,
    Snapshot,
    decode,
)
from executor.sources.reconnect import Verdict

__all__ = ["NexgentOptions", "NexgentSource"]

WATCH_S = 0.25
"""How often the watch looks at its deadlines."""

SNAPSHOT_S = 10.0
"""How long ``initial_data`` may take after ``connected`` before REST is asked instead."""

STABLE_S = 30.0

PATIENCE = 3
"""How often REST may answer 5xx before a snapshot that lacks what we knew is believed."""

_OF_PRICES = ("data.updates", "data.tokenAddress", "data.price")
"""What cannot be read of any other frame may have been a position's end, so REST is asked."""


@dataclass(slots=True)
class _Channel:
    agent_id: str
    connection: AgentConnection
    mirror: Mirror = field(default_factory=Mirror)
    state: str = "connecting"
    detail: str = ""
    remedy: str = ""
    last_frame_at_ms: int | None = None
    is_up: bool = False
    connected_s: float | None = None
    lost_s: float = 0.0
    pinged_s: float = 0.0
    marked_s: float = -math.inf
    asked_s: float = -math.inf
    wants_snapshot: bool = False
    doubted: tuple[str | bytes, Snapshot, Origin] | None = None
    patience: int = 0
    faults: tuple[object, ...] = ()

    @property
    def name(self) -> str:
        return f"agent:{self.agent_id}"

    def new_faults(self, faults: tuple[Refusal, ...]) -> tuple[Refusal, ...]:
        """What is wrong with an answer of REST, where the last one was not wrong in the same way."""
        before, self.faults = self.faults, tuple(fault.args for fault in faults)
        return () if self.faults == before else faults

    def shown(self) -> ChannelState:
        """Open means ready: connected, and all positions known."""
        ready = self.state != "open" or self.mirror.live
        state = self.state if ready else "connecting"
        attempts = self.connection.attempts
        return ChannelState(self.name, state, self.last_frame_at_ms, attempts, self.detail, self.remedy)


class NexgentSource:
    """Mirrors the positions of every configured agent. Raises ``ConfigError`` when it cannot as configured.

    ``recall`` gives what the journal holds of this source, so that a position closed while no worker ran is noticed at
    the first snapshot.
    """

    Options: ClassVar = NexgentOptions
    system: ClassVar[str] = SYSTEM

    def __init__(
        self,
        name: str,
        options: NexgentOptions,
        secrets: Mapping[str, SecretStr],
        clock: Clock,
        jitter: Callable[[], float],
        note: Callable[[str, str], None],
        recall: Callable[[], Iterator[Frame]] = lambda: iter(()),
    ) -> None:
        check(options, secrets)
        self.name = name
        self.options = options
        self._clock = clock
        self._note = note
        self._recall = recall
        self._tasks: set[asyncio.Task[None]] = set()
        self._session = Session(base(options.url, HTTP), secrets, clock)
        address = base(options.url, WS) + "/ws"
        pace = Pace(
            seconds(options.reconnect_interval_s),
            options.max_reconnect_attempts,
            seconds(options.reconnect_rest_s),
            seconds(options.taken_over_pause_s),
        )
        server = Server()
        self._channels = [
            _Channel(agent_id, AgentConnection(address, agent_id, self._session, clock, jitter, pace, server))
            for agent_id in options.agents
        ]

    @classmethod
    def build(cls, name: str, options: NexgentOptions, context: SourceContext) -> NexgentSource:
        """The source as the configuration asks for it."""
        recall = context.recall
        return cls(name, options, context.secrets, context.clock, context.jitter, context.note, recall)

    def channels(self) -> tuple[ChannelState, ...]:
        """The channels as they are now, for readiness and status."""
        return tuple(channel.shown() for channel in self._channels)

    async def run(self, emit: Emit) -> None:
        """Listen until cancelled. Raises ``CredentialRefused`` once every channel was refused for good."""
        await asyncio.to_thread(self._remember)  # a long journal takes seconds, and the worker has exits to send
        try:
            async with asyncio.TaskGroup() as group:
                for channel in self._channels:
                    group.create_task(self._serve(channel, emit), name=f"{self.name} {channel.name}")
        finally:
            await self._session.close()
        told = "; ".join(f"{c.name}: {c.detail}" for c in self._channels)
        raise CredentialRefused(f"{self.name}: every channel was refused for good ({told})", self._channels[0].remedy)

    def _remember(self) -> None:
        """Begin with the picture the journal adds up to."""
        by_name = {channel.name: channel for channel in self._channels}
        for frame in self._recall():
            channel = by_name.get(frame.channel)
            message = decode(frame.data, Origin(SYSTEM, self.name, frame.channel, frame.received_at_ms))
            if channel is not None and not isinstance(message, Malformed):
                channel.mirror = apply(channel.mirror, message).mirror
        for channel in self._channels:
            channel.mirror = apply(channel.mirror, Connected()).mirror

    async def _serve(self, channel: _Channel, emit: Emit) -> None:
        """One channel until it is refused for good; its watch ends with it."""
        channel.lost_s = self._clock.monotonic_s()
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch(channel, emit), name=f"{self.name} {channel.name} watch")
            await channel.connection.run(lambda item: self._take(channel, item, emit))
            watch.cancel()

    # -- the socket -----------------------------------------------------------------------------------------------

    def _take(self, channel: _Channel, item: Item, emit: Emit) -> None:
        match item:
            case Received():
                self._take_frame(channel, item, emit)
            case Opened():
                channel.is_up, channel.pinged_s = True, self._clock.monotonic_s()
            case Closed(verdict):
                self._ended(channel, "closed", verdict, item.at_ms, emit)
            case Stopped(refusal):
                self._ended(channel, "refused", refusal, item.at_ms, emit)

    def _take_frame(self, channel: _Channel, item: Received, emit: Emit) -> None:
        channel.last_frame_at_ms = item.at_ms
        origin = self._origin(channel, item.at_ms)
        message = decode(item.raw, origin)
        match message:
            case Malformed():
                channel.wants_snapshot = channel.wants_snapshot or not message.field.startswith(_OF_PRICES)
                emit(item.raw, message)
            case Ping():
                channel.pinged_s = self._clock.monotonic_s()
                self._reply(channel, item.at_ms)
            case Connected():
                self._connected(channel, item.raw, origin, emit)
            case Failure():
                self._failed(channel, message)
            case Snapshot() if apply(channel.mirror, message).closed:
                self._doubt(channel, (item.raw, message, origin))
            case _:
                self._apply(channel, item.raw, message, origin, emit)

    def _reply(self, channel: _Channel, at_ms: int) -> None:
        """Every ping gets its pong; without one for a minute the server ends the connection."""
        pong = json.dumps({"type": "pong", "timestamp": iso(at_ms)})
        task = asyncio.create_task(_sent(channel.connection, pong), name=f"{self.name} pong")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _connected(self, channel: _Channel, raw: str | bytes, origin: Origin, emit: Emit) -> None:
        channel.connection.accepted()
        channel.connected_s = channel.pinged_s = self._clock.monotonic_s()
        channel.mirror, channel.doubted = apply(channel.mirror, Connected()).mirror, None
        channel.state, channel.detail, channel.remedy = "open", "", ""
        emit(raw, Status(origin=origin, state="open", agent_ids=(channel.agent_id,)))

    def _doubt(self, channel: _Channel, told: tuple[str | bytes, Snapshot, Origin]) -> None:
        """It lacks what we knew. The server leaves out what it could not load, in silence; REST answers 500 then."""
        channel.doubted, channel.patience = told, PATIENCE
        channel.wants_snapshot, channel.asked_s = True, -math.inf

    def _failed(self, channel: _Channel, failure: Failure) -> None:
        channel.detail = f"the server says: {redacted(failure.message, self._session.secrets)}"
        channel.wants_snapshot = channel.wants_snapshot or failure.no_snapshot
        self._note(channel.name, channel.detail)

    def _ended(self, channel: _Channel, state: str, verdict: Verdict, at_ms: int, emit: Emit) -> None:
        """Only a change is an event, so that a long outage is one ``closed``."""
        told = f"{verdict.reason}: {verdict.detail}" if verdict.detail else verdict.reason
        channel.detail, channel.remedy = told, verdict.remedy
        channel.is_up, channel.connected_s, channel.doubted = False, None, None
        if verdict.reason == "TAKEN_OVER":
            self._note(channel.name, f"{verdict.remedy}; it is tried again in {self.options.taken_over_pause_s} s")
        if state == channel.state:
            return
        channel.state, channel.lost_s = state, self._clock.monotonic_s()
        origin, ids = self._origin(channel, at_ms), (channel.agent_id,)
        code, remedy = verdict.code, verdict.remedy
        emit(b"", Status(origin=origin, state=state, agent_ids=ids, code=code, detail=told, remedy=remedy))

    # -- the mirror -----------------------------------------------------------------------------------------------

    def _apply(self, channel: _Channel, raw: str | bytes, message: Message, origin: Origin, emit: Emit) -> None:
        before, step = channel.mirror.positions, apply(channel.mirror, message)
        channel.mirror = step.mirror
        if isinstance(message, Snapshot):
            channel.doubted = None  # what is newer, and lacks nothing, counts
        if isinstance(message, Snapshot) and not message.by_socket:  # asked again and again: only news is worth a row
            news = tuple(one for one in step.changed if one.id not in before or one.revision != before[one.id].revision)
            step = replace(step, changed=news)
            message = replace(message, faults=channel.new_faults(message.faults))
        channel.wants_snapshot = step.lacking or (channel.wants_snapshot and not isinstance(message, Snapshot))
        for event in self._events(channel, message, step, origin):
            emit(raw, event)  # the same object each time: one frame, written down once

    def _events(
        self, channel: _Channel, message: Message, step: Step, origin: Origin
    ) -> Iterator[SourceEvent | Malformed]:
        """What is worth telling: a price batch comes every 1.5 s, so positions follow prices only now and then."""
        wanted = self._only_wanted(step)
        if not isinstance(message, Prices):
            yield from told(message, wanted, origin)
            return
        now_s = self._clock.monotonic_s()
        due = now_s - channel.marked_s >= self.options.mark_every_s
        if wanted.marked and due:
            channel.marked_s = now_s
        yield from (as_event(one, origin) for one in wanted.marked if due or one.id in step.first_priced)
        yield from tickers(wanted.marked, origin)

    def _only_wanted(self, step: Step) -> Step:
        def kept(positions: tuple[Position, ...]) -> tuple[Position, ...]:
            return tuple(filter(self._wanted, positions))

        return replace(step, changed=kept(step.changed), closed=kept(step.closed), marked=kept(step.marked))

    def _wanted(self, position: Position) -> bool:
        return not self.options.wallets or position.wallet in self.options.wallets

    # -- the watch ------------------------------------------------------------------------------------------------

    async def _watch(self, channel: _Channel, emit: Emit) -> None:
        """What only time can tell: a socket without server pings or ``connected``, and a picture nobody brings."""
        while True:
            await asyncio.sleep(WATCH_S)
            now_s = self._clock.monotonic_s()
            if channel.is_up and now_s - channel.pinged_s > self.options.ping_silence_s:
                channel.is_up, channel.connected_s = False, None
                await channel.connection.let_go()
            elif channel.connected_s is not None and now_s - channel.connected_s > STABLE_S:
                channel.connection.settled()
            if self._needs_rest(channel, now_s) and now_s - channel.asked_s >= self.options.rest_poll_s:
                channel.asked_s = now_s
                await self._ask(channel, emit)

    def _needs_rest(self, channel: _Channel, now_s: float) -> bool:
        if channel.state == "open" and channel.connected_s is not None:
            overdue = not channel.mirror.live and now_s - channel.connected_s > SNAPSHOT_S
            return channel.wants_snapshot or overdue
        return channel.wants_snapshot or now_s - channel.lost_s > self.options.rest_poll_s

    async def _ask(self, channel: _Channel, emit: Emit) -> None:
        """The positions by REST, journaled like a frame."""
        known = frozenset(channel.mirror.positions)
        try:
            raw = await self._session.snapshot(channel.agent_id, known)
        except (Unreachable, CredentialRefused) as fault:
            self._note(channel.name, f"the positions could not be read by REST: {fault.message}")
            channel.asked_s += 0.0 if channel.doubted else getattr(fault, "wait_s", 0.0)  # an exit may wait for this
            channel.patience = channel.patience - 1 if getattr(fault, "in_trouble", False) else 0
            if channel.patience <= 0:
                self._believe(channel, frozenset(), emit)
            return
        origin = self._origin(channel, self._clock.now_ms())
        message = decode(raw, origin)
        self._believe(channel, message.told if isinstance(message, Snapshot) else frozenset(), emit)
        if not isinstance(message, Malformed):
            self._apply(channel, raw, message, origin, emit)
        elif channel.new_faults((Refusal(message.reason, message.field, message.detail),)):
            emit(raw, message)

    def _believe(self, channel: _Channel, there: frozenset[str], emit: Emit) -> None:
        """Take what was doubted for true, unless REST still has something of what it lacks."""
        told, channel.doubted = channel.doubted, None
        if told is not None and there.isdisjoint(one.id for one in apply(channel.mirror, told[1]).closed):
            self._apply(channel, *told, emit)

    def _origin(self, channel: _Channel, at_ms: int) -> Origin:
        return Origin(SYSTEM, self.name, channel.name, at_ms)


async def _sent(connection: AgentConnection, text: str) -> None:
    with contextlib.suppress(OSError):  # its end is told by the connection itself
        await connection.send(text)
