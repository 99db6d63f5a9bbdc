"""Where prices come from: the interface of every market feed, and the one moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from executor.paper.model import Json, Tick

Apply = Callable[[Tick], None]
Levels = Sequence[tuple[Decimal | int | str, Decimal | int | str]]


class Feed(Protocol):
    """A source of market news. ``run`` delivers until it is cancelled."""

    async def meta(self) -> Json:
        """The venue's ``meta`` answer: which markets there are."""

    async def run(self, apply: Apply) -> None:
        """Delivers news to ``apply`` until cancelled."""

    async def want(self, coin: str) -> None:
        """Somebody is interested in this coin: returns once its book is known."""


class ManualMarket:
    """Prices set by hand, for deterministic tests. Each call is applied and told at once.

    ``attach`` is called by the server; before that, calls raise.
    """

    def __init__(self, meta: Json | None = None) -> None:
        self._meta = meta or default_meta()
        self._apply: Apply | None = None

    async def meta(self) -> Json:
        """The markets given to the constructor."""
        return self._meta

    def attach(self, apply: Apply) -> None:
        """Connects the market to an exchange."""
        self._apply = apply

    async def run(self, apply: Apply) -> None:
        """Nothing happens by itself."""
        self.attach(apply)
        await asyncio.Event().wait()

    async def want(self, coin: str) -> None:
        """All there is to know is known."""

    def set_quote(
        self,
        coin: str,
        bid: Decimal | int | str,
        ask: Decimal | int | str,
        mark: Decimal | int | str | None = None,
        size: Decimal | int | str = 1_000_000,
        oracle: Decimal | int | str | None = None,
    ) -> None:
        """One level a side of ``size``; the mark is the middle unless given, the oracle the mark."""
        middle = (Decimal(bid) + Decimal(ask)) / 2
        at = middle if mark is None else Decimal(mark)
        self.set_levels(coin, [(bid, size)], [(ask, size)], at, at if oracle is None else oracle)

    def set_levels(
        self,
        coin: str,
        bids: Levels,
        asks: Levels,
        mark: Decimal | int | str | None = None,
        oracle: Decimal | int | str | None = None,
    ) -> None:
        """A whole outside book, ``(px, size)`` best first; mark and oracle stay unless given."""
        self._push(Tick(coin, _levels(bids), _levels(asks), _number(mark), _number(oracle)))

    def set_mark(self, coin: str, mark: Decimal | int | str) -> None:
        """Moves the mark price alone."""
        self._push(Tick(coin, mark=Decimal(mark)))

    def set_funding(self, coin: str, hourly_rate: Decimal | str) -> None:
        """Sets the hourly funding rate."""
        self._push(Tick(coin, funding=Decimal(hourly_rate)))

    def _push(self, tick: Tick) -> None:
        if self._apply is None:
            raise RuntimeError("the market is not attached to an exchange yet")
        self._apply(tick)


def _levels(rows: Levels) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(px), Decimal(sz)) for px, sz in rows)


def _number(value: Decimal | int | str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


_COINS: tuple[tuple[str, int, int], ...] = (
    ("BTC", 5, 40), ("ETH", 4, 25), ("ATOM", 2, 5), ("MATIC", 1, 20), ("DYDX", 1, 5), ("SOL", 2, 20), ("AVAX", 2, 10),
    ("BNB", 3, 10), ("APE", 1, 5), ("OP", 1, 5), ("LTC", 2, 10), ("ARB", 1, 10), ("DOGE", 0, 10), ("INJ", 1, 10),
    ("SUI", 1, 10), ("kPEPE", 0, 10), ("VINE", 0, 3), ("kBONK", 0, 10),
)  # fmt: skip
"""Name, szDecimals, maximum leverage, in the order (and so with the ids) of mainnet's first markets."""

_TABLES = {
    56: ("tiered 40x", (("0.0", 40), ("150000000.0", 20))),
    55: ("tiered 25x", (("0.0", 25), ("100000000.0", 15))),
    54: ("tiered 20x", (("0.0", 20), ("70000000.0", 10))),
    53: ("tiered 10x", (("0.0", 10), ("3000000.0", 5))),
}
_TABLE_OF = {"BTC": 56, "ETH": 55, "SOL": 54, "kPEPE": 53, "DOGE": 53, "AVAX": 53, "BNB": 53}


def default_meta() -> Json:
    """The bundled universe: BTC 0, ETH 1, SOL 5, one delisted (MATIC), one isolated-only coin (VINE)."""
    rows = []
    for name, decimals, leverage in _COINS:
        row: Json = {"szDecimals": decimals, "name": name, "maxLeverage": leverage}
        row["marginTableId"] = _TABLE_OF.get(name, leverage)
        rows.append(row)
    rows[3]["isDelisted"] = True
    rows[16] |= {"onlyIsolated": True, "marginMode": "noCross"}
    tables = [[i, _table(text, tiers)] for i, (text, tiers) in _TABLES.items()]
    return {"universe": rows, "marginTables": tables, "collateralToken": 0}


def _table(text: str, tiers: tuple[tuple[str, int], ...]) -> Json:
    rows = [{"lowerBound": lower, "maxLeverage": leverage} for lower, leverage in tiers]
    return {"description": text, "marginTiers": rows}
