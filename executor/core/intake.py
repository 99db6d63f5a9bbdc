"""The door every action comes in by: whether it came before, its coin, the agent's book, its accounts.

Knows the agents, not the accounts: one action is admitted once, and then judged on each account its routes name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from executor.core import events as ev
from executor.core.book import Book, BookKey, Change, split, with_change
from executor.core.identity import plain
from executor.core.protocols import VenueRules
from executor.core.source_events import Action, Malformed, Status, Trade
from executor.core.types import Agent
from executor.core.watched import STRATEGY, Derivation, Subject

TWIN_MS = 2_000
"""How far apart the stamps of one trade told twice, flat and as envelope, may be (design.md section 4)."""

TWINS_KEPT = 256
"""How many different trades are remembered for it, each with its newest ``TWINS_ALIKE`` stamps."""

TWINS_ALIKE = 4


@dataclass(frozen=True, slots=True)
class Route:
    """Which agents of which source go to which accounts, by which strategy. ``*`` stands for every agent."""

    name: str
    source: str
    agents: tuple[str, ...]
    strategy: str
    accounts: tuple[str, ...]
    via: str = ""
    """What the books of its strategy's own actions are called; where several routes share a strategy, each its own."""

    def takes(self, source: str, agent_id: str) -> bool:
        """Whether the route takes this agent's actions."""
        return self.source == source and ("*" in self.agents or agent_id in self.agents)


@dataclass(frozen=True, slots=True)
class Twin:
    """A recent trade's content, to find the same one told again in the other shape under another id."""

    content: tuple[str, ...]
    shape: str
    at_ms: int
    key: str = ""


@dataclass(slots=True)
class IntakeState:
    """The agents' books, the channels that are open, and the newest trades. Changed by ``evolve_intake`` alone.

    ``channels`` has the agents of each open channel by system, source and channel; empty means all of the source:
    all it was ever ``heard`` telling of.
    ``subjects`` are the reported positions and symbols that strategies acted on, by agent and subject; ``memories`` is
    what strategies asked to remember.
    """

    books: dict[BookKey, Book] = field(default_factory=dict)
    channels: dict[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)
    heard: dict[Agent, frozenset[str]] = field(default_factory=dict)
    twins: dict[tuple[str, ...], tuple[Twin, ...]] = field(default_factory=dict)
    subjects: dict[tuple[Agent, str], Subject] = field(default_factory=dict)
    memories: dict[str, dict[str, Any]] = field(default_factory=dict)


def _content(event: ev.ActionReceived) -> tuple[str, ...]:
    return (
        event.system,
        event.agent_id,
        str(event.action_type),
        event.coin or event.symbol,
        str(event.side),
        plain(event.size),
        str(event.reduce_only),
        plain(event.leverage),
        plain(event.trigger_px),
    )


# -- deciding -----------------------------------------------------------------------------------------------------


def admit(
    state: IntakeState,
    action: Action,
    known_fingerprint: str | None,
    routes: Sequence[Route],
    rules: VenueRules,
    frame_id: int | None,
    now_ms: int,
) -> list[ev.Event]:
    """One decoded action: a duplicate, a conflict, or newly received (``known_fingerprint`` is the ledger's word)."""
    if known_fingerprint is not None:
        return [_seen_before(action, known_fingerprint, frame_id, now_ms)]
    received = _received(state, action, _taking(state, routes, action), rules, frame_id, now_ms)
    twin = _twin_of(state, received)
    if twin is not None:
        told, mark = _repeat(action, frame_id, now_ms), action.fingerprint
        suspected = replace(told, suspected=True, fingerprint=mark, action_id=action.action_id, twin=twin.key)
        text = f"the same trade was told {twin.shape} and {action.shape} under two ids; only the first counts"
        return [suspected, ev.AlarmRaised(at_ms=now_ms, key=action.key, code="SUSPECTED_DUPLICATE", text=text)]
    if not received.accounts:
        detail = f"no route takes agent {action.agent.agent_id} of source {action.origin.source}"
        return [received, ev.ActionRefused(at_ms=now_ms, key=action.key, reason="NO_ROUTE", detail=detail)]
    return [received]


def admit_derived(
    state: IntakeState,
    action: Action,
    derived: Derivation,
    route: Route,
    rules: VenueRules,
    frame_id: int | None,
    now_ms: int,
) -> ev.ActionReceived:
    """An action a strategy made of a fact, for the accounts of its route. Whether it came before was asked already."""
    taking = [(account, route.name) for account in route.accounts]
    received = _received(state, action, taking, rules, frame_id, now_ms)
    named = replace(derived.intent, coin=received.coin) if derived.intent and received.coin else derived.intent
    own = action.agent.system == STRATEGY
    return replace(
        received,
        derived=replace(derived, intent=named),
        gapped=received.gapped and not derived.holds,
        superseded=received.superseded and not own,  # what a strategy decides now, it decides after all it saw
    )


def _taking(state: IntakeState, routes: Sequence[Route], action: Action) -> list[tuple[str, str]]:
    """The accounts an action goes to, each once, with the route that brings it there.

    What several sources carry is told by each and counts once: whichever tells it first, it goes where all bring it.
    """
    agent, teller = action.agent, action.origin.source
    sources = [teller, *(source for source in _carrying(state, agent) if source != teller)]
    taking: dict[str, str] = {}
    for source in sources:
        for route in routes:
            if route.takes(source, agent.agent_id):
                taking.update({account: route.name for account in route.accounts if account not in taking})
    return list(taking.items())


def _carrying(state: IntakeState, agent: Agent) -> list[str]:
    """The sources with an open channel that tells of this agent: by name, or as all it was ever heard on."""
    mine = [(source, ids) for (system, source, _), ids in state.channels.items() if system == agent.system]
    heard = heard_by(state, agent)
    return sorted({source for source, ids in mine if agent.agent_id in ids or (not ids and source in heard)})


def _seen_before(action: Action, known_fingerprint: str, frame_id: int | None, now_ms: int) -> ev.Event:
    if known_fingerprint == action.fingerprint:
        return _repeat(action, frame_id, now_ms)
    return ev.ConflictSeen(at_ms=now_ms, key=action.key, frame_id=frame_id, channel=action.origin.channel)


def _repeat(action: Action, frame_id: int | None, now_ms: int) -> ev.DuplicateSeen:
    return ev.DuplicateSeen(
        at_ms=now_ms,
        key=action.key,
        frame_id=frame_id,
        channel=action.origin.channel,
        system=action.agent.system,
        source=action.origin.source,
        agent_id=action.agent.agent_id,
    )


def _received(
    state: IntakeState,
    action: Action,
    taking: Sequence[tuple[str, str]],
    rules: VenueRules,
    frame_id: int | None,
    now_ms: int,
) -> ev.ActionReceived:
    coin, problem = rules.resolve(action.symbol)
    before = state.books.get(BookKey(action.agent, coin or ""), Book())
    after = with_change(before, change_of(action)) if coin and counts(action) else before
    return ev.ActionReceived(
        at_ms=now_ms,
        key=action.key,
        frame_id=frame_id,
        system=action.agent.system,
        source=action.origin.source,
        channel=action.origin.channel,
        agent_id=action.agent.agent_id,
        action_id=action.action_id,
        action_type=action.type,
        shape=action.shape,
        fingerprint=action.fingerprint,
        symbol=action.symbol,
        coin=coin,
        symbol_problem=problem,
        side=action.side,
        size=action.size,
        reduce_only=action.reduce_only,
        leverage=action.leverage,
        trigger_px=action.trigger_px,
        reference_px=action.reference_px,
        event_id=action.event_id,
        stamped_at_ms=action.stamped_at_ms,
        received_at_ms=action.origin.received_at_ms,
        status=action.status,
        server_execution=action.server_execution,
        book_before=before.size,
        book_after=after.size,
        gapped=before.gapped and before.size != 0,
        gapped_ms=before.gapped_ms,
        superseded=action.signal_at_ms < before.last_stamp_ms,
        accounts=tuple(account for account, _ in taking),
        routes=tuple(route for _, route in taking),
    )


def counts(action: Action) -> bool:
    """Whether an action moves the agent's book: a trade that is new, whoever executes it."""
    return isinstance(action, Trade) and action.status in (None, "PENDING")


def change_of(action: Action) -> Change:
    """The change of the agent's book an action stands for."""
    return Change(action.signal_at_ms, action.size * action.side.sign, action.reduce_only)


def closes(received: ev.ActionReceived) -> bool:
    """Whether an action closes some of the agent's book."""
    return split(received.book_before, received.book_after).exit_fraction > 0


def opens(received: ev.ActionReceived) -> bool:
    """Whether an action opens or grows a position by the agent's book."""
    return received.action_type == Trade.type and split(received.book_before, received.book_after).entry_size > 0


def _twin_of(state: IntakeState, received: ev.ActionReceived) -> Twin | None:
    """The same trade in the other shape, stamped at most two seconds away."""
    if received.stamped_at_ms is None:
        return None
    for twin in state.twins.get(_content(received), ()):
        if twin.shape != received.shape and abs(twin.at_ms - received.stamped_at_ms) <= TWIN_MS:
            return twin
    return None


def refused_frame(event: Malformed, frame_id: int | None, now_ms: int) -> ev.FrameRefused:
    """The record of a frame that is no action."""
    return ev.FrameRefused(
        at_ms=now_ms,
        frame_id=frame_id,
        reason=event.reason,
        field=event.field,
        detail=event.detail,
        action_id=event.action_id,
        agent_id=event.agent_id,
    )


def channel_events(state: IntakeState, status: Status, now_ms: int) -> list[ev.Event]:
    """A channel's change, and the gap it opens for agents that no open channel carries any more."""
    origin = status.origin
    changed = ev.SourceChanged(
        at_ms=now_ms,
        system=origin.system,
        source=origin.source,
        channel=origin.channel,
        state=status.state,
        agent_ids=status.agent_ids,
        code=status.code,
        detail=status.detail,
        remedy=status.remedy,
    )
    mine = (origin.system, origin.source, origin.channel)
    others = [(key[1], ids) for key, ids in state.channels.items() if key != mine and key[0] == origin.system]
    was_open = mine in state.channels
    if status.state == "open" or not was_open:
        return [changed]
    lost = _uncovered(state, origin.system, others)
    return [changed, *_gap(origin.system, lost, now_ms)]


def start_gap(state: IntakeState, now_ms: int) -> list[ev.Event]:
    """A worker that was not running heard nobody: every open book has a gap."""
    systems = sorted({key.agent.system for key, book in state.books.items() if book.size != 0})
    return [event for system in systems for event in _gap(system, _uncovered(state, system, ()), now_ms)]


def _uncovered(state: IntakeState, system: str, channels: Sequence[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Agents with an open book that none of these channels (the source and the agents of each) carries."""
    open_books = {k.agent.agent_id for k, b in state.books.items() if k.agent.system == system and b.size != 0}
    everybody = {source for source, ids in channels if not ids}
    named = {agent_id for _, ids in channels for agent_id in ids}
    return sorted(name for name in open_books - named if everybody.isdisjoint(heard_by(state, Agent(system, name))))


def heard_by(state: IntakeState, agent: Agent) -> frozenset[str]:
    """The sources that ever told an action of this agent, whoever told it first."""
    return state.heard.get(Agent(agent.system, agent.agent_id), frozenset())


def _gap(system: str, agent_ids: list[str], now_ms: int) -> list[ev.Event]:
    return [ev.GapNoted(at_ms=now_ms, system=system, agent_ids=tuple(agent_ids))] if agent_ids else []


# -- evolving -----------------------------------------------------------------------------------------------------


def evolve_intake(state: IntakeState, event: ev.Event) -> None:
    """Apply one event to the agents' books and channels."""
    if isinstance(event, ev.ActionReceived):
        _hear(state, event)
        _evolve_received(state, event)
    elif isinstance(event, ev.DuplicateSeen):
        _hear(state, event)
    elif isinstance(event, ev.SourceChanged):
        key = (event.system, event.source, event.channel)
        if event.state == "open":
            state.channels[key] = event.agent_ids
        else:
            state.channels.pop(key, None)
    elif isinstance(event, ev.GapNoted):
        _evolve_gap(state, event)
    elif isinstance(event, ev.StrategyRemembered):
        state.memories[event.via] = event.memory
    elif isinstance(event, ev.ProcessStarted):
        state.channels.clear()


def _hear(state: IntakeState, event: ev.ActionReceived | ev.DuplicateSeen) -> None:
    agent = Agent(event.system, event.agent_id)
    state.heard[agent] = heard_by(state, agent) | {event.source}


def _evolve_received(state: IntakeState, event: ev.ActionReceived) -> None:
    agent = event.agent
    at_ms = event.signal_at_ms
    if event.stamped_at_ms is not None:
        _remember(state, Twin(_content(event), event.shape, event.stamped_at_ms, event.key or ""))
    if event.coin is None or event.status not in (None, "PENDING"):
        return
    key = BookKey(agent, event.coin)
    book = state.books.get(key, Book())
    if event.action_type != Trade.type:
        state.books[key] = replace(book, last_stamp_ms=max(book.last_stamp_ms, at_ms))
        return
    change = Change(at_ms, event.size * event.side.sign, event.reduce_only)
    state.books[key] = with_change(book, change)
    if event.derived is not None and event.derived.subject:
        subject = Subject(event.coin, event.derived.subject_size, event.derived.against)
        _evolve_subject(state, (agent, event.derived.subject), subject)


def _evolve_subject(state: IntakeState, key: tuple[Agent, str], subject: Subject) -> None:
    state.subjects.pop(key, None)
    if subject.size != 0:
        state.subjects[key] = subject


def _remember(state: IntakeState, twin: Twin) -> None:
    same = state.twins.pop(twin.content, ())
    state.twins[twin.content] = (*same[1 - TWINS_ALIKE :], twin)
    if len(state.twins) > TWINS_KEPT:
        del state.twins[next(iter(state.twins))]


def _evolve_gap(state: IntakeState, event: ev.GapNoted) -> None:
    for key, book in state.books.items():
        if key.agent.system == event.system and key.agent.agent_id in event.agent_ids and book.size != 0:
            state.books[key] = replace(book, gapped=True, gapped_ms=event.at_ms)
