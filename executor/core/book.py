"""The agent's book: the position an agent's own valid frames add up to, per system, agent and coin.

Frames we refused or missed the moment for count too: the book is the agent's, not ours. What shrinks it is an exit
for us, scaled to our share; only what grows or flips it is an entry (design.md section 3). Frames can arrive
out of order, so the newest ones are kept with their stamps and folded again in the order of their stamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from executor.core.sizing import share
from executor.core.types import ZERO, Agent, Side, side_of

WINDOW_MS = 120_000
"""How far back an out-of-order frame still finds its place."""

NOTHING = Decimal("1e-9")
"""What a change leaves of less than this share of itself is no position: senders add up in floating point.

Such a rest would never be flat, and after a gap an agent's entries wait until its book is (AFTER_GAP).
"""

WINDOW_MAX = 64
"""How many recent frames are kept per book at most."""


@dataclass(frozen=True, slots=True)
class Change:
    """One frame's word: a signed size at the sender's time. A reduce-only change never crosses zero."""

    at_ms: int
    delta: Decimal
    reduce_only: bool


@dataclass(frozen=True, slots=True)
class Book:
    """One agent's position in one coin: ``size``, signed. ``base`` is what was folded for good before ``recent``.

    ``gapped`` is set while frames may have been missed (since ``gapped_ms``) and the book has not been flat since.
    ``last_stamp_ms`` is the newest stamp seen.
    """

    base: Decimal = ZERO
    recent: tuple[Change, ...] = ()
    last_stamp_ms: int = 0
    gapped: bool = False
    size: Decimal = ZERO
    gapped_ms: int = 0


def _fold(size: Decimal, changes: tuple[Change, ...]) -> Decimal:
    for change in changes:
        size = _apply(size, change)
    return size


def _apply(size: Decimal, change: Change) -> Decimal:
    after = size + change.delta
    if abs(after) < abs(change.delta) * NOTHING:
        return ZERO
    if not change.reduce_only:
        return after
    if size == 0 or size * change.delta > 0:
        return size
    return ZERO if after * size < 0 else after


def with_change(book: Book, change: Change) -> Book:
    """The book after one more frame, put in its place by its stamp."""
    late = bool(book.recent) and change.at_ms < book.recent[-1].at_ms
    recent = (*book.recent, change)
    if late:
        recent = tuple(sorted(recent, key=lambda c: c.at_ms))
    last = max(book.last_stamp_ms, change.at_ms)
    base = book.base
    while len(recent) > WINDOW_MAX or (recent and recent[0].at_ms < last - WINDOW_MS):
        base, recent = _apply(base, recent[0]), recent[1:]
    size = _fold(base, recent) if late else _apply(book.size, change)
    gapped = book.gapped and size != 0
    return Book(base, recent, last_stamp_ms=last, gapped=gapped, size=size, gapped_ms=book.gapped_ms)


@dataclass(frozen=True, slots=True)
class Split:
    """What one frame means for us: the share of our position that leaves, and the size that opens.

    ``exit_fraction`` is 0 to 1. ``entry_size`` is in the agent's base units; ``entry_side`` its order side.
    """

    exit_fraction: Decimal
    entry_size: Decimal
    entry_side: Side | None


def split(before: Decimal, after: Decimal) -> Split:
    """Judge a change of the agent's book."""
    crossed = before * after < 0
    if before == 0 or crossed or abs(after) > abs(before):
        grown = abs(after) if before == 0 or crossed else abs(after) - abs(before)
        fraction = Decimal(1) if crossed else ZERO
        return Split(fraction, grown, side_of(after) if grown else None)
    return Split(share(abs(before) - abs(after), before), ZERO, None)


@dataclass(frozen=True, slots=True, order=True)
class BookKey:
    """Whose book, and of what."""

    agent: Agent
    coin: str
