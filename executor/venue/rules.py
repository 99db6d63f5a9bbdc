"""The venue's arithmetic over one universe, in the shape core asks for (``core.protocols.VenueRules``)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from executor.core.types import Asset, Side
from executor.hyperliquid import quantise, symbols
from executor.hyperliquid.meta import Universe


@dataclass(frozen=True, slots=True)
class HyperliquidRules:
    """Immutable: a refreshed universe makes a new one. Coins must be listed (``resolve`` first), else ``KeyError``."""

    universe: Universe

    def resolve(self, symbol: str) -> tuple[str | None, str]:
        """The venue's coin for a sender's symbol and an empty reason, or ``None`` and the reason code."""
        found = symbols.resolve(symbol, self.universe)
        return (found, "") if isinstance(found, str) else (None, found.reason.value)

    def asset(self, coin: str) -> Asset | None:
        """The market's fixed facts."""
        return self.universe.asset(coin)

    def floor_size(self, coin: str, size: Decimal) -> Decimal:
        """The size on the lot grid, rounded down."""
        return quantise.floor_size(self._listed(coin), size)

    def entry_cap_px(self, coin: str, side: Side, touch_px: Decimal, slippage_bps: Decimal) -> Decimal:
        """The worst price an entry accepts."""
        return quantise.entry_cap_px(self._listed(coin), side, touch_px, slippage_bps)

    def exit_cap_px(self, coin: str, side: Side, touch_px: Decimal, slippage_bps: Decimal) -> Decimal:
        """The worst price an exit accepts."""
        return quantise.exit_cap_px(self._listed(coin), side, touch_px, slippage_bps)

    def trigger_px(self, coin: str, px: Decimal) -> Decimal:
        """A trigger price on the tick grid."""
        return quantise.round_trigger_px(self._listed(coin), px)

    def stop_limit_px(self, coin: str, side: Side, trigger_px: Decimal) -> Decimal:
        """The limit price that must accompany a market trigger."""
        return quantise.stop_limit_px(self._listed(coin), side, trigger_px)

    def least_px(self, coin: str, size: Decimal) -> Decimal:
        """The lowest limit price at which an order of this size is large enough."""
        return quantise.least_px(self._listed(coin), size)

    @property
    def min_notional_usd(self) -> Decimal:
        """The smallest order the venue takes, by its limit price."""
        return quantise.MIN_NOTIONAL_USD

    def _listed(self, coin: str) -> Asset:
        asset = self.universe.asset(coin)
        if asset is None:
            raise KeyError(coin)
        return asset
