"""watch: a position without its stop is measured by the venue's own word, and the policy acts in time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from story import T0, Story

from executor.core import events as ev
from executor.core.answers import order_events
from executor.core.facts import OpenOrder, OrderFact
from executor.core.reconcile import SETTLE_MS, order_list_events
from executor.core.types import Side
from executor.core.watch import covered, unlisted

D = Decimal


def words(s: Story) -> list[str]:
    return [e.state for e in s.of(ev.ProtectionChanged)]


# -- by the venue's own list ---


def claimed(**settings) -> Story:
    """A stop the venue answered for, and that no list and no feed has shown."""
    s = Story({"policy": "flatten", **settings}, lists=False)
    s.long(1)
    s.stop(90)
    s.later(10)
    assert s.live("stop") == [("1.000", "90.000")]
    return s


def test_an_answer_alone_protects_nothing_and_the_list_is_to_be_read():
    s = claimed()
    assert words(s) == ["unprotected"]
    assert [leg.kind for leg in unlisted(s.state)] == ["stop"]
    s.lists = True
    s.later(10)
    assert words(s) == ["unprotected", "protected"]
    assert unlisted(s.state) == []


def test_a_pushed_update_is_the_venues_own_word_too():
    s = claimed()
    [leg] = s.state.legs_of("BTC", "stop")
    order = OpenOrder(leg.oid or 0, leg.cloid, "BTC", leg.side, D(1), D(1), D(1), True, None, "", False, 0)
    s.note(order_events(s.state, [OrderFact(order, "open", s.now)], s.now))
    s.later(10)
    assert words(s) == ["unprotected", "protected"]


@pytest.mark.parametrize(("size", "state"), [("0.999", "unprotected"), ("1", "protected")])
def test_a_stop_the_list_shows_for_less_than_the_position_does_not_cover_it(size, state):
    s = claimed()
    [leg] = s.state.legs_of("BTC", "stop")
    order = OpenOrder(
        leg.oid or 0, leg.cloid, "BTC", leg.side, D(1), D(size), D(1), True, D(90), "Stop Market", False, 0
    )
    s.note(order_list_events(s.state, [order], s.now, s.now))
    s.later(10)
    assert words(s)[-1] == state


def test_a_stop_that_a_later_list_lacks_is_no_cover_and_is_looked_up():
    s = Story()
    s.long(1)
    s.stop(90)
    s.lists = False
    [leg] = s.state.legs_of("BTC", "stop")
    for asked_ms, bare in ((s.now + SETTLE_MS, False), (s.now + SETTLE_MS + 1, True)):
        s.note(order_list_events(s.state, [], asked_ms, s.now))
        assert covered(s.state.legs_of("BTC"), D(1)) is not bare
        assert leg.doubted is bare
    assert order_list_events(s.state, [], s.now + SETTLE_MS + 2, s.now) == []


def test_a_claimed_stop_no_list_could_confirm_is_told_of_and_nothing_is_closed():
    s = claimed()
    s.later(8_989)
    assert s.alarms() == []
    s.later(1)
    assert s.alarms() == ["UNPROTECTED"]
    assert s.held() == 1
    assert [e.policy for e in s.of(ev.ProtectionActed)] == ["alert"]


def test_a_claimed_stop_that_the_list_does_not_have_is_a_naked_position():
    s = claimed()
    s.later(3_000)
    assert s.alarms() == []
    s.note(order_list_events(s.state, [], s.now, s.now))
    s.settle()
    assert s.alarms() == ["UNPROTECTED"]
    assert s.held() == 0


# -- what others opened ---


def foreign(size: str = "2", **settings) -> Story:
    s = Story({"policy": "place_default", "foreign_positions": "adopt", **settings})
    s.read(BTC=size)
    return s


def their_stop(size: str, side: Side = Side.SELL) -> OpenOrder:
    return OpenOrder(77, None, "BTC", side, D(80), D(size), D(size), True, D(90), "Stop Market", False, 0)


@pytest.mark.parametrize(("size", "px"), [("2", "95.000"), ("-2", "105.00")])
def test_an_adopted_position_gets_its_default_stop_and_stays_nobodys(size, px):
    s = foreign(size)
    s.later(3_000)
    assert s.live("stop") == [("2", px)]
    assert words(s) == ["unprotected", "protected"]
    assert s.state.position("BTC").owner is None
    s.long(1)
    assert s.refusals() == ["SYMBOL_OWNED"]


def test_an_adopted_position_is_closed_by_the_policy_flatten():
    s = foreign(policy="flatten")
    s.later(3_000)
    assert s.held() == 0
    assert s.alarms() == ["UNPROTECTED"]


def test_the_stop_of_an_adopted_position_follows_its_size_and_goes_with_it():
    s = foreign()
    s.later(3_000)
    s.later(10)
    s.read(BTC="1")
    assert s.live("stop") == [("3", "95.000")]
    s.later(10)
    s.read(BTC="-3")
    assert s.live("stop") == []


def left_alone(s: Story) -> Story:
    """The configuration says ``leave`` from here on, and so long that every wait is over."""
    s.desk = replace(s.desk, foreign_positions="leave")
    s.later(60_000)
    return s


def test_the_stop_of_what_was_adopted_stays_when_it_is_left_alone_until_the_position_is_gone():
    s = foreign()
    s.later(3_000)
    left_alone(s)
    s.read(BTC="1")
    assert (s.live("stop"), s.of(ev.CancelWanted), s.refusals()) == ([("2", "95.000")], [], [])
    s.read(BTC="-3")
    assert s.live("stop") == []


def test_what_is_adopted_again_keeps_its_stop_which_follows_it_again():
    s = foreign()
    s.later(3_000)
    left_alone(s)
    s.read(BTC="1")
    s.desk = replace(s.desk, foreign_positions="adopt")
    s.settle()
    assert s.live("stop") == [("3", "95.000")]


def test_a_crossed_stop_closes_an_adopted_position_too():
    s = foreign()
    s.later(2_999)
    s.quotes["BTC"] = s.quotes["BTC"].__class__(D(94), D(94), D(94), T0)
    s.later(1)
    assert s.held() == 0
    assert s.alarms() == ["UNPROTECTED", "STOP_CROSSED"]


@pytest.mark.parametrize(("size", "side", "covers"), [("2", Side.SELL, 1), ("1.9", Side.SELL, 0), ("2", Side.BUY, 0)])
def test_a_stop_of_their_own_covers_an_adopted_position(size, side, covers):
    s = foreign()
    s.note(order_list_events(s.state, [their_stop(size, side)], s.now, s.now))
    s.later(5_000)
    assert (s.planned("stop") == []) is bool(covers)


def test_what_is_left_alone_gets_no_stop():
    s = foreign(foreign_positions="leave")
    s.later(10_000)
    assert s.planned() == []
    assert s.alarms() == []


def test_nothing_is_adopted_before_the_account_is_read_completely():
    s = foreign()
    s.state.reconciled = False
    s.later(10_000)
    assert s.planned() == []


def test_of_a_mixed_position_all_is_protected_and_the_agent_closes_its_part():
    s = Story({"policy": "place_default", "foreign_positions": "adopt"})
    s.long(1)
    s.stop(90)
    s.later(10)
    s.read(BTC="2")
    assert s.live("stop") == [("3.000", "90.000")]
    s.short(1)
    assert s.held() == 2
    s.later(3_000)
    assert s.live("stop") == [("2.000", "95.000")]


# -- the policies ---


def naked(policy: str, **more) -> Story:
    s = Story({"policy": policy, "require": "always", **more})
    s.long(1)
    assert [e.state for e in s.of(ev.ProtectionChanged)] == ["unprotected"]
    s.later(2_999)
    assert s.alarms() == []
    s.later(1)
    return s


def test_alert_tells_a_person_once():
    s = naked("alert")
    s.later(10_000)
    assert s.alarms() == ["UNPROTECTED"]
    assert s.held() == 1


@pytest.mark.parametrize(("side", "px"), [("long", "95.000"), ("short", "105.00")])
def test_place_default_places_a_stop_away_from_the_entry_price(side, px):
    s = Story({"policy": "place_default", "require": "always"})
    getattr(s, side)(1)
    s.later(3_000)
    assert s.live("stop") == [("1.000", px)]
    assert [e.state for e in s.of(ev.ProtectionChanged)] == ["unprotected", "protected"]
    s.stop("94" if side == "long" else "106", Side.SELL if side == "long" else Side.BUY)
    assert s.live("stop")[0][1] in ("94.000", "106.00")


def test_a_wished_stop_that_does_not_stand_is_not_replaced_by_a_default():
    s = Story({"policy": "place_default"})
    s.long(1)
    s.set("stop", *["reject"] * 20)
    s.stop(90)
    s.later(1_000)
    s.later(2_000 - 1)
    assert {leg.trigger_px for leg in s.planned("stop")} == {90}
    assert s.alarms() == ["PROTECTION_REJECTED"]


def refused(*hows: str) -> Story:
    """A wished stop that the venue refuses three times, and what it says to the orders after that."""
    s = Story({"policy": "place_default"})
    s.long(1)
    s.set("stop", "reject", "reject", "reject", *hows)
    s.stop(90)
    for pause_ms in (1_000, 2_000, 10):
        s.later(pause_ms)
    return s


def test_a_wished_stop_the_venue_refuses_again_and_again_gets_the_default_beside_it_until_it_stands():
    s = refused("fill", "reject")
    assert s.live("stop") == [("1.000", "95.000")]
    assert [e.state for e in s.of(ev.ProtectionChanged)][-1] == "protected"
    s.later(4_000)
    assert [leg.trigger_px for leg in s.planned("stop")] == [90, 90, 90, 95, 90]
    s.later(60_000)
    assert s.live("stop") == [("1.000", "90.000")]


def test_where_the_default_is_refused_too_it_is_tried_ever_more_slowly():
    s = refused(*["reject"] * 1_000)
    for _ in range(300):
        s.later(1_000)
    defaults = [leg for leg in s.planned("stop") if leg.trigger_px == 95]
    assert 5 < len(defaults) < 20


def test_while_the_default_is_on_its_way_no_second_one_is_sent():
    s = refused(*["wait"] * 1_000)
    s.later(20_000)
    assert len([leg for leg in s.planned("stop") if leg.trigger_px == 95]) == 1


def test_a_default_beside_a_refused_wish_that_would_fire_at_once_closes_now():
    s = refused("beyond")
    s.later(10)
    assert s.held() == 0


def test_flatten_closes_the_naked_position():
    s = naked("flatten")
    assert s.held() == 0
    assert s.alarms() == ["UNPROTECTED"]


def test_a_stop_that_waits_for_the_other_side_does_not_keep_the_default_from_a_naked_position():
    s = Story({"policy": "place_default", "require": "always"})
    s.stop(105, Side.BUY, agent="bob")
    s.long(1)
    s.later(3_000)
    assert s.live("stop") == [("1.000", "95.000")]


def test_flatten_acts_again_on_what_came_while_it_closed():
    s = Story({"policy": "flatten", "require": "always"})
    s.long(1)
    s.set("exit", "wait")
    s.later(3_000)
    s.long(1)
    s.set("exit")
    s.settle()
    assert s.held() == 1
    s.later(1_999)
    assert s.held() == 1
    s.later(1)
    assert s.held() == 0
    assert s.alarms() == ["UNPROTECTED"] * 2


def test_the_default_stop_comes_again_when_what_stood_is_gone_and_nothing_is_wished():
    s = Story({"policy": "place_default", "require": "always"})
    s.long(1)
    s.set("stop", *["reject"] * 100)
    s.later(3_000)
    wish = s.state.stops["BTC"][0]
    s.note([ev.WantDropped(at_ms=s.now, account="main", key=wish.key, coin="BTC", kind="stop", reason="X")])
    s.set("stop")
    s.later(10_000)
    assert s.live("stop") == [("1.000", "95.000")]


def test_without_a_wish_a_position_need_not_have_a_stop():
    s = Story()
    s.long(1)
    s.later(10_000)
    assert not s.of(ev.ProtectionChanged)


def test_a_stop_that_stands_again_ends_the_count():
    s = Story({"policy": "alert"})
    s.long(1)
    s.set("stop", "reject")
    s.stop(90)
    s.later(1_000)
    assert [e.state for e in s.of(ev.ProtectionChanged)] == ["unprotected", "protected"]
    assert s.alarms() == ["PROTECTION_REJECTED"]


def test_the_count_starts_with_the_first_fill_and_ends_with_the_position():
    s = Story({"policy": "alert", "require": "always"})
    s.long(1)
    assert s.state.position("BTC").unprotected_since_ms == s.now
    s.short(1)
    assert s.state.position("BTC").unprotected_since_ms is None


def test_a_foreign_position_without_a_stop_is_alerted_when_stops_are_always_required():
    s = Story({"policy": "alert", "require": "always"})
    s.read(BTC="1")
    s.later(10_000)
    assert "UNPROTECTED" in s.alarms()
