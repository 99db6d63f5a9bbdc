"""Orders of ours that the venue remembers and the ledger does not: recorded with their legs, never sent again.

Asked for before ownership and risk when the ledger is new or restored, after an unclean stop, or for an action
stamped before this process (design.md section 4). What is found belongs to the agent whose action it was.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from executor.core import events as ev
from executor.core.facts import Fill
from executor.core.identity import cloid
from executor.core.settings import DeskSettings
from executor.core.signal import Found, Signal
from executor.core.state import UNWRITTEN, DeskState
from executor.core.types import ZERO, ActionType

ALWAYS_ASKED = 3
"""How many attempts of each leg are asked for in any case; further ones while the one before was found."""

ATTEMPTS = (*range(1, UNWRITTEN), *range(UNWRITTEN + 1, UNWRITTEN + 4))
"""Which attempts of each leg earlier lives may have made: all, since many that each forgot the last add up."""

LEGS: dict[str, tuple[ev.LegKind, ...]] = {
    ActionType.TRADE: ("entry", "exit"),
    ActionType.STOP_LOSS: ("stop",),
    ActionType.TAKE_PROFIT: ("target",),
}
"""The legs an action of each type may have."""


def cloids_of(settings: DeskSettings, key: str, action_type: str) -> dict[str, tuple[ev.LegKind, int]]:
    """Every cloid this action may have been sent under on this account, with its leg and attempt."""
    names: dict[str, tuple[ev.LegKind, int]] = {}
    for leg in LEGS[action_type]:
        for attempt in (1,) if leg == "entry" else ATTEMPTS:
            names[cloid(settings.network, settings.address, key, leg, attempt)] = (leg, attempt)
    return names


def prior_events(
    state: DeskState, signal: Signal, names: dict[str, tuple[ev.LegKind, int]], now_ms: int
) -> list[ev.Event]:
    """What to record for the orders found; empty when none was."""
    events: list[ev.Event] = []
    for name, found in sorted(signal.prior.items(), key=lambda item: names[item[0]][1]):
        events += _recorded(state, signal, name, *names[name], found, now_ms)
    return [*events, *_adoption(state, signal, names, now_ms)] if events else []


def _fills(state: DeskState, signal: Signal, names: dict[str, tuple[ev.LegKind, int]], *, entry: bool) -> list[Fill]:
    """What executed of the orders that only the look-up tells of, either what opened or what reduced."""
    strange = {name: found for name, found in signal.prior.items() if name not in state.legs}
    return [fill for name, found in strange.items() if (names[name][0] == "entry") is entry for fill in found.fills]


def _recorded(
    state: DeskState, signal: Signal, name: str, leg: ev.LegKind, attempt: int, found: Found, now_ms: int
) -> list[ev.Event]:
    order = found.fact.order
    if order is None or name in state.legs:
        return []
    planned = ev.LegPlanned(
        at_ms=now_ms,
        account=state.account,
        key=signal.key,
        cloid=name,
        leg=leg,
        attempt=attempt,
        coin=order.coin,
        side=order.side,
        size=order.orig_size,
        limit_px=order.limit_px,
        reduce_only=order.reduce_only,
        trigger_px=order.trigger_px,
        agent=signal.agent,
        signal_at_ms=signal.signal_at_ms,
    )
    fills = [
        ev.FillSeen(at_ms=now_ms, account=state.account, key=signal.key, fill=fill, cloid=name) for fill in found.fills
    ]
    return [planned, *status_events(state, signal.key, name, found.fact.status, order.oid, now_ms), *fills]


def status_events(state: DeskState, key: str, name: str, status: str, oid: int | None, now_ms: int) -> list[ev.Event]:
    """The event a venue status stands for (hyperliquid.md section 1.3); one nobody knows is taken for live."""
    if status == "open" or (status not in LIVE and ending_of(status) is None):
        return [ev.LegRested(at_ms=now_ms, account=state.account, key=key, cloid=name, oid=oid)]
    ending = ending_of(status)
    if ending is None:
        return [ev.LegTriggered(at_ms=now_ms, account=state.account, key=key, cloid=name)]
    return [
        ev.LegEnded(at_ms=now_ms, account=state.account, key=key, cloid=name, oid=oid, ending=ending, status=status)
    ]


LIVE = ("open", "triggered")
"""Statuses of an order that may still execute."""

Ending = Literal["filled", "canceled", "rejected"]


def ending_of(status: str) -> Ending | None:
    """How a terminal status ended the order, by suffix for statuses nobody has seen yet; ``None`` for odd words."""
    if status == "filled":
        return "filled"
    if status.endswith(("Rejected", "rejected")):
        return "rejected"
    return "canceled" if status.endswith(("Canceled", "canceled", "Cancel")) else None


def _adoption(
    state: DeskState, signal: Signal, names: dict[str, tuple[ev.LegKind, int]], now_ms: int
) -> list[ev.Event]:
    """The position an entry of ours left behind belongs to the agent, with what it was found to own before."""
    position = state.position(signal.received.coin or "")
    entered = sum((fill.signed_size for fill in _fills(state, signal, names, entry=True)), ZERO)
    if position.size * entered <= 0:
        return _released(state, signal, names, now_ms)
    wanted = position.held_by(signal.agent) + entered
    room = position.size - (position.owned - position.held_by(signal.agent))
    size = room if abs(wanted) > abs(room) else wanted
    return [] if size * entered <= 0 else [_holds(state, signal, size, signal.signal_at_ms, now_ms)]


def _released(
    state: DeskState, signal: Signal, names: dict[str, tuple[ev.LegKind, int]], now_ms: int
) -> list[ev.Event]:
    """What an agent closed before is not its own any more: some other's, as far as more is there than all hold.

    The newest read has it already, so that its fill alone moves nothing.
    """
    position = state.position(signal.received.coin or "")
    holding = position.holding(signal.agent)
    fills = [fill for fill in _fills(state, signal, names, entry=False) if fill.at_ms < position.read_at_ms]
    left = sum((fill.signed_size for fill in fills), ZERO)
    if holding is None or holding.size * left >= 0:
        return []
    gone = min(abs(left), abs(holding.size), position.excess + abs(position.foreign))
    rest = holding.size - gone.copy_sign(holding.size)
    return [_holds(state, signal, rest, holding.opened_at_ms, now_ms)] if gone else []


def _holds(state: DeskState, signal: Signal, size: Decimal, opened_at_ms: int, now_ms: int) -> ev.PositionAdopted:
    return ev.PositionAdopted(
        at_ms=now_ms,
        account=state.account,
        key=signal.key,
        coin=signal.received.coin or "",
        agent=signal.agent,
        size=size,
        opened_at_ms=opened_at_ms,
    )
