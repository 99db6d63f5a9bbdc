"""How standing wishes change: exits owed, stops, targets, leverage, and what stops entries."""

from __future__ import annotations

from collections.abc import Callable

from executor.core import events as ev
from executor.core.earnings import forgive
from executor.core.holdings import position_of
from executor.core.lifecycle import LegState
from executor.core.state import DeskState, Exit, Leverage, StopWish, TargetWish, Unmet, speaks_of


def _exit_owed(state: DeskState, event: ev.ExitOwed) -> None:
    key = event.key or ""
    state.unmet.pop(key, None)
    state.exits[key] = Exit(
        key=key,
        coin=event.coin,
        agent=event.agent,
        owed=event.size,
        why=event.why,
        at_ms=event.at_ms,
        side=event.side,
        against=tuple(leg.cloid for leg in state.legs_of(event.coin, "entry")),
    )


def _exit_settled(state: DeskState, event: ev.ExitSettled) -> None:
    state.exits.pop(event.key or "", None)


def _stop_wanted(state: DeskState, event: ev.StopWanted) -> None:
    before = _stop_before(state, event)
    wish = state.stops[event.coin] = StopWish(
        key=event.key or "",
        trigger_px=event.trigger_px,
        at_ms=event.at_ms,
        signal_at_ms=event.signal_at_ms,
        default=event.default,
        side=event.side,
        agent=event.agent,
        before=before,
    )
    wish.seen = speaks_of(wish, state.position(event.coin).size)
    if not event.default:
        state.unmet[wish.key] = Unmet(event.coin, event.agent)


def _stop_before(state: DeskState, event: ev.StopWanted) -> StopWish | None:
    """The stop that stands for the position there is, where the new one comes with an entry that is still to leave."""
    before, coming = state.stops.get(event.coin), {leg.key for leg in state.legs_of(event.coin, "entry")}
    if before is None or event.key not in coming or not speaks_of(before, state.position(event.coin).owned):
        return None
    if before.key not in coming:
        before.before = None
    return before


def _target_wanted(state: DeskState, event: ev.TargetWanted) -> None:
    wish = TargetWish(
        key=event.key or "",
        trigger_px=event.trigger_px,
        fraction=event.fraction,
        at_ms=event.at_ms,
        side=event.side,
        agent=event.agent,
    )
    wish.seen = speaks_of(wish, state.position(event.coin).size)
    state.targets.setdefault(event.coin, []).append(wish)
    state.unmet[wish.key] = Unmet(event.coin, event.agent)


def _want_dropped(state: DeskState, event: ev.WantDropped) -> None:
    if event.kind == "stop":
        gone = state.stops.pop(event.coin, None)
        if gone is not None and gone.before is not None:
            state.stops[event.coin] = gone.before
        return
    kept = [wish for wish in state.targets.get(event.coin, []) if wish.key != event.key]
    state.targets[event.coin] = kept
    if not kept:
        del state.targets[event.coin]


def _leverage_wanted(state: DeskState, event: ev.LeverageWanted) -> None:
    state.leverage[event.coin] = Leverage(event.leverage, event.is_cross, "wanted", key=event.key)


def _leverage_confirmed(state: DeskState, event: ev.LeverageConfirmed) -> None:
    state.leverage[event.coin] = Leverage(event.leverage, event.is_cross, "confirmed")


def _leverage_failed(state: DeskState, event: ev.LeverageFailed) -> None:
    state.leverage.pop(event.coin, None)


def _received(state: DeskState, event: ev.ActionReceived) -> None:
    if state.account in event.accounts:
        state.waiting[event.key or ""] = event


def _taken(state: DeskState, event: ev.ActionTaken) -> None:
    state.waiting.pop(event.key or "", None)


def _refused(state: DeskState, event: ev.ActionRefused) -> None:
    state.waiting.pop(event.key or "", None)
    state.unmet.pop(event.key or "", None)


def _process_started(state: DeskState, event: ev.ProcessStarted) -> None:
    """Start-up is recovery: what was out is unknown, what was known of settings may have changed."""
    for leg in state.live.values():
        if leg.state is LegState.SENT:
            leg.turn("unknown", event.at_ms)
    for request in list(state.requests.values()):
        request.unknown = True
        if request.purpose in ("cancel", "leverage"):
            del state.requests[request.request_id]
    for cancel in state.cancels.values():
        cancel.asked = False
    state.leverage.clear()
    state.reconciled = False
    state.missing = ()
    state.flat_reads = 0
    state.continuous = event.clean
    state.unwritten = False
    state.started_ms = event.at_ms
    state.earlier_read_ms = state.account_read_ms


def _anomaly(state: DeskState, event: ev.AnomalyNoted) -> None:
    """An older copy of the ledger cannot prove by its silence that an action never came."""
    if event.code == "LEDGER_BEHIND":
        state.continuous = False


def _ledger_lost(state: DeskState, event: ev.LedgerLost) -> None:
    state.unwritten = True


def _reconciled(state: DeskState, event: ev.Reconciled) -> None:
    state.reconciled = True
    state.missing = ()


def _reconcile_failed(state: DeskState, event: ev.ReconcileFailed) -> None:
    state.missing = event.missing


def _paused(state: DeskState, event: ev.Paused) -> None:
    state.paused = True


def _resumed(state: DeskState, event: ev.Resumed) -> None:
    """What is being closed stays latched until it is: an entry now would be closed with it."""
    state.paused, state.latched = False, state.flattening


def _flatten_started(state: DeskState, event: ev.FlattenStarted) -> None:
    state.flattening = state.latched = True
    state.flat_reads = 0
    state.stops.clear()
    state.targets.clear()


def _flatten_done(state: DeskState, event: ev.FlattenDone) -> None:
    state.flattening = False


def _breaker_latched(state: DeskState, event: ev.BreakerLatched) -> None:
    state.breakers[event.rule] = event.until_ms


def _breaker_reset(state: DeskState, event: ev.BreakerReset) -> None:
    state.breakers.pop(event.rule, None)
    forgive(state, event.rule)


def _protection_changed(state: DeskState, event: ev.ProtectionChanged) -> None:
    position = position_of(state, event.coin)
    position.unprotected_since_ms = event.since_ms if event.state == "unprotected" else None
    position.acted = False


def _protection_acted(state: DeskState, event: ev.ProtectionActed) -> None:
    position = position_of(state, event.coin)
    position.acted, position.acted_at_ms = True, event.at_ms


HANDLERS: dict[str, Callable[..., None]] = {
    "ExitOwed": _exit_owed,
    "ExitSettled": _exit_settled,
    "StopWanted": _stop_wanted,
    "TargetWanted": _target_wanted,
    "WantDropped": _want_dropped,
    "LeverageWanted": _leverage_wanted,
    "LeverageConfirmed": _leverage_confirmed,
    "LeverageFailed": _leverage_failed,
    "ActionReceived": _received,
    "ActionTaken": _taken,
    "ActionRefused": _refused,
    "ProcessStarted": _process_started,
    "AnomalyNoted": _anomaly,
    "LedgerLost": _ledger_lost,
    "Reconciled": _reconciled,
    "ReconcileFailed": _reconcile_failed,
    "Paused": _paused,
    "Resumed": _resumed,
    "FlattenStarted": _flatten_started,
    "FlattenDone": _flatten_done,
    "BreakerLatched": _breaker_latched,
    "BreakerReset": _breaker_reset,
    "ProtectionChanged": _protection_changed,
    "ProtectionActed": _protection_acted,
}
"""Each handler takes the event class its key names."""
