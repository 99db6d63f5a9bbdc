"""How the venue writes numbers: plain decimal strings, whole numbers with ``.0`` (hyperliquid.md section 0)."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from executor.core.types import ZERO

USD_STEP = Decimal("0.000001")


def wire(value: Decimal, places: int | None = None) -> str:
    """A decimal as the venue sends it: ``1800.0``, ``0.02``; rounded to ``places`` decimals when given."""
    if places is not None:
        value = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    text = format(value.normalize(), "f") if value else "0"
    return text if "." in text else text + ".0"


def usd(value: Decimal) -> str:
    """A dollar amount with at most six decimals, as balances and PnL are shown."""
    return wire(value, 6)


def bare(value: Decimal) -> str:
    """A decimal without ``.0``, as in trigger conditions (``Price above 2200``)."""
    return format(value.normalize(), "f") if value else "0"


def cents(value: Decimal) -> Decimal:
    """Truncated to the venue's six decimals (fees, hyperliquid.md section 6.10)."""
    return value.quantize(USD_STEP, ROUND_DOWN)


def price_places(sz_decimals: int) -> int:
    """Decimals a perp price may have (hyperliquid.md section 6.1)."""
    return max(0, 6 - sz_decimals)


def ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient, zero when there is nothing to divide by."""
    return numerator / denominator if denominator else ZERO
