"""stopcheck: a stop is held against market, mark and liquidation price before its entry goes out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from story import Story, quote

from executor.core import events as ev
from executor.core.intents import TradeIntent
from executor.core.stopcheck import beyond, liquidation_px, stop_problem, waiting_stop
from executor.core.types import Agent, Side
from executor.risk.stops import RequireStop

D = Decimal
ALICE = Agent("fractrade", "alice")


def intent(side: Side = Side.BUY, **more: object) -> TradeIntent:
    return TradeIntent(coin="BTC", side=side, size=D(1), **more)  # type: ignore[arg-type]  # what a test sets


# -- against the market and the mark ---


@pytest.mark.parametrize(
    ("side", "bracket", "touch", "mark", "odd"),
    [
        (Side.BUY, {"stop_px": D("99.9")}, 100, 100, False),
        (Side.BUY, {"stop_px": D(100)}, 100, 101, True),
        (Side.BUY, {"stop_px": D(100)}, 101, 100, True),  # the book is above it, but triggers fire on the mark
        (Side.SELL, {"stop_px": D("100.1")}, 100, 100, False),
        (Side.SELL, {"stop_px": D(100)}, 99, 100, True),
        (Side.BUY, {"target_px": D(100)}, 99, 100, True),
        (Side.BUY, {"target_px": D(101)}, 100, 100, False),
        (Side.SELL, {"target_px": D(100)}, 101, 100, True),
    ],
)
def test_a_bracket_that_would_close_its_entry_at_once_is_odd(side, bracket, touch, mark, odd):
    s = Story()
    s.quotes["BTC"] = quote(touch, mark=mark)
    problem = stop_problem(s.state, intent(side, **bracket), ALICE, D(touch), s.market)
    assert (problem is not None and problem[0] == "STRATEGY_ODD") is odd


def test_without_any_mark_the_book_alone_is_asked():
    s = Story()
    s.quotes.clear()
    assert stop_problem(s.state, intent(stop_px=D(99)), ALICE, D(100), s.market) is None
    assert stop_problem(s.state, intent(stop_px=D(101)), ALICE, D(100), s.market) is not None


@pytest.mark.parametrize(
    ("stop", "side", "entry", "refused"),
    [
        (101, Side.SELL, "long", True),
        (100, Side.SELL, "long", True),
        (99, Side.SELL, "long", False),
        (99, Side.BUY, "short", True),
        (101, Side.BUY, "short", False),
        (101, Side.SELL, "short", False),  # it speaks of the other side: the entry is none of its business
    ],
)
def test_a_signalled_stop_that_waits_and_is_crossed_already_lets_nothing_open(stop, side, entry, refused):
    s = Story()
    s.stop(stop, side)
    getattr(s, entry)(1)
    assert (s.refusals() == ["STOP_WOULD_FIRE"]) is refused
    assert (s.held() == 0) is refused


def test_an_exit_is_no_concern_of_a_crossed_stop():
    s = Story()
    s.long(1)
    s.stop(90)
    s.set("stop", *["unknown"] * 3)
    s.quotes["BTC"] = quote(89)
    s.short(1)
    assert s.held() == 0


def test_a_bracket_of_its_own_replaces_the_stop_that_waits():
    s = Story()
    s.stop(101)
    s.long(1, stop_px=95)
    assert s.refusals() == ["SUPERSEDED"]  # the stop that waited, not the entry
    assert s.live("stop") == [("1.000", "95.000")]


def test_the_stop_of_the_position_a_flip_closes_does_not_wait_for_the_flip():
    s = Story()
    s.long(1)
    s.stop(90)
    assert waiting_stop(s.state, "BTC", Side.SELL, ALICE) is None
    assert waiting_stop(s.state, "BTC", Side.BUY, ALICE) == 90


# -- whose it is ---


def requiring() -> Story:
    return Story({"rules": (RequireStop(RequireStop.Options()),)})


def test_a_waiting_stop_is_the_stop_of_its_own_agents_entry_alone():
    s = requiring()
    s.stop(90)
    s.long(1, agent="bob")  # when his position came, alice's stop would go
    assert (s.refusals(), s.held()) == (["STOP_REQUIRED"], 0)
    s.long(1)
    assert (s.held(), s.live("stop")) == (1, [("1.000", "90.000")])


def test_the_stop_of_what_a_flip_closes_is_no_stop_of_what_it_opens():
    s = requiring()
    s.stop(90)
    s.long(1)
    s.short(2)
    assert (s.refusals(), s.held()) == (["STOP_REQUIRED"], 0)


def test_another_agents_waiting_stop_that_is_crossed_refuses_nothing():
    s = Story()
    s.stop(101)
    s.long(1, agent="bob")
    assert s.held() == 1


def test_the_bracket_of_an_entry_that_was_refused_is_for_no_other_agents_position():
    s = Story()
    s.set("entry", "reject")
    s.long(1, stop_px=90, target_px=120)
    s.long(1, agent="bob")
    assert (s.held(), s.live("stop"), s.live("target")) == (1, [], [])


# -- against the liquidation price ---


@pytest.mark.parametrize(
    ("side", "leverage", "px"),
    [
        # entry 100, 40x maintains 1.25 %: the docs' own formula (hyperliquid.md section 6.7)
        (Side.BUY, 10, D("91.139240506329113924")),
        (Side.SELL, 10, D("108.641975308641975308")),
        (Side.BUY, 1, None),  # with its whole price as margin a long is never liquidated
    ],
)
def test_the_liquidation_price_of_isolated_margin(side, leverage, px):
    found = liquidation_px(Story().state, "BTC", side, D(100), D(leverage), 40, isolated=True)
    assert found is None if px is None else abs((found or D(0)) - px) < D("1e-15")


def test_with_cross_margin_nobody_can_tell_until_the_venue_does():
    s = Story()
    assert liquidation_px(s.state, "BTC", Side.BUY, D(100), D(10), 40, isolated=False) is None
    s.long(1)
    s.state.positions["BTC"].liquidation_px = D(77)
    assert liquidation_px(s.state, "BTC", Side.BUY, D(100), D(10), 40, isolated=True) == 77


def test_what_a_flip_closes_says_nothing_of_where_what_it_opens_is_liquidated():
    s = Story({"default_leverage": D(5)})
    s.long(1)
    s.state.positions["BTC"].liquidation_px = D(81)
    s.short(2, stop_px=105)
    assert s.held() == -1
    assert s.alarms() == []
    assert (liquidation_px(s.state, "BTC", Side.BUY, D(100), D(5), 40, isolated=True) or 0) < 100


@pytest.mark.parametrize(
    ("side", "stop", "liquidation", "gone"),
    [
        (Side.BUY, 90, 91, True),
        (Side.BUY, 91, 91, True),
        (Side.BUY, 92, 91, False),
        (Side.SELL, 110, 109, True),
        (Side.SELL, 108, 109, False),
        (Side.BUY, 90, None, False),
    ],
)
def test_beyond_is_where_the_position_is_gone_already(side, stop, liquidation, gone):
    assert beyond(side, D(stop), None if liquidation is None else D(liquidation)) is gone


@pytest.mark.parametrize("how", ["bracket", "signalled"])
@pytest.mark.parametrize(("stop", "told"), [(91, True), (92, False)])
def test_a_stop_beyond_the_liquidation_price_is_told_before_the_entry_leaves_and_placed(how, stop, told):
    s = Story({"default_leverage": D(10)})
    if how == "signalled":
        s.stop(stop)
        s.long(1)
    else:
        s.long(1, stop_px=stop)
    kinds = [(type(e), getattr(e, "code", "")) for e in s.events]
    assert ("STOP_BEYOND_LIQUIDATION" in s.alarms()) is told
    if told:
        [text] = [e.text for e in s.of(ev.AlarmRaised) if e.code == "STOP_BEYOND_LIQUIDATION"]
        assert text == "BTC: the stop at 91 is beyond the liquidation price 91.5949"
        alarm = kinds.index((ev.AlarmRaised, "STOP_BEYOND_LIQUIDATION"))
        assert alarm < next(i for i, e in enumerate(s.events) if isinstance(e, ev.LegPlanned))
    assert s.live("stop") == [("1.000", f"{stop}.000")]


def test_with_cross_margin_no_stop_is_called_beyond_before_its_position_is_read():
    s = Story({"default_leverage": D(10), "margin_mode": "cross"})
    s.long(1, stop_px=50)
    assert s.alarms() == []
