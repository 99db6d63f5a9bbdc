"""What is protected as one: each holding, with what was adopted beside the first."""

from __future__ import annotations

from dataclasses import replace

from story import Story

from executor.core import events as ev
from executor.core.guarded import adopts, guarded, parties
from executor.core.types import Agent

ALICE, BOB = Agent("fractrade", "alice"), Agent("fractrade", "bob")


def shared(**foreign: object) -> Story:
    s = Story()
    s.long(1)
    s.price(105)
    s.long(2, agent="bob")
    if foreign:
        s.later(10)
        s.read(**foreign)
    return s


def test_each_agent_is_a_party_and_what_nobody_opened_another() -> None:
    assert parties(shared().state, "BTC") == [ALICE, BOB]
    assert parties(shared(BTC="1").state, "BTC") == [ALICE, BOB, None]
    assert parties(Story().state, "BTC") == [None]


def test_who_only_waits_is_a_party_too() -> None:
    s = Story()
    s.stop(90, agent="bob")
    s.target(120)
    assert parties(s.state, "BTC") == [BOB, ALICE]


def test_a_part_has_its_agents_size_and_price_and_watch() -> None:
    s = shared()
    part = guarded(s.desk, s.state, "BTC", BOB)
    holding = s.state.position("BTC").holdings[1]
    assert (part.agent, part.owned, part.own, part.entry_px) == (BOB, 2, 2, holding.entry_px)
    assert part.watch is holding.watch
    nobody = guarded(s.desk, s.state, "BTC", Agent("fractrade", "carol"))
    assert (nobody.owned, nobody.watch.since_ms) == (0, None)


def test_what_is_adopted_goes_with_the_first_holding_or_alone() -> None:
    s = shared(BTC="1")
    settings = replace(s.desk, foreign_positions="adopt")
    size = s.state.position("BTC").size
    assert adopts(settings, s.state)
    assert not adopts(s.desk, s.state)
    first, second = (guarded(settings, s.state, "BTC", agent) for agent in (ALICE, BOB))
    assert (first.owned, first.own, second.owned) == (size - 2, 1, 2)
    alone = Story()
    alone.read(BTC="1")
    part = guarded(settings, alone.state, "BTC", None)
    assert (part.owned, part.own, part.watch) == (1, 0, alone.state.position("BTC").watch)
    assert not alone.of(ev.AlarmRaised)
