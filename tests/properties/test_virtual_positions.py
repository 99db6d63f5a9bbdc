"""Virtual positions add up to what the venue shows, in size and in money, whatever order its news come in.

A small venue nets what several agents and strangers trade: entries, exits, stops, trades by hand, liquidation. Its
fills are told late and out of step with reads of the position; in the end everybody's parts must make up the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import AccountFact, Fill, Funding, PositionFact
from executor.core.position import Earned
from executor.core.reconcile import account_events, told_fills
from executor.core.state import DeskState
from executor.core.types import ZERO, Agent, side_of

D = Decimal
COIN = "BTC"
AGENTS = [Agent("fractrade", name) for name in "abc"]
STEP_MS = 700


@dataclass
class World:
    """The venue's own account, what it has not told yet, and the desk that is told."""

    now_ms: int = 1_000_000
    size: Decimal = ZERO
    entry_px: Decimal = ZERO
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    tids: int = 0
    untold: list[Fill] = field(default_factory=list)
    truth: dict[Agent, Decimal] = field(default_factory=dict)
    strangers: bool = False
    state: DeskState = field(default_factory=lambda: DeskState(account="a"))

    def note(self, *events: ev.Event) -> None:
        for event in events:
            evolve(self.state, event)
            self.check()

    def check(self) -> None:
        """At every instant: all on one side, and more than is there only while it is not known whose it was."""
        for position in self.state.positions.values():
            assert len({holding.size > 0 for holding in position.holdings}) <= 1
            assert len({holding.agent for holding in position.holdings}) == len(position.holdings)
            assert position.size == position.known + position.foreign or position.excess
            assert not position.excess or (len(position.holdings) > 1 and position.excess_since_ms)

    def trade(self, signed: Decimal, px: Decimal, cloid: str | None, *, liquidation: bool = False) -> None:
        before = self.size
        closing = min(abs(signed), abs(before)) if before * signed < 0 else ZERO
        pnl = closing * (px - self.entry_px) * (1 if before > 0 else -1)
        self.size += signed
        if before * signed >= 0:
            self.entry_px = (abs(before) * self.entry_px + abs(signed) * px) / abs(self.size)
        elif before * self.size < 0:
            self.entry_px = px
        self.realized += pnl
        self.fees += abs(signed) / 10
        self.tids += 1
        self.untold.append(
            Fill(
                self.tids,
                self.tids,
                cloid,
                COIN,
                side_of(signed),
                px,
                abs(signed),
                abs(signed) / 10,
                pnl,
                before,
                self.now_ms,
                True,
                liquidation,
            )
        )

    def order(self, agent: Agent, kind: ev.LegKind, signed: Decimal, px: Decimal) -> None:
        """An order of ours that the venue executes at once: out, not answered; its fill tells."""
        cloid = f"0x{self.tids}{kind}"
        leg = ev.LegPlanned(
            at_ms=self.now_ms,
            account="a",
            key=cloid,
            cloid=cloid,
            leg=kind,
            attempt=1,
            coin=COIN,
            side=side_of(signed),
            size=abs(signed),
            limit_px=px,
            reduce_only=kind != "entry",
            trigger_px=px if kind == "stop" else None,
            agent=agent,
            signal_at_ms=self.now_ms,
        )
        self.note(leg)
        if kind == "stop":  # it rested a while: no order is out when it fires
            self.note(ev.LegRested(at_ms=self.now_ms - 60_000, account="a", key=cloid, cloid=cloid, oid=self.tids + 1))
        else:
            self.note(
                ev.SendStarted(
                    at_ms=self.now_ms,
                    account="a",
                    request_id=cloid,
                    purpose="entry" if kind == "entry" else "exit",
                    signer="s",
                    nonce=1,
                    expires_after_ms=self.now_ms + 9_000,
                    vault=None,
                    action={"type": "order"},
                    cloids=(cloid,),
                )
            )
        self.trade(signed, px, cloid)
        self.truth[agent] = self.truth.get(agent, ZERO) + signed

    def tell(self, count: int) -> None:
        told, self.untold = self.untold[:count], self.untold[count:]
        self.note(*told_fills(self.state, told, self.now_ms))

    def read(self) -> None:
        fact = PositionFact(COIN, self.size, self.entry_px, 5, True, None, ZERO, ZERO)
        held = () if self.size == 0 else (fact,)
        fact_of_all = AccountFact(held, D(1000), D(1), D(1), self.now_ms)
        self.note(*account_events(self.state, fact_of_all, self.now_ms, self.now_ms))


def _mine(world: World, agent: Agent) -> Decimal:
    return world.truth.get(agent, ZERO)


def _enter(world: World, agent: Agent, size: Decimal, px: Decimal) -> None:
    """A new life begins on either side, once all of the one before was told: the other side is refused till then."""
    if world.size == 0 and world.untold:
        return
    sign = 1 if world.size > 0 or (world.size == 0 and size % 2) else -1
    world.order(agent, "entry", size * sign, px)


def _leave(world: World, agent: Agent, size: Decimal, px: Decimal, kind: ev.LegKind = "exit") -> None:
    mine = _mine(world, agent)
    size = min(size, abs(mine), abs(world.size))
    if size and mine * world.size > 0:
        world.order(agent, kind, -size.copy_sign(mine), px)


def _fire(world: World, agent: Agent, size: Decimal, px: Decimal) -> None:
    _leave(world, agent, size, px, "stop")


def _by_hand(world: World, agent: Agent, size: Decimal, px: Decimal) -> None:
    size = min(size, abs(world.size))
    if size:
        world.strangers = True
        world.trade(-size.copy_sign(world.size), px, None)


def _liquidated(world: World, agent: Agent, size: Decimal, px: Decimal) -> None:
    if world.size:
        world.strangers = True
        world.trade(-world.size, px, None, liquidation=True)
        world.truth.clear()


def _tell(world: World, agent: Agent, size: Decimal, px: Decimal) -> None:
    world.tell(int(size))


def _tell_newest(world: World, agent: Agent, size: Decimal, px: Decimal) -> None:
    """Our own fills come by more than one channel: a later one may be told first."""
    if world.untold and all(fill.cloid for fill in world.untold):
        world.untold = [world.untold[-1], *world.untold[:-1]]
        world.tell(1)


def _read(world: World, agent: Agent, size: Decimal, px: Decimal) -> None:
    world.read()


def _wait(world: World, agent: Agent, size: Decimal, px: Decimal) -> None:
    world.now_ms += 12_000


MOVES = {
    "enter": _enter,
    "leave": _leave,
    "stop fires": _fire,
    "by hand": _by_hand,
    "liquidated": _liquidated,
    "told": _tell,
    "newest told": _tell_newest,
    "read": _read,
    "wait": _wait,
}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(sorted(MOVES)),
        st.sampled_from(AGENTS),
        st.integers(1, 9).map(D),
        st.integers(90, 110).map(D),
    ),
    max_size=25,
)


def lived(steps: list[tuple[str, Agent, Decimal, Decimal]]) -> World:
    world = World()
    world.read()
    for move, agent, size, px in steps:
        world.now_ms += STEP_MS
        MOVES[move](world, agent, size, px)
    world.now_ms += STEP_MS
    world.tell(len(world.untold))
    for _ in range(2):
        world.now_ms += 12_000
        world.read()
    return world


def worth(world: World, mark: Decimal) -> Decimal:
    """What all parts brought, and would bring at this price."""
    position = world.state.position(COIN)
    open_usd = sum((one.size * (mark - one.entry_px) for one in position.holdings), ZERO)
    return open_usd + sum((one.realized_usd for one in world.state.earned.get(COIN, [])), ZERO)


def total(records: list[Earned], name: str) -> Decimal:
    return sum((getattr(record, name) for record in records), ZERO)


def move(name: str, agent: Agent = AGENTS[0], size: int = 9, px: int = 100) -> tuple[str, Agent, Decimal, Decimal]:
    return name, agent, D(size), D(px)


TWO = [move("enter", size=3), move("enter", AGENTS[1], 1, 110), move("told")]
STOP_READ_BEFORE_ITS_FILL = [*TWO, move("stop fires", size=3, px=90), move("read"), move("told")]
SHARED_LOSS = [*TWO, move("by hand", size=2, px=95), move("read"), move("wait"), move("read")]


@given(STEPS)
@example(STOP_READ_BEFORE_ITS_FILL)
@example(SHARED_LOSS)
def test_virtual_positions_add_up_to_the_venues_in_size_and_in_money(steps):
    world = lived(steps)
    position = world.state.position(COIN)
    records = world.state.earned.get(COIN, [])
    assert position.size == world.size
    assert position.owned == world.size
    assert total(records, "unpriced") == 0
    assert total(records, "fees_usd") == world.fees
    for mark in (D(50), D(100), D(170)):
        assert abs(worth(world, mark) - world.realized - world.size * (mark - world.entry_px)) < D("1e-12")
    if not world.strangers:
        held = {holding.agent: holding.size for holding in position.holdings}
        assert held == {agent: size for agent, size in world.truth.items() if size}


@given(STEPS, st.integers(-500, 500).map(D))
def test_funding_goes_to_those_who_held_and_to_nobody_twice(steps, usd):
    world = lived(steps)
    funding = Funding(COIN, usd, world.now_ms)
    for _ in range(2):
        world.note(ev.FundingSeen(at_ms=world.now_ms, account="a", funding=funding))
    assert abs(total(world.state.earned.get(COIN, []), "funding_usd") - usd) < D("1e-20")
