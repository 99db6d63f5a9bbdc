"""protect: stops and targets as wished, without a gap, for the size that is there, and nothing left behind."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from story import Story, quote

from executor.core import events as ev
from executor.core.facts import Fill
from executor.core.position import Position
from executor.core.protect import TRIGGERED_MS
from executor.core.types import Side
from executor.core.watch import covered

D = Decimal


def stands(s: Story, size: str | int) -> bool:
    return covered(s.state.legs_of("BTC"), D(size))


def fill(leg: Any, size: str, at_ms: int) -> Fill:
    return Fill(9, 9, leg.cloid, leg.coin, leg.side, D(90), D(size), D(0), D(0), D(1), at_ms)


def protected(px: str = "90", size: str = "1", **settings) -> Story:
    s = Story(settings)
    s.long(size)
    s.stop(px)
    s.later(10)
    return s


# -- before, and after, the position ---


def test_a_stop_and_a_target_before_the_entry_wait_for_it():
    s = Story()
    s.stop(90)
    s.target(120)
    assert not s.planned()
    s.later(20_000)
    s.long(1)
    assert s.live("stop") == [("1.000", "90.000")]
    assert s.live("target") == [("1.000", "120.00")]


def test_a_stop_and_a_target_whose_position_never_comes_lapse_with_a_reason():
    s = Story()
    s.stop(90)
    s.target(120)
    s.later(30_000)
    assert s.refusals() == []
    s.later(1)
    assert s.refusals() == ["NO_POSITION", "NO_POSITION"]
    assert not s.state.stops
    assert not s.state.targets
    s.long(1)
    assert not s.planned("stop")


def test_while_an_entry_is_under_way_its_stop_does_not_lapse():
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    s.stop(90)
    s.later(40_000)
    s.resolve("entry", "filled")
    assert s.live("stop") == [("1.000", "90.000")]


def test_a_stop_for_the_other_side_than_what_came_lapses_and_closes_nothing():
    s = Story()
    s.stop(110, Side.BUY)
    s.long(1)
    assert not s.planned("stop")
    assert s.held() == 1
    s.later(30_001)
    assert s.refusals() == ["NO_POSITION"]
    assert s.held() == 1


def test_what_a_flat_position_leaves_is_swept():
    s = protected()
    s.target(120)
    s.short(1)
    assert s.held() == 0
    assert s.live("stop") == s.live("target") == []
    assert not s.state.stops
    assert not s.state.targets


def test_a_stop_that_fires_takes_its_target_with_it():
    s = protected()
    s.target(120)
    [leg] = s.state.legs_of("BTC", "stop")
    s.fire(leg)
    assert s.held() == 0
    assert s.live("target") == []


def test_a_stop_that_was_never_sent_is_dropped_with_its_position():
    s = Story()
    s.long(1)
    s.stop(90)
    s.auto = False
    leg = next(iter(s.state.legs_of("BTC", "stop")))
    leg.state = leg.state.PLANNED
    s.state.positions["BTC"] = Position("BTC")
    s.state.stops.clear()
    s.steps()
    assert [e.reason for e in s.of(ev.LegDropped)] == ["NO_POSITION"]


def test_the_stop_and_target_of_an_entry_that_was_refused_go_with_it():
    s = Story()
    s.set("entry", "INSUFFICIENT_MARGIN")
    s.long(1, stop_px="95", target_px="120")
    assert (s.state.stops, s.state.targets) == ({}, {})
    s.later(60_000)
    assert s.refusals() == []
    s.long(1)
    assert (s.held(), s.live("stop"), s.live("target")) == (1, [], [])


def test_an_old_stop_and_target_do_not_outlive_a_flip():
    s = protected()
    s.target(120)
    s.short(3)
    assert s.held() == -2
    assert s.live("stop") == s.live("target") == []


def test_an_old_stop_does_not_fire_into_a_new_position_of_the_same_side():
    s = protected()
    s.set("entry", "unknown")
    s.long(1)
    [leg] = s.state.legs_of("BTC", "stop")
    s.fire(leg)
    assert s.held() == 0
    s.resolve("entry", "filled")
    assert s.held() == 1
    assert s.live("stop") == []


def test_an_old_stop_that_rests_late_does_not_outlive_a_flip_either():
    s = Story()
    s.long(1)
    s.set("stop", "wait")
    s.stop(90)
    s.short(3)
    assert s.held() == -2
    s.set("stop")
    s.settle()
    assert s.live("stop") == []


def test_when_the_position_goes_while_an_add_is_out_the_add_keeps_its_own_stop_and_target():
    s = protected()
    s.set("entry", "wait")
    s.long(1, stop_px="85", target_px="120")
    old = next(leg for leg in s.state.legs_of("BTC", "stop") if leg.state == "resting")
    s.fire(old)
    assert s.held() == 0
    s.set("entry")
    s.settle()
    assert s.held() == 1
    assert s.live("stop") == [("1.000", "85.000")]
    assert s.live("target") == [("1.000", "120.00")]


def test_an_old_stop_is_no_cover_for_the_other_side():
    s = Story({"require": "always"})
    s.long(1)
    s.stop(90)
    assert stands(s, 1)
    assert not stands(s, -1)
    assert not stands(s, "1.001")
    s.set("cancel", *["unknown"] * 10)
    s.short(2)
    s.later(3_000)
    assert "UNPROTECTED" in s.alarms()


# -- replaced and resized ---


def test_a_stop_is_replaced_by_placing_then_cancelling_and_the_target_stays():
    s = protected()
    s.target(120)
    before = len(s.events)
    s.stop(95)
    happened = [type(e).__name__ for e in s.events[before:]]
    assert happened.index("LegPlanned") < happened.index("LegRested") < happened.index("CancelWanted")
    assert s.live("stop") == [("1.000", "95.000")]
    assert s.live("target") == [("1.000", "120.00")]
    assert len(s.of(ev.CancelSettled)) == 1


@pytest.mark.parametrize("answer", ["reject", "unknown", "wait"])
def test_the_old_stop_stays_while_the_new_one_does_not_stand(answer):
    s = protected()
    s.set("stop", *[answer] * 100)
    s.stop(95)
    s.later(5_000)
    assert ("1.000", "90.000") in s.live("stop")
    assert stands(s, 1)


def test_a_stop_nobody_knows_of_is_followed_by_another_once_it_cannot_be_sent_again():
    s = Story()
    s.long(1)
    s.set("stop", "unknown")
    s.stop(90)
    s.later(8_000)
    assert len(s.planned("stop")) == 1
    s.later(1)
    assert len(s.planned("stop")) == 2
    assert stands(s, 1)


def test_a_refused_stop_is_tried_again_after_a_pause_that_doubles():
    s = Story()
    s.long(1)
    s.set("stop", *["reject"] * 3)
    s.stop(90)
    for made, pause_ms in enumerate((1_000, 2_000, 4_000), start=1):
        s.later(pause_ms - 1)
        assert len(s.planned("stop")) == made
        s.later(1)
    assert s.live("stop") == [("1.000", "90.000")]
    assert len({leg.cloid for leg in s.planned("stop")}) == 4
    assert s.state.stops["BTC"][0].failures == 0


@pytest.mark.parametrize(
    ("change", "size"),
    [
        (lambda s: s.long(1), "2.000"),
        (lambda s: s.short("0.5"), "0.500"),
        (lambda s: (s.set("entry", "part"), s.long(1)), "1.400"),
        (lambda s: (s.set("exit", "part"), s.short("0.2")), "0.800"),
    ],
)
def test_a_stop_follows_the_size_of_the_position_at_once(change, size):
    s = protected()
    change(s)
    assert s.live("stop") == [(size, "90.000")]
    s.long(1)
    assert s.live("stop") == [(str(D(size) + 1), "90.000")]


def test_while_an_exit_is_under_way_a_larger_stop_is_left_alone():
    s = protected(size="4")
    s.set("exit", "part", "wait")
    s.short(2)
    assert s.held() == D("3.2")
    assert s.live("stop") == [("4.000", "90.000")]
    s.set("exit")
    s.settle()
    assert s.live("stop") == [("2.000", "90.000")]


def test_of_two_good_stops_the_newest_stays():
    s = protected()
    s.stop(95)
    s.stop(90)
    assert s.live("stop") == [("1.000", "90.000")]


def test_a_cancel_of_what_is_gone_is_asked_again_only_after_a_look_up_had_its_time():
    s = protected()
    s.set("cancel", *["ORDER_GONE"] * 100)
    s.stop(95)
    assert len([batch for batch in s.sent if batch.purpose == "cancel"]) == 1
    s.later(999)
    assert len([batch for batch in s.sent if batch.purpose == "cancel"]) == 1
    s.later(1)
    assert len([batch for batch in s.sent if batch.purpose == "cancel"]) == 2


def test_a_bracket_that_waits_does_not_keep_the_position_from_its_stop():
    s = Story()
    s.long(1)
    s.set("stop", "unknown")  # so that entries of the coin wait
    s.set("cancel", "wait")
    s.stop(80)
    s.long(1, stop_px="90")
    assert s.held() == 1
    assert ("1.000", "90.000") in [
        (str(leg.size), str(leg.trigger_px)) for leg in s.state.legs_of("BTC", "stop") if leg.state == "resting"
    ]


# -- wrong places ---


def test_a_stop_that_is_crossed_already_closes_now_with_an_alarm():
    s = Story()
    s.long(1)
    s.stop(105)
    assert s.held() == 0
    assert s.alarms() == ["STOP_CROSSED"]
    assert not s.planned("stop")


def test_a_shorts_stop_is_crossed_from_below():
    s = Story()
    s.short(1)
    s.stop(95, Side.BUY)
    assert s.held() == 0


def test_a_crossed_stop_is_closed_once_while_its_exit_is_out():
    s = Story()
    s.long(1)
    s.set("exit", "wait")
    s.stop(105)
    s.later(500)
    assert len(s.planned("exit")) == 1


def test_without_a_mark_nothing_is_taken_for_crossed():
    s = Story()
    s.long(1)
    s.quotes.pop("BTC")
    s.stop(105)
    assert s.live("stop") == [("1.000", "105.00")]


def test_a_stop_the_venue_refuses_because_it_would_fire_at_once_is_crossed_and_closes_now():
    s = Story()
    s.long(1)
    s.quotes.pop("BTC")
    s.set("stop", "beyond")
    s.stop(105)
    assert s.held() == 0
    assert s.alarms() == ["PROTECTION_REJECTED", "STOP_CROSSED"]
    assert len(s.planned("stop")) == 1


def test_a_refusal_of_the_stop_before_says_nothing_of_the_one_that_replaced_it():
    s = Story()
    s.long(1)
    s.set("stop", "wait")
    s.stop(95)
    s.stop(90)
    s.set("stop", "beyond")
    s.answer_all()
    s.later(10)
    assert s.held() == 1
    assert s.live("stop") == [("1.000", "90.000")]
    assert not s.state.stops["BTC"][0].crossed


def test_a_crossed_stop_on_dust_beside_a_foreign_position_does_not_run_hot():
    s = Story()
    s.long(1)
    s.later(10)
    s.read(BTC="1")
    s.set("exit", "reject")
    s.quotes["BTC"] = quote(5)
    s.stop(7)
    s.later(10)
    assert not s.planned("exit")
    assert s.alarms() == []


@pytest.mark.parametrize(("side", "now", "stop"), [("long", "110", 105), ("short", "90", 95)])
def test_a_stop_that_only_a_mark_of_before_the_jump_has_crossed_is_placed_and_the_venue_decides(side, now, stop):
    """A breakout is entered at the new price, and marks come once a second: it was closed the moment it was opened."""
    for venue_says in ("fill", "beyond"):
        s = Story()
        s.quotes["BTC"] = quote(now, mark=100)
        getattr(s, side)(1)
        s.set("stop", venue_says)
        s.stop(stop, Side.SELL if side == "long" else Side.BUY)
        assert len(s.planned("stop")) == 1
        assert (s.held() == 0) is (venue_says == "beyond")
        assert ("STOP_CROSSED" in s.alarms()) is (venue_says == "beyond")


@pytest.mark.parametrize(("side", "stop", "liquidation"), [("long", 40, "50"), ("short", 160, "150")])
def test_a_stop_beyond_the_liquidation_price_is_placed_and_a_person_told_once(side, stop, liquidation):
    s = Story()
    getattr(s, side)(1)
    s.state.positions["BTC"].liquidation_px = D(liquidation)
    s.set("stop", "reject")
    s.stop(stop, Side.SELL if side == "long" else Side.BUY)
    s.later(1_000)
    assert len(s.live("stop")) == 1
    assert s.alarms().count("STOP_BEYOND_LIQUIDATION") == 1


def test_a_stop_is_held_against_a_liquidation_price_that_is_known_only_after_it_was_placed():
    """Entry and stop come together: the first read of the position is later than both."""
    s = Story()
    s.long(1)
    s.stop(40)
    assert s.alarms() == []
    s.state.positions["BTC"].liquidation_px = D(50)
    s.later(10)
    s.later(1_000)
    assert s.alarms() == ["STOP_BEYOND_LIQUIDATION"]
    s.stop(45)
    s.stop(60)
    assert s.alarms() == ["STOP_BEYOND_LIQUIDATION"] * 2


def test_a_stop_before_the_liquidation_price_rings_nothing():
    s = Story()
    s.long(1)
    s.state.positions["BTC"].liquidation_px = D(50)
    s.stop(90)
    assert s.alarms() == []


# -- targets ---


def test_the_newest_targets_fit_and_the_oldest_goes():
    s = Story()
    s.long(2)
    s.target(110, 1)
    s.target(120, 1)
    assert s.live("target") == [("1.000", "110.00"), ("1.000", "120.00")]
    s.target(130, 1)
    assert s.live("target") == [("1.000", "120.00"), ("1.000", "130.00")]


def test_a_target_larger_than_what_is_left_of_the_position_shrinks_with_it_every_time():
    s = Story()
    s.long(16)
    s.target(110, 16)
    for left in (8, 4, 2, 1):
        s.short(left)
        assert s.live("target") == [(f"{left}.000", "110.00")]


def test_a_target_that_took_its_profit_is_not_placed_again():
    s = Story()
    s.long(2)
    s.target(110, 1)
    [leg] = s.state.legs_of("BTC", "target")
    s.fire(leg)
    s.later(5_000)
    assert s.held() == 1
    assert len(s.planned("target")) == 1


def test_a_refused_target_is_tried_again_ever_more_slowly_as_a_stop_is():
    s = Story()
    s.long(1)
    s.set("target", *["reject"] * 6)
    s.target(110)
    for expected in (1, 2, 2, 3, 3, 3, 3, 4):
        assert len(s.planned("target")) == expected
        s.later(1_000)
    assert s.alarms() == ["PROTECTION_REJECTED", "PROTECTION_REJECTED"]
    s.later(8_000)
    s.later(8_000)
    s.later(8_000)
    assert s.live("target") == [("1.000", "110.00")]


def test_a_target_is_not_placed_again_before_the_old_one_is_gone():
    s = Story()
    s.long(2)
    s.target(110, 2)
    s.set("cancel", "wait")
    s.short(1)
    s.later(5_000)
    assert len(s.planned("target")) == 1
    s.set("cancel")
    s.settle()
    assert s.live("target") == [("1.000", "110.00")]


def test_a_target_that_executed_after_a_refusal_is_not_placed_again_however_much_is_forgotten():
    s = Story()
    s.set("target", "reject")
    s.long(10)
    s.target(110, size=5)
    s.later(2_000)
    [leg] = s.state.legs_of("BTC", "target")
    s.fire(leg)
    s.state.legs.clear()
    s.later(60_000)
    assert (s.held(), s.live("target")) == (5, [])


def test_a_target_that_ended_in_part_is_not_placed_again():
    s = Story()
    s.long(2)
    s.target(110, 1)
    [leg] = s.state.legs_of("BTC", "target")
    s.fire(leg, "0.4")
    s.later(5_000)
    assert s.held() == D("1.6")
    assert len(s.planned("target")) == 1


def test_a_target_of_less_than_a_lot_is_not_placed():
    s = Story()
    s.set("entry", "part")
    s.long("0.3")
    s.target(110, "0.001")
    assert not s.planned("target")


def test_a_target_waits_while_it_is_out():
    s = Story()
    s.long(1)
    s.set("target", "wait")
    s.target(110)
    s.later(100)
    assert len(s.planned("target")) == 1


def test_a_target_out_of_room_keeps_its_unsent_orders_as_they_are():
    s = Story()
    s.long(2)
    s.set("target", "wait")
    s.target(110, 2)
    s.target(120, 2)
    assert [leg.size for leg in s.planned("target")] == [2, 2]
    s.set("target")
    s.settle()
    assert s.live("target") == [("2.000", "120.00")]


# -- a stop that fired ---


def fired(**settings) -> tuple[Story, Any]:
    """A stop of a position that fired and whose order found nobody to trade with."""
    s = protected(**settings)
    [leg] = s.state.legs_of("BTC", "stop")
    s.note([ev.LegTriggered(at_ms=s.now, account="main", key=leg.key, cloid=leg.cloid)])
    return s, leg


def test_triggered_not_filled_is_closed_after_a_moment_with_a_wider_cap():
    s, leg = fired()
    s.later(TRIGGERED_MS - 1)
    assert s.held() == 1
    s.later(1)
    assert s.held() == 0
    assert s.alarms() == ["STOP_NOT_FILLED"]
    [exit_leg] = s.planned("exit")
    assert exit_leg.limit_px == D(97)  # the emergency cap of 3 %, the stop itself was the first attempt
    assert leg.cloid in s.state.cancels or not leg.open


def test_a_stop_that_fires_in_part_and_stays_open_is_closed_for_the_rest():
    s, leg = fired()
    s.venue["BTC"] = D("0.4")
    s.note([ev.FillSeen(at_ms=s.now, account="main", key=leg.key, fill=fill(leg, "0.6", s.now), cloid=leg.cloid)])
    s.later(TRIGGERED_MS)
    assert s.held() == 0
    assert [str(one.size) for one in s.planned("exit")] == ["0.400"]


def test_a_stop_that_fired_and_fills_in_time_rings_nothing():
    s, leg = fired()
    s.later(TRIGGERED_MS - 1)
    s.fire(leg)
    s.later(10_000)
    assert s.alarms() == []
    assert not s.planned("exit")


def test_a_triggered_stop_whose_exit_is_out_is_closed_once():
    s, _ = fired()
    s.set("exit", "unknown")
    s.later(TRIGGERED_MS)
    s.later(5_000)
    assert len(s.planned("exit")) == 1
    assert s.alarms().count("STOP_NOT_FILLED") == 1


def test_what_fired_for_an_earlier_position_is_swept_and_closes_nothing_of_the_next():
    s, leg = fired()
    s.short(3)  # the agent flips while its old stop's order is stuck
    assert s.held() == -2
    s.later(TRIGGERED_MS)
    assert s.held() == -2
    assert "STOP_NOT_FILLED" not in s.alarms()
    assert not leg.open


def test_a_stop_that_fires_and_is_cancelled_by_the_venue_closes_by_an_exit():
    s, leg = fired()
    s.quotes["BTC"] = quote(89)
    base = {"at_ms": s.now, "account": "main", "key": leg.key, "cloid": leg.cloid}
    s.note([ev.LegEnded(**base, oid=1, ending="canceled", status="canceled")])
    s.later(1_000)
    assert s.held() == 0
    assert s.alarms() == ["STOP_CROSSED"]


# -- a flatten ---


def test_flatten_leaves_stops_until_the_position_is_gone():
    s = protected()
    s.set("exit", *["reject"] * 4)
    s.command(ev.FlattenStarted, by="x")
    assert s.live("stop") == [("1.000", "90.000")]
    s.set("exit")
    s.later(1_000)
    assert s.held() == 0
    assert s.live("stop") == []


@pytest.mark.parametrize("policy", ["alert", "place_default", "flatten"])
def test_a_coin_nobody_knows_here_is_told_and_costs_no_other_coin_its_exit(policy):
    s = Story({"foreign_positions": "adopt", "policy": policy, "require": "always"})
    s.read(XYZ="1")  # listed after our start, and opened by hand
    s.later(60_000)
    assert "UNPROTECTED" in s.alarms()
    s.long(1)
    s.short(1)
    assert s.held() == 0


@pytest.mark.parametrize("how", ["reject", "unknown"])
def test_the_bracket_of_an_add_that_brought_nothing_leaves_the_position_its_stop(how):
    s = Story()
    s.long(1)
    s.stop(90)
    s.set("entry", how)
    s.set("stop", "wait" if how == "unknown" else "reject")
    s.long(1, stop_px=80, target_px=120)
    assert s.live("stop")[0] == ("1.000", "90.000")
    if how == "unknown":
        for leg in [leg for leg in s.state.live.values() if leg.key != s.planned("stop")[0].key]:
            base = {"at_ms": s.now, "account": "main", "cloid": leg.cloid}
            s.note([ev.LegUnknown(**base, reason="NO_ANSWER", text="", deadline_ms=s.now), ev.LegAbsent(**base)])
    s.set("stop")
    s.later(70_000)
    assert (s.held(), s.live("stop"), s.live("target")) == (1, [("1.000", "90.000")], [])


def test_two_adds_that_brought_nothing_leave_the_first_stop():
    s = Story()
    s.long(1)
    s.stop(90)
    s.set("entry", "wait", "wait")
    s.long(1, stop_px=80)
    s.long(1, stop_px=70)
    s.set("entry", "reject", "reject")
    s.set("stop", "reject", "reject")
    s.answer_all()
    s.later(10)
    assert (s.held(), s.live("stop"), s.state.stops["BTC"][0].trigger_px) == (1, [("1.000", "90.000")], 90)


def test_the_bracket_of_an_add_that_filled_is_the_positions_own():
    s = Story()
    s.long(1)
    s.stop(90)
    s.long(1, stop_px=80, target_px=120)
    s.long(1, stop_px=85)
    s.set("entry", "reject")
    s.long(1, stop_px=70)
    s.later(70_000)
    assert (s.held(), s.live("stop")) == (3, [("3.000", "85.000")])
    s.short(4)
    s.long(1)
    assert (s.held(), s.live("stop")) == (1, [])


@pytest.mark.parametrize("kind", ["stop", "target"])
def test_no_name_is_given_twice_though_the_order_it_named_is_forgotten(kind):
    s = Story()
    s.long(2)
    s.set(kind, "reject")
    getattr(s, kind)(90 if kind == "stop" else 110, size=2)
    s.state.legs.clear()
    s.later(2_000)
    names = [leg.cloid for leg in s.planned(kind)]
    assert len(names) == len(set(names)) == 2


def test_a_target_that_rests_and_dies_is_placed_ever_more_slowly_too():
    s = Story()
    s.long(1)
    s.target(110)
    for _ in range(600):
        for leg in s.state.legs_of("BTC", "target"):
            ended = {"oid": leg.oid, "ending": "canceled", "status": "reduceOnlyCanceled"}
            s.note([ev.LegEnded(at_ms=s.now, account="main", key=leg.key, cloid=leg.cloid, **ended)])
        s.later(1_000)
    assert 5 < len(s.planned("target")) < 40


def test_what_ended_is_not_cancelled_for_an_old_list_that_shows_it():
    s = protected()
    [leg] = s.state.legs_of("BTC", "stop")
    s.later(1_000)
    assert leg.cloid in {order.cloid for order in s.state.orders.values()}
    s.fire(leg)
    assert s.of(ev.CancelWanted) == []


def test_a_target_told_as_filled_before_its_fill_is_known_is_not_placed_again():
    s = Story()
    s.long(2)
    s.target(110, 1)
    [leg] = s.state.legs_of("BTC", "target")
    s.note(
        [
            ev.LegEnded(
                at_ms=s.now, account="main", key=leg.key, cloid=leg.cloid, oid=leg.oid, ending="filled", status="filled"
            )
        ]
    )
    s.later(5_000)
    assert len(s.planned("target")) == 1
