"""The Halyrd source: one socket for each agent, and its REST API for what a gap or an outage kept from us.

Facts: signal-protocols.md sections 3.1 and 3.3. The stream has no replay and no heartbeat: protocol pings tell whether
the peer lives, and after each (re)connect the REST lists are read and told as if they had come by the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from executor.backoff import Server
from executor.clock import Clock, iso
from executor.core.source_events import AgentNotice, Malformed, Origin, SourceTrade, said_at_ms
from executor.errors import ConfigError, CredentialRefused
from executor.ports import ChannelState, Emit, Recall, SourceContext
from executor.ports import Frame as Journaled
from executor.sources import halyrd_rest
from executor.sources.channel import Channel
from executor.sources.connection import Connection, Endpoint, Item, Opened, Received
from executor.sources.halyrd_rest import Frame, Told
from executor.sources.halyrd_wire import SYSTEM, Decoded, decode, marks
from executor.sources.rest import Answer, RestReader, addresses
from executor.sources.seen import Overtaken, Seen, heard_ms
from executor.sources.strict_json import text_of

__all__ = ["HalyrdOptions", "HalyrdSource", "Transitions", "decode"]

HORIZON_MS = 86_400_000
"""So long before a worker last listened what the lists show is told: an outage may have hidden some of it."""

AGAIN_S = 2.0
"""The first pause before a back-fill that failed is tried again; it doubles up to ``poll_s``."""

SKEW_MS = 10_000
"""What an agent dates so soon after what is remembered begins may have been told before that: clocks differ."""

TRANSITION_MS = 10_000
"""A promotion or demotion and its echo as status_change are at most so far apart."""

Note = Callable[[str, str], None]

_READS: tuple[tuple[str, dict[str, str], Callable[[object], Told]], ...] = (
    ("trades", {"phase": "all"}, halyrd_rest.trades),
    ("journal", {}, halyrd_rest.journal),
    ("risk/blocks", {}, halyrd_rest.blocks),
    ("equity", {"interval": "1h"}, halyrd_rest.snapshots),
)


class HalyrdOptions(BaseModel):
    """The keys of a ``type: halyrd`` source (contract.md). ``poll_s`` is how often REST is read while a socket is down.

    ``label`` goes before the agents' ids (``label:current``) and tells the agents of two Halyrds apart, each of which
    has a ``current``. ``after_gap`` is read by the core.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "http://localhost:8000"
    agents: tuple[str, ...] = ("current",)
    label: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,50}$")] | None = None
    poll_s: Annotated[Decimal, Field(gt=0, le=3600)] = Decimal(30)
    after_gap: Literal["reduce_only", "continue"] = "reduce_only"

    @property
    def pause_s(self) -> float:
        """``poll_s`` for the event loop."""
        return int(self.poll_s * 1000) / 1000


class Transitions:
    """Joins a promotion or demotion and its echo as status_change: whichever comes second is marked as an echo."""

    def __init__(self) -> None:
        self._last: AgentNotice | None = None

    def told(self, notice: AgentNotice) -> AgentNotice:
        """The notice, marked where it tells the last transition again. A demotion's echo names no rule."""
        if notice.now is None:
            return notice
        last, self._last = self._last, notice
        return replace(notice, echo=True) if last is not None and _one_transition(last, notice) else notice


def _one_transition(first: AgentNotice, second: AgentNotice) -> bool:
    if (first.kind == "status_change") == (second.kind == "status_change"):
        return False
    if first.at_ms is not None and second.at_ms is not None and abs(first.at_ms - second.at_ms) > TRANSITION_MS:
        return False
    return (first.now == "LIVE") == (second.now == "LIVE")  # a demotion ends in DEMOTED, or back in the simulated phase


class _Agent:
    """One agent's channel: its socket, what was told already, and what REST still owes."""

    def __init__(self, channel: Channel, connection: Connection, path: str, start_ms: int) -> None:
        self.channel = channel
        self.connection = connection
        self.path = path
        self.seen = Seen()
        self.overtaken = Overtaken()
        self.transitions = Transitions()
        self.newest_trade_ms = self.filled_ms = self.heard_ms = start_ms
        self.filled = False
        self.status: str | None = None
        self.stirred = asyncio.Event()
        self.owed = False
        self.over = False
        self.failures = 0
        self.untold = 0


class HalyrdSource:
    """Follows the configured agents. ``current`` is the one running agent, whatever its id."""

    Options: ClassVar = HalyrdOptions
    system: ClassVar[str] = SYSTEM

    def __init__(
        self,
        name: str,
        options: HalyrdOptions,
        clock: Clock,
        jitter: Callable[[], float],
        note: Note | None = None,
        recall: Recall = lambda: iter(()),
    ) -> None:
        _check(options.agents)
        self.name = name
        self.options = options
        self._clock = clock
        self._note = note or (lambda channel, text: None)
        self._recall = recall
        sockets, self._base = addresses(options.url, SYSTEM)
        server = Server()
        self._agents = [self._agent(agent_id, sockets, jitter, server) for agent_id in options.agents]

    @classmethod
    def build(cls, name: str, options: HalyrdOptions, context: SourceContext) -> HalyrdSource:
        """The source as the configuration asks for it."""
        return cls(name, options, context.clock, context.jitter, context.note, context.recall)

    def _agent(self, agent_id: str, sockets: str, jitter: Callable[[], float], server: Server) -> _Agent:
        known_as = f"{self.options.label}:{agent_id}" if self.options.label else agent_id
        endpoint = Endpoint(f"agent:{known_as}", f"{sockets}/ws/agents/{quote(agent_id, safe='')}")
        connection = Connection(endpoint, self._clock, jitter, server=server)
        channel = Channel(SYSTEM, self.name, endpoint.name, (known_as,))
        return _Agent(channel, connection, f"/agents/{quote(agent_id, safe='')}", self._clock.now_ms())

    def channels(self) -> tuple[ChannelState, ...]:
        """The channels as they are now."""
        return tuple(agent.channel.shown(agent.connection.attempts) for agent in self._agents)

    async def run(self, emit: Emit) -> None:
        """Listen until cancelled; raises ``CredentialRefused`` once every channel was refused for good."""
        await self._remember()
        async with RestReader(self._base) as rest, asyncio.TaskGroup() as group:
            for agent in self._agents:
                group.create_task(self._listen(agent, emit), name=f"{self.name} {agent.channel.name}")
                group.create_task(self._fill(agent, rest, emit), name=f"{self.name} {agent.channel.name} rest")
        told = "; ".join(f"{agent.channel.name}: {agent.channel.detail}" for agent in self._agents)
        remedy = self._agents[0].channel.remedy
        raise CredentialRefused(f"{self.name}: every channel was refused for good ({told})", remedy)

    async def _remember(self) -> None:
        """Begin with what the last worker told: what was done since, nobody was told, with a reference or without."""
        frames = list(await asyncio.to_thread(self._recall))
        now_ms = self._clock.now_ms()
        unknown_ms = frames[0].received_at_ms + SKEW_MS if frames else now_ms
        for agent in self._agents:
            trades = list(_trades(agent.channel.name, frames))
            for trade in trades:
                agent.seen.fresh(marks(trade))
            agent.heard_ms = heard_ms(frames, now_ms)
            agent.filled_ms = agent.newest_trade_ms = min(max(map(_happened_ms, trades), default=unknown_ms), now_ms)

    # -- the socket -----------------------------------------------------------------------------------------------

    async def _listen(self, agent: _Agent, emit: Emit) -> None:
        await agent.connection.run(lambda item: self._take(agent, item, emit))
        agent.over = True
        agent.stirred.set()

    def _take(self, agent: _Agent, item: Item, emit: Emit) -> None:
        agent.channel.follow(item, emit)
        if agent.filled and not isinstance(item, Received):  # all that was done until now has been told
            agent.filled_ms, agent.filled = agent.newest_trade_ms, not isinstance(item, Opened)
        if isinstance(item, Received):
            self._tell(agent, item.raw, decode(item.raw, agent.channel.origin(item.at_ms)), emit)
        elif isinstance(item, Opened):
            agent.owed = True
            agent.stirred.set()

    def _tell(self, agent: _Agent, raw: str | bytes, event: Decoded, emit: Emit) -> None:
        """Emit what was not told before; an event of an unknown kind is nothing."""
        if event is None:
            return
        if isinstance(event, Malformed):
            emit(raw, event)
            return
        if not agent.seen.fresh(marks(event)):
            return
        if isinstance(event, AgentNotice):
            event = agent.transitions.told(event)
            agent.status = event.now or agent.status
        elif isinstance(event, SourceTrade):
            agent.newest_trade_ms = max(agent.newest_trade_ms, _happened_ms(event))
            if agent.overtaken.late(event):
                self._note(agent.channel.name, f"the buy {event.ref} came to light after a later sell: not told")
                return
        emit(raw, event)

    # -- REST -----------------------------------------------------------------------------------------------------

    async def _fill(self, agent: _Agent, rest: RestReader, emit: Emit) -> None:
        """Read REST after each time the socket opened, and every ``poll_s`` while it is down."""
        pause_s = self.options.pause_s
        while await _due(agent, pause_s):
            pause_s = self.options.pause_s
            if not agent.owed and agent.channel.state == "open":
                continue
            agent.owed = False
            failed = await self._read(agent, rest, emit)
            pause_s = self._pause_s(agent, failed)

    def _pause_s(self, agent: _Agent, failed: str) -> float:
        """Until the next look: shorter where a back-fill is still owed."""
        if not failed or agent.channel.state != "open":
            agent.failures = 0
            return self.options.pause_s
        if agent.failures == 0:
            self._note(agent.channel.name, f"what a gap may have hidden cannot be read yet: {failed}")
        agent.owed = True
        agent.failures += 1
        return min(AGAIN_S * 2.0 ** min(agent.failures - 1, 10), self.options.pause_s)

    async def _read(self, agent: _Agent, rest: RestReader, emit: Emit) -> str:
        """Every list once; what failed, if anything did."""
        told_ms = agent.newest_trade_ms
        failed = await self._read_status(agent, rest, emit)
        frames: list[Frame] = []
        untold = 0
        for path, params, frames_of in _READS:
            answer = await rest.get(f"{agent.path}/{path}", params)
            told = frames_of(answer.body) if answer.ok else Told(())
            frames += told.frames
            untold += told.untold
            failed = failed or _failure(path, answer)
        self._mention(agent, untold + self._tell_all(agent, frames, emit))
        if not failed:
            agent.filled, agent.filled_ms = not agent.owed, max(agent.filled_ms, told_ms)
        return failed

    def _mention(self, agent: _Agent, untold: int) -> None:
        """Rows of the lists that nobody can read."""
        if untold > agent.untold:
            self._note(agent.channel.name, f"{untold} rows of the REST lists have a shape nobody here knows")
        agent.untold = untold

    async def _read_status(self, agent: _Agent, rest: RestReader, emit: Emit) -> str:
        """A transition nobody told, a missed demotion above all, is told as the status_change it was."""
        before, asked_ms = agent.status, self._clock.now_ms()
        answer = await rest.get(agent.path)
        status = halyrd_rest.status(answer.body) if answer.ok else None
        if status is not None and status != before and agent.status == before:  # else the socket told something newer
            frame: Frame = {"event": "status_change", "ts": iso(asked_ms), "from": before, "to": status}
            self._tell_all(agent, [frame], emit)
            agent.status = status
        return _failure("agent", answer)

    def _tell_all(self, agent: _Agent, frames: Iterable[Frame], emit: Emit) -> int:
        """In the order of their times, whichever list they stand in: a closing trade belongs after its opening one.

        Returns how many cannot be read.
        """
        unreadable = 0
        now_ms = self._clock.now_ms()
        origin, known_ms = agent.channel.origin(now_ms), (agent.filled_ms, agent.newest_trade_ms)
        raws = [text_of(frame) for frame in frames]
        for raw, event in sorted(((raw, decode(raw, origin)) for raw in raws), key=lambda told: _order(told[1])):
            if _worth_telling(event, known_ms, min(now_ms, agent.heard_ms) - HORIZON_MS):
                self._tell(agent, raw, event, emit)
            elif isinstance(event, Malformed) or (isinstance(event, SourceTrade) and event.at_ms is None):
                unreadable += 1
        return unreadable


def _trades(channel: str, frames: Iterable[Journaled]) -> Iterator[SourceTrade]:
    for frame in frames:
        event = decode(frame.data, Origin(SYSTEM, frame.source, frame.channel, frame.received_at_ms))
        if frame.channel == channel and isinstance(event, SourceTrade):
            yield event


def _order(event: Decoded) -> tuple[int, bool]:
    """By time; at the same time what opens comes first."""
    at_ms = getattr(event, "at_ms", None) or 0
    return at_ms, isinstance(event, SourceTrade) and event.reduce_only


def _happened_ms(trade: SourceTrade) -> int:
    """When it was done; a stamp far ahead would make every trade of the lists look old for good."""
    return 0 if trade.at_ms is None else said_at_ms(trade.at_ms, trade.origin.received_at_ms)


async def _due(agent: _Agent, pause_s: float) -> bool:
    """Wait for the socket to open or for this pause to end; whether the channel is still wanted."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(pause_s):
            await agent.stirred.wait()
    agent.stirred.clear()
    return not agent.over


def _worth_telling(event: Decoded, known_ms: tuple[int, int], oldest_ms: int) -> bool:
    """No unreadable rows, nothing old; a trade without a reference only where it is certainly new.

    Such a trade has no identity an earlier life of this process would have given it too, so it could count twice. Of
    ``known_ms`` an exit is held against the first, what was told before the gap: the socket may have told newer trades
    before the lists could be read, and what tells an exit of the gap again is recognised by what it says.
    """
    if event is None or isinstance(event, Malformed):
        return False
    if event.at_ms is None or event.at_ms < oldest_ms:
        return False
    if not isinstance(event, SourceTrade) or event.ref is not None:
        return True
    return event.at_ms > known_ms[not event.reduce_only]


def _failure(path: str, answer: Answer) -> str:
    return f"{path}: {answer.error}" if answer.error else ""


def _check(agents: tuple[str, ...]) -> None:
    twice = [agent_id for agent_id, count in Counter(agents).items() if count > 1]
    if twice:
        raise ConfigError(f"the halyrd source lists {twice[0]} twice", "list each agent once")
    if not agents:
        raise ConfigError("the halyrd source has no channel", "set agents, e.g. [current]")
    if "current" in agents and len(agents) > 1:
        raise ConfigError("the halyrd source lists current beside other agents", "current is one of them: list either")
    if any(not agent_id or not agent_id.isprintable() or agent_id != agent_id.strip() for agent_id in agents):
        raise ConfigError("the halyrd source's agents hold an unusable id", "copy the id from GET /agents")
