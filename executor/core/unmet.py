"""Stop and target signals that ended before any order of theirs was planned: each is told why, so that none just stops.

A newer stop takes the place of one that still waits, and a position that ends takes its wishes with it; both happen
while the state follows an event, where nobody can be told. Here it is noticed and said.
"""

from __future__ import annotations

from executor.core import events as ev
from executor.core.state import DeskState, Unmet


def unmet_steps(state: DeskState, now_ms: int) -> list[ev.Event]:
    """A refusal for every wish of a signal that no longer stands and never had an order."""
    gone = [(key, wish) for key, wish in state.unmet.items() if not _stands(state, key, wish.coin)]
    return [_refused(state, key, wish, now_ms) for key, wish in gone]


def _stands(state: DeskState, key: str, coin: str) -> bool:
    return any(wish.key == key for wish in (*state.stops.get(coin, ()), *state.targets.get(coin, ())))


def _refused(state: DeskState, key: str, wish: Unmet, now_ms: int) -> ev.ActionRefused:
    coin = wish.coin
    if wish.kind == "stop" and state.stop_for(coin, wish.agent) is not None:
        reason, text = "SUPERSEDED", f"a newer stop of {coin} took its place before it was placed"
    else:
        reason, text = "NO_POSITION", f"the {coin} position ended before it was placed"
    return ev.ActionRefused(at_ms=now_ms, account=state.account, key=key, reason=reason, detail=text)
