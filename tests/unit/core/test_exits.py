"""exits: kept going with a wider cap until the position has got where it should, paced at last, and never for dust."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from story import T0, Story, quote

from executor.core import events as ev
from executor.core.types import Quote, Side

D = Decimal


def opened(**settings) -> Story:
    s = Story(settings)
    s.long(1)
    s.later(10)
    return s


def caps(s: Story) -> list[Decimal]:
    return [leg.limit_px for leg in s.planned("exit")]


def test_a_missed_exit_goes_again_wider_each_time_and_rings_at_the_last():
    s = opened()
    s.set("exit", "IOC_NO_MATCH", "NO_LIQUIDITY", "IOC_NO_MATCH", "fill")
    s.short(1)
    assert caps(s) == [99, 97, 90]
    assert s.alarms() == ["EXIT_MISSED"]
    s.later(1_000)
    assert caps(s) == [99, 97, 90, 90]
    assert s.alarms() == ["EXIT_MISSED"]
    assert s.held() == 0


@pytest.mark.parametrize("answer", ["reject", "unknown"])
def test_each_attempt_has_a_name_of_its_own_and_goes_alone(answer):
    s = opened()
    s.set("exit", answer)
    s.short(1)
    if answer == "unknown":
        assert len(s.planned("exit")) == 1  # never with a new nonce while nobody knows
        s.resolve("exit", "absent")
    assert len({leg.cloid for leg in s.planned("exit")}) == 2
    assert s.held() == 0


@pytest.mark.parametrize("refusal", ["IOC_NO_MATCH", "REDUCE_ONLY_WOULD_INCREASE"])
def test_after_three_attempts_the_pace_is_a_second_and_slows_to_four(refusal):
    s = opened()
    s.set("exit", *[refusal] * 50)
    s.short(1)
    made = []
    for _ in range(4 * 16):
        s.later(250)
        made += [s.now - T0 - 10] * (len(s.planned("exit")) - 3 - len(made))
    assert made == [1_000, 3_000, 7_000, 11_000, 15_000]


@pytest.mark.parametrize(
    "reason", ["ADDRESS_BUDGET_EXHAUSTED", "POST_ONLY_PERIOD", "TOO_FAR_FROM_ORACLE", "INSUFFICIENT_MARGIN", "REJECTED"]
)
def test_what_is_refused_for_another_reason_than_its_price_goes_again_as_it_was(reason):
    s = opened()
    s.set("exit", reason, reason, "fill")
    s.short(1)
    for _ in range(30):
        s.later(1_000)
    assert caps(s) == [99, 99, 99]
    assert s.alarms() == ["EXIT_FAILED"]
    assert s.held() == 0


def test_an_account_without_requests_left_tries_an_exit_as_often_as_the_venue_takes_one():
    s = opened()
    s.set("exit", *["ADDRESS_BUDGET_EXHAUSTED"] * 4, "fill")
    s.short(1)
    made = [0]
    for _ in range(4 * 60):
        s.later(250)
        made += [s.now - T0 - 10] * (len(s.planned("exit")) - len(made))
    assert made == [0, 10_500, 21_000, 31_500, 42_000]
    assert s.held() == 0


def test_reasons_that_mix_widen_by_the_misses_alone_and_ring_once_each():
    s = opened()
    s.set("exit", "IOC_NO_MATCH", "REJECTED", "IOC_NO_MATCH", "REJECTED", "REJECTED", "IOC_NO_MATCH", "fill")
    s.short(1)
    for _ in range(30):
        s.later(1_000)
    assert caps(s) == [99, 97, 97, 90, 90, 90, 90]
    assert s.alarms() == ["EXIT_MISSED", "EXIT_FAILED"]


def test_an_attempt_that_never_happened_says_nothing_of_the_price():
    s = opened()
    s.set("exit", "unknown")
    s.short(1)
    s.resolve("exit", "absent")
    assert caps(s) == [99, 99]
    assert s.held() == 0


def test_what_a_partial_fill_left_goes_on_its_own():
    s = opened()
    s.set("exit", "part", "part")
    s.short(1)
    assert [leg.size for leg in s.planned("exit")] == [1, D("0.6"), D("0.36")]
    assert s.held() == 0


def test_the_rest_of_a_partial_exit_below_the_minimum_is_left_for_the_next():
    s = Story()
    s.long(2)
    s.set("exit", "part")
    s.short("0.15")
    assert [leg.size for leg in s.planned("exit")] == [D("0.15")]
    [settled] = s.of(ev.ExitSettled)
    assert settled.left == D("0.09")
    assert s.held() == D("1.94")
    s.short("1.85")
    assert s.held() == 0


def test_the_rest_of_a_whole_position_goes_however_small():
    s = opened()
    s.quotes["BTC"] = quote(20)
    s.set("exit", "part", "part", "part")
    s.short(1)
    assert s.held() == D("0.216")  # 4.32 USD
    s.later(1_000)
    assert s.held() == 0


@pytest.mark.parametrize(
    ("price", "expected"),
    [(Quote(None, None, D(80), 0), D("79.2")), (None, D(99)), (Quote(D(50), None, None, 0), D("49.5"))],
)
def test_an_exit_finds_a_price_to_try(price, expected):
    s = opened()
    s.quotes.pop("BTC")
    if price is not None:
        s.quotes["BTC"] = price
    s.set("exit", "wait")
    s.short(1)
    assert caps(s) == [expected]


def test_without_any_price_an_exit_waits_and_is_not_lost():
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    s.quotes.pop("BTC")
    s.short(1)
    assert s.state.exits
    assert not caps(s)
    s.price(100)
    assert len(caps(s)) == 1


def test_a_coin_the_venue_does_not_list_stops_nothing_else():
    s = Story()
    s.long(1)
    s.later(10)
    s.read(NEW="3")
    s.command(ev.FlattenStarted, by="x")
    assert s.held() == 0
    assert list(s.state.exits) == ["flatten:NEW"]


def test_an_exit_never_touches_a_position_of_the_other_direction():
    s = opened()
    s.set("exit", "unknown")
    s.short(1)
    s.venue["BTC"] = D(-1)
    s.state.positions["BTC"].size = s.state.positions["BTC"].holdings[0].size = D(-1)
    s.resolve("exit", "rejected")
    assert s.held() == -1
    assert not s.state.exits


def test_exits_of_one_coin_never_ask_for_more_than_is_there():
    s = Story()
    s.long(4)
    s.set("exit", "wait")
    s.short(1)
    s.short(1)
    s.short(2)
    assert [leg.size for leg in s.planned("exit")] == [1, 1, 2]
    s.set("exit")
    s.settle()
    assert s.held() == 0


def test_an_exit_of_our_own_making_has_names_of_its_own_each_time():
    s = Story({"require": "always", "policy": "flatten"})
    names = set()
    for _ in range(2):
        s.long(1)
        s.later(3_000)
        assert s.held() == 0
        names |= {leg.cloid for leg in s.planned("exit")}
        s.intake.books.clear()
    assert len(names) == 2


def test_no_name_is_used_twice_also_within_one_millisecond():
    s = Story()
    s.long(1)
    s.set("entry", "wait")
    s.long(1)
    s.command(ev.FlattenStarted, by="x")
    assert s.held() == 0
    s.set("entry")
    s.settle()
    assert s.held() == 0
    assert len({leg.cloid for leg in s.planned("exit")}) == len(s.planned("exit")) == 2


def test_a_short_is_closed_by_a_buy_above_the_touch():
    s = Story()
    s.short(1)
    s.long(1)
    [leg] = s.planned("exit")
    assert (leg.side, leg.limit_px, leg.reduce_only) == (Side.BUY, 101, True)


def test_while_an_exits_order_is_out_nothing_more_is_planned_for_it():
    s = opened()
    s.set("exit", "wait")
    s.short(1)
    for _ in range(5):
        s.later(2_000)
    assert len(s.planned("exit")) == 1


def test_an_exit_that_cannot_be_signed_is_paced_like_one_that_missed():
    s = opened()
    s.auto = False
    s.set("exit", "wait")
    s.short(1)
    for _ in range(40):
        leg = s.planned("exit")[-1]
        s.state.legs[leg.cloid].state = s.state.legs[leg.cloid].state.PLANNED
        if s.of(ev.LegDropped) and s.of(ev.LegDropped)[-1].cloid == leg.cloid:
            break
        s.note([ev.LegDropped(at_ms=s.now, account="main", key=leg.key, cloid=leg.cloid, reason="UNSENDABLE")])
        s.steps()
    assert len(s.planned("exit")) == 3


def test_an_exit_beside_an_entry_nobody_has_answered_closes_that_too():
    s = opened()
    s.set("entry", "unknown")
    s.long(1)
    s.later(10)
    s.short(2)
    assert s.planned("exit")[0].size == 2
    s.resolve("entry", "filled")
    assert s.held() == 0


def test_a_small_partial_sell_is_priced_so_that_the_venue_takes_it():
    s = Story()
    s.long("0.2")
    s.price("100.5")
    s.short("0.1")
    [leg] = s.planned("exit")
    assert leg.size * leg.limit_px >= 10
    assert s.held() == D("0.1")


def test_what_is_too_small_at_its_touch_keeps_the_cap_and_a_whole_close_is_exempt():
    s = Story()
    s.long("0.1005")
    s.short("0.1005")
    [whole] = s.planned("exit")
    assert whole.size * whole.limit_px < 10
    s = Story()
    s.long("0.101")
    s.long(1, agent="bob")
    s.price("99.9")
    s.quotes["BTC"] = replace(s.quotes["BTC"], bid=D("98"))
    s.short("0.101")
    [leg] = s.planned("exit")
    assert leg.size * leg.limit_px < 10


def test_an_agents_small_stop_beside_another_is_priced_so_that_the_venue_takes_it():
    s = Story()
    s.long("0.11")
    s.long(1, agent="bob")
    s.stop(95)
    [stop] = s.planned("stop")
    assert (stop.size, stop.trigger_px) == (D("0.11"), 95)
    assert stop.size * stop.limit_px >= 10
    assert stop.limit_px < 95


@pytest.mark.parametrize("size", ["0.5", "1"])
def test_no_bid_far_from_the_mark_makes_an_exit_too_small(size):
    """For a moment nothing is left in the book but a bid of nothing: the venue refuses, and the exit goes on."""
    s = opened()
    s.long(1, agent="bob")
    s.quotes["BTC"] = replace(s.quotes["BTC"], bid=D("1"))
    s.set("exit", *["MIN_TRADE_NTL"] * 9)
    s.short(size)
    s.later(1_000)
    s.quotes["BTC"] = quote(100)
    s.answers.clear()
    s.later(5_000)
    assert (s.held(), s.refusals()) == (2 - D(size), [])
