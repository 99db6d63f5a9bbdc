"""The weight budget of one IP (hyperliquid.md section 5.1)."""

from __future__ import annotations

import pytest

from executor.paper.feeds import ManualMarket
from executor.paper.server import IpBudget, PaperExchange
from executor.paper.tape import TapeFeed


class HandClock:
    def __init__(self) -> None:
        self.s = 0.0

    def now_ms(self) -> int:
        return int(self.s * 1000)

    def monotonic_s(self) -> float:
        return self.s


def test_twelve_hundred_a_rolling_minute_for_each_ip():
    clock = HandClock()
    budget = IpBudget(clock, True)
    assert budget.take("a", 1190)
    clock.s = 30
    assert budget.take("a", 10)
    assert not budget.take("a", 1)
    assert budget.take("b", 1200)
    clock.s = 60
    assert budget.take("a", 1190)
    assert not budget.take("a", 1)


def test_switched_off_it_never_refuses():
    assert all(IpBudget(HandClock(), False).take("a", 1200) for _ in range(5))


def test_only_a_manual_market_is_moved_by_hand():
    assert isinstance(PaperExchange(ManualMarket()).market, ManualMarket)
    with pytest.raises(TypeError, match="ManualMarket"):
        _ = PaperExchange(TapeFeed()).market
