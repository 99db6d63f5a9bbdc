"""The one place where a desk's state changes: ``evolve(state, event)``. Replay runs nothing else."""

from __future__ import annotations

from collections.abc import Callable

from executor.core import events as ev
from executor.core import wishes
from executor.core.answers import absent_from_ms
from executor.core.earnings import answer_earned, entry_failed, entry_worked, funding_seen
from executor.core.exits import IN_PART, note_miss
from executor.core.holdings import (
    account_read,
    adopted,
    claim_voided,
    entry_settled,
    execute,
    fill_seen,
    learn_oid,
    orders_read,
)
from executor.core.lifecycle import OPEN_STATES, LegState
from executor.core.spent import note_signed
from executor.core.state import (
    KEEP_CLOSED_LEGS,
    OF_POLICY,
    Cancel,
    DeskState,
    Leg,
    Request,
    StopWish,
    TargetWish,
)
from executor.core.triggers import RETRY_MAX_MS
from executor.core.virtual import note_hour

KEEP_ENTRY_TIMES = 1000

ROW_MS = 2 * RETRY_MAX_MS
"""Failures of a target further apart are not in a row."""

WOULD_FIRE = ("INVALID_TRIGGER_PX", "badTriggerPxRejected")
"""How the venue says that a trigger is beyond the mark already (hyperliquid.md sections 1.3 and 3.3)."""


def evolve(state: DeskState, event: ev.Event) -> None:
    """Apply one event. Events that say nothing about a desk's state change nothing."""
    handler = _HANDLERS.get(type(event).__name__)
    if handler is not None:
        handler(state, event)
        cloid = getattr(event, "cloid", None)
        if cloid is not None:
            state.index(cloid)
            entry_settled(state, cloid, event.at_ms)


# -- legs -------------------------------------------------------------------------------------------------------


def _planned(state: DeskState, event: ev.LegPlanned) -> None:
    state.unmet.pop(event.key or "", None)
    state.legs[event.cloid] = Leg(
        cloid=event.cloid,
        kind=event.leg,
        key=event.key or "",
        attempt=event.attempt,
        coin=event.coin,
        side=event.side,
        size=event.size,
        limit_px=event.limit_px,
        reduce_only=event.reduce_only,
        planned_at_ms=event.at_ms,
        agent=event.agent,
        signal_at_ms=event.signal_at_ms,
        trigger_px=event.trigger_px,
        leverage=event.leverage,
        good_until_ms=event.good_until_ms,
        wait_flat=event.wait_flat,
        bracket=event.bracket,
        last_change_ms=event.at_ms,
    )
    _PLANNED[event.leg](state, event)
    _prune(state)


def _planned_entry(state: DeskState, event: ev.LegPlanned) -> None:
    state.entries_at_ms = [*state.entries_at_ms[-KEEP_ENTRY_TIMES:], event.at_ms]
    state.last_entry_ms[event.coin] = event.at_ms


def _planned_exit(state: DeskState, event: ev.LegPlanned) -> None:
    owed = state.exits.get(event.key or "")
    if owed is not None:
        owed.attempts += 1
        owed.last_attempt_ms = event.at_ms


def _planned_trigger(state: DeskState, event: ev.LegPlanned) -> None:
    """The wish counts its orders: their legs are forgotten, their names must not be given again."""
    wishes = state.stops if event.leg == "stop" else state.targets
    for wish in wishes.get(event.coin, ()):
        if wish.key == event.key:
            wish.attempts = max(wish.attempts, event.attempt)


_PLANNED: dict[str, Callable[[DeskState, ev.LegPlanned], None]] = {
    "entry": _planned_entry,
    "exit": _planned_exit,
    "stop": _planned_trigger,
    "target": _planned_trigger,
}


def _prune(state: DeskState) -> None:
    if len(state.legs) <= 2 * KEEP_CLOSED_LEGS:
        return
    closed = [cloid for cloid, leg in state.legs.items() if not leg.open]
    for cloid in closed[:-KEEP_CLOSED_LEGS]:
        del state.legs[cloid]


def _send_started(state: DeskState, event: ev.SendStarted) -> None:
    state.requests[event.request_id] = Request(
        request_id=event.request_id,
        purpose=event.purpose,
        nonce=event.nonce,
        expires_after_ms=event.expires_after_ms,
        vault=event.vault,
        action=event.action,
        cloids=event.cloids,
        oids=event.oids,
        coin=event.coin,
        at_ms=event.at_ms,
        signer=event.signer,
    )
    note_signed(state, event.action, event.at_ms)
    if event.purpose == "cancel":
        for name in (*event.cloids, *map(str, event.oids)):
            _cancel_asked(state, name, event.at_ms)
        return
    if event.purpose == "leverage" and event.coin in state.leverage:
        state.leverage[event.coin].asked = True
    for cloid in event.cloids:
        leg = state.legs.get(cloid)
        if leg is not None and leg.turn("sent", event.at_ms):
            leg.request_id, leg.sent_at_ms = event.request_id, event.at_ms
            leg.deadline_ms = absent_from_ms(event.expires_after_ms)


def _cancel_asked(state: DeskState, name: str, at_ms: int) -> None:
    cancel = state.cancels.get(name)
    if cancel is not None:
        cancel.asked, cancel.last_attempt_ms = True, at_ms
        cancel.attempts += 1


def _leg(state: DeskState, cloid: str) -> Leg | None:
    return state.legs.get(cloid)


def _cleared(state: DeskState, event: ev.LegCleared) -> None:
    leg = _leg(state, event.cloid)
    if leg is not None and leg.state is LegState.PLANNED:
        leg.doubted = False


def _dropped(state: DeskState, event: ev.LegDropped) -> None:
    leg = _leg(state, event.cloid)
    if leg is not None and leg.turn("dropped", event.at_ms) and event.reason == "UNSENDABLE":
        _missed(state, leg, event.at_ms, event.reason)


def _rested(state: DeskState, event: ev.LegRested) -> None:
    leg = _leg(state, event.cloid)
    if leg is not None and leg.turn("rested", event.at_ms):
        learn_oid(state, leg, event.oid, leg.limit_px, event.at_ms)
        leg.listed = leg.listed if event.listed is None else event.listed
        wish = _stop_of(state, leg)
        if wish is not None and wish.key == leg.key:
            wish.failures, wish.crossed = 0, False


def _stop_of(state: DeskState, leg: Leg) -> StopWish | None:
    """The wish a stop leg serves, or served before it was replaced."""
    return state.stop_for(leg.coin, state.whose(leg.coin, leg.agent)) if leg.kind == "stop" else None


def _targets_of(state: DeskState, leg: Leg) -> list[TargetWish]:
    """The wish a target leg serves."""
    return [wish for wish in state.targets.get(leg.coin, ()) if leg.kind == "target" and wish.key == leg.key]


def _filled(state: DeskState, event: ev.LegFilled) -> None:
    leg = _leg(state, event.cloid)
    was_open = leg is not None and leg.open
    if leg is None or not leg.turn("filled", event.at_ms):
        return
    px = event.avg_px or leg.limit_px
    note_hour(state, leg.coin, event.at_ms)
    learn_oid(state, leg, event.oid, px, event.at_ms)
    before = leg.filled
    leg.told_filled = max(leg.told_filled, event.size)
    answer_earned(state, leg, px)
    entry_worked(state, leg)
    execute(state, leg, leg.filled - before, px, event.at_ms)
    if was_open and leg.filled < leg.size:
        _missed(state, leg, event.at_ms, IN_PART)


def _triggered(state: DeskState, event: ev.LegTriggered) -> None:
    leg = _leg(state, event.cloid)
    if leg is not None:
        leg.turn("triggered", event.at_ms)


def _ended(state: DeskState, event: ev.LegEnded) -> None:
    leg = _leg(state, event.cloid)
    if leg is None:
        return
    was_open = leg.open
    if not leg.turn(event.ending, event.at_ms):
        return
    leg.oid = event.oid if event.oid is not None else leg.oid
    for wish in _targets_of(state, leg):  # its fills may be told later
        wish.executed = wish.executed or event.ending == "filled"
    asked_for = state.cancels.pop(leg.cloid, None) is not None
    # a bracket's child whose parent filled in part waited for nothing: nothing failed, so nothing has to wait
    if was_open and event.ending != "filled" and not asked_for and event.status != "waitingForFill":
        _missed(state, leg, event.at_ms, event.status)


def _rejected(state: DeskState, event: ev.LegRejected) -> None:
    leg = _leg(state, event.cloid)
    before = None if leg is None else leg.state
    if leg is not None and leg.turn("rejected", event.at_ms) and before in OPEN_STATES:
        _missed(state, leg, event.at_ms, event.reason)
        if before is not LegState.UNKNOWN:  # that counted when it became unknown
            entry_failed(state, leg)


def _absent(state: DeskState, event: ev.LegAbsent) -> None:
    leg = _leg(state, event.cloid)
    if leg is not None and leg.turn("absent", event.at_ms):
        _missed(state, leg, event.at_ms, "ABSENT")


def _missed(state: DeskState, leg: Leg, at_ms: int, said: str) -> None:
    """An attempt is over without doing all it should: exits widen if the price was why, protection waits a moment."""
    owed = state.exits.get(leg.key)
    if leg.kind == "exit" and owed is not None:
        note_miss(owed, said)
    if leg.kind == "stop":
        _stop_missed(state, leg, at_ms, said)
    for wish in _targets_of(state, leg):
        # one that rests and dies at once is no better than one that is refused: only a long rest ends the row
        wish.failures = 1 if at_ms - wish.failed_at_ms > ROW_MS else wish.failures + 1
        wish.failed_at_ms = at_ms


def _stop_missed(state: DeskState, leg: Leg, at_ms: int, said: str) -> None:
    """What an order of an earlier wish comes to says nothing of the one that replaced it."""
    wish = _stop_of(state, leg)
    if wish is not None and (leg.key == wish.key or leg.key.startswith(OF_POLICY)):
        wish.failed_at_ms = at_ms
        wish.failures += 1
        wish.crossed = wish.crossed or said in WOULD_FIRE


def _unknown(state: DeskState, event: ev.LegUnknown) -> None:
    leg = _leg(state, event.cloid)
    if leg is None or not leg.turn("unknown", event.at_ms):
        return
    entry_failed(state, leg)
    leg.deadline_ms = event.deadline_ms
    request = state.requests.get(leg.request_id or "")
    if request is not None:
        request.unknown = True


def _request_closed(state: DeskState, event: ev.RequestClosed) -> None:
    state.requests.pop(event.request_id, None)


def _cancel_wanted(state: DeskState, event: ev.CancelWanted) -> None:
    name = event.cloid or str(event.oid)
    known = state.cancels.get(name)
    if known is None:
        state.cancels[name] = Cancel(coin=event.coin, oid=event.oid, cloid=event.cloid, why=event.why)


def _cancel_settled(state: DeskState, event: ev.CancelSettled) -> None:
    name = event.cloid or str(event.oid)
    cancel = state.cancels.get(name)
    if event.result == "unknown":
        if cancel is not None:
            cancel.attempts += 0 if cancel.asked else 1  # one that could not be made is an attempt too
            cancel.asked, cancel.last_attempt_ms = False, event.at_ms
        return
    state.cancels.pop(name, None)
    state.orders = {oid: o for oid, o in state.orders.items() if oid != event.oid and (o.cloid or "") != name}
    leg = state.legs.get(name)
    if leg is not None and leg.open and event.result == "gone":
        leg.doubted, leg.gone_at_ms = True, event.at_ms


_HANDLERS: dict[str, Callable[..., None]] = {
    **wishes.HANDLERS,
    "FillSeen": fill_seen,
    "FundingSeen": funding_seen,
    "AccountRead": account_read,
    "OrdersRead": orders_read,
    "PositionAdopted": adopted,
    "ClaimVoided": claim_voided,
    "LegPlanned": _planned,
    "LegCleared": _cleared,
    "LegDropped": _dropped,
    "SendStarted": _send_started,
    "LegRested": _rested,
    "LegFilled": _filled,
    "LegTriggered": _triggered,
    "LegEnded": _ended,
    "LegRejected": _rejected,
    "LegAbsent": _absent,
    "LegUnknown": _unknown,
    "RequestClosed": _request_closed,
    "CancelWanted": _cancel_wanted,
    "CancelSettled": _cancel_settled,
}
"""Each handler takes the event class its key names."""
