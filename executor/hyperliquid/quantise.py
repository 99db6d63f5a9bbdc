"""Puts sizes on the lot grid and prices on the tick grid, always towards the side that was asked for.

Rules (hyperliquid.md section 6.1): a size has at most szDecimals decimals; a price has at most five significant figures
and at most 6 - szDecimals decimals, and whole numbers are always valid.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from executor.core.types import ZERO, Asset, Side

MIN_NOTIONAL_USD = Decimal(10)
"""Size times limit price must reach this, but for an order that closes the whole position (section 6.1)."""

SIGNIFICANT_FIGURES = 5
MAX_PX_DECIMALS = 6
"""Perpetuals; spot has 8."""

TRIGGER_SLIPPAGE = Decimal("0.1")
"""A market trigger fills up to 10 % beyond its trigger (section 6.4)."""

_BPS = Decimal(10_000)
_WIDE = Context(prec=80)
"""Wide enough that no step here rounds by itself."""


def floor_size(asset: Asset, size: Decimal) -> Decimal:
    """The largest valid size not above ``size`` (base units, at or above zero)."""
    return size.quantize(Decimal(1).scaleb(-asset.sz_decimals), rounding=ROUND_FLOOR, context=_WIDE)


def is_valid_size(asset: Asset, size: Decimal) -> bool:
    """Whether the venue takes this size."""
    return size.is_finite() and size > 0 and floor_size(asset, size) == size


def is_valid_px(asset: Asset, px: Decimal) -> bool:
    """Whether the venue takes this price."""
    return px.is_finite() and px > 0 and px_down(asset, px) == px


def px_down(asset: Asset, px: Decimal) -> Decimal:
    """The highest valid price not above ``px``; zero when there is none."""
    return _on_grid(asset, px, ROUND_FLOOR) if px > 0 else ZERO


def px_up(asset: Asset, px: Decimal) -> Decimal:
    """The lowest valid price not below ``px``."""
    return _on_grid(asset, px, ROUND_CEILING) if px > 0 else _smallest_px(asset)


def round_trigger_px(asset: Asset, px: Decimal) -> Decimal:
    """The nearest valid price, so at most half a tick from what the signal said."""
    return max(_on_grid(asset, px, ROUND_HALF_EVEN), _smallest_px(asset))


def entry_cap_px(asset: Asset, side: Side, touch_px: Decimal, slippage_bps: Decimal | int) -> Decimal:
    """The worst price an entry may pay: ``slippage_bps`` beyond the touch, rounded towards it but never inside it."""
    cap = _beyond(side, touch_px, slippage_bps)
    if side is Side.BUY:
        return max(px_down(asset, cap), px_up(asset, touch_px))
    return min(px_up(asset, cap), max(px_down(asset, touch_px), _smallest_px(asset)))


def exit_cap_px(asset: Asset, side: Side, touch_px: Decimal, slippage_bps: Decimal | int) -> Decimal:
    """The worst price an exit may pay: ``slippage_bps`` beyond the touch, rounded outward: an exit must fill."""
    return _outward(asset, side, _beyond(side, touch_px, slippage_bps))


def stop_limit_px(asset: Asset, side: Side, trigger_px: Decimal) -> Decimal:
    """The limit price that goes with a market trigger of order side ``side``: 10 % beyond it, rounded outward."""
    return _outward(asset, side, _beyond(side, trigger_px, TRIGGER_SLIPPAGE * _BPS))


def least_px(asset: Asset, size: Decimal) -> Decimal:
    """The lowest valid limit price at which an order of this size (above zero) is large enough for the venue."""
    return px_up(asset, _WIDE.divide(MIN_NOTIONAL_USD, size))


def _beyond(side: Side, px: Decimal, bps: Decimal | int) -> Decimal:
    return px * (1 + side.sign * bps / _BPS)


def _outward(asset: Asset, side: Side, px: Decimal) -> Decimal:
    return px_up(asset, px) if side is Side.BUY else max(px_down(asset, px), _smallest_px(asset))


def _smallest_px(asset: Asset) -> Decimal:
    return Decimal(1).scaleb(-_px_decimals(asset))


def _px_decimals(asset: Asset) -> int:
    return max(0, MAX_PX_DECIMALS - asset.sz_decimals)


def _on_grid(asset: Asset, px: Decimal, rounding: str) -> Decimal:
    finest = px.adjusted() - SIGNIFICANT_FIGURES + 1
    exponent = min(0, max(finest, -_px_decimals(asset)))
    return px.quantize(Decimal(1).scaleb(exponent), rounding=rounding, context=_WIDE)
