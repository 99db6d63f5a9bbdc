"""strategy: which method is called for what is read from its name or its decorator, once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from executor.core.source_events import (
    AgentNotice,
    Candle,
    Origin,
    SourcePortfolio,
    SourcePosition,
    SourceTrade,
    Ticker,
)
from executor.core.strategy import (
    Strategy,
    action_handler,
    hooks_of,
    on_action,
    on_candles,
    on_fill,
    on_notice,
    on_order_update,
    on_portfolio,
    on_position,
    on_ticker,
    on_timer,
    on_trade,
)
from executor.core.watched import OrderUpdate, TimerFired, VenueFill

D = Decimal
WHERE = Origin("tradeready", "src", "x", 0)
TICKER = Ticker(origin=WHERE, symbol="BTCUSDT", px=D(1), at_ms=0)
CANDLE = Candle(
    origin=WHERE, symbol="BTCUSDT", interval="1m", open_at_ms=0, open_px=D(1), high_px=D(1), low_px=D(1),
    close_px=D(1), volume=D(1), closed=True,
)  # fmt: skip


class Decorated(Strategy):
    @on_action
    def a(self, *_: Any) -> str:
        return "action"

    @on_trade
    @on_position
    def b(self, *_: Any) -> None: ...

    @on_notice
    def c(self, *_: Any) -> None: ...

    @on_portfolio
    def d(self, *_: Any) -> None: ...

    @on_fill
    def e(self, *_: Any) -> None: ...

    @on_order_update
    def f(self, *_: Any) -> None: ...

    @on_ticker("BTCUSDT")
    def g(self, *_: Any) -> None: ...

    @on_candles("BTCUSDT", "1m")
    def h(self, *_: Any) -> None: ...

    @on_timer(1.5)
    def i(self, *_: Any) -> None: ...


class Derived(Decorated):
    def b(self, *_: Any) -> None: ...

    @on_ticker()
    def g(self, *_: Any) -> None: ...


def test_every_decorator_names_its_fact() -> None:
    strategy = Decorated({"an": "option"})
    kinds = [hook.kind for hook in hooks_of(strategy)]
    facts = [SourcePosition, SourceTrade, AgentNotice, SourcePortfolio, VenueFill, OrderUpdate, Ticker, Candle]
    assert kinds == [*facts, TimerFired]
    assert hooks_of(strategy)[-1].every_ms == 1500
    assert strategy.options == {"an": "option"}
    handler = action_handler(strategy)
    assert handler is not None
    assert handler(None, None) == "action"


def test_a_class_that_overrides_a_method_says_anew_what_it_is_for() -> None:
    hooks = hooks_of(Derived())
    assert SourceTrade not in {hook.kind for hook in hooks}
    assert [hook.symbol for hook in hooks if hook.kind is Ticker] == [None]


def test_methods_are_handlers_by_their_names_too_and_of_any_class() -> None:
    class Plain:
        def on_trade(self, *_: Any) -> None: ...

        def on_action(self, *_: Any) -> None: ...

        @on_position
        def on_position(self, *_: Any) -> None: ...

    assert [hook.kind for hook in hooks_of(Plain())] == [SourcePosition, SourceTrade]
    assert action_handler(Plain()) is not None
    assert action_handler(Strategy()) is None


def test_a_ticker_handler_hears_its_symbol_or_all() -> None:
    one, every = (next(h for h in hooks_of(s) if h.kind is Ticker) for s in (Decorated(), Derived()))
    assert (one.wants(TICKER), one.wants(replace(TICKER, symbol="ETHUSDT"))) == (True, False)
    assert every.wants(replace(TICKER, symbol="ETHUSDT"))


def test_a_candle_handler_hears_complete_candles_of_its_interval() -> None:
    class Moving:
        @on_candles(closed_only=False)
        def any(self, *_: Any) -> None: ...

    one = next(h for h in hooks_of(Decorated()) if h.kind is Candle)
    told = [CANDLE, replace(CANDLE, interval="5m"), replace(CANDLE, closed=False), replace(CANDLE, symbol="X")]
    assert [one.wants(candle) for candle in told] == [True, False, False, False]
    assert all(hooks_of(Moving())[0].wants(candle) for candle in told)


def test_a_timer_handler_hears_its_own_time_and_not_more_than_once_a_second() -> None:
    timer = hooks_of(Decorated())[-1]
    assert timer.wants(TimerFired(every_ms=1500, at_ms=3000))
    assert not timer.wants(TimerFired(every_ms=3000, at_ms=3000))
    with pytest.raises(ValueError, match="once a second"):
        on_timer(0.5)
