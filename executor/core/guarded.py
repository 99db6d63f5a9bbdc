"""What is protected as one: each agent's holding of a coin, with what was adopted beside the first of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from executor.core.position import Watch
from executor.core.settings import DeskSettings
from executor.core.state import DeskState
from executor.core.types import ZERO, Agent


@dataclass(frozen=True, slots=True)
class Guarded:
    """One part of a coin's position. Sizes are signed, in base units.

    ``owned`` is what its stop has to cover, ``own`` what of that is the agent's holding: targets are of that alone.
    Without an agent it is nobody's of ours; flat while only wishes wait for it.
    """

    coin: str
    agent: Agent | None
    owned: Decimal
    own: Decimal
    entry_px: Decimal
    liquidation_px: Decimal | None
    watch: Watch


def adopts(settings: DeskSettings, state: DeskState) -> bool:
    """Whether what others opened is protected like our own; not before its own stops are known."""
    return settings.foreign_positions == "adopt" and state.reconciled


def guarded(settings: DeskSettings, state: DeskState, coin: str, agent: Agent | None) -> Guarded:
    """An agent's part of a coin, flat where it has none; what is adopted goes with the first, or is nobody's."""
    position = state.position(coin)
    holding = position.holding(agent)
    own = ZERO if holding is None else holding.size
    takes = adopts(settings, state) and agent == state.whose(coin, None)
    watch = position.watch if agent is None else Watch()
    return Guarded(
        coin=coin,
        agent=agent,
        owned=own + (position.foreign if takes else ZERO),
        own=own,
        entry_px=position.entry_px if holding is None or len(position.holdings) == 1 else holding.entry_px,
        liquidation_px=position.liquidation_px,
        watch=watch if holding is None else holding.watch,
    )


def parties(state: DeskState, coin: str) -> list[Agent | None]:
    """Everybody who has something of a coin to protect, to wait for or to sweep, holders first."""
    position = state.position(coin)
    names: list[Agent | None] = [holding.agent for holding in position.holdings]
    names += [state.whose(coin, wish.agent) for wish in state.stops.get(coin, ())]
    names += [state.whose(coin, wish.agent) for wish in state.targets.get(coin, ())]
    names += [state.whose(coin, leg.agent) for leg in state.legs_of(coin) if leg.kind in ("stop", "target")]
    if position.foreign or position.watch.since_ms is not None or not names:
        names.append(None)
    return list(dict.fromkeys(names))
