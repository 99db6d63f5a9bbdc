"""An intent that does not say exactly one size cannot exist."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.intents import TradeIntent
from executor.core.types import Side

D = Decimal


@pytest.mark.parametrize("name", ["size", "notional_usd", "equity_pct"])
def test_each_way_to_say_a_size_is_enough(name: str) -> None:
    intent = TradeIntent(coin="BTC", side=Side.BUY, **{name: D(1)})
    assert getattr(intent, name) == 1


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"size": D(0)},
        {"notional_usd": D(-1)},
        {"size": D(1), "notional_usd": D(1)},
        {"size": D(1), "notional_usd": D(1), "equity_pct": D(1)},
    ],
)
def test_no_size_two_sizes_or_a_size_of_nothing_is_refused(sizes: dict[str, Decimal]) -> None:
    with pytest.raises(ValueError, match="exactly one of size, notional_usd, equity_pct"):
        TradeIntent(coin="BTC", side=Side.BUY, **sizes)
