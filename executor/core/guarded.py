"""What is protected as one: each agent's holding of a coin, with what was adopted beside the first of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from executor.core.event_base import LegKind
from executor.core.position import Watch
from executor.core.settings import DeskSettings
from executor.core.state import DeskState, Leg, StopWish, TargetWish
from executor.core.types import ZERO, Agent

Owned = TypeVar("Owned", Leg, StopWish, TargetWish)


@dataclass(frozen=True, slots=True)
class Guarded:
    """One part of a coin's position, with its orders and wishes. Sizes are signed, in base units.

    ``owned`` is what its stop has to cover, ``own`` what of that is the agent's holding: targets are of that alone.
    Without an agent it is nobody's of ours; flat while only wishes wait for it. ``legs`` are its orders that may still
    execute, oldest first.
    """

    coin: str
    agent: Agent | None
    owned: Decimal
    own: Decimal
    entry_px: Decimal
    liquidation_px: Decimal | None
    watch: Watch
    legs: Sequence[Leg]
    stop: StopWish | None
    targets: Sequence[TargetWish]

    def legs_of(self, kind: LegKind) -> list[Leg]:
        """Its orders of a kind that may still execute, oldest first."""
        return [leg for leg in self.legs if leg.kind == kind]


def adopts(settings: DeskSettings, state: DeskState) -> bool:
    """Whether what others opened is protected like our own; not before its own stops are known."""
    return settings.foreign_positions == "adopt" and state.reconciled


def owned(settings: DeskSettings, state: DeskState, coin: str, agent: Agent | None) -> Decimal:
    """What an agent's stop of a coin has to cover: its holding, and for the first of them what is adopted."""
    return state.position(coin).held_by(agent) + _adopted(settings, state, coin, agent)


def _adopted(settings: DeskSettings, state: DeskState, coin: str, agent: Agent | None) -> Decimal:
    """What others opened and goes with this part: with the first of the coin, where it is adopted at all."""
    first = state.whose(coin, None)
    if agent != first or not (adopts(settings, state) or _goes_on(settings, state, coin, first)):
        return ZERO
    return state.position(coin).foreign


def _goes_on(settings: DeskSettings, state: DeskState, coin: str, agent: Agent | None) -> bool:
    """Whether an earlier life adopted it, and this one has not read the orders yet: its stop is none left behind."""
    return settings.foreign_positions == "adopt" and state.stop_for(coin, agent) is not None


def legs_by_agent(state: DeskState, coin: str) -> dict[Agent | None, list[Leg]]:
    """The coin's orders that may still execute, by whose they are, oldest first."""
    return _by_agent(state.legs_of(coin), state.whose(coin, None))


def parts(settings: DeskSettings, state: DeskState, coin: str) -> list[Guarded]:
    """Everybody who has something of a coin to protect, to wait for or to sweep, holders first.

    Everything is looked through once for all of them, since many agents may share a coin.
    """
    position, first = state.position(coin), state.whose(coin, None)
    holdings = {holding.agent: holding for holding in position.holdings}
    legs = legs_by_agent(state, coin)
    stops, targets = _by_agent(state.stops.get(coin, ()), first), _by_agent(state.targets.get(coin, ()), first)
    protecting = (agent for agent, some in legs.items() if any(leg.kind in ("stop", "target") for leg in some))
    agents = dict.fromkeys((*holdings, *stops, *targets, *protecting))
    if position.foreign or position.watch.since_ms is not None or not agents:
        agents[None] = None
    found = []
    for agent in agents:
        holding = holdings.get(agent)
        own = ZERO if holding is None else holding.size
        watch = position.watch if agent is None else Watch()
        found.append(
            Guarded(
                coin=coin,
                agent=agent,
                owned=own + _adopted(settings, state, coin, agent),
                own=own,
                entry_px=position.entry_px if holding is None or len(holdings) == 1 else holding.entry_px,
                liquidation_px=position.liquidation_px,
                watch=watch if holding is None else holding.watch,
                legs=legs.get(agent, ()),
                stop=next(iter(stops.get(agent, ())), None),
                targets=targets.get(agent, ()),
            )
        )
    return found


def _by_agent(things: Iterable[Owned], first: Agent | None) -> dict[Agent | None, list[Owned]]:
    """Orders or wishes by whose they are: what names nobody goes with the coin's first holding."""
    found: dict[Agent | None, list[Owned]] = {}
    for thing in things:
        found.setdefault(thing.agent or first, []).append(thing)
    return found
