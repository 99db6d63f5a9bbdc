"""breakout: in above the channel, out below it, the same after a restart."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from executor.api import Candle, Origin, Remember, StrategyView, TargetPosition
from strategies.breakout import Breakout

D = Decimal


class Chart:
    """Candles one after the other, with what the strategy remembers and holds."""

    def __init__(self, **options: Any) -> None:
        given: dict[str, Any] = {"coin": "BTC", "interval": "1m", "lookback": 3, "notional_usd": 100, **options}
        self.strategy = Breakout(Breakout.Options(**given))
        self.view = StrategyView(0, "main", "BTC", D(0), D(0), D(0), D(1000), None)
        self.at_ms = 0

    def close(self, px: int, **more: Any) -> list[TargetPosition]:
        self.at_ms += 60_000
        where, close = Origin("tradeready", "src", "candles", self.at_ms), D(px)
        candle = Candle(
            origin=where, symbol="BTCUSDT", interval="1m", open_at_ms=self.at_ms, open_px=close, high_px=close + 1,
            low_px=close - 1, close_px=close, volume=D(1), closed=True,
        )  # fmt: skip
        wishes = self.strategy.candle(replace(candle, **more), self.view)
        for wish in wishes:
            if isinstance(wish, Remember):
                self.view = replace(self.view, memory=wish.memory)
        wanted = [wish for wish in wishes if isinstance(wish, TargetPosition)]
        if wanted:
            self.view = replace(self.view, books={"BTC": wanted[-1].size})
        return wanted


def test_it_waits_for_its_channel_then_goes_in_above_and_out_below_it() -> None:
    chart = Chart(stop_pct=10)
    assert [chart.close(px) for px in (100, 100, 100, 101)] == [[], [], [], []]
    assert chart.close(110) == [TargetPosition(coin="BTC", size=D(1), notional_usd=D(100), stop_px=D(99))]
    assert chart.close(120) == []
    assert chart.close(90) == [TargetPosition(coin="BTC", size=D(0), notional_usd=D(100))]
    assert chart.close(80) == []


def test_it_goes_short_only_where_it_may() -> None:
    chart = Chart(short=True, stop_pct=10)
    for px in (100, 100, 100):
        chart.close(px)
    assert chart.close(90) == [TargetPosition(coin="BTC", size=D(-1), notional_usd=D(100), stop_px=D(99))]
    assert chart.close(80) == []


@pytest.mark.parametrize("other", [{"interval": "5m"}, {"open_at_ms": 1}])
def test_other_intervals_and_old_candles_say_nothing(other: dict[str, Any]) -> None:
    chart = Chart()
    chart.close(100)
    before = chart.view
    assert chart.close(200, **other) == []
    assert chart.view == before
