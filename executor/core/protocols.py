"""What core asks of others, as protocols: the venue's rules, risk rules, strategies; and what it shows them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol

from executor.core.types import ZERO, Asset, Quote, Side


class _Nothing(Mapping[str, Any]):
    """The empty mapping; as a default of a field it has to be hashable."""

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0


NOTHING: Mapping[str, Any] = _Nothing()

Breach = Literal["refuse", "shrink"]
"""What a rule does with a proposal over its limit (contract.md, ``on_breach``)."""


class VenueRules(Protocol):
    """The venue's arithmetic as core needs it; ``executor.hyperliquid`` provides it."""

    def resolve(self, symbol: str) -> tuple[str | None, str]:
        """The venue's coin for a sender's symbol, or ``None`` and a reason code."""

    def asset(self, coin: str) -> Asset | None:
        """The market's fixed facts."""

    def floor_size(self, coin: str, size: Decimal) -> Decimal:
        """The size on the lot grid, rounded down."""

    def entry_cap_px(self, coin: str, side: Side, touch_px: Decimal, slippage_bps: Decimal) -> Decimal:
        """The worst price an entry accepts, on the tick grid."""

    def exit_cap_px(self, coin: str, side: Side, touch_px: Decimal, slippage_bps: Decimal) -> Decimal:
        """The worst price an exit accepts, on the tick grid."""

    def trigger_px(self, coin: str, px: Decimal) -> Decimal:
        """A trigger price on the tick grid."""

    def stop_limit_px(self, coin: str, side: Side, trigger_px: Decimal) -> Decimal:
        """The limit price that must accompany a market trigger."""

    def least_px(self, coin: str, size: Decimal) -> Decimal:
        """The lowest limit price, on the tick grid, at which an order of this size is large enough."""

    @property
    def min_notional_usd(self) -> Decimal:
        """The smallest order the venue takes, by its limit price."""


@dataclass(frozen=True, slots=True)
class Market:
    """What core may know of the market at one moment: the venue's rules and the quotes of the coins in use.

    ``as_of_ms`` tells until when, by the venue's time, a coin's quote is known to have stood: quotes are pushed when
    they change, so that a quiet coin's old one still stands while its feed is heard. ``None`` where nobody can tell.
    """

    rules: VenueRules
    quotes: Mapping[str, Quote]
    as_of_ms: Callable[[str], int | None] | None = None

    def touch(self, coin: str, side: Side) -> Decimal | None:
        """The price an order of this side meets first: the ask for a buy, the bid for a sell."""
        quote = self.quotes.get(coin)
        if quote is None:
            return None
        return quote.ask if side is Side.BUY else quote.bid

    def age_ms(self, coin: str, now_ms: int) -> int:
        """How long ago the coin's quote was last known to stand: by its own stamp, or later by its feed's."""
        quote = self.quotes.get(coin)
        if quote is None:
            return 0
        heard_ms = self.as_of_ms(coin) if self.as_of_ms is not None else None
        return max(0, now_ms - max(quote.at_ms, heard_ms or 0))

    def mark(self, coin: str) -> Decimal | None:
        """The mark price; without one, the middle of the book."""
        quote = self.quotes.get(coin)
        if quote is None:
            return None
        if quote.mark is not None or quote.bid is None or quote.ask is None:
            return quote.mark
        return (quote.bid + quote.ask) / 2


@dataclass(frozen=True, slots=True)
class Proposal:
    """The opening part of an intent as the risk rules see it, valued at its worst price in both passes.

    ``size`` is positive, in base units. ``cap_px`` is the order's limit, ``touch_px`` what it meets first: a buy pays
    its cap at most, a sell is worth what it sells at, which is above its cap. ``has_stop`` tells whether a stop goes
    out with it, or already protects this coin. ``final`` is true in the second pass, on the quantised order.
    """

    coin: str
    side: Side
    size: Decimal
    cap_px: Decimal
    leverage: Decimal
    asset_max_leverage: int
    has_stop: bool
    final: bool = False
    touch_px: Decimal = ZERO

    @property
    def worst_px(self) -> Decimal:
        """The higher of cap and touch."""
        return max(self.cap_px, self.touch_px)

    @property
    def notional_usd(self) -> Decimal:
        """Size valued at the worst price."""
        return self.size * self.worst_px


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the account already carries, for the risk rules; worst case of all that is not known yet.

    ``long_usd`` and ``short_usd`` give per coin the notional that position + open + reserved + unknown orders may
    add up to on that side, at mark or cap price, whichever is worse. ``open_coins`` are coins with a position or
    an entry under way. ``entries_at_ms`` are the times of recent entries (newest last), ``last_entry_ms`` per coin.
    ``day_pnl_usd`` is realised and unrealised PnL since 00:00 UTC, net of fees and with funding;
    ``day_start_equity_usd`` belongs to it. ``files_present`` are the watched paths that exist now. ``latched`` are
    breakers that have fired.

    ``held_usd`` is what positions are certainly worth at mark, signed, less what leaves already. ``drawdown_usd`` is
    how far the earnings stand below their highest, ``peak_equity_usd`` what the account would be worth there;
    deposits and withdrawals are in neither. ``losses_in_a_row`` counts closed trades, ``failures_in_a_row`` entries.
    ``margin_used_usd`` is bound by positions and, at the worst, by entries under way. ``liquidation_pct`` is how far
    the mark may move until each open position is liquidated, in percent of it.
    """

    now_ms: int
    equity_usd: Decimal
    long_usd: Mapping[str, Decimal]
    short_usd: Mapping[str, Decimal]
    open_coins: Collection[str]
    entries_at_ms: Sequence[int]
    last_entry_ms: Mapping[str, int]
    day_pnl_usd: Decimal
    day_start_equity_usd: Decimal
    files_present: Collection[str]
    latched: Collection[str]
    held_usd: Mapping[str, Decimal] = field(default_factory=dict)
    drawdown_usd: Decimal = ZERO
    peak_equity_usd: Decimal = ZERO
    losses_in_a_row: int = 0
    failures_in_a_row: int = 0
    margin_used_usd: Decimal = ZERO
    liquidation_pct: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's word on one proposal, with the numbers it used.

    ``allowed_size`` is the largest size the rule lets pass (base units, not yet quantised) when it shrinks;
    ``allowed_leverage`` likewise for ``max_leverage``. ``latch`` asks for the breaker to be latched, until
    the next 00:00 UTC or, where ``ends`` says so, until a person resets it.
    """

    rule: str
    outcome: Literal["pass", "shrink", "refuse"]
    value: str = ""
    limit: str = ""
    reason: str = ""
    allowed_size: Decimal | None = None
    allowed_leverage: Decimal | None = None
    latch: bool = False
    ends: Literal["midnight", "reset"] = "midnight"


class Rule(Protocol):
    """One risk rule: a small frozen value with its limits; history comes in with the exposure.

    Built-ins and strangers' rules come by the entry-point group ``executor.risk_rules``. A rule never sees
    an exit: only what opens or grows a position is judged.
    """

    @property
    def name(self) -> str:
        """The registered name."""

    @property
    def watches(self) -> tuple[str, ...]:
        """Paths whose existence the rule wants to know (``Exposure.files_present``)."""

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Judge one proposal; must not raise and must not keep anything."""


@dataclass(frozen=True, slots=True)
class StrategyView:
    """What a strategy may see: read-only, a moment's copy.

    ``book_before`` and ``book_after`` are the agent's signed position by its own frames; ``our_size`` is our
    signed position in the coin that belongs to this agent. ``memory`` is what the strategy asked to ``Remember``.

    For a fact, ``coin`` is the venue's name of the fact's symbol (empty where there is none), both books are the one
    this strategy's own trades for that agent add up to, and ``account`` is the route's first one;
    ``books`` has all those books, ``positions`` all that the account holds (signed), ``quotes`` the prices of the coins
    in use, each by coin.
    """

    now_ms: int
    account: str
    coin: str
    book_before: Decimal
    book_after: Decimal
    our_size: Decimal
    equity_usd: Decimal
    quote: Quote | None
    memory: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    books: Mapping[str, Decimal] = NOTHING
    positions: Mapping[str, Decimal] = NOTHING
    quotes: Mapping[str, Quote] = NOTHING
    resolve: Callable[[str], tuple[str | None, str]] | None = None

    def coin_of(self, symbol: str) -> str | None:
        """The venue's name for a symbol as another system writes it; ``None`` where the venue lists no such coin."""
        return None if self.resolve is None else self.resolve(symbol)[0]

    def book(self, coin: str) -> Decimal:
        """The strategy's own signed target of a coin, as its trades for facts add up; refused ones included."""
        return self.books.get(coin, ZERO)

    def position(self, coin: str) -> Decimal:
        """What the account holds of a coin, signed."""
        return self.positions.get(coin, ZERO)
