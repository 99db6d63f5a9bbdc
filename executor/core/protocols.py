"""What core asks of others, as protocols: the venue's rules, risk rules, strategies; and what it shows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from executor.core.intents import Intent
from executor.core.source_events import Action
from executor.core.types import Asset, Quote, Side

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

    @property
    def min_notional_usd(self) -> Decimal:
        """The smallest order the venue takes, by its limit price."""


@dataclass(frozen=True, slots=True)
class Market:
    """What core may know of the market at one moment: the venue's rules and the quotes of the coins in use."""

    rules: VenueRules
    quotes: Mapping[str, Quote]

    def touch(self, coin: str, side: Side) -> Decimal | None:
        """The price an order of this side meets first: the ask for a buy, the bid for a sell."""
        quote = self.quotes.get(coin)
        if quote is None:
            return None
        return quote.ask if side is Side.BUY else quote.bid

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
    """The opening part of an intent as the risk rules see it, valued at its cap price in both passes.

    ``size`` is positive, in base units. ``has_stop`` tells whether a stop goes out with it, or already
    protects this coin. ``final`` is true in the second pass, on the quantised order.
    """

    coin: str
    side: Side
    size: Decimal
    cap_px: Decimal
    leverage: Decimal
    asset_max_leverage: int
    has_stop: bool
    final: bool = False

    @property
    def notional_usd(self) -> Decimal:
        """Size valued at the cap price."""
        return self.size * self.cap_px


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the account already carries, for the risk rules; worst case of all that is not known yet.

    ``long_usd`` and ``short_usd`` give per coin the notional that position + open + reserved + unknown orders may
    add up to on that side, at mark or cap price, whichever is worse. ``open_coins`` are coins with a position or
    an entry under way. ``entries_at_ms`` are the times of recent entries (newest last), ``last_entry_ms`` per coin.
    ``day_pnl_usd`` is realised and unrealised PnL since 00:00 UTC, net of fees; ``day_start_equity_usd`` belongs to
    it. ``files_present`` are the watched paths that exist now. ``latched`` are breakers that have fired.
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's word on one proposal, with the numbers it used.

    ``allowed_size`` is the largest size the rule lets pass (base units, not yet quantised) when it shrinks;
    ``allowed_leverage`` likewise for ``max_leverage``. ``latch`` asks for the breaker to be latched.
    """

    rule: str
    outcome: Literal["pass", "shrink", "refuse"]
    value: str = ""
    limit: str = ""
    reason: str = ""
    allowed_size: Decimal | None = None
    allowed_leverage: Decimal | None = None
    latch: bool = False


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
    signed position in the coin that belongs to this agent.
    """

    now_ms: int
    account: str
    coin: str
    book_before: Decimal
    book_after: Decimal
    our_size: Decimal
    equity_usd: Decimal
    quote: Quote | None


class Strategy(Protocol):
    """Turns an action into intents. Exits are computed by core from the agent's book, whatever it returns."""

    def on_action(self, action: Action, view: StrategyView) -> Sequence[Intent]:
        """What to do for this action; an empty sequence declines the opening part."""
