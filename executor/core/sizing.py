"""How large an intent is in base units, before quantising. Every step rounds down: never more than was asked."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal

from executor.core.intents import TradeIntent
from executor.core.types import ZERO

_ONE = Decimal(1)
_DOWN = Context(prec=28, rounding=ROUND_DOWN)
_UP = Context(prec=28, rounding=ROUND_UP)


def share(part: Decimal, whole: Decimal) -> Decimal:
    """Which part of the whole this is, by magnitude, from 0 to 1; all of it where the whole is zero.

    Rounded up in the 28th digit, because everything that multiplies by a share rounds down: so a third of three
    is one, not the lot below one.
    """
    if not whole:
        return _ONE
    return min(_UP.divide(abs(part), abs(whole)), _ONE)


def entry_size(intent: TradeIntent, entry_share: Decimal, worst_px: Decimal, equity_usd: Decimal) -> Decimal:
    """The size in base units that the opening part of an intent asks for, at most; not yet on the lot grid.

    ``entry_share`` (0 to 1, see ``share``) is the part of the signal that opens: it scales ``size`` only, since
    ``notional_usd`` and ``equity_pct`` already speak of the opening part (``TradeIntent``). ``worst_px`` is the
    most one unit may be worth when it trades, above zero, in USD. Without equity there is no share of it: zero.
    """
    if intent.size is not None:
        return _DOWN.multiply(intent.size, _between_0_and_1(entry_share))
    if intent.notional_usd is not None:
        return _DOWN.divide(intent.notional_usd, worst_px)
    percent = intent.equity_pct or ZERO
    notional_usd = _DOWN.multiply(max(equity_usd, ZERO), percent).scaleb(-2, _DOWN)
    return _DOWN.divide(notional_usd, worst_px)


def exit_size(fraction: Decimal, ours: Decimal) -> Decimal:
    """The size in base units, above or equal zero, that leaves our signed position ``ours``; never more than it."""
    return _DOWN.multiply(abs(ours), _between_0_and_1(fraction))


def _between_0_and_1(fraction: Decimal) -> Decimal:
    return min(max(fraction, ZERO), _ONE)
