"""What a desk was told by its configuration, as core needs it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from executor.core.protocols import Rule

LAST_RESORT_BPS = Decimal(1000)
"""The widest cap an exit is ever sent with: 10 % (design.md section 5)."""

MAX_STAMP_AHEAD_MS = 5_000
"""Entries stamped further ahead than this are refused (design.md section 4)."""

ABSENT_MARGIN_MS = 3_000
"""How long after its expiry an order that nobody knows is looked up once more before it counts as absent."""

RESEND_EVERY_MS = 1_000
RESEND_STOPS_MS = 2_000
"""A resend that could arrive after the expiry proves nothing: the last one leaves this long before."""

LOOK_SLOWEST_MS = 3_000
"""The longest pause between two look-ups of an order that nobody knows of."""

CLAIM_MS = 10_000
"""How long an execution the venue answered for may be missing from fills and position: they may lag behind."""

SETTLE_MS = 1_000
"""An order that came to rest this recently may be missing from a read without being gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteCheck:
    """What the quote an entry is priced with must keep (``core/quotecheck.py``); a limit of ``None`` is off.

    ``max_divergence_bps``: how far the price the order meets may be from the one the signal names. ``max_age_ms``: how
    long ago the quote was last known to stand. ``min_depth_pct``: the part of the order, in percent of its proposed
    size, that the best level must hold.
    """

    max_divergence_bps: Decimal | None = None
    max_age_ms: int | None = None
    min_depth_pct: Decimal | None = None


UNCHECKED = QuoteCheck()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSettings:
    """One account's constants. ``address`` is the account traded, ``vault`` set when it is a sub-account or vault."""

    account: str
    network: str
    address: str
    vault: str | None = None
    rules: tuple[Rule, ...] = ()
    margin_mode: Literal["isolated", "cross", "keep"] = "isolated"
    default_leverage: Decimal = Decimal(3)
    entry_slippage_bps: Decimal = Decimal(50)
    exit_slippage_bps: Decimal = Decimal(100)
    emergency_slippage_bps: Decimal = Decimal(300)
    order_expiry_ms: int = 10_000
    entry_ttl_ms: int = 30_000
    require: Literal["signalled", "always"] = "signalled"
    policy: Literal["alert", "place_default", "flatten"] = "alert"
    after_ms: int = 3_000
    default_stop_pct: Decimal = Decimal(5)
    foreign_positions: Literal["leave", "adopt"] = "leave"
    quote_check: QuoteCheck = UNCHECKED

    def exit_cap_bps(self, missed: int) -> Decimal:
        """The cap of the next attempt of an exit that missed this often: exit, emergency, last resort."""
        ladder = (self.exit_slippage_bps, self.emergency_slippage_bps, LAST_RESORT_BPS)
        return ladder[min(missed, len(ladder) - 1)]
