"""What became of one action on one account: folded from its events, for people and programs to read.

The legs' lives are those of ``core.lifecycle``, by ``core.evolve``; here they are only put into the words of
contract.md (``core.types.Outcome``) and joined to one outcome with its deciding reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.lifecycle import LegState
from executor.core.state import DeskState, Leg
from executor.core.types import ZERO, Outcome


@dataclass(frozen=True, slots=True)
class LegOutcome:
    """One order: ``outcome`` and ``reason`` of this attempt alone, ``avg_px`` over its fills (``None`` without)."""

    leg: Leg
    outcome: Outcome
    reason: str
    avg_px: Decimal | None


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """One action on one account. ``reason`` is empty when there is nothing to explain."""

    outcome: Outcome
    reason: str
    legs: tuple[LegOutcome, ...]


def outcome_of(account: str | None, events: Iterable[ev.Event]) -> ActionOutcome:
    """Fold the events of one action; those of other accounts are left out.

    A ``ProcessStarted`` among them makes what was out at that moment unknown, as it does for the worker.
    """
    own = [event for event in events if event.account == account or isinstance(event, ev.ProcessStarted)]
    state = DeskState(account=account or "")
    for event in own:
        evolve(state, event)
    legs = tuple(_leg_outcome(leg, own) for leg in state.legs.values())
    refusals = [event.reason for event in own if isinstance(event, ev.ActionRefused)]
    outcome = _joined(legs, own) if legs else _without_legs(refusals, own)
    return ActionOutcome(outcome, _deciding(outcome, refusals, legs), legs)


# -- one leg ----------------------------------------------------------------------------------------------------

_PLAIN = {
    LegState.PLANNED: Outcome.PENDING,
    LegState.SENT: Outcome.PENDING,
    LegState.TRIGGERED: Outcome.PENDING,
    LegState.RESTING: Outcome.RESTING,
    LegState.UNKNOWN: Outcome.UNKNOWN,
}
"""Legs that may still execute, whatever they did so far."""

_ENDED = {
    # Nothing of it happened and nothing will: that is also what is left of an order cancelled before any fill.
    LegState.CANCELED: Outcome.ABSENT,
    LegState.ABSENT: Outcome.ABSENT,
    LegState.REJECTED: Outcome.REJECTED,
    LegState.DROPPED: Outcome.REFUSED,
    LegState.DONE: Outcome.EXECUTED,
}
"""Legs that are over and never filled. ``done`` without a fill: the status came before the fills did."""


def _leg_outcome(leg: Leg, events: Sequence[ev.Event]) -> LegOutcome:
    own = [event for event in events if getattr(event, "cloid", None) == leg.cloid]
    return LegOutcome(leg, _word(leg), _leg_reason(leg, own), _avg_px(own))


def _word(leg: Leg) -> Outcome:
    if leg.state in _PLAIN:
        return _PLAIN[leg.state]
    if leg.filled == 0:
        return _ENDED[leg.state]
    return Outcome.EXECUTED if leg.filled >= leg.size else Outcome.PARTIAL


def _leg_reason(leg: Leg, own: Sequence[ev.Event]) -> str:
    if leg.state is LegState.ABSENT:
        return "ABSENT"
    if leg.state is LegState.CANCELED:
        return "CANCELED"
    if leg.state not in (LegState.REJECTED, LegState.DROPPED, LegState.UNKNOWN):
        return ""
    said = [event for event in own if isinstance(event, ev.LegRejected | ev.LegDropped | ev.LegUnknown)]
    return said[-1].reason if said else leg.state.value.upper()


def _avg_px(own: Sequence[ev.Event]) -> Decimal | None:
    """By the fills, each once; by the venue's answer while there are none."""
    fills = {(e.fill.tid, e.fill.oid): e.fill for e in own if isinstance(e, ev.FillSeen)}.values()
    size = sum((fill.size for fill in fills), ZERO)
    if size > 0:
        return sum((fill.size * fill.px for fill in fills), ZERO) / size
    told = [event.avg_px for event in own if isinstance(event, ev.LegFilled)]
    return told[-1] if told else None


# -- the action -------------------------------------------------------------------------------------------------


def _without_legs(refusals: Sequence[str], events: Sequence[ev.Event]) -> Outcome:
    if refusals:
        return Outcome.REFUSED
    settled = any(isinstance(event, ev.ExitSettled) for event in events)
    return Outcome.EXECUTED if settled else Outcome.PENDING


def _joined(legs: Sequence[LegOutcome], events: Sequence[ev.Event]) -> Outcome:
    """A trade is what its entry and exit became; a stop or target signal is what its orders became."""
    kinds = [kind for kind in ("exit", "entry") if any(item.leg.kind == kind for item in legs)]
    kinds = kinds or sorted({item.leg.kind for item in legs})
    words = [_of_kind([item for item in legs if item.leg.kind == kind], events) for kind in kinds]
    for word in (Outcome.UNKNOWN, Outcome.PENDING, Outcome.RESTING):
        if word in words:
            return word
    done = [word in (Outcome.EXECUTED, Outcome.PARTIAL) for word in words]
    if any(done) and (Outcome.PARTIAL in words or not all(done)):
        return Outcome.PARTIAL
    return words[-1]


def _of_kind(legs: Sequence[LegOutcome], events: Sequence[ev.Event]) -> Outcome:
    """All attempts of one leg: open ones first, then what they executed together, then the last attempt's word."""
    words = [item.outcome for item in legs]
    for word in (Outcome.UNKNOWN, Outcome.PENDING, Outcome.RESTING):
        if word in words:
            return word
    filled = sum((item.leg.filled for item in legs), ZERO)
    if filled == 0:
        return words[-1]
    return Outcome.EXECUTED if filled >= _wanted(legs) or _settled(legs, events) else Outcome.PARTIAL


def _wanted(legs: Sequence[LegOutcome]) -> Decimal:
    """What the attempts were to execute together: later ones carry the rest, but protection follows the position."""
    return legs[-1 if legs[-1].leg.kind in ("stop", "target") else 0].leg.size


def _settled(legs: Sequence[LegOutcome], events: Sequence[ev.Event]) -> bool:
    """An exit that closed less than asked because no more was there has done its work."""
    return legs[0].leg.kind == "exit" and any(isinstance(e, ev.ExitSettled) and e.left == 0 for e in events)


def _deciding(outcome: Outcome, refusals: Sequence[str], legs: Sequence[LegOutcome]) -> str:
    """Our own no first; else the newest leg that fell short, unless all went well."""
    if refusals:
        return refusals[-1]
    if outcome in (Outcome.EXECUTED, Outcome.RESTING, Outcome.PENDING):
        return ""
    return next((item.reason for item in reversed(legs) if item.reason), "")
