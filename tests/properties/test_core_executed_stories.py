"""For any story of an agent whose stops and targets execute for it as for us: when it closes what it has, so do we."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st
from story import Story

from executor.core.intents import TradeIntent
from executor.core.types import Side

D = Decimal

Deed = tuple[Literal["add", "reduce", "stop", "target", "fire stop", "fire target"], int]
DEEDS = st.tuples(
    st.sampled_from(["add", "add", "reduce", "stop", "target", "fire stop", "fire target"]), st.integers(1, 4)
)


class Told:
    """One agent that is long, what it really has, and the desk that follows it ``times`` its size."""

    def __init__(self, times: Decimal) -> None:
        self.desk, self.times, self.has = Story(), times, D(0)

    def trade(self, side: Side, size: Decimal) -> None:
        intent = TradeIntent(coin="BTC", side=side, size=size * self.times)
        self.desk.trade(side, str(size), intents=(intent,))
        self.has += size * side.sign

    def quarters(self, count: int) -> Decimal:
        return (self.has * count / 4).quantize(D("0.001"))

    def do(self, deed: str, count: int) -> None:
        self.desk.now += 1_000
        if deed == "add":
            self.trade(Side.BUY, D(count))
        elif deed == "reduce" and self.has and count < 4:
            self.trade(Side.SELL, self.quarters(count))
        elif deed == "stop" and self.has:
            self.desk.stop(100 - count)
        elif deed == "target" and self.has:
            self.desk.target(100 + count, str(self.quarters(count)))
        elif deed.startswith("fire"):
            self.fire(deed.removeprefix("fire "))

    def fire(self, kind: str) -> None:
        before = self.desk.held()
        for leg in self.desk.on_venue()[:1]:
            if leg.kind == kind:
                self.desk.fire(leg)
                self.has = self.has * self.desk.held() / before


@given(st.lists(DEEDS, max_size=15), st.sampled_from([D(1), D("0.5"), D(3)]))
def test_an_agent_that_closes_what_its_stops_and_targets_left_leaves_nothing_here(
    deeds: list[Deed], times: Decimal
) -> None:
    told = Told(times)
    for deed, count in deeds:
        told.do(deed, count)
    if told.desk.held():
        told.trade(Side.SELL, told.has.quantize(D("0.001")))
    assert told.desk.held() == 0
    assert told.desk.on_venue() == []
