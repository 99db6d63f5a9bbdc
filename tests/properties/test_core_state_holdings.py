"""For any order in which the venue's facts reach us: one position, one owner, one state per leg, one debt per exit.

A small venue executes orders in its own order of time; then its answers, fills, order updates and reads are delivered
in any interleaving, repeated at will. What we end with must be what the venue has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from executor.core import events as ev
from executor.core.answers import answer_events, fill_events, order_events
from executor.core.evolve import evolve
from executor.core.facts import AccountFact, Answer, Fill, Filled, OpenOrder, OrderFact, PositionFact, Rejected, Resting
from executor.core.intake import IntakeState
from executor.core.reconcile import account_events, told_fills
from executor.core.state import DeskState
from executor.core.types import ZERO, Agent, Side, side_of
from executor.execution.restore import restore, save
from executor.ledger.codec import decode, encode
from executor.ledger.memory import MemoryLedger

D = Decimal
AGENT = Agent("fractrade", "7")
COIN = "BTC"


@dataclass
class Desk:
    """A desk's state with the record of all that was said to it."""

    state: DeskState = field(default_factory=lambda: DeskState(account="a"))
    said: list[ev.Event] = field(default_factory=list)

    def note(self, *events: ev.Event) -> None:
        for event in events:
            self.said.append(event)
            evolve(self.state, event)
            live = {name for name, leg in self.state.legs.items() if leg.open}
            assert set(self.state.live) == live
            assert all(self.state.legs[name] is leg for name, leg in self.state.live.items())
            for position in self.state.positions.values():
                assert abs(position.owned) <= abs(position.size)
                assert position.owned * position.size >= 0
                assert (position.owner is None) or position.owned != 0

    def summary(self) -> tuple[Any, ...]:
        """What must not depend on the order of facts."""
        position = self.state.position(COIN)
        legs = {name: (leg.state, leg.filled, leg.open) for name, leg in self.state.legs.items()}
        owed = {key: (one.owed, one.missed + one.failed) for key, one in self.state.exits.items()}
        return position.size, position.owned, position.owner, legs, owed


def plan(cloid: str, kind: ev.LegKind, signed: Decimal, key: str) -> list[ev.Event]:
    leg = ev.LegPlanned(
        at_ms=1,
        account="a",
        key=key,
        cloid=cloid,
        leg=kind,
        attempt=1,
        coin=COIN,
        side=side_of(signed),
        size=abs(signed),
        limit_px=D(100),
        reduce_only=kind != "entry",
        trigger_px=D(90) if kind == "stop" else None,
        agent=AGENT,
        signal_at_ms=1,
    )
    request = ev.SendStarted(
        at_ms=2,
        account="a",
        request_id="r" + cloid,
        purpose=kind if kind in ("entry", "exit") else "protect",
        signer="s",
        nonce=1,
        expires_after_ms=10_000,
        vault=None,
        action={"type": "order"},
        cloids=(cloid,),
    )
    owed = ev.ExitOwed(at_ms=1, account="a", key=key, coin=COIN, agent=AGENT, size=abs(signed), why="signal")
    return [*([owed] if kind == "exit" else []), leg, request]


def parts_of(draw: st.DrawFn, size: int) -> list[int]:
    """A size as one to three fills."""
    cuts = sorted(draw(st.sets(st.integers(1, size - 1), max_size=2))) if size > 1 else []
    edges = [0, *cuts, size]
    return [b - a for a, b in pairwise(edges)]


@dataclass(frozen=True)
class Story:
    """An entry, then perhaps an exit of part of it, on the venue's own time; what it tells, by channel."""

    orders: tuple[tuple[str, ev.LegKind, Decimal, str], ...]
    fills: tuple[Fill, ...]
    answers: dict[str, Answer]
    endings: dict[str, str]
    chain: tuple[tuple[int, Decimal], ...]


def _fill(tid: int, oid: int, cloid: str, signed: Decimal, before: Decimal) -> Fill:
    return Fill(tid, oid, cloid, COIN, side_of(signed), D(100), abs(signed), ZERO, ZERO, before, 100 + tid)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    direction = draw(st.sampled_from([1, -1]))
    asked, leaving = draw(st.integers(1, 8)), draw(st.integers(0, 8))
    entered = draw(st.integers(0, asked))
    left = draw(st.integers(0, min(leaving, entered)))
    orders: list[tuple[str, ev.LegKind, Decimal, str]] = [("0xe", "entry", D(asked * direction), "e")]
    if leaving:
        orders.append(("0xx", "exit", D(-leaving * direction), "x"))
    fills: list[Fill] = []
    chain = [(0, ZERO)]
    answers: dict[str, Answer] = {}
    endings: dict[str, str] = {}
    for (cloid, _, signed, _), done in zip(orders, (entered, left), strict=False):
        oid = len(answers) + 1
        for part in parts_of(draw, done) if done else []:
            step = part * signed / abs(signed)
            fills.append(_fill(len(fills) + 1, oid, cloid, step, chain[-1][1]))
            chain.append((fills[-1].at_ms, chain[-1][1] + step))
        answers[cloid] = Filled(oid, D(done), D(100)) if done else Rejected("IOC_NO_MATCH", "none")
        endings[cloid] = "filled" if done == abs(signed) else "canceled" if done else "iocCancelRejected"
    return Story(tuple(orders), tuple(fills), answers, endings, tuple(chain))


def read_at(story: Story, at_ms: int) -> AccountFact:
    """The account as the venue has it at one time of its own: with every fill up to then."""
    size = [after for when, after in story.chain if when <= at_ms][-1]
    held = () if size == 0 else (PositionFact(COIN, size, D(100), 1, False, None, ZERO, ZERO),)
    return AccountFact(held, D(1000), ZERO, ZERO, at_ms)


def answered(desk: Desk, story: Story, cloid: str) -> None:
    request = desk.state.requests.get("r" + cloid)
    if request is not None:
        desk.note(*answer_events(desk.state, request, [story.answers[cloid]], 500, resend=False))


def updated(desk: Desk, story: Story, cloid: str) -> None:
    kind, signed = next((k, s) for name, k, s, _ in story.orders if name == cloid)
    oid = 1 if kind == "entry" else 2
    order = OpenOrder(
        oid, cloid, COIN, side_of(signed), D(100), ZERO, abs(signed), kind != "entry", None, "Limit", False, 0
    )
    desk.note(*order_events(desk.state, [OrderFact(order, story.endings[cloid], 500)], 500))


def told(desk: Desk, story: Story, index: int) -> None:
    desk.note(*told_fills(desk.state, [story.fills[index]], 500))


def was_read(desk: Desk, story: Story, at_ms: int) -> None:
    desk.note(*account_events(desk.state, read_at(story, at_ms), at_ms, 500))


def was_read_late(desk: Desk, story: Story, _: object) -> None:
    """A read asked after everything happened: it has all of it, and may come before what it has is told."""
    desk.note(*account_events(desk.state, read_at(story, story.chain[-1][0] + 20), 600, 700))


HANDLERS: dict[str, Callable[[Desk, Story, Any], None]] = {
    "late": was_read_late,
    "answer": answered,
    "update": updated,
    "fill": told,
    "read": was_read,
}


@st.composite
def deliveries(draw: st.DrawFn, *, reads: bool) -> tuple[Story, list[tuple[str, Any]]]:
    """A story and an order in which its facts arrive, some more than once."""
    story = draw(stories())
    facts: list[tuple[str, Any]] = [("answer", cloid) for cloid in story.answers]
    facts += [("update", cloid) for cloid in story.answers]
    facts += [("fill", index) for index in range(len(story.fills))]
    again = draw(st.lists(st.sampled_from(facts), max_size=4))
    if reads:
        last = story.chain[-1][0]
        facts += [("read", at) for at in draw(st.lists(st.integers(0, last + 20), max_size=3))]
        facts += [("late", None)] * draw(st.integers(0, 2))
    return story, draw(st.permutations([*facts, *again]))


def play(story: Story, facts: list[tuple[str, Any]]) -> Desk:
    desk = Desk()
    for cloid, kind, signed, key in story.orders:
        desk.note(*plan(cloid, kind, signed, key))
    for name, what in facts:
        HANDLERS[name](desk, story, what)
    return desk


def in_order(story: Story) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = [("answer", cloid) for cloid in story.answers]
    facts += [("fill", index) for index in range(len(story.fills))]
    return facts + [("update", cloid) for cloid in story.answers]


@given(deliveries(reads=False))
def test_any_order_of_answers_fills_and_updates_ends_alike(told_as: tuple[Story, list[tuple[str, Any]]]) -> None:
    story, facts = told_as
    assert play(story, facts).summary() == play(story, in_order(story)).summary()


@given(deliveries(reads=True))
def test_the_position_is_the_end_of_the_venues_chain_whatever_reads_come_between(
    told_as: tuple[Story, list[tuple[str, Any]]],
) -> None:
    story, facts = told_as
    desk = play(story, facts)
    assert desk.state.position(COIN).size == story.chain[-1][1]
    assert desk.state.position(COIN).owned == story.chain[-1][1]
    owed = next((abs(signed) for _, kind, signed, _ in story.orders if kind == "exit"), ZERO)
    left = sum((fill.size for fill in story.fills if fill.cloid == "0xx"), ZERO)
    assert desk.state.owed(COIN, AGENT) == owed - left


@given(deliveries(reads=True), st.randoms(use_true_random=False))
def test_all_fills_three_times_over_in_any_order_change_nothing(
    told_as: tuple[Story, list[tuple[str, Any]]], chance: Any
) -> None:
    story, facts = told_as
    desk = play(story, facts)
    before = encode_state(desk.state)
    again = [*story.fills] * 3
    chance.shuffle(again)
    assert fill_events(desk.state, again, 900) == []
    for fill in again:
        evolve(desk.state, ev.FillSeen(at_ms=900, fill=fill, cloid=fill.cloid))
    assert encode_state(desk.state) == before


def encode_state(state: DeskState) -> DeskState:
    """The state through a snapshot: written as JSON and read back."""
    ledger = MemoryLedger()
    save(ledger, IntakeState(), [state])
    return restore(ledger, [state.account])[1][state.account]


@given(deliveries(reads=True))
def test_a_snapshot_is_the_state_and_so_is_the_fold_of_the_record(
    told_as: tuple[Story, list[tuple[str, Any]]],
) -> None:
    desk = play(*told_as)
    assert encode_state(desk.state) == desk.state
    folded = DeskState(account="a")
    for event in desk.said:
        evolve(folded, decode(type(event).__name__, encode(event)))
    assert folded == desk.state


@given(deliveries(reads=True), st.data())
def test_a_state_from_a_snapshot_goes_on_like_the_one_it_was_made_of(
    told_as: tuple[Story, list[tuple[str, Any]]], data: st.DataObject
) -> None:
    story, facts = told_as
    cut = data.draw(st.integers(0, len(facts)))
    whole, part = play(story, facts), play(story, facts[:cut])
    part.state = encode_state(part.state)
    for name, what in facts[cut:]:
        HANDLERS[name](part, story, what)
    assert part.state == whole.state


foreign = st.lists(st.integers(-5, 5).filter(bool), min_size=1, max_size=6)


@given(stories(), foreign, st.data())
def test_foreign_trades_between_ours_move_the_position_and_never_make_more_of_it_ours(
    story: Story, trades: list[int], data: st.DataObject
) -> None:
    desk = Desk()
    for cloid, kind, signed, key in story.orders:
        desk.note(*plan(cloid, kind, signed, key))
    ours = list(story.fills)
    theirs = [
        Fill(1000 + n, 99, None, COIN, side_of(D(t)), D(100), D(abs(t)), ZERO, ZERO, ZERO, 100 + n)
        for n, t in enumerate(trades)
    ]
    mixed: list[Fill] = []
    while ours or theirs:
        source = ours if ours and (not theirs or data.draw(st.booleans())) else theirs
        mixed.append(source.pop(0))
    for fill in mixed:
        desk.note(*told_fills(desk.state, [fill], 500))
    position = desk.state.position(COIN)
    assert position.size == sum((fill.signed_size for fill in mixed), ZERO)
    entered = sum((fill.size for fill in story.fills if fill.cloid == "0xe"), ZERO)
    assert abs(position.owned) <= entered


@given(st.integers(1, 8), st.permutations(["answer", "open", "triggered", "filled", "fill", "again"]))
def test_a_stop_that_fires_ends_done_and_flat_in_any_order_of_its_news(size: int, news: list[str]) -> None:
    desk = Desk()
    desk.note(*plan("0xe", "entry", D(size), "e"))
    desk.note(*answer_events(desk.state, desk.state.requests["r0xe"], [Filled(1, D(size), D(100))], 5, resend=False))
    desk.note(ev.StopWanted(at_ms=6, account="a", key="s", coin=COIN, trigger_px=D(90), signal_at_ms=6))
    desk.note(*plan("0xs", "stop", D(-size), "s"))
    order = OpenOrder(2, "0xs", COIN, Side.SELL, D(80), ZERO, D(size), True, D(90), "Stop Market", False, 0)
    fill = Fill(9, 2, "0xs", COIN, Side.SELL, D(90), D(size), ZERO, ZERO, D(size), 100)
    for one in news:
        if one in ("open", "triggered", "filled"):
            desk.note(*order_events(desk.state, [OrderFact(order, one, 50)], 50))
        elif one == "answer":
            desk.note(*answer_events(desk.state, desk.state.requests["r0xs"], [Resting(2)], 50, resend=False))
        else:
            desk.note(*told_fills(desk.state, [fill], 50))
    assert (desk.state.legs["0xs"].state, desk.state.position(COIN).size) == ("done", ZERO)
    assert (desk.state.stops, desk.state.requests) == ({}, {})
    assert not any(isinstance(event, ev.AnomalyNoted) for event in desk.said)
