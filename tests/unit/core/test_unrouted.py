"""unrouted: what a changed configuration leaves without anybody who would close it is told at the start."""

from __future__ import annotations

from decimal import Decimal

import pytest
from story import T0, Story

from executor.core import events as ev
from executor.core.intake import Route
from executor.core.position import Holding, Position
from executor.core.types import Agent
from executor.core.unrouted import unconfigured, unrouted
from executor.core.watched import STRATEGY

D = Decimal
OURS = Route("1", "src", ("*",), "follow", ("main",), "follow")


def told(s: Story, *routes: Route) -> list[str]:
    return [event.text for event in unrouted(s.intake, s.state, routes, T0) if isinstance(event, ev.AlarmRaised)]


def holding(agent: Agent) -> Story:
    s = Story()
    s.state.positions["BTC"] = Position("BTC", D(1), holdings=[Holding(agent, D(1))])
    return s


@pytest.mark.parametrize(
    ("route", "is_told"),
    [
        (OURS, False),
        (Route("1", "src", ("bob", "alice"), "inverse", ("other", "main")), False),
        (Route("1", "src", ("bob",), "follow", ("main",)), True),
        (Route("1", "src", ("*",), "follow", ("other",)), True),
        (Route("1", "renamed", ("*",), "follow", ("main",)), False),
        (Route("1", "second", ("*",), "follow", ("main",)), True),
    ],
)
def test_an_agent_whose_actions_no_route_brings_to_its_account_is_told(route: Route, is_told: bool) -> None:
    s = Story()
    s.intake.heard[Agent("fractrade", "carol")] = frozenset({"second"})
    s.long(1)
    text = "BTC: 1 is held for fractrade alice, and no route brings what it does"
    assert told(s, route) == [text] * is_told


def test_where_nothing_is_held_or_it_is_not_ours_nothing_is_told() -> None:
    s = Story()
    s.read(ETH="1")
    assert told(s) == []
    s.long(1)
    s.short(1)
    assert told(s) == []


def test_what_a_strategy_holds_goes_by_the_name_of_its_books() -> None:
    copied, own = Agent("nexgent", "alice", "copy"), Agent(STRATEGY, "copy", "copy")
    copy, other = (Route("1", "src", ("alice",), "x", ("main",), via) for via in ("copy", "copy on main"))
    for agent in (copied, own):
        assert told(holding(agent), copy) == []
        assert told(holding(agent), other)[0].endswith("by copy, and no route brings what it does")
    assert told(holding(Agent("nexgent", "bob", "copy")), copy) != []
    agentless = Holding(None, D(1))
    s = holding(own)
    s.state.positions["BTC"].holdings.append(agentless)
    assert told(s, copy) == []


def test_what_an_account_held_that_is_gone_is_told_by_its_name() -> None:
    s = Story()
    s.read(ETH="1")
    assert unconfigured(s.state, T0) == []
    s.long(1)
    assert [
        event.text.partition(",")[0] for event in unconfigured(s.state, T0) if isinstance(event, ev.AlarmRaised)
    ] == ["BTC: 1 was held for fractrade alice on account main"]
