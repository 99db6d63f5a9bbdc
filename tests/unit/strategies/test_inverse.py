"""inverse: it is shown the mirror image, and trades that."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from executor.api import SetStop, Side, StopIntent, Trade, TradeIntent
from strategies.inverse import Inverse

D = Decimal


def test_it_asks_for_the_mirror_image_and_trades_it_in_its_size(action: Any, view: Any) -> None:
    half = Inverse(Inverse.Options(multiplier=D("0.5"), leverage=D(2)))
    assert Inverse.opposite
    assert half.on_action(action(Trade, side=Side.SELL, leverage=D(9)), view(0)) == (
        TradeIntent(coin="BTC", side=Side.SELL, size=D(1), leverage=D(2)),
    )


def test_what_comes_as_a_stop_already_is_one(action: Any, view: Any) -> None:
    plain = Inverse(Inverse.Options())
    stop = action(SetStop, trigger_px=D(110), side=Side.BUY)
    assert plain.on_action(stop, view(-2)) == (StopIntent(coin="BTC", trigger_px=D(110)),)
    assert plain.trade(action(Trade, leverage=D(3)), view(0)).leverage == 3
