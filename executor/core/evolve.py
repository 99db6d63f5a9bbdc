"""The one place where a desk's state changes: ``evolve(state, event)``. Replay runs nothing else.

Positions are the venue's. Between two reads they are carried on by fills: a fill counts once, by its identity;
an answer's claim and the fill it speaks of count once, whichever comes first; a fill older than the newest read is
in that read already.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from executor.core import events as ev
from executor.core.facts import AccountFact
from executor.core.lifecycle import LegState, step
from executor.core.state import (
    KEEP_CLOSED_LEGS,
    KEEP_FILLS,
    Cancel,
    Day,
    DeskState,
    Exit,
    Leg,
    Leverage,
    Position,
    Request,
    StopWish,
    TargetWish,
)
from executor.core.types import ZERO, Agent

DAY_MS = 86_400_000
KEEP_ENTRY_TIMES = 1000


def evolve(state: DeskState, event: ev.Event) -> None:
    """Apply one event. Events that say nothing about a desk's state change nothing."""
    handler = _HANDLERS.get(type(event).__name__)
    if handler is not None:
        handler(state, event)


def fill_id(tid: int, oid: int) -> str:
    """A fill's identity on one account (hyperliquid.md section 1.4)."""
    return f"{tid}:{oid}"


# -- positions --------------------------------------------------------------------------------------------------


def _position(state: DeskState, coin: str) -> Position:
    position = state.positions.get(coin)
    if position is None:
        position = state.positions[coin] = Position(coin=coin, read_at_ms=state.account_read_ms)
    return position


def _clamp_owned(position: Position) -> None:
    """What we own is never more than what is there, and never on the other side."""
    if position.owned * position.size <= 0:
        position.owned = ZERO
    elif abs(position.owned) > abs(position.size):
        position.owned = position.size
    if position.owned == 0:
        position.owner = None


def _went_flat(state: DeskState, position: Position) -> None:
    """Stops and targets belong to one life of a position: they go with it."""
    coin = position.coin
    state.positions[coin] = Position(coin=coin, read_at_ms=position.read_at_ms)
    if coin in state.stops and state.stops[coin].seen:
        del state.stops[coin]
    state.targets[coin] = [wish for wish in state.targets.get(coin, []) if not wish.seen]
    if not state.targets[coin]:
        del state.targets[coin]


def _came_up(state: DeskState, coin: str) -> None:
    if coin in state.stops:
        state.stops[coin].seen = True
    for wish in state.targets.get(coin, []):
        wish.seen = True


def _move(state: DeskState, coin: str, delta: Decimal, px: Decimal, leg: Leg | None) -> None:
    """Carry a position on by an execution; ``leg`` is ours, ``None`` for a foreign one."""
    position = _position(state, coin)
    before, after = position.size, position.size + delta
    grows = before == 0 or before * delta > 0
    if grows and after != 0:
        position.entry_px = (abs(before) * position.entry_px + abs(delta) * px) / abs(after)
    elif before * after < 0:
        position.entry_px = px
    position.size = after
    if leg is not None:
        if leg.kind == "entry" and position.owned == 0:
            position.owner, position.opened_at_ms = leg.agent, leg.signal_at_ms
        position.owned += delta
    _clamp_owned(position)
    if after == 0:
        _went_flat(state, position)
    else:
        _came_up(state, coin)


def _execute(state: DeskState, leg: Leg, newly: Decimal, px: Decimal) -> None:
    if newly <= 0:
        return
    owed = state.exits.get(leg.key)
    if owed is not None and leg.kind == "exit":
        owed.owed = max(ZERO, owed.owed - newly)
    _move(state, leg.coin, newly * leg.side.sign, px, leg)


def _fill_seen(state: DeskState, event: ev.FillSeen) -> None:
    fill = event.fill
    identity = fill_id(fill.tid, fill.oid)
    if identity in state.seen_fills:
        return
    state.seen_fills[identity] = fill.at_ms
    state.last_fill_ms = max(state.last_fill_ms, fill.at_ms)
    if fill.at_ms >= state.day.start_ms:
        state.day.realized_usd += fill.closed_pnl_usd - fill.fee_usd
    in_read = fill.at_ms <= _position(state, fill.coin).read_at_ms
    leg = state.legs.get(event.cloid or "")
    if leg is not None:
        _leg_fill(state, leg, fill.size, fill.px, in_read)
    elif not in_read:
        _move(state, fill.coin, fill.signed_size, fill.px, None)
    if len(state.seen_fills) > 2 * KEEP_FILLS:
        state.seen_fills = dict(list(state.seen_fills.items())[-KEEP_FILLS:])


def _leg_fill(state: DeskState, leg: Leg, size: Decimal, px: Decimal, in_read: bool) -> None:
    before = leg.filled
    leg.seen_filled += size
    newly = leg.filled - before
    if in_read:
        owed = state.exits.get(leg.key)
        if owed is not None and leg.kind == "exit":
            owed.owed = max(ZERO, owed.owed - newly)
    else:
        _execute(state, leg, newly, px)
    if leg.state in (LegState.RESTING, LegState.TRIGGERED) and leg.filled >= leg.size:
        leg.state = step(leg.state, "filled") or leg.state


def _account_read(state: DeskState, event: ev.AccountRead) -> None:
    fact = event.fact
    for coin in {p.coin for p in fact.positions} | set(state.positions):
        if coin in event.skipped:
            _position(state, coin)
            continue
        _set_position(state, coin, fact)
    state.equity_usd = fact.equity_usd
    state.account_read_ms = fact.at_ms
    state.flat_reads = 0 if fact.positions else state.flat_reads + 1
    _roll_day(state, fact)


def _set_position(state: DeskState, coin: str, fact: AccountFact) -> None:
    position = _position(state, coin)
    position.read_at_ms = fact.at_ms
    told = next((p for p in fact.positions if p.coin == coin), None)
    if told is None:
        if position.size != 0:
            _went_flat(state, position)
        return
    position.size, position.entry_px = told.size, told.entry_px
    position.leverage, position.is_cross = told.leverage, told.is_cross
    position.liquidation_px = told.liquidation_px
    position.unrealized_pnl_usd = told.unrealized_pnl_usd
    _clamp_owned(position)
    _came_up(state, coin)


def _roll_day(state: DeskState, fact: AccountFact) -> None:
    midnight = fact.at_ms - fact.at_ms % DAY_MS
    if midnight <= state.day.start_ms:
        return
    unrealized = sum((p.unrealized_pnl_usd for p in fact.positions), ZERO)
    state.day = Day(start_ms=midnight, start_equity_usd=fact.equity_usd, start_unrealized_usd=unrealized)


def _orders_read(state: DeskState, event: ev.OrdersRead) -> None:
    state.orders = {order.oid: order for order in event.orders}
    state.orders_read_ms = event.at_ms
    for order in event.orders:
        leg = state.legs.get(order.cloid or "")
        if leg is not None and leg.open:
            leg.oid = order.oid


def _adopted(state: DeskState, event: ev.PositionAdopted) -> None:
    position = _position(state, event.coin)
    position.owner, position.owned = event.agent, event.size
    position.opened_at_ms = event.opened_at_ms
    _clamp_owned(position)


# -- legs -------------------------------------------------------------------------------------------------------


def _turn(leg: Leg, verb: str, at_ms: int) -> bool:
    after = step(leg.state, verb)
    if after is None:
        return False
    leg.state, leg.last_change_ms, leg.doubted = after, at_ms, False
    return True


def _planned(state: DeskState, event: ev.LegPlanned) -> None:
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


def _planned_stop(state: DeskState, event: ev.LegPlanned) -> None:
    if event.coin in state.stops:
        state.stops[event.coin].attempts += 1


def _planned_target(state: DeskState, event: ev.LegPlanned) -> None:
    for wish in state.targets.get(event.coin, []):
        if wish.key == event.key:
            wish.attempts += 1


_PLANNED: dict[str, Callable[[DeskState, ev.LegPlanned], None]] = {
    "entry": _planned_entry,
    "exit": _planned_exit,
    "stop": _planned_stop,
    "target": _planned_target,
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
    )
    if event.purpose == "cancel":
        for name in (*event.cloids, *map(str, event.oids)):
            _cancel_asked(state, name, event.at_ms)
        return
    if event.purpose == "leverage" and event.coin in state.leverage:
        state.leverage[event.coin].asked = True
    for cloid in event.cloids:
        leg = state.legs.get(cloid)
        if leg is not None and _turn(leg, "sent", event.at_ms):
            leg.request_id, leg.sent_at_ms = event.request_id, event.at_ms
            leg.deadline_ms = event.expires_after_ms


def _cancel_asked(state: DeskState, name: str, at_ms: int) -> None:
    cancel = state.cancels.get(name)
    if cancel is not None:
        cancel.asked, cancel.last_attempt_ms = True, at_ms
        cancel.attempts += 1


def _leg(state: DeskState, cloid: str) -> Leg | None:
    return state.legs.get(cloid)


def _dropped(state: DeskState, event: ev.LegDropped) -> None:
    leg = _leg(state, event.cloid)
    if leg is not None:
        _turn(leg, "dropped", event.at_ms)


def _rested(state: DeskState, event: ev.LegRested) -> None:
    leg = _leg(state, event.cloid)
    if leg is not None and _turn(leg, "rested", event.at_ms):
        leg.oid = event.oid if event.oid is not None else leg.oid


def _filled(state: DeskState, event: ev.LegFilled) -> None:
    leg = _leg(state, event.cloid)
    if leg is None or not _turn(leg, "filled", event.at_ms):
        return
    leg.oid = event.oid if event.oid is not None else leg.oid
    before = leg.filled
    leg.told_filled = max(leg.told_filled, event.size)
    _execute(state, leg, leg.filled - before, event.avg_px or leg.limit_px)
    if leg.filled < leg.size:
        _missed(state, leg, event.at_ms)


def _triggered(state: DeskState, event: ev.LegTriggered) -> None:
    leg = _leg(state, event.cloid)
    if leg is not None:
        _turn(leg, "triggered", event.at_ms)


def _ended(state: DeskState, event: ev.LegEnded) -> None:
    leg = _leg(state, event.cloid)
    if leg is None:
        return
    was_open = leg.open
    if not _turn(leg, event.ending, event.at_ms):
        return
    leg.oid = event.oid if event.oid is not None else leg.oid
    state.cancels.pop(leg.cloid, None)
    if was_open and event.ending != "filled":
        _missed(state, leg, event.at_ms)


def _rejected(state: DeskState, event: ev.LegRejected) -> None:
    leg = _leg(state, event.cloid)
    if leg is not None and _turn(leg, "rejected", event.at_ms):
        _missed(state, leg, event.at_ms)


def _absent(state: DeskState, event: ev.LegAbsent) -> None:
    leg = _leg(state, event.cloid)
    if leg is not None and _turn(leg, "absent", event.at_ms):
        _missed(state, leg, event.at_ms)


def _missed(state: DeskState, leg: Leg, at_ms: int) -> None:
    """An attempt is over without doing all it should: exits widen, protection waits a moment."""
    owed = state.exits.get(leg.key)
    if leg.kind == "exit" and owed is not None:
        owed.missed += 1
    if leg.kind == "stop" and leg.coin in state.stops:
        state.stops[leg.coin].failed_at_ms = at_ms
    if leg.kind == "target":
        for wish in state.targets.get(leg.coin, []):
            if wish.key == leg.key:
                wish.failed_at_ms = at_ms


def _unknown(state: DeskState, event: ev.LegUnknown) -> None:
    leg = _leg(state, event.cloid)
    if leg is None or not _turn(leg, "unknown", event.at_ms):
        return
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
    if cancel is None:
        return
    if event.result == "unknown":
        cancel.asked = False
        return
    del state.cancels[name]
    if event.oid is not None:
        state.orders.pop(event.oid, None)
    leg = state.legs.get(name)
    if leg is not None and leg.open and event.result == "gone":
        leg.doubted = True


# -- wishes, leverage, commands -----------------------------------------------------------------------------------


def _exit_owed(state: DeskState, event: ev.ExitOwed) -> None:
    key = event.key or ""
    state.exits[key] = Exit(
        key=key, coin=event.coin, agent=event.agent, owed=event.size, why=event.why, at_ms=event.at_ms
    )


def _exit_settled(state: DeskState, event: ev.ExitSettled) -> None:
    state.exits.pop(event.key or "", None)


def _stop_wanted(state: DeskState, event: ev.StopWanted) -> None:
    state.stops[event.coin] = StopWish(
        key=event.key or "",
        trigger_px=event.trigger_px,
        at_ms=event.at_ms,
        signal_at_ms=event.signal_at_ms,
        default=event.default,
        seen=state.position(event.coin).size != 0,
    )


def _target_wanted(state: DeskState, event: ev.TargetWanted) -> None:
    wish = TargetWish(
        key=event.key or "",
        trigger_px=event.trigger_px,
        fraction=event.fraction,
        at_ms=event.at_ms,
        seen=state.position(event.coin).size != 0,
    )
    state.targets.setdefault(event.coin, []).append(wish)


def _want_dropped(state: DeskState, event: ev.WantDropped) -> None:
    if event.kind == "stop":
        state.stops.pop(event.coin, None)
        return
    kept = [wish for wish in state.targets.get(event.coin, []) if wish.key != event.key]
    state.targets[event.coin] = kept
    if not kept:
        del state.targets[event.coin]


def _leverage_wanted(state: DeskState, event: ev.LeverageWanted) -> None:
    state.leverage[event.coin] = Leverage(event.leverage, event.is_cross, "wanted")


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


def _process_started(state: DeskState, event: ev.ProcessStarted) -> None:
    """Start-up is recovery: what was out is unknown, what was known of settings may have changed."""
    for leg in state.legs.values():
        if leg.state is LegState.SENT:
            _turn(leg, "unknown", event.at_ms)
    for request in list(state.requests.values()):
        request.unknown = True
        if request.purpose in ("cancel", "leverage"):
            del state.requests[request.request_id]
    for cancel in state.cancels.values():
        cancel.asked = False
    state.leverage.clear()
    state.reconciled = False
    state.flat_reads = 0
    state.continuous = event.clean
    state.started_ms = event.at_ms


def _reconciled(state: DeskState, event: ev.Reconciled) -> None:
    state.reconciled = True


def _paused(state: DeskState, event: ev.Paused) -> None:
    state.paused = True


def _resumed(state: DeskState, event: ev.Resumed) -> None:
    state.paused = state.latched = False


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


def _protection_changed(state: DeskState, event: ev.ProtectionChanged) -> None:
    position = _position(state, event.coin)
    position.unprotected_since_ms = event.since_ms if event.state == "unprotected" else None
    position.acted = False


def _protection_acted(state: DeskState, event: ev.ProtectionActed) -> None:
    _position(state, event.coin).acted = True


def agent_of(event: ev.ActionReceived) -> Agent:
    """Who sent an action."""
    return Agent(event.system, event.agent_id)


_HANDLERS: dict[str, Callable[..., None]] = {
    "FillSeen": _fill_seen,
    "AccountRead": _account_read,
    "OrdersRead": _orders_read,
    "PositionAdopted": _adopted,
    "LegPlanned": _planned,
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
    "Reconciled": _reconciled,
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
