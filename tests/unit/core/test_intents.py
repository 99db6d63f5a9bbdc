"""An intent that does not say exactly one size cannot exist."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from executor.core.intents import StopIntent, TargetIntent, TargetPosition, TradeIntent
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


@pytest.mark.parametrize("odd", [0.5, 1, "1", D("NaN"), D("Infinity"), D("1e31"), D("1e-31")])
def test_what_is_no_number_of_a_market_is_no_part_of_an_intent(odd: Any) -> None:
    with pytest.raises(ValueError, match=r"Decimal|market"):
        TradeIntent(coin="BTC", side=Side.BUY, size=odd)
    with pytest.raises(ValueError, match=r"Decimal|market"):
        StopIntent(coin="BTC", trigger_px=odd)
    with pytest.raises(ValueError, match=r"Decimal|market"):
        TargetIntent(coin="BTC", trigger_px=D(1), fraction=odd)
    with pytest.raises(ValueError, match=r"Decimal|market"):
        TargetPosition(coin="BTC", size=odd)


def test_a_coin_that_is_no_text_a_side_that_is_none_and_a_missing_price_are_no_part_of_an_intent() -> None:
    """Found only later they cost the whole fact, with the exit that it stood for."""
    odd: Any = 5
    with pytest.raises(TypeError, match="no coin"):
        TradeIntent(coin=odd, side=Side.BUY, size=D(1))
    with pytest.raises(ValueError, match="Side"):
        TradeIntent(coin="BTC", side=odd, size=D(1))
    nothing: Any = None
    for make in (
        lambda: StopIntent(coin="BTC", trigger_px=nothing),
        lambda: TargetIntent(coin="BTC", trigger_px=D(1), fraction=nothing),
        lambda: TargetPosition(coin="BTC", size=nothing),
    ):
        with pytest.raises(ValueError, match="None is no"):
            make()


def test_a_side_by_its_word_is_that_side() -> None:
    word: Any = "sell"
    assert TradeIntent(coin="BTC", side=word, size=D(1)).side is Side.SELL


@pytest.mark.parametrize("sizing", [{"notional_usd": D(1), "equity_pct": D(1)}, {"notional_usd": D(0)}])
def test_a_target_position_has_one_size_of_ours_at_most(sizing: Any) -> None:
    with pytest.raises(ValueError, match="at most one"):
        TargetPosition(coin="BTC", size=D(0), **sizing)
