"""A mirror of an agent's Nexgent positions, pure: messages in, the picture and what changed out, with value and profit.

The same fold serves the live source and whoever reads the journal later. Maths: signal-protocols.md section 2.4 (the
server's own): what is held is ``remainingAmount``, else all that was bought; profit is what was realised plus what the
rest gained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from executor.core.identity import fingerprint, plain
from executor.core.source_events import Malformed, Origin, SourceEvent, SourcePosition, Ticker
from executor.core.types import ZERO, Agent
from executor.sources.fields import Refusal, malformed
from executor.sources.nexgent_wire import SYSTEM, Change, Connected, Gone, Message, Prices, Snapshot, Upsert, agent_of

GONE_KEPT = 1000
"""How many closed ids are remembered: ids are never used again, and a late snapshot must not revive one."""

_ESSENTIAL = ("token_address", "symbol", "purchase_amount")
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Position:
    """One position as the server last told it. Prices in SOL per token, amounts in tokens, ``None`` where unknown.

    ``stop_pct`` is percent of the purchase price, signed: -32 stops at 0.68 of it, 25 at 1.25 (a locked gain).
    ``remaining_amount`` is ``None`` while nothing was sold. ``told_ms`` is the sender's stamp of what was told last,
    ``None`` where that had none, as partial updates have. ``extra`` are fields nobody knows yet.
    """

    id: str
    token_address: str
    symbol: str
    purchase_amount: Decimal
    agent_id: str = ""
    wallet: str = ""
    purchase_price: Decimal | None = None
    purchase_price_usd: Decimal | None = None
    current_price: Decimal | None = None
    current_price_usd: Decimal | None = None
    remaining_amount: Decimal | None = None
    realized_sol: Decimal = ZERO
    invested_sol: Decimal | None = None
    dca_count: int = 0
    stop_pct: Decimal | None = None
    peak_price: Decimal | None = None
    lowest_price: Decimal | None = None
    tp_levels_hit: int = 0
    tp_levels: int | None = None
    moon_bag: bool = False
    moon_bag_amount: Decimal | None = None
    created_ms: int | None = None
    updated_ms: int | None = None
    told_ms: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holding(self) -> Decimal:
        """Tokens held now."""
        return self.purchase_amount if self.remaining_amount is None else self.remaining_amount

    @property
    def price(self) -> Decimal | None:
        """The newest price; the purchase's until one is known, as the server does."""
        return self.purchase_price if self.current_price is None else self.current_price

    @property
    def sol_usd(self) -> Decimal | None:
        """What one SOL is worth, by the server's own pairs of prices (both are of now)."""
        for native, usd in (
            (self.current_price, self.current_price_usd),
            (self.purchase_price, self.purchase_price_usd),
        ):
            if native and usd:
                return usd / native
        return None

    @property
    def value_sol(self) -> Decimal | None:
        """What is held, at the newest price."""
        return None if self.price is None else self.price * self.holding

    @property
    def profit_sol(self) -> Decimal | None:
        """Realised, plus the gain of what is still held."""
        if self.price is None or self.purchase_price is None:
            return None
        return self.realized_sol + (self.price - self.purchase_price) * self.holding

    @property
    def profit_pct(self) -> Decimal | None:
        """Profit in percent of all that was bought."""
        cost = (self.purchase_price or ZERO) * self.purchase_amount
        return None if self.profit_sol is None or not cost else self.profit_sol / cost * _PERCENT

    @property
    def change_pct(self) -> Decimal | None:
        """How far the price is from the purchase's, in percent."""
        if self.price is None or self.purchase_price is None:
            return None
        return (self.price / self.purchase_price - 1) * _PERCENT

    def usd(self, sol: Decimal | None) -> Decimal | None:
        """An amount of SOL in dollars."""
        return None if sol is None or self.sol_usd is None else sol * self.sol_usd

    @property
    def revision(self) -> str:
        """Names this state of the record. Prices are no part of it, but that there is one at all: stops need it."""
        told = (self.holding, self.purchase_amount, self.purchase_price, self.stop_pct, self.realized_sol)
        priced = "" if self.sol_usd else ":unpriced"
        return f"{self.updated_ms or 0}:{fingerprint(' '.join(map(plain, told)))}{priced}"


@dataclass(frozen=True, slots=True)
class Mirror:
    """One agent's positions by id. ``live`` from the first snapshot of a connection on.

    ``fresh`` are ids told since the connection began: a snapshot that was read before them does not end them.
    ``gone`` are ids the server said were closed.
    """

    positions: Mapping[str, Position] = field(default_factory=dict)
    live: bool = False
    fresh: frozenset[str] = frozenset()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What one message did. ``changed`` and ``closed`` are as they are now, and as they last were.

    ``first_priced`` are ids among ``marked`` whose worth was not known before.
    ``lacking`` is set when a change concerned a position nobody ever told us in full: ask for a snapshot.
    """

    mirror: Mirror
    changed: tuple[Position, ...] = ()
    closed: tuple[Position, ...] = ()
    marked: tuple[Position, ...] = ()
    first_priced: frozenset[str] = frozenset()
    lacking: bool = False


def apply(mirror: Mirror, message: Message) -> Step:
    """The mirror after one message. A snapshot tells every position as changed: the receiver knows repeats."""
    match message:
        case Connected():
            return Step(replace(mirror, live=False, fresh=frozenset()))
        case Snapshot():
            return _replace_all(mirror, message)
        case Upsert(change):
            return _upsert(mirror, change)
        case Gone(position_id):
            return _close(mirror, position_id)
        case Prices():
            return _mark(mirror, message)
    return Step(mirror)


def _upsert(mirror: Mirror, change: Change) -> Step:
    if change.position_id in mirror.gone:
        return Step(mirror)
    known = mirror.positions.get(change.position_id)
    position = _changed(known, change)
    if position is None:
        return Step(mirror, lacking=True)
    if position is known:  # older than what we have
        return Step(mirror)
    after = replace(mirror, positions={**mirror.positions, position.id: position}, fresh=mirror.fresh | {position.id})
    return Step(after, changed=(position,))


def _changed(known: Position | None, change: Change) -> Position | None:
    """The position with what was said; itself when that is older, ``None`` when there is too little for a new one."""
    values = {**change.values, "told_ms": change.values.get("updated_ms")}
    if known is None:
        return None if any(name not in values for name in _ESSENTIAL) else Position(change.position_id, **values)
    if _older(values.get("updated_ms"), known.updated_ms):
        return known
    if "purchase_price" in values:  # the dollar price that belonged to the old one would give a false rate
        values.setdefault("purchase_price_usd", None)
    extra = {**known.extra, **values.pop("extra", {})}
    return replace(known, **values, extra=extra)


def _older(told_ms: int | None, known_ms: int | None) -> bool:
    return told_ms is not None and known_ms is not None and told_ms < known_ms


def _close(mirror: Mirror, position_id: str) -> Step:
    closed = mirror.positions.get(position_id)
    left = {key: value for key, value in mirror.positions.items() if key != position_id}
    after = replace(mirror, positions=left, gone=(*mirror.gone[1 - GONE_KEPT :], position_id))
    return Step(after, closed=() if closed is None else (closed,))


def _replace_all(mirror: Mirror, snapshot: Snapshot) -> Step:
    """What the snapshot has, what it could not have known yet, and what of it we could not read; the rest is gone."""
    told = {change.position_id: change for change in snapshot.rows if change.position_id not in mirror.gone}
    changed = [_from_row(mirror.positions.get(key), change, snapshot.by_socket) for key, change in told.items()]
    rows = {position.id: position for position in changed if position is not None}
    kept = {key: value for key, value in mirror.positions.items() if key not in rows and _stays(mirror, snapshot, key)}
    closed = [value for key, value in mirror.positions.items() if key not in rows and key not in kept]
    after = replace(mirror, positions={**kept, **rows}, live=True)
    return Step(after, tuple(rows.values()), tuple(closed), lacking=None in changed)


def _stays(mirror: Mirror, snapshot: Snapshot, position_id: str) -> bool:
    late = position_id in mirror.fresh if snapshot.known is None else position_id not in snapshot.known
    return late or not snapshot.complete or position_id in snapshot.unread


def _from_row(known: Position | None, change: Change, by_socket: bool) -> Position | None:
    """A row of the socket's snapshot says everything, so it replaces; REST leaves fields out, so it is merged."""
    if known is not None and (not by_socket or _older(change.values.get("updated_ms"), known.updated_ms)):
        return _changed(known, change)
    return _changed(None, change) or known


def _mark(mirror: Mirror, message: Prices) -> Step:
    marks = {mark.address: mark for mark in message.marks}
    marked = {}
    for key, position in mirror.positions.items():
        mark = marks.get(position.token_address.lower())
        if mark is not None and mark.price is not None:
            marked[key] = replace(position, current_price=mark.price, current_price_usd=mark.price_usd)
    first = frozenset(key for key, one in marked.items() if one.sol_usd and mirror.positions[key].sol_usd is None)
    after = replace(mirror, positions={**mirror.positions, **marked})
    return Step(after, marked=tuple(marked.values()), first_priced=first)


# -- what is made of it -------------------------------------------------------------------------------------------


def as_event(position: Position, origin: Origin, closed: bool = False) -> SourcePosition:
    """The position as the rest of the program knows it; closed, it holds nothing."""
    agent_id = origin.channel.partition(":")[2]
    return SourcePosition(
        origin=origin,
        agent=Agent(SYSTEM, agent_id),
        position_id=position.id,
        symbol=position.symbol,
        token=position.token_address,
        size=ZERO if closed else position.holding,
        entry_px=position.purchase_price,
        mark_px=position.current_price,
        revision=f"{position.revision}:closed" if closed else position.revision,
        bought=position.purchase_amount,
        realized=position.realized_sol,
        stop_pct=position.stop_pct,
        quote="SOL",
        quote_usd=position.sol_usd,
        at_ms=None if closed else position.told_ms,
    )


def told(message: Message, step: Step, origin: Origin) -> Iterator[SourceEvent | Malformed]:
    """All that a message means: closed positions first, for what they free may be needed for the others."""
    if isinstance(message, Snapshot) and message.faults:
        yield malformed(unreadable(message.faults), origin, agent_of(origin))
    yield from (as_event(one, origin, closed=True) for one in step.closed)
    yield from (as_event(one, origin) for one in (*step.changed, *step.marked))
    yield from tickers(step.marked, origin)


def unreadable(faults: Sequence[Refusal]) -> Refusal:
    """The faults of one snapshot's rows as one: the first, and how many there were."""
    first = faults[0]
    if len(faults) == 1:
        return first
    return Refusal(first.reason, first.field, f"{first.detail}; {len(faults)} rows could not be read")


def tickers(marked: Iterable[Position], origin: Origin) -> Iterator[Ticker]:
    """Prices in dollars, where the server knows any."""
    for one in marked:
        if one.current_price_usd is not None:
            yield Ticker(origin=origin, symbol=one.symbol, px=one.current_price_usd, at_ms=None)


def fold(messages: Iterable[Message]) -> Mirror:
    """The picture a channel's recorded messages add up to."""
    mirror = Mirror()
    for message in messages:
        mirror = apply(mirror, message).mirror
    return mirror
