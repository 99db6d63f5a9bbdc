"""What each route's own books are called: as what is held already is called, wherever the route stands by now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count

from executor.config import Route
from executor.core.intake import IntakeState, heard_by
from executor.core.state import DeskState
from executor.core.types import Agent
from executor.core.watched import STRATEGY


def vias(routes: Sequence[Route], intake: IntakeState, states: Mapping[str, DeskState]) -> list[str]:
    """The name of each route's books and memory: its strategy; of further routes of it, with their accounts.

    What is held must not lose its owner because a route was added, moved or taken away: a name that a route's
    accounts know already, of what the route brings, stays that route's.
    """
    known = [_kept(route, intake, [states[name] for name in route.accounts if name in states]) for route in routes]
    return _names(routes, _shared_out(routes, known))


def _shared_out(routes: Sequence[Route], known: Sequence[str | None]) -> list[str | None]:
    """A name that several know is of those that have it by their place, else of the first: two would be made one."""
    usual = _names(routes, [None] * len(routes))
    owners = {name: [i for i, other in enumerate(known) if other == name] for name in known}
    return [
        name if index in ([i for i in owners[name] if usual[i] == name] or owners[name][:1]) else None
        for index, name in enumerate(known)
    ]


def _names(routes: Sequence[Route], kept: Sequence[str | None]) -> list[str]:
    """Each route's name, no two alike: what it keeps, else what it is called by its place."""
    plain = {_plain(route.strategy, routes, kept) for route in routes}
    names = [route.strategy if index in plain else kept[index] or "" for index, route in enumerate(routes)]
    for index, route in enumerate(routes):
        names[index] = names[index] or _on_accounts(route, names)
    return names


def _on_accounts(route: Route, taken: Sequence[str]) -> str:
    """By its accounts; where another is called by the same, with a number."""
    name = f"{route.strategy} on {', '.join(route.accounts)}"
    return next(one for n in count(1) if (one := name if n == 1 else f"{name} ({n})") not in taken)


def _plain(strategy: str, routes: Sequence[Route], kept: Sequence[str | None]) -> int | None:
    """Which route's books are called by the strategy alone: those that are already, else the first that has no name."""
    mine = [index for index, route in enumerate(routes) if route.strategy == strategy]
    for word in (strategy, None):
        for index in mine:
            if kept[index] == word:
                return index
    return None


def _kept(route: Route, intake: IntakeState, states: Sequence[DeskState]) -> str | None:
    """The one name under which a route's accounts hold, or ever traded, what its strategy made of facts."""
    for known in (_holders, _traders):
        names = {agent.via for state in states for agent in known(state) if _brings(route, intake, agent)}
        if names:
            return names.pop() if len(names) == 1 else None
    return None


def _holders(state: DeskState) -> Iterable[Agent]:
    held = (holding.agent for position in state.positions.values() for holding in position.holdings)
    coming = (leg.agent for leg in state.live.values() if leg.kind == "entry")
    return (agent for agent in chain(held, coming) if agent is not None)


def _traders(state: DeskState) -> Iterable[Agent]:
    return (record.agent for records in state.earned.values() for record in records if record.agent is not None)


def _brings(route: Route, intake: IntakeState, agent: Agent) -> bool:
    """Whether what an agent stands for comes of this route's strategy and agents."""
    if not (agent.via == route.strategy or agent.via.startswith(f"{route.strategy} on ")):
        return False
    heard = heard_by(intake, agent)
    return agent.system == STRATEGY or (route.takes(agent.agent_id) and (not heard or route.source in heard))
