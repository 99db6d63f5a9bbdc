"""vias: whoever holds something keeps its name, whatever happens to the list of routes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.app.vias import vias
from executor.config.models import Route
from executor.core.intake import IntakeState
from executor.core.position import Earned, Holding, Position
from executor.core.state import DeskState
from executor.core.types import Agent
from executor.core.watched import STRATEGY

COPY, ON_SECOND = "copy", "copy on second"


def route(account: str, *, source: str = "src", agents: tuple[str, ...] = ("*",), strategy: str = COPY) -> Route:
    return Route(source=source, agents=agents, strategy=strategy, accounts=(account,))


def holds(account: str, *vias: str, agent: str = "alice", system: str = "nexgent") -> DeskState:
    one = Decimal(1)
    held = {f"C{n}": [Holding(Agent(system, agent, via), one)] for n, via in enumerate(vias)}
    return DeskState(account, {coin: Position(coin, one, holdings=parts) for coin, parts in held.items()})


def named(routes: list[Route], *states: DeskState, heard: dict[Agent, frozenset[str]] | None = None) -> list[str]:
    return vias(routes, IntakeState(heard=heard or {}), {state.account: state for state in states})


MAIN, SECOND = route("main"), route("second")
NOTHING = (DeskState("main"), DeskState("second"))
HELD = (holds("main", COPY), holds("second", ON_SECOND))


def test_where_nothing_was_traded_the_first_route_of_a_strategy_has_its_name_and_others_their_accounts():
    other = route("main", strategy="other", source="b")
    assert named([MAIN, SECOND, other], *NOTHING) == [COPY, ON_SECOND, "other"]


@pytest.mark.parametrize(
    ("routes", "names"),
    [
        ([MAIN, SECOND], [COPY, ON_SECOND]),
        ([SECOND, MAIN], [ON_SECOND, COPY]),
        ([SECOND], [ON_SECOND]),
        ([route("third"), MAIN], ["copy on third", COPY]),
        ([Route(source="src", strategy=COPY, accounts=("second", "third"))], [ON_SECOND]),
    ],
)
def test_what_is_held_keeps_its_owner_when_routes_are_moved_added_or_taken_away(routes: list[Route], names: list[str]):
    assert named(routes, *HELD, DeskState("third")) == names


def test_a_route_that_was_made_two_gives_its_name_to_the_first_of_them():
    both = "copy on second, third"
    routes = [MAIN, SECOND, route("third")]
    assert named(routes, holds("main", COPY), holds("second", both), holds("third", both)) == [
        COPY,
        both,
        "copy on third",
    ]


def test_what_was_traded_counts_as_long_as_nothing_is_held():
    state = DeskState("second", earned={"BTC": [Earned(Agent("nexgent", "alice", ON_SECOND)), Earned(None)]})
    assert named([SECOND], state) == [ON_SECOND]
    state.positions = holds("second", COPY).positions
    assert named([SECOND], state) == [COPY]


def test_of_one_account_each_route_keeps_what_its_own_agents_and_source_brought():
    bob = route("main", agents=("bob",))
    state = holds("main", COPY, "copy on main")
    state.positions["C1"].holdings[0].agent = Agent("nexgent", "bob", "copy on main")
    assert named([bob], state) == ["copy on main"]
    elsewhere = route("main", source="b")
    heard = {Agent("nexgent", "alice"): frozenset({"src"}), Agent("nexgent", "bob"): frozenset({"b"})}
    assert named([elsewhere], state, heard=heard) == ["copy on main"]


def test_a_strategys_own_books_are_of_whatever_route_has_it():
    own = holds("second", ON_SECOND, agent=ON_SECOND, system=STRATEGY)
    assert named([route("second", agents=("bob",))], own) == [ON_SECOND]


@pytest.mark.parametrize("first", [("main",), ("main", "third")])
@pytest.mark.parametrize("bought_by", [COPY, "copy on main"])
def test_of_two_routes_on_one_account_each_keeps_its_name_after_only_one_of_them_has_traded(
    first: tuple[str, ...], bought_by: str
):
    routes = [Route(source="src", strategy=COPY, accounts=first), route("main", source="b")]
    own = holds("main", bought_by, agent=bought_by, system=STRATEGY)
    assert named(routes, own, DeskState("third")) == [COPY, "copy on main"]


def test_two_names_on_one_account_tell_nothing_and_another_strategys_neither():
    assert named([MAIN], holds("main", COPY, "copy on main, second")) == [COPY]
    assert named([MAIN], holds("main", "copycat")) == [COPY]
    assert named([MAIN], holds("main", "")) == [COPY]


def test_of_three_routes_on_one_account_each_has_a_name_of_its_own_and_keeps_it():
    routes = [route("main", source=source) for source in "abc"]
    names = [COPY, "copy on main", "copy on main (2)"]
    assert named(routes, DeskState("main")) == names
    for name in names:
        own = holds("main", name, agent=name, system=STRATEGY)
        assert named(routes, own) == names
    third = holds("main", "copy on main (2)", agent="bob")
    heard = {Agent("nexgent", "bob"): frozenset({"c"})}
    assert named([routes[0], routes[2], routes[1]], third, heard=heard) == [COPY, names[2], names[1]]
    assert named([routes[2], route("main", source="d"), routes[0]], third, heard=heard) == [names[2], COPY, names[1]]
