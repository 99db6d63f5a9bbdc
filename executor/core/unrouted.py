"""Who of ours holds something although no route brings what it does any more: nobody would ever close it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from executor.core import events as ev
from executor.core.identity import plain
from executor.core.intake import IntakeState, Route, heard_by
from executor.core.state import DeskState
from executor.core.types import Agent
from executor.core.watched import STRATEGY


def unrouted(intake: IntakeState, state: DeskState, routes: Sequence[Route], now_ms: int) -> list[ev.Event]:
    """An alarm for each holding of an account that the configuration of now leaves alone; asked at a start."""
    mine = [route for route in routes if state.account in route.accounts]
    return [
        ev.AlarmRaised(
            at_ms=now_ms,
            account=state.account,
            code="UNROUTED",
            text=f"{coin}: {plain(size)} is held for {_named(agent)}, and no route brings what it does",
        )
        for coin, agent, size in _held(state)
        if not any(_brings(intake, route, agent) for route in mine)
    ]


def unconfigured(state: DeskState, now_ms: int) -> list[ev.Event]:
    """An alarm for each holding, as last known, of an account that the configuration of now does not have."""
    return [
        ev.AlarmRaised(
            at_ms=now_ms,
            account=state.account,
            code="UNROUTED",
            text=f"{coin}: {plain(size)} was held for {_named(agent)} on account {state.account}, which is not "
            "configured any more: nobody closes or protects it",
        )
        for coin, agent, size in _held(state)
    ]


def _held(state: DeskState) -> Iterator[tuple[str, Agent, Decimal]]:
    for position in state.positions.values():
        for holding in position.holdings:
            if holding.agent is not None:
                yield position.coin, holding.agent, holding.size


def _named(agent: Agent) -> str:
    return f"{agent.system} {agent.agent_id}" + (f" by {agent.via}" if agent.via else "")


def _brings(intake: IntakeState, route: Route, agent: Agent) -> bool:
    """Whether an agent's actions, or what its strategy makes of them, come by this route.

    A source that never told anything may be a known one under another name: it is not held against it.
    """
    if agent.via and agent.via != route.via:
        return False
    told = {source for sources in intake.heard.values() for source in sources}
    heard = heard_by(intake, agent)
    known = not heard or route.source in heard or route.source not in told
    return agent.system == STRATEGY or (known and route.takes(route.source, agent.agent_id))
