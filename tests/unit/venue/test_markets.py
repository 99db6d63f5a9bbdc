"""markets: names and prices by asset id, as the venue's universe and quotes have them now."""

from __future__ import annotations

from decimal import Decimal

from executor.core.types import Quote
from executor.hyperliquid.meta import parse_meta
from executor.venue.markets import VenueMarkets
from executor.venue.rules import HyperliquidRules

D = Decimal


class Venue:
    def __init__(self) -> None:
        rows = [{"name": name, "szDecimals": 3, "maxLeverage": 10} for name in ("BTC", "ETH", "SOL")]
        self.rules = HyperliquidRules(parse_meta({"universe": rows}))
        self.quotes = {"BTC": Quote(D(99), D(101), D(105), 0), "ETH": Quote(D(9), D(11), None, 0)}


def test_coins_and_prices_go_by_their_asset_id() -> None:
    markets = VenueMarkets(Venue())
    assert [markets.coin(asset_id) for asset_id in (0, 1, 3, -1)] == ["BTC", "ETH", None, None]
    assert [markets.price(asset_id) for asset_id in (0, 1, 2, 3)] == [105, 10, None, None]
