"""What a signer's policy asks of the venue: names and prices by asset id."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from executor.core.protocols import Market
from executor.core.types import Quote
from executor.venue.rules import HyperliquidRules


class Listed(Protocol):
    """A venue, as far as this goes."""

    @property
    def rules(self) -> HyperliquidRules:
        """The venue's arithmetic over its current universe."""

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """A live view of the quotes of the coins in use."""


class VenueMarkets:
    """Implements ``signer_policy.Markets`` by the venue's own universe and quotes, as they are now."""

    def __init__(self, venue: Listed) -> None:
        self._venue = venue

    def coin(self, asset_id: int) -> str | None:
        """The coin with this id."""
        asset = self._venue.rules.universe.by_id(asset_id)
        return None if asset is None else asset.coin

    def price(self, asset_id: int) -> Decimal | None:
        """The coin's mark, without one the middle of its book."""
        coin = self.coin(asset_id)
        return None if coin is None else Market(self._venue.rules, self._venue.quotes).mark(coin)
