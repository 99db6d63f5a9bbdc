"""What scaled makes of each action, and of its options."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from executor.api import Quote, SetStop, SetTarget, Side, StopIntent, TargetIntent, Trade, TradeIntent
from strategies.scaled import Scaled

D = Decimal


def scaled(**options: Any) -> Scaled:
    return Scaled(Scaled.Options(**options))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"multiplier": "0.25"}, {"size": D("0.5"), "leverage": D(3)}),
        ({"notional_usd": 100}, {"notional_usd": D(100), "leverage": D(3)}),
        ({"equity_pct": 5, "leverage": 2}, {"equity_pct": D(5), "leverage": D(2)}),
    ],
)
def test_a_trade_is_sized_by_the_one_option(
    action: Any, view: Any, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    intents = scaled(**options).on_action(action(Trade, leverage=D(3)), view(0))
    assert intents == (TradeIntent(coin="BTC", side=Side.BUY, **expected),)


def test_stops_and_targets_stay_as_the_agent_gives_them(action: Any, view: Any) -> None:
    half = scaled(multiplier="0.5")
    stop, target = action(SetStop, trigger_px=D(90)), action(SetTarget, trigger_px=D(110))
    assert half.on_action(stop, view(4)) == (StopIntent(coin="BTC", trigger_px=D(90)),)
    assert half.on_action(target, view(4)) == (TargetIntent(coin="BTC", trigger_px=D(110), fraction=D("0.5")),)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"leverage": 2},
        {"multiplier": 1, "notional_usd": 1},
        {"multiplier": 1, "notional_usd": 1, "equity_pct": 1},
        {"multiplier": 0},
        {"multiplier": "NaN"},
        {"multiplier": 1, "leverage": "2.5"},
        {"multiplier": 1, "leverage": 0},
        {"multipler": 1},
        {"risk_pct": 1},
        {"risk_pct": 1, "stop_pct": 1, "multiplier": 1},
        {"risk_pct": 100, "stop_pct": 1},
    ],
)
def test_anything_but_one_sensible_size_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Scaled.Options(**options)


def test_it_needs_no_thread() -> None:
    assert Scaled.inline


def test_risk_per_trade_sizes_by_the_distance_of_the_stop_it_sets(action: Any, view: Any) -> None:
    careful = scaled(risk_pct=1, stop_pct=4)
    priced = replace(view(0), quote=Quote(D(99), D(100), D(100), 0))
    (bought,) = careful.on_action(action(Trade), priced)
    (sold,) = careful.on_action(action(Trade, side=Side.SELL), priced)
    assert bought == TradeIntent(coin="BTC", side=Side.BUY, equity_pct=D(25), stop_px=D(96))
    assert sold == TradeIntent(coin="BTC", side=Side.SELL, equity_pct=D(25), stop_px=D("102.96"))
    with pytest.raises(LookupError):
        careful.on_action(action(Trade), view(0))


def test_a_stop_may_go_with_any_size(action: Any, view: Any) -> None:
    priced = replace(view(0), quote=Quote(None, D(100), D(100), 0))
    stopped = scaled(multiplier=1, stop_pct=10)
    assert stopped.on_action(action(Trade), priced)[0].stop_px == 90
    with pytest.raises(LookupError):
        stopped.on_action(action(Trade, side=Side.SELL), priced)
