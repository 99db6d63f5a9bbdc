"""What is protected as one: each holding, with what was adopted beside the first."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from story import Story

from executor.core import events as ev
from executor.core.guarded import Guarded, adopts, owned, parts
from executor.core.settings import DeskSettings
from executor.core.types import Agent

D = Decimal
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


def parties(s: Story) -> list[Agent | None]:
    return [part.agent for part in parts(s.desk, s.state, "BTC")]


def part_of(s: Story, agent: Agent | None, settings: DeskSettings | None = None) -> Guarded:
    return next(part for part in parts(settings or s.desk, s.state, "BTC") if part.agent == agent)


def test_each_agent_is_a_party_and_what_nobody_opened_another() -> None:
    assert parties(shared()) == [ALICE, BOB]
    assert parties(shared(BTC="1")) == [ALICE, BOB, None]
    assert parties(Story()) == [None]


def test_who_only_waits_is_a_party_too() -> None:
    s = Story()
    s.stop(90, agent="bob")
    s.target(120)
    assert parties(s) == [BOB, ALICE]


def test_a_part_has_its_agents_size_and_price_and_watch() -> None:
    s = shared()
    part = part_of(s, BOB)
    holding = s.state.position("BTC").holdings[1]
    assert (part.agent, part.owned, part.own, part.entry_px) == (BOB, 2, 2, holding.entry_px)
    assert part.watch is holding.watch


def test_a_part_has_its_own_orders_and_wishes_and_the_first_what_names_nobody() -> None:
    s = shared()
    s.stop(90)
    s.stop(80, agent="bob")
    s.target(120, agent="bob")
    s.note([ev.StopWanted(at_ms=s.now, account="main", key="k", coin="BTC", trigger_px=D(91), signal_at_ms=s.now)])
    alice, bob = part_of(s, ALICE), part_of(s, BOB)
    assert alice.stop is not None
    assert bob.stop is not None
    assert (alice.stop.trigger_px, alice.targets) == (91, ())
    assert (bob.stop.trigger_px, [wish.trigger_px for wish in bob.targets]) == (80, [120])
    assert [leg.trigger_px for leg in bob.legs_of("stop")] == [80]
    assert {leg.agent for leg in alice.legs} == {ALICE}


def test_who_only_waits_is_flat_and_watched_by_nobody_yet() -> None:
    s = Story()
    s.stop(90)
    waits = part_of(s, ALICE)
    assert (waits.owned, waits.own, waits.watch.since_ms) == (0, 0, None)


def test_what_is_adopted_goes_with_the_first_holding_or_alone() -> None:
    s = shared(BTC="1")
    settings = replace(s.desk, foreign_positions="adopt")
    size = s.state.position("BTC").size
    assert adopts(settings, s.state)
    assert not adopts(s.desk, s.state)
    first, second = (part_of(s, agent, settings) for agent in (ALICE, BOB))
    assert (first.owned, first.own, second.owned) == (size - 2, 1, 2)
    assert [owned(settings, s.state, "BTC", agent) for agent in (ALICE, BOB)] == [size - 2, 2]
    alone = Story()
    alone.read(BTC="1")
    part = part_of(alone, None, settings)
    assert (part.owned, part.own, part.watch) == (1, 0, alone.state.position("BTC").watch)
    assert not alone.of(ev.AlarmRaised)


def test_a_start_that_has_not_read_the_orders_yet_takes_no_stop_from_what_was_adopted() -> None:
    s = Story({"foreign_positions": "adopt", "policy": "place_default", "require": "always"})
    s.read(BTC="1")
    s.later(5_000)
    s.long(1, coin="ETH")
    s.stop(90, coin="ETH")
    s.later(10)
    s.read(ETH="2")
    stood = s.on_venue()
    assert [(leg.coin, leg.size) for leg in stood] == [("BTC", 1), ("ETH", 3)]
    s.note([ev.ProcessStarted(at_ms=s.now, clean=True, version="1", mode="live")])
    s.later(60_000)
    assert s.on_venue() == stood
    s.command(ev.Reconciled, why="start")
    s.later(5_000)
    assert s.on_venue() == stood


def test_what_nobody_adopted_before_is_not_before_the_orders_are_read() -> None:
    s = Story({"foreign_positions": "adopt", "policy": "place_default", "require": "always"})
    s.note([ev.ProcessStarted(at_ms=s.now, clean=True, version="1", mode="live")])
    s.read(BTC="1")
    s.later(60_000)
    assert s.on_venue() == []
    s.command(ev.Reconciled, why="start")
    s.later(60_000)
    assert [(leg.coin, leg.size) for leg in s.on_venue()] == [("BTC", 1)]
