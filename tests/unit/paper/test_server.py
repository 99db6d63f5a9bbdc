"""The server's own side: who may move its market."""

from __future__ import annotations

import pytest

from executor.paper.feeds import ManualMarket
from executor.paper.server import PaperExchange
from executor.paper.tape import TapeFeed


def test_only_a_manual_market_is_moved_by_hand():
    assert isinstance(PaperExchange(ManualMarket()).market, ManualMarket)
    with pytest.raises(TypeError, match="ManualMarket"):
        _ = PaperExchange(TapeFeed()).market
