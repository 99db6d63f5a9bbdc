"""The venue's list of perpetual markets, as one immutable value: names, ids, decimals, margin tiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from executor.core.types import ZERO, Asset
from executor.errors import VenueAnswerOdd
from executor.hyperliquid import reading

Tiers = tuple[tuple[Decimal, int], ...]
"""Rising (lower bound of the notional in USD, maximum leverage from there on)."""

SINGLE_TIER_BELOW = 50
"""Margin table ids below this are no tables: one tier whose maximum leverage is the id (hyperliquid.md section 1.1)."""


@dataclass(frozen=True, slots=True, eq=False)
class Universe:
    """Every perp of the first dex, delisted ones included (they keep their index). Compared and hashed by identity."""

    assets: tuple[Asset, ...]
    _tiers: Mapping[str, Tiers]
    strictly_isolated: frozenset[str] = frozenset()
    """Coins whose isolated margin cannot be taken out again (section 6.5)."""
    _by_coin: Mapping[str, Asset] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_coin", {asset.coin: asset for asset in self.assets})

    @property
    def coins(self) -> tuple[str, ...]:
        """Every coin in the venue's order."""
        return tuple(self._by_coin)

    def asset(self, coin: str) -> Asset | None:
        """The market of exactly this name; names are case-sensitive."""
        return self._by_coin.get(coin)

    def by_id(self, asset_id: int) -> Asset | None:
        """The market with this asset id (its index in the first dex)."""
        return self.assets[asset_id] if 0 <= asset_id < len(self.assets) else None

    def tiers(self, coin: str) -> Tiers:
        """Margin tiers, lowest first; ``KeyError`` for a coin that is not listed."""
        return self._tiers[coin]


def parse_meta(obj: object) -> Universe:
    """The ``meta`` answer (hyperliquid.md section 1.1); ``VenueAnswerOdd`` names what does not fit."""
    meta = reading.mapping(obj, "meta")
    rows = [reading.mapping(row, f"meta.universe[{i}]") for i, row in enumerate(reading.items(meta, "universe"))]
    assets = tuple(_asset(row, i) for i, row in enumerate(rows))
    if len({asset.coin for asset in assets}) != len(assets):
        raise VenueAnswerOdd("meta.universe: a coin is listed twice")
    tables = _tables(meta)
    pairs = tuple(zip(rows, assets, strict=True))
    strict = frozenset(asset.coin for row, asset in pairs if row.get("marginMode") == "strictIsolated")
    return Universe(assets, {asset.coin: _tiers(row, asset, tables) for row, asset in pairs}, strict)


def _asset(row: reading.Object, index: int) -> Asset:
    return Asset(
        coin=reading.text(row, "name"),
        asset_id=index,
        sz_decimals=reading.integer(row, "szDecimals"),
        max_leverage=reading.integer(row, "maxLeverage"),
        isolated_only=bool(row.get("onlyIsolated")) or row.get("marginMode") in ("strictIsolated", "noCross"),
        delisted=bool(row.get("isDelisted")),
    )


def _tables(meta: reading.Object) -> dict[int, Tiers]:
    """Margin tables by id; old answers have none."""
    tables = {}
    for i, entry in enumerate(reading.items(meta, "marginTables") if "marginTables" in meta else []):
        where = f"meta.marginTables[{i}]"
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], int):
            raise VenueAnswerOdd(f"{where}: expected [id, table]")
        tables[entry[0]] = _table(reading.mapping(entry[1], where), where)
    return tables


def _table(table: reading.Object, where: str) -> Tiers:
    rows = [reading.mapping(row, "marginTiers[]") for row in reading.items(table, "marginTiers")]
    if not rows:
        raise VenueAnswerOdd(f"{where}: no tier")
    return tuple(sorted((reading.number(row, "lowerBound"), reading.integer(row, "maxLeverage")) for row in rows))


def _tiers(row: reading.Object, asset: Asset, tables: Mapping[int, Tiers]) -> Tiers:
    table_id = row.get("marginTableId")
    if table_id is None:
        return ((ZERO, asset.max_leverage),)
    if not isinstance(table_id, int):
        raise VenueAnswerOdd(f"meta.universe {asset.coin}.marginTableId: expected an integer")
    if table_id in tables:
        return tables[table_id]
    if 0 < table_id < SINGLE_TIER_BELOW:
        return ((ZERO, table_id),)
    raise VenueAnswerOdd(f"meta.universe {asset.coin}.marginTableId: no margin table {table_id}")
