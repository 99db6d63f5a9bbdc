"""How standing wishes change: exits owed, stops, targets, leverage, and what stops entries."""

from __future__ import annotations

from collections.abc import Callable

from executor.core import events as ev
from executor.core.earnings import forgive
from executor.core.executed import heard
from executor.core.holdings import handed_over, position_of, put
from executor.core.lifecycle import LegState
from executor.core.position import Watch
from executor.core.state import DeskState, Exit, Leverage, StopWish, TargetWish, Unmet, speaks_of
from executor.core.stopcheck import BEYOND
from executor.core.types import ZERO, Agent, closing_side


def _exit_owed(state: DeskState, event: ev.ExitOwed) -> None:
    key, everybodys = event.key or "", event.agent is None or event.why == "flatten"
    state.unmet.pop(key, None)
    state.exits[key] = Exit(
        key=key,
        coin=event.coin,
        agent=event.agent,
        owed=event.size,
        why=event.why,
        at_ms=event.at_ms,
        side=event.side,
        against=tuple(
            leg.cloid for leg in state.legs_of(event.coin, "entry") if everybodys or leg.agent == event.agent
        ),
    )


def _exit_settled(state: DeskState, event: ev.ExitSettled) -> None:
    """A rest too small for an order is handed to the other agents of the coin: it leaves with theirs."""
    owed = state.exits.pop(event.key or "", None)
    rest = ZERO if owed is None else state.position(event.coin).held_by(owed.agent)
    if owed is not None and abs(rest) <= event.left and owed.side in (None, closing_side(rest)):
        handed_over(state, event.coin, owed.agent)


def _stop_wanted(state: DeskState, event: ev.StopWanted) -> None:
    """The newest stop of an agent takes the place of the one before it."""
    agent = state.whose(event.coin, event.agent)
    before = _stop_before(state, event, agent)
    wish = StopWish(
        key=event.key or "",
        trigger_px=event.trigger_px,
        at_ms=event.at_ms,
        signal_at_ms=event.signal_at_ms,
        default=event.default,
        side=event.side,
        agent=agent,
        before=before,
    )
    others = [kept for kept in state.stops.get(event.coin, ()) if state.whose(event.coin, kept.agent) != agent]
    state.stops[event.coin] = [*others, wish]
    wish.seen = speaks_of(wish, state.position(event.coin).part_of(agent))
    if not event.default:
        state.unmet[wish.key] = Unmet("stop", event.coin, agent)


def _stop_before(state: DeskState, event: ev.StopWanted, agent: Agent | None) -> StopWish | None:
    """The stop that stands for the position there is, where the new one comes with an entry that is still to leave."""
    before, coming = state.stop_for(event.coin, agent), {leg.key for leg in state.legs_of(event.coin, "entry")}
    held = state.position(event.coin).held_by(agent)
    if before is None or event.key not in coming or not speaks_of(before, held):
        return None
    if before.key not in coming:
        before.before = None
    return before


def _target_wanted(state: DeskState, event: ev.TargetWanted) -> None:
    agent = state.whose(event.coin, event.agent)
    wish = TargetWish(
        key=event.key or "",
        trigger_px=event.trigger_px,
        fraction=event.fraction,
        at_ms=event.at_ms,
        side=event.side,
        agent=agent,
    )
    wish.seen = speaks_of(wish, state.position(event.coin).part_of(agent))
    state.targets.setdefault(event.coin, []).append(wish)
    state.unmet[wish.key] = Unmet("target", event.coin, event.agent)


def _alarm_raised(state: DeskState, event: ev.AlarmRaised) -> None:
    if event.code == BEYOND:
        for wish in (wish for wishes in state.stops.values() for wish in wishes):
            wish.told_beyond = wish.told_beyond or wish.key == event.key


def _want_dropped(state: DeskState, event: ev.WantDropped) -> None:
    if event.kind == "stop":
        wishes = state.stops.get(event.coin, [])
        kept = [wish.before if wish.key == event.key else wish for wish in wishes]
        put(state.stops, event.coin, [wish for wish in kept if wish is not None])
        return
    put(state.targets, event.coin, [wish for wish in state.targets.get(event.coin, []) if wish.key != event.key])


def _leverage_wanted(state: DeskState, event: ev.LeverageWanted) -> None:
    state.leverage[event.coin] = Leverage(event.leverage, event.is_cross, "wanted", key=event.key)


def _leverage_confirmed(state: DeskState, event: ev.LeverageConfirmed) -> None:
    state.leverage[event.coin] = Leverage(event.leverage, event.is_cross, "confirmed")


def _leverage_failed(state: DeskState, event: ev.LeverageFailed) -> None:
    state.leverage.pop(event.coin, None)


def _received(state: DeskState, event: ev.ActionReceived) -> None:
    if state.account in event.accounts:
        state.waiting[event.key or ""] = event
        heard(state, event)


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
    if not event.clean:
        _doubt_plans(state)
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
        _doubt_plans(state)


def _doubt_plans(state: DeskState) -> None:
    """A power cut or an older copy can keep the plan of an entry and lose the record of its send: it is looked up."""
    for leg in state.live.values():
        if leg.state is LegState.PLANNED and (leg.kind == "entry" or leg.bracket):
            leg.doubted = True


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
    watch = _watch(state, event.coin, event.agent)
    watch.since_ms = event.since_ms if event.state == "unprotected" else None
    watch.acted = False


def _protection_acted(state: DeskState, event: ev.ProtectionActed) -> None:
    watch = _watch(state, event.coin, event.agent)
    watch.acted, watch.acted_at_ms = True, event.at_ms


def _watch(state: DeskState, coin: str, agent: Agent | None) -> Watch:
    """Of an agent's holding, or of what nobody of ours opened."""
    position = position_of(state, coin)
    holding = None if agent is None else position.holding(agent)
    return position.watch if holding is None else holding.watch


HANDLERS: dict[str, Callable[..., None]] = {
    "ExitOwed": _exit_owed,
    "ExitSettled": _exit_settled,
    "StopWanted": _stop_wanted,
    "TargetWanted": _target_wanted,
    "WantDropped": _want_dropped,
    "LeverageWanted": _leverage_wanted,
    "LeverageConfirmed": _leverage_confirmed,
    "LeverageFailed": _leverage_failed,
    "AlarmRaised": _alarm_raised,
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
