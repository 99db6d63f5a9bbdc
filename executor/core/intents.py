"""What a strategy wants: a trade, a stop or a target. Not yet judged, not yet an order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from executor.core.types import Side

_MAX_EXPONENT = 30
"""No market has a price or size of more digits before or after the point."""


def numbers(*values: object) -> None:
    """Raises ``ValueError`` for what is no finite Decimal of a market's magnitude: a strategy may say anything."""
    for value in values:
        if value is None:
            continue
        if not isinstance(value, Decimal) or not value.is_finite():
            raise ValueError(f"{value!r} is no finite Decimal")
        if value and abs(value.adjusted()) > _MAX_EXPONENT:
            raise ValueError(f"{value} is beyond what any market allows")


def _named(coin: object, *needed: object) -> None:
    """Raises ``TypeError`` where the coin is no text, ``ValueError`` where a number that must be there is none."""
    if not isinstance(coin, str):
        raise TypeError(f"{coin!r} is no coin")
    if None in needed:
        raise ValueError("None is no finite Decimal")


def _numbers_of(wish: TradeIntent | TargetPosition) -> None:
    _named(wish.coin)
    numbers(wish.size, wish.notional_usd, wish.equity_pct, wish.leverage, wish.stop_px, wish.target_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeIntent:
    """Grow a position. Exactly one of ``size`` (base units), ``notional_usd`` and ``equity_pct`` is set.

    ``size`` speaks of the whole signal: when part of it closes the agent's book, only the rest opens for us.
    ``notional_usd`` and ``equity_pct`` (percent of the account's equity, as notional) speak of the opening part.
    ``leverage`` ``None`` means the action's own, else the account's default. A stop or target given here goes
    out in one action with the entry.
    """

    coin: str
    side: Side
    size: Decimal | None = None
    notional_usd: Decimal | None = None
    equity_pct: Decimal | None = None
    leverage: Decimal | None = None
    stop_px: Decimal | None = None
    target_px: Decimal | None = None

    def __post_init__(self) -> None:
        _numbers_of(self)
        object.__setattr__(self, "side", Side(self.side))  # "buy" means it as well; what is none raises ValueError
        given = [v for v in (self.size, self.notional_usd, self.equity_pct) if v is not None]
        if len(given) != 1 or given[0] <= 0:
            raise ValueError("a trade intent needs exactly one of size, notional_usd, equity_pct, above zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class StopIntent:
    """Protect the whole owned position of ``coin`` at ``trigger_px``."""

    coin: str
    trigger_px: Decimal

    def __post_init__(self) -> None:
        _named(self.coin, self.trigger_px)
        numbers(self.trigger_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetIntent:
    """Take profit on ``fraction`` (above 0, at most 1) of the owned position of ``coin`` at ``trigger_px``."""

    coin: str
    trigger_px: Decimal
    fraction: Decimal

    def __post_init__(self) -> None:
        _named(self.coin, self.trigger_px, self.fraction)
        numbers(self.trigger_px, self.fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPosition:
    """Hold this much of ``coin`` from now on; what differs from the book becomes a trade. For facts, not for actions.

    ``size`` is signed and in the book's units: what shrinks the book is an exit for our share of it, what grows it an
    entry. ``notional_usd`` or ``equity_pct`` say how much the *whole* target is on our account, ``None`` for ``size``
    itself. A stop or target given here stands for the whole position.
    """

    coin: str
    size: Decimal
    notional_usd: Decimal | None = None
    equity_pct: Decimal | None = None
    leverage: Decimal | None = None
    stop_px: Decimal | None = None
    target_px: Decimal | None = None

    def __post_init__(self) -> None:
        _numbers_of(self)
        _named(self.coin, self.size)
        given = [v for v in (self.notional_usd, self.equity_pct) if v is not None]
        if len(given) > 1 or any(v <= 0 for v in given):
            raise ValueError("a target position takes at most one of notional_usd and equity_pct, above zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """Keep this across restarts: JSON values only (numbers as text where exact), at most 64 kB; replaces the last."""

    memory: dict[str, Any]


Intent = TradeIntent | StopIntent | TargetIntent

Wish = Intent | TargetPosition | Remember
"""All that a strategy's handlers may return."""
