"""A stop or target signal that ends before it has an order is told why."""

from __future__ import annotations

from decimal import Decimal

from story import Story

from executor.core import events as ev
from executor.core.facts import Fill
from executor.core.types import Agent, Side

D = Decimal


def refused(story):
    return [(event.key, event.reason) for event in story.of(ev.ActionRefused)]


def keys(story, kind=ev.StopWanted):
    return [event.key for event in story.of(kind)]


def test_a_waiting_stop_that_a_newer_one_replaces_is_superseded():
    s = Story()
    s.stop(90)
    s.stop(91)
    first, second = keys(s)
    assert refused(s) == [(first, "SUPERSEDED")]
    s.long(1)
    assert s.live("stop") == [("1.000", "91.000")]
    assert s.state.unmet == {}
    assert second not in [key for key, _ in refused(s)]


def test_a_stop_and_a_target_whose_position_ends_before_they_are_placed_are_refused():
    s = Story()
    s.long(1)
    common = {"at_ms": s.now, "account": "main", "coin": "BTC", "agent": Agent("fractrade", "alice")}
    s.note([ev.StopWanted(key="s", trigger_px=D(90), signal_at_ms=s.now, **common)])
    s.note([ev.TargetWanted(key="t", trigger_px=D(120), fraction=D(1), **common)])
    sold = Fill(9, 9, None, "BTC", Side.SELL, D(100), D(1), D(0), D(0), D(1), s.now)
    s.note([ev.FillSeen(at_ms=s.now, account="main", fill=sold, cloid=None)])
    s.settle()
    assert refused(s) == [("s", "NO_POSITION"), ("t", "NO_POSITION")]


def test_a_flatten_tells_the_wishes_it_ends():
    s = Story()
    s.stop(90)
    s.target(120)
    s.note([ev.FlattenStarted(at_ms=s.now, account="main", by="test")])
    s.settle()
    assert refused(s) == [(keys(s)[0], "NO_POSITION"), (keys(s, ev.TargetWanted)[0], "NO_POSITION")]


def test_what_waits_for_another_agents_position_is_not_for_the_one_that_comes_and_lapses():
    s = Story()
    s.stop(90, agent="bob")
    s.target(120, agent="bob")
    s.long(1)
    assert s.live("stop") == []
    assert s.live("target") == []
    assert refused(s) == []
    s.later(30_001)
    assert [reason for _, reason in refused(s)] == ["NO_POSITION", "NO_POSITION"]


def test_a_target_of_the_owner_stays_when_anothers_goes():
    s = Story()
    s.target(120, agent="bob")
    s.target(130)
    s.long(1)
    assert s.live("target") == [("1.000", "130.00")]


def test_a_default_stop_is_nobodys_signal():
    s = Story({"policy": "place_default", "require": "always"})
    s.long(1)
    s.set("stop", *["wait"] * 2)
    s.later(3_000)
    s.stop(90)
    assert refused(s) == []


def test_a_stop_at_the_price_of_the_one_that_stands_gets_an_order_of_its_own():
    s = Story()
    s.long(1)
    s.stop(90)
    s.stop(90)
    assert s.live("stop") == [("1.000", "90.000")]
    assert [leg.key for leg in s.state.live.values()] == [keys(s)[1]]


def test_a_target_is_not_called_superseded_by_a_stop():
    s = Story()
    s.long("0.3")
    s.target(110, "0.0001")
    s.short("0.6")
    s.stop(110, Side.BUY)
    s.later(60_000)
    assert [e.reason for e in s.of(ev.ActionRefused) if e.key in {r.key for r in s.of(ev.TargetWanted)}] == [
        "NO_POSITION"
    ]
