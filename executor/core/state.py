"""What one account's desk knows: plain values, changed by ``evolve`` alone.

Everything here can be folded again from the events (replay runs only ``evolve``) and written as one JSON document
(a snapshot), so nothing here is clever: records in dictionaries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from executor.core.events import ActionReceived, LegKind
from executor.core.facts import OpenOrder
from executor.core.lifecycle import IN_FLIGHT_STATES, OPEN_STATES, LegState, step
from executor.core.position import Earned, Executed, Hour, Position
from executor.core.types import ZERO, Agent, Side, closing_side

KEEP_CLOSED_LEGS = 500
"""How many finished legs are kept for late facts about them."""

UNWRITTEN = 100
"""Attempts that leave while nothing can be written down are counted from the next number on: core/unwritten.py."""

OF_POLICY = "protect:"
"""How the keys begin of what the protection policy does of its own accord."""

KEEP_STRANGE = 100
"""How many orders' fills without a cloid are remembered for an answer that claims them."""

KEEP_FILLS = 4000
"""How many fill identities are kept to count each fill once; the venue replays its last 2000."""


@dataclass(slots=True)
class Leg:
    """One order we mean to have on the venue. ``filled`` is what is counted into the position already.

    ``told_filled`` is what the answer claimed, ``seen_filled`` the sum of its fills: whichever comes first counts,
    neither counts twice. ``listed`` is what the venue's own list or feed last showed of a resting order: an answer
    alone is a claim, and protects nothing. ``gone_at_ms`` is when a cancel was last told that there is no such order:
    a look-up has to say what became of it. Prices in quote units, sizes in base units, positive.
    """

    cloid: str
    kind: LegKind
    key: str
    attempt: int
    coin: str
    side: Side
    size: Decimal
    limit_px: Decimal
    reduce_only: bool
    planned_at_ms: int
    state: LegState = LegState.PLANNED
    agent: Agent | None = None
    signal_at_ms: int = 0
    trigger_px: Decimal | None = None
    leverage: Decimal | None = None
    good_until_ms: int | None = None
    wait_flat: bool = False
    bracket: str | None = None
    oid: int | None = None
    request_id: str | None = None
    sent_at_ms: int = 0
    told_filled: Decimal = ZERO
    seen_filled: Decimal = ZERO
    last_change_ms: int = 0
    deadline_ms: int | None = None
    doubted: bool = False
    listed: Decimal = ZERO
    gone_at_ms: int = 0

    @property
    def filled(self) -> Decimal:
        """What certainly executed."""
        return max(self.told_filled, self.seen_filled)

    def turn(self, verb: str, at_ms: int) -> bool:
        """Follow the lifecycle's table; an event that is illegal here changes nothing and says so."""
        after = step(self.state, verb)
        if after is None:
            return False
        self.state, self.last_change_ms, self.doubted = after, at_ms, False
        return True

    @property
    def open(self) -> bool:
        """Whether it may still execute."""
        return self.state in OPEN_STATES

    @property
    def in_flight(self) -> bool:
        """Sent, with no readable record of the venue's yet."""
        return self.state in IN_FLIGHT_STATES

    @property
    def remaining(self) -> Decimal:
        """What may still execute."""
        return self.size - self.filled if self.open else ZERO


@dataclass(slots=True)
class Exit:
    """A part of the owned position that has to go.

    ``side`` is the order side that closes, ``None`` for whatever is there. ``against`` are the entries that were
    unresolved when it was owed: what they bring has to go too. ``missed`` counts attempts that found too little within
    their cap, ``failed`` those that ended for another reason: ``failed_for``, empty where the last one missed.
    """

    key: str
    coin: str
    agent: Agent | None
    owed: Decimal
    why: str
    at_ms: int
    side: Side | None = None
    against: tuple[str, ...] = ()
    attempts: int = 0
    missed: int = 0
    failed: int = 0
    failed_for: str = ""
    last_attempt_ms: int = 0

    @property
    def identity(self) -> str:
        """An action's exit is identified by the action; one of our own making also by when it was decided."""
        return self.key if self.why == "signal" else f"{self.key}@{self.at_ms}"


@dataclass(slots=True)
class StopWish:
    """Where the coin's stop shall be. ``seen`` is false until its position exists.

    ``failures`` counts refusals in a row since ``failed_at_ms``: the pause before the next attempt grows with them.
    ``crossed`` is set when the venue refused it because it would fire at once: then the mark is beyond it. ``before``
    is the position's stop until then, where this one came with an entry that may still bring nothing. ``told_beyond``
    once it was told that it lies behind the liquidation price.
    """

    key: str
    trigger_px: Decimal
    at_ms: int
    signal_at_ms: int = 0
    default: bool = False
    side: Side | None = None
    agent: Agent | None = None
    seen: bool = False
    attempts: int = 0
    failed_at_ms: int = 0
    failures: int = 0
    crossed: bool = False
    before: StopWish | None = None
    told_beyond: bool = False


@dataclass(slots=True)
class TargetWish:
    """A fraction of the owned position shall take profit here.

    ``executed`` says that an order of it did, whole or in part: it is not placed again. ``failures`` counts refusals
    in a row since ``failed_at_ms``, as a stop's do.
    """

    key: str
    trigger_px: Decimal
    fraction: Decimal
    at_ms: int
    side: Side | None = None
    agent: Agent | None = None
    seen: bool = False
    executed: bool = False
    attempts: int = 0
    failed_at_ms: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Unmet:
    """Whose stop or target signal it is, and for which coin."""

    kind: LegKind
    coin: str
    agent: Agent | None


def speaks_of(wish: StopWish | TargetWish, size: Decimal) -> bool:
    """Whether a wish is for a position of this signed size; during a flip it is for the one still to come."""
    return size != 0 and wish.side in (None, closing_side(size))


@dataclass(slots=True)
class Leverage:
    """One coin's leverage setting: ``status`` is wanted or confirmed; ``key`` is the action that wanted it."""

    leverage: int
    is_cross: bool
    status: str
    asked: bool = False
    key: str | None = None


@dataclass(slots=True)
class Request:
    """One request that is out, or whose outcome nobody knows. Enough for a byte-identical resend by its ``signer``."""

    request_id: str
    purpose: str
    nonce: int
    expires_after_ms: int | None
    vault: str | None
    action: dict[str, object]
    cloids: tuple[str, ...]
    oids: tuple[int, ...]
    coin: str | None
    at_ms: int
    unknown: bool = False
    signer: str = ""


@dataclass(slots=True)
class Cancel:
    """An order that shall go. ``asked`` while a request for it is out."""

    coin: str
    oid: int | None
    cloid: str | None
    why: str
    asked: bool = False
    attempts: int = 0
    last_attempt_ms: int = 0


@dataclass(slots=True)
class Day:
    """Money since 00:00 UTC: ``start_ms`` is that midnight, ``realized_usd`` net of fees and with funding.

    ``since_ms`` is the venue's time of the day's first read: what filled before it is in its equity already.
    """

    start_ms: int = 0
    since_ms: int = 0
    start_equity_usd: Decimal = ZERO
    start_unrealized_usd: Decimal = ZERO
    realized_usd: Decimal = ZERO


@dataclass(slots=True)
class Earnings:
    """What the account earned since this ledger's first read (``since_ms``), whatever was deposited or withdrawn.

    ``realized_usd`` is net of fees and with funding. ``index_usd`` is that with what was unrealised at the newest read
    that agreed with our fills, ``peak_usd`` its highest: a drawdown is measured from there (docs/safety.md).
    """

    since_ms: int = 0
    start_unrealized_usd: Decimal = ZERO
    realized_usd: Decimal = ZERO
    index_usd: Decimal = ZERO
    peak_usd: Decimal = ZERO


@dataclass(slots=True)
class SignedDay:
    """US dollars of orders that may add risk, signed since the 00:00 UTC at ``start_ms``."""

    start_ms: int = 0
    usd: Decimal = ZERO


@dataclass(slots=True)
class DeskState:
    """All of one account. Times are the venue's, in milliseconds, unless a name says otherwise.

    ``legs`` are all legs remembered, ``live`` those of them that may still execute: every decision looks at them.
    ``strange_fills`` are the sizes of fills without a cloid by oid, until an answer tells that the order was ours.
    """

    account: str
    positions: dict[str, Position] = field(default_factory=dict)
    legs: dict[str, Leg] = field(default_factory=dict)
    live: dict[str, Leg] = field(default_factory=dict)
    exits: dict[str, Exit] = field(default_factory=dict)
    stops: dict[str, list[StopWish]] = field(default_factory=dict)
    """By coin, one of each agent."""
    targets: dict[str, list[TargetWish]] = field(default_factory=dict)
    leverage: dict[str, Leverage] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    cancels: dict[str, Cancel] = field(default_factory=dict)
    waiting: dict[str, ActionReceived] = field(default_factory=dict)
    unmet: dict[str, Unmet] = field(default_factory=dict)
    """Stop and target signals that have no order and no refusal yet, by key."""
    orders: dict[int, OpenOrder] = field(default_factory=dict)
    seen_fills: dict[str, int] = field(default_factory=dict)
    strange_fills: dict[int, Decimal] = field(default_factory=dict)
    last_fill_ms: int = 0
    entries_at_ms: list[int] = field(default_factory=list)
    last_entry_ms: dict[str, int] = field(default_factory=dict)
    breakers: dict[str, int | None] = field(default_factory=dict)
    day: Day = field(default_factory=Day)
    equity_usd: Decimal = ZERO
    account_read_ms: int = 0
    orders_read_ms: int = 0
    reconciled: bool = False
    missing: tuple[str, ...] = ()
    paused: bool = False
    flattening: bool = False
    latched: bool = False
    flat_reads: int = 0
    continuous: bool = False
    unwritten: bool = False
    started_ms: int = 0
    earlier_read_ms: int = 0
    """The newest read of the life before this one: zero with a new ledger, long ago with an old copy of one."""
    margin_used_usd: Decimal = ZERO
    signed: SignedDay = field(default_factory=SignedDay)
    earnings: Earnings = field(default_factory=Earnings)
    open_trades: dict[str, Decimal] = field(default_factory=dict)
    """By coin, what the position that is open now brought so far: closed PnL net of fees, with funding."""
    untold: dict[str, Decimal] = field(default_factory=dict)
    """By cloid, USD a unit closed by our entry price: of what an answer says executed while its fills are to come."""
    losses_in_a_row: int = 0
    failures_in_a_row: int = 0
    seen_fundings: dict[str, int] = field(default_factory=dict)
    last_funding_ms: int = 0
    earned: dict[str, list[Earned]] = field(default_factory=dict)
    """By coin, what each agent earned with it; whose agent is ``None`` is nobody's of ours."""
    hours: dict[str, list[Hour]] = field(default_factory=dict)
    """By coin, who held it when hours with a change began, oldest first."""
    executed: dict[str, list[Executed]] = field(default_factory=dict)
    """By coin, what agents' own stops and targets closed, and their books still show."""

    def attempt_after(self, made: int) -> int:
        """The number of the attempt that follows so many; none of an unwritten life is ever one of a written one."""
        return max(made, UNWRITTEN if self.unwritten else 0) + 1

    def index(self, cloid: str) -> None:
        """Keep ``live``, and what the last list is taken to show, true after something was said of a leg."""
        leg = self.legs.get(cloid)
        if leg is not None and leg.open:
            self.live[cloid] = leg
        elif self.live.pop(cloid, None) is not None:  # a list read before its end says nothing of it any more
            self.orders = {oid: order for oid, order in self.orders.items() if order.cloid != cloid}

    # -- readings used all over core ------------------------------------------------------------------------

    def position(self, coin: str) -> Position:
        """The coin's position, a flat one if there is none."""
        return self.positions.get(coin) or Position(coin=coin)

    def legs_of(self, coin: str, kind: LegKind | None = None) -> list[Leg]:
        """The coin's legs that may still execute, oldest first."""
        return [leg for leg in self.live.values() if leg.coin == coin and kind in (None, leg.kind)]

    def exits_of(self, coin: str) -> list[Exit]:
        """The coin's exits that still owe something, oldest first."""
        return [owed for owed in self.exits.values() if owed.coin == coin]

    def whose(self, coin: str, agent: Agent | None) -> Agent | None:
        """Whose an order or a wish is: what names nobody goes with the coin's first holding."""
        holdings = self.position(coin).holdings if agent is None else []
        return holdings[0].agent if holdings else agent

    def is_certain(self, request: Request) -> bool:
        """Whether no order of a request is uncertain any more: nothing is to be learnt by sending it again."""
        return not any(name in self.legs and self.legs[name].in_flight for name in request.cloids)

    def legs_for(self, coin: str, kind: LegKind, agent: Agent | None) -> list[Leg]:
        """One agent's legs of a coin that may still execute, oldest first."""
        return [leg for leg in self.legs_of(coin, kind) if self.whose(coin, leg.agent) == agent]

    def exits_for(self, coin: str, agent: Agent | None) -> list[Exit]:
        """What one agent's exits of a coin still owe, oldest first; a flatten's are everybody's."""
        return [owed for owed in self.exits_of(coin) if owed.agent is None or owed.agent == agent]

    def stop_for(self, coin: str, agent: Agent | None) -> StopWish | None:
        """Where one agent's stop shall be."""
        return next((wish for wish in self.stops.get(coin, ()) if self.whose(coin, wish.agent) == agent), None)

    def targets_for(self, coin: str, agent: Agent | None) -> list[TargetWish]:
        """One agent's targets, oldest first."""
        return [wish for wish in self.targets.get(coin, ()) if self.whose(coin, wish.agent) == agent]

    def owed(self, coin: str, agent: Agent | None) -> Decimal:
        """What an agent's exits of the coin still have to close (positive)."""
        return sum((owed.owed for owed in self.exits_for(coin, agent)), ZERO)

    def has_unknown(self, coin: str) -> bool:
        """Whether some order of the coin has an outcome nobody knows: then new risk there waits."""
        return any(leg.state is LegState.UNKNOWN for leg in self.legs_of(coin))

    def coins(self) -> list[str]:
        """Every coin that has a position, an open leg, an exit or a wish, sorted."""
        names = {c for c, p in self.positions.items() if p.size != 0}
        names |= {leg.coin for leg in self.live.values()}
        names |= {owed.coin for owed in self.exits.values()} | set(self.stops) | set(self.targets)
        return sorted(names)
