"""The paper exchange's data: orders, positions, accounts, settings, and what each step leaves to be told.

Mutable on purpose: one engine owns it, no I/O happens here, and every step is a plain function over ``State``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from executor.core.types import ZERO, Asset
from executor.hyperliquid import limits
from executor.hyperliquid.meta import Tiers, Universe
from executor.paper.book import BOTH_SIDES, Book

Json = dict[str, Any]


class Phase(StrEnum):
    """Where an order lives: on the book, waiting for the mark, waiting for its parent, or gone."""

    BOOK = "book"
    ARMED = "armed"
    DORMANT = "dormant"
    DONE = "done"


@dataclass(slots=True)
class Order:
    """One order and its last status. ``sz`` is what remains; ``status_sz`` what remained at the last status.

    ``builder_f`` is what a builder gets of each fill, in tenths of a basis point of its notional.
    """

    oid: int
    user: str
    coin: str
    is_buy: bool
    limit_px: Decimal
    sz: Decimal
    orig_sz: Decimal
    tif: str | None
    reduce_only: bool
    placed_ms: int
    cloid: str | None = None
    trigger_px: Decimal | None = None
    trigger_market: bool = False
    tpsl: str | None = None
    position_tpsl: bool = False
    parent: int | None = None
    children: list[int] = field(default_factory=list)
    siblings: list[int] = field(default_factory=list)
    phase: Phase = Phase.DORMANT
    status: str = "open"
    status_ms: int = 0
    status_sz: Decimal = ZERO
    filled_sz: Decimal = ZERO
    filled_ntl: Decimal = ZERO
    liquidation_px: Decimal | None = None
    builder_f: int = 0

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self.is_buy else -1

    @property
    def live(self) -> bool:
        """Whether it can still do something."""
        return self.phase is not Phase.DONE


@dataclass(slots=True)
class Position:
    """A signed size. ``raw_usd`` is the isolated purse (collateral - entry cost), zero and unused in cross mode.

    ``unpaid_hours`` are the last full hours whose funding waits for an oracle price.
    """

    szi: Decimal = ZERO
    entry_px: Decimal = ZERO
    raw_usd: Decimal = ZERO
    funding_since_open: Decimal = ZERO
    funding_since_change: Decimal = ZERO
    unpaid_hours: int = 0


@dataclass(frozen=True, slots=True)
class Leverage:
    """A coin's leverage setting on one account."""

    is_cross: bool
    value: int


@dataclass(slots=True)
class Account:
    """One address. ``raw_usd`` is cash minus the signed cost of its cross positions (``totalRawUsd``).

    ``cancels_fired`` is how often a scheduled cancel fired on ``cancels_day``, in days since 1970 (UTC).
    """

    user: str
    raw_usd: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)
    leverage: dict[str, Leverage] = field(default_factory=dict)
    funding_all_time: dict[str, Decimal] = field(default_factory=dict)
    builder_fees: dict[str, int] = field(default_factory=dict)
    volume_usd: Decimal = ZERO
    requests: int = 0
    last_over_limit_ms: int = 0
    cancel_at_ms: int | None = None
    cancels_fired: int = 0
    cancels_day: int = 0
    partly_liquidated_ms: int | None = None


@dataclass(slots=True)
class Market:
    """One coin: its fixed facts, its book, its prices. ``is_live`` while market data keeps its book up to date.

    With ``keeps_margin`` what was put into an isolated position comes out by closing it only.
    """

    asset: Asset
    tiers: Tiers
    book: Book = field(default_factory=Book)
    mark: Decimal | None = None
    oracle: Decimal | None = None
    funding: Decimal = Decimal("0.0000125")
    last_px: Decimal | None = None
    prev_day_px: Decimal | None = None
    day_base: Decimal = ZERO
    day_ntl: Decimal = ZERO
    is_live: bool = False
    keeps_margin: bool = False

    @property
    def mid(self) -> Decimal | None:
        """Middle of the book, else the last trade (hyperliquid.md section 6.8)."""
        bid, ask = (self.book.best_px(is_bid) for is_bid in BOTH_SIDES)
        return (bid + ask) / 2 if bid is not None and ask is not None else self.last_px

    @property
    def reference(self) -> Decimal | None:
        """Mark, else mid: what prices are judged against."""
        return self.mark if self.mark is not None else self.mid


@dataclass(frozen=True, slots=True)
class Tick:
    """News about one coin; ``None`` leaves a value as it was.

    Levels are ``(px, sz)``, best first; ``last`` stands in for the middle of a book nobody follows. ``is_lost``: the
    book is not known any more.
    """

    coin: str
    bids: tuple[tuple[Decimal, Decimal], ...] | None = None
    asks: tuple[tuple[Decimal, Decimal], ...] | None = None
    mark: Decimal | None = None
    oracle: Decimal | None = None
    funding: Decimal | None = None
    last: Decimal | None = None
    is_lost: bool = False


def lost(coin: str) -> Tick:
    """A coin's book is not followed any more: old prices fill nobody."""
    return Tick(coin, bids=(), asks=(), is_lost=True)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the venue does where its documents are silent (hyperliquid.md section 9), and its constants.

    Each choice can be turned, so that a client is tried in both positions.
    """

    taker_rate: Decimal = Decimal("0.00045")
    maker_rate: Decimal = Decimal("0.00015")
    min_notional_usd: Decimal = Decimal(10)
    duplicate_cloid: Literal["accept", "reject"] = "accept"
    gtc_partial: Literal["filled", "resting"] = "filled"
    ioc_partial_status: Literal["filled", "canceled"] = "filled"
    partial_open_updates: bool = True
    ioc_reject_updates: bool = True
    prevalidation: Literal["statuses", "top_level"] = "statuses"
    trigger_cap: Decimal = Decimal("0.1")
    trigger_cap_base: Literal["trigger", "mark"] = "trigger"
    trigger_remainder: Literal["dies", "rests"] = "dies"
    past_take_profit: Literal["reject", "fire"] = "reject"
    lone_trigger_reply: Literal["resting", "waitingForTrigger"] = "resting"
    schedule_cancel_volume_usd: Decimal = Decimal(1_000_000)
    order_status_lag_ms: int = 0
    partial_liquidation_usd: Decimal = Decimal(100_000)
    max_open_orders: int = limits.OPEN_ORDERS_BASE
    address_budget: int = limits.ADDRESS_REQUESTS_FREE
    default_leverage: int = 20
    abstraction: str = "default"


@dataclass(slots=True)
class Pushes:
    """What one step changed: rows for the user channels, which coins, users and orders to look at again.

    ``retired`` are orders the venue no longer remembers.
    """

    order_updates: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    order_history: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    fills: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    fundings: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    system_cancels: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    liquidations: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    trades: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    retired: set[int] = field(default_factory=set)
    coins: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    orders: dict[int, Order] = field(default_factory=dict)

    @property
    def worth_saving(self) -> bool:
        """Whether any account or order changed, beyond prices."""
        return bool(self.users or self.orders or self.fundings)

    def add(self, later: Pushes) -> None:
        """Takes in what a later step changed."""
        for mine, its in zip(self._rows(), later._rows(), strict=True):
            for name, rows in its.items():
                mine[name].extend(rows)
        self.retired |= later.retired
        self.coins |= later.coins
        self.users |= later.users
        self.orders |= later.orders

    def _rows(self) -> tuple[dict[str, list[Json]], ...]:
        told = (self.order_updates, self.order_history, self.system_cancels, self.liquidations)
        return (*told, self.fills, self.fundings, self.trades)


@dataclass(slots=True)
class State:
    """Everything the exchange knows. ``history`` has each user's orders, ``armed`` each coin's waiting triggers."""

    markets: dict[str, Market]
    rules: Rules = field(default_factory=Rules)
    accounts: dict[str, Account] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    history: dict[str, dict[int, Order]] = field(default_factory=lambda: defaultdict(dict))
    armed: dict[str, dict[int, Order]] = field(default_factory=lambda: defaultdict(dict))
    fills: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    fundings: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    trades: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    next_oid: int = 90_000_000_001
    next_external: int = 1
    last_funding_hour: int = 0
    insurance_usd: Decimal = ZERO
    now_ms: int = 0
    out: Pushes = field(default_factory=Pushes)

    def market(self, asset_id: int) -> Market | None:
        """The market with this asset id."""
        return next((m for m in self.markets.values() if m.asset.asset_id == asset_id), None)

    def live_orders(self, user: str, coin: str | None = None) -> Iterator[Order]:
        """A user's orders that can still do something, oldest first."""
        for order in list(self.history.get(user, {}).values()):
            if order.live and coin in (None, order.coin):
                yield order

    def take(self) -> Pushes:
        """Hands out what has changed since the last call."""
        out, self.out = self.out, Pushes()
        return out


def open_markets(universe: Universe) -> dict[str, Market]:
    """Empty markets for every listed coin."""
    strict = universe.strictly_isolated
    return {a.coin: Market(a, universe.tiers(a.coin), keeps_margin=a.coin in strict) for a in universe.assets}
