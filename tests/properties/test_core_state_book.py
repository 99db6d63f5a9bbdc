"""For any frames of an agent: its book is the same in any order of arrival, and each change is split soundly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from executor.core import events as ev
from executor.core.book import WINDOW_MAX, WINDOW_MS, Book, BookKey, Change, split, with_change
from executor.core.intake import IntakeState, channel_events, evolve_intake, start_gap
from executor.core.source_events import Origin, Status
from executor.core.types import ActionType, Agent, side_of
from executor.execution.restore import restore, save
from executor.ledger.memory import MemoryLedger

D = Decimal
sizes = st.integers(-20, 20).map(lambda n: D(n) / 4)
changes = st.builds(Change, at_ms=st.integers(0, WINDOW_MS), delta=sizes, reduce_only=st.booleans())
frames = st.lists(changes, max_size=12, unique_by=lambda change: change.at_ms)


def book_of(start: Decimal, arrived: list[Change]) -> Book:
    """A book that held something long before, then got these frames."""
    book = with_change(Book(), Change(-5 * WINDOW_MS, start, reduce_only=False))
    for change in arrived:
        book = with_change(book, change)
    return book


def by_hand(start: Decimal, ordered: list[Change]) -> Decimal:
    """The same, said in another way: reduce-only moves toward zero and stops there."""
    size = start
    for change in ordered:
        if not change.reduce_only:
            size += change.delta
        elif size > 0 > change.delta:
            size = max(size + change.delta, D(0))
        elif size < 0 < change.delta:
            size = min(size + change.delta, D(0))
    return size


@given(sizes, frames, st.data())
def test_frames_within_the_window_add_up_to_the_same_in_any_order_of_arrival(
    start: Decimal, sent: list[Change], data: st.DataObject
) -> None:
    arrived = data.draw(st.permutations(sent))
    book = book_of(start, arrived)
    assert book.size == by_hand(start, sorted(sent, key=lambda change: change.at_ms))
    assert len(book.recent) <= WINDOW_MAX
    assert not sent or book.last_stamp_ms == max(change.at_ms for change in sent)


@given(sizes, frames)
def test_a_reduce_only_frame_never_flips_opens_or_grows_a_book(start: Decimal, sent: list[Change]) -> None:
    book = book_of(start, [])
    for change in sorted(sent, key=lambda change: change.at_ms):
        before, book = book.size, with_change(book, change)
        if change.reduce_only:
            assert abs(book.size) <= abs(before)
            assert book.size * before >= 0


@given(sizes, sizes)
def test_a_split_accounts_for_the_whole_change(before: Decimal, after: Decimal) -> None:
    parts = split(before, after)
    assert 0 <= parts.exit_fraction <= 1
    assert parts.entry_size >= 0
    assert (parts.entry_side is None) == (parts.entry_size == 0)
    assert parts.entry_side in (None, side_of(after))
    kept = before * (1 - parts.exit_fraction)
    entered = parts.entry_size * (0 if parts.entry_side is None else parts.entry_side.sign)
    assert abs(kept + entered - after) < D("1e-20")


names = st.sampled_from(["7", "8", "9"])


@st.composite
def statuses(draw: st.DrawFn) -> Status:
    """A channel of one of two systems and sources: an agent's own, one of two agents, or everybody's."""
    system, source = draw(st.sampled_from(["fractrade", "nexgent"])), draw(st.sampled_from(["one", "two"]))
    name, ids = draw(st.sampled_from([("agent:7", ("7",)), ("pair", ("7", "8")), ("user:1", ())]))
    return Status(
        origin=Origin(system, source, name, 1),
        state=draw(st.sampled_from(["open", "closed", "refused"])),
        agent_ids=ids,
    )


def source_of(agent: Agent) -> str:
    """The one source that tells of it in these tests."""
    return "two" if agent.agent_id == "9" else "one"


def received(agent: Agent, delta: Decimal, at_ms: int) -> ev.ActionReceived:
    values: dict[str, Any] = dict.fromkeys(
        ("leverage", "trigger_px", "reference_px", "event_id", "status", "server_execution", "frame_id")
    )
    return ev.ActionReceived(
        at_ms=at_ms,
        key=f"k{at_ms}",
        system=agent.system,
        source=source_of(agent),
        channel="c",
        agent_id=agent.agent_id,
        action_id="x",
        action_type=ActionType.TRADE,
        shape="flat",
        fingerprint="f",
        symbol="BTC",
        coin="BTC",
        symbol_problem="",
        side=side_of(delta),
        size=abs(delta),
        reduce_only=False,
        stamped_at_ms=at_ms,
        received_at_ms=at_ms,
        book_before=D(0),
        book_after=delta,
        gapped=False,
        superseded=False,
        accounts=(),
        routes=(),
        **values,
    )


AGENTS = [Agent(system, name) for system in ("fractrade", "nexgent") for name in ("7", "8", "9")]


def holding() -> IntakeState:
    state = IntakeState()
    for n, agent in enumerate(AGENTS):
        evolve_intake(state, received(agent, D(1), n))
    return state


def carried(open_now: dict[tuple[str, str, str], tuple[str, ...]], agent: Agent) -> bool:
    return any(
        system == agent.system and (agent.agent_id in ids or (not ids and source == source_of(agent)))
        for (system, source, _), ids in open_now.items()
    )


@given(st.lists(statuses(), max_size=12))
def test_a_book_has_a_gap_once_the_last_open_channel_of_its_agent_closed(told: list[Status]) -> None:
    state = holding()
    open_now: dict[tuple[str, str, str], tuple[str, ...]] = {}
    gapped: set[Agent] = set()
    for status in told:
        key = (status.origin.system, status.origin.source, status.origin.channel)
        before = {agent for agent in AGENTS if carried(open_now, agent)}
        was_open = key in open_now
        open_now.pop(key, None)
        if status.state == "open":
            open_now[key] = status.agent_ids
        elif was_open:
            gapped |= {agent for agent in before if not carried(open_now, agent)}
        found_before = {key.agent for key, book in state.books.items() if book.gapped}
        for event in channel_events(state, status, 10):
            evolve_intake(state, event)
        found = {key.agent for key, book in state.books.items() if book.gapped}
        assert gapped <= found
        assert not any(carried(open_now, agent) for agent in found - found_before)


@given(st.lists(st.tuples(st.sampled_from(AGENTS), sizes.filter(bool)), max_size=10), st.booleans())
def test_the_intake_comes_back_from_a_snapshot_as_it_was(trades: list[tuple[Agent, Decimal]], gap: bool) -> None:
    state, ledger = IntakeState(), MemoryLedger()
    for n, (agent, delta) in enumerate(trades):
        evolve_intake(state, received(agent, delta, 1_000 * n))
    for event in start_gap(state, 5) if gap else []:
        evolve_intake(state, event)
    save(ledger, state, [])
    back, _ = restore(ledger, [])
    assert (back.books, back.twins, back.heard) == (state.books, state.twins, state.heard)


@given(sizes.filter(bool))
def test_a_flat_book_is_trusted_again_after_a_gap(size: Decimal) -> None:
    state = IntakeState()
    evolve_intake(state, received(AGENTS[0], size, 1))
    for event in start_gap(state, 5):
        evolve_intake(state, event)
    key = BookKey(AGENTS[0], "BTC")
    assert state.books[key].gapped
    evolve_intake(state, received(AGENTS[0], -size, 2))
    assert (state.books[key].size, state.books[key].gapped) == (D(0), False)
