"""Public answers in their corners: no prices, no dex, coarse books."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.types import Asset
from executor.paper import market_info
from executor.paper.gate import Unprocessable
from executor.paper.model import Market


def test_a_market_without_prices_shows_zeros_and_nulls():
    ctx = market_info.asset_ctx(Market(Asset("MATIC", 3, 1, 20), ()))
    assert (ctx["markPx"], ctx["midPx"], ctx["premium"], ctx["impactPxs"]) == ("0.0", None, None, None)


def test_a_coarse_book_rounds_bids_down_and_asks_up(desk):
    desk.levels("ETH", "1999.9:1 1999.8:1 1998.9:1", "2000.1:2 2000.2:1")
    book = market_info._aggregated(desk.state.markets["ETH"], True, 4, 1)
    assert book == [(Decimal(1999), 2, 2), (Decimal(1998), 1, 1)]
    assert market_info._aggregated(desk.state.markets["ETH"], False, 4, 5) == [(Decimal(2005), 3, 2)]


@pytest.mark.parametrize("dex", [None, ""])
def test_the_first_dex_has_no_name(dex):
    market_info.first_dex_only({"dex": dex})


def test_other_dexes_are_not_there():
    with pytest.raises(Unprocessable):
        market_info.first_dex_only({"dex": "xyz"})
