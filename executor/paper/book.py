"""One coin's order book: outside liquidity from market data, and our users' resting orders among it.

Price-time priority. At one price outside liquidity comes first: it was there before us, as far as we know.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

BOTH_SIDES = (True, False)
"""Bid side, ask side: the index of everything two-sided here."""


class Resting(Protocol):
    """What the book needs to know of an order."""

    oid: int
    is_buy: bool
    limit_px: Decimal
    sz: Decimal


@dataclass(slots=True)
class Level:
    """Outside liquidity at one price."""

    px: Decimal
    sz: Decimal
    n: int = 1


@dataclass(slots=True)
class Book:
    """Both sides, each sorted best first. Index ``True`` is the bid side."""

    levels: dict[bool, list[Level]] = field(default_factory=lambda: {True: [], False: []})
    orders: dict[bool, list[Resting]] = field(default_factory=lambda: {True: [], False: []})

    def replace(self, levels: tuple[tuple[Decimal, Decimal], ...], *, is_bid: bool) -> None:
        """Sets one side's outside liquidity; empty sizes are dropped."""
        ordered = sorted((px, sz) for px, sz in levels if sz > 0)
        self.levels[is_bid] = [Level(px, sz) for px, sz in (reversed(ordered) if is_bid else ordered)]

    def add(self, order: Resting) -> None:
        """Puts an order behind those at its price."""
        insort(self.orders[order.is_buy], order, key=_rank)

    def remove(self, order: Resting) -> None:
        """Takes an order off."""
        self.orders[order.is_buy] = [o for o in self.orders[order.is_buy] if o.oid != order.oid]

    def best(self, is_bid: bool) -> Level | Resting | None:
        """What a taker meets first on this side."""
        level = next(iter(self.levels[is_bid]), None)
        order = next(iter(self.orders[is_bid]), None)
        if level is None or order is None:
            return level or order
        return order if _better(is_bid, order.limit_px, level.px) else level

    def best_px(self, is_bid: bool) -> Decimal | None:
        """Best price of one side."""
        best = self.best(is_bid)
        return None if best is None else price_of(best)

    def consume(self, level: Level, is_bid: bool, sz: Decimal) -> None:
        """Takes size out of an outside level until fresh market data replaces it."""
        level.sz -= sz
        if level.sz <= 0:
            self.levels[is_bid].remove(level)

    def depth(self, is_bid: bool, limit: int = 20) -> list[Level]:
        """Levels as shown to the public: outside and resting size together."""
        merged: dict[Decimal, Level] = {lv.px: Level(lv.px, lv.sz, lv.n) for lv in self.levels[is_bid]}
        for order in self.orders[is_bid]:
            level = merged.setdefault(order.limit_px, Level(order.limit_px, Decimal(0), 0))
            level.sz, level.n = level.sz + order.sz, level.n + 1
        return sorted(merged.values(), key=lambda lv: lv.px, reverse=is_bid)[:limit]


def price_of(entry: Level | Resting) -> Decimal:
    """The price of a level or a resting order."""
    return entry.px if isinstance(entry, Level) else entry.limit_px


def crosses(is_buy: bool, limit_px: Decimal, other_px: Decimal) -> bool:
    """Whether an order with this limit trades against that price."""
    return limit_px >= other_px if is_buy else limit_px <= other_px


def _better(is_bid: bool, a: Decimal, b: Decimal) -> bool:
    return a > b if is_bid else a < b


def _rank(order: Resting) -> tuple[Decimal, int]:
    return (-order.limit_px if order.is_buy else order.limit_px), order.oid
