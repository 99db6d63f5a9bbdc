"""The venue's word against ours: every difference gets a class and an event; nothing is traded here.

Asked after a complete read of positions, open orders and fills: at start, after every reconnect, on a timer
(design.md rule 10). Coins with orders out keep what we know until they are quiet: a read that raced an order says
nothing about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from executor.core import events as ev
from executor.core.answers import fill_events, lawful
from executor.core.facts import AccountFact, Fill, OpenOrder
from executor.core.holdings import listing
from executor.core.identity import is_ours, plain
from executor.core.lifecycle import LegState
from executor.core.settings import SETTLE_MS
from executor.core.state import DeskState, Leg
from executor.core.types import ZERO


def busy_coins(state: DeskState, asked_at_ms: int) -> tuple[str, ...]:
    """Coins whose position this read cannot speak of: an order is out or unknown, or was answered since it was asked.

    An unknown order may be in the read: counted there, and again when a resend is answered, it would stand twice.
    """
    return tuple(
        sorted(
            {
                leg.coin
                for leg in state.legs.values()
                if leg.in_flight or (leg.last_change_ms >= asked_at_ms and leg.sent_at_ms)
            }
        )
    )


def account_events(
    state: DeskState, fact: AccountFact, asked_at_ms: int, now_ms: int, skipped: tuple[str, ...] | None = None
) -> list[ev.Event]:
    """A read of positions and money, with what differed from what we knew."""
    known = busy_coins(state, asked_at_ms) if skipped is None else skipped
    busy = tuple(sorted({*known, *_outdated(state, fact)}))
    told = {p.coin: p.size for p in fact.positions}
    differing = [
        coin
        for coin in sorted(set(told) | set(state.positions))
        if coin not in busy and told.get(coin, ZERO) != state.position(coin).size
    ]
    found = [_difference(state, coin, told.get(coin, ZERO), now_ms) for coin in differing]
    return [*found, ev.AccountRead(at_ms=now_ms, account=state.account, fact=fact, skipped=busy)]


def _outdated(state: DeskState, fact: AccountFact) -> set[str]:
    """Coins we know more of than this read does: it was overtaken by a fill or by a newer read."""
    return {c for c, p in state.positions.items() if max(p.read_at_ms, p.filled_at_ms) > fact.at_ms}


def _difference(state: DeskState, coin: str, venue: Decimal, now_ms: int) -> ev.DifferenceFound:
    ours = state.position(coin).size
    return ev.DifferenceFound(
        at_ms=now_ms,
        account=state.account,
        coin=coin,
        cause=_cause(ours, venue),
        ours=plain(ours) or "0",
        venue=plain(venue) or "0",
    )


def _cause(ours: Decimal, venue: Decimal) -> str:
    """Fills are folded in before: what is left over has no fill we were told of."""
    if ours == 0:
        return "foreign position"
    return "closed elsewhere" if venue == 0 else "changed elsewhere"


def fill_cause(fill: Fill, leg: Leg | None) -> str | None:
    """The class of a fill that no order of ours was sent for just now; ``None`` when it is simply ours."""
    if fill.liquidation:
        return "liquidation"
    if leg is None:
        return None if is_ours(fill.cloid) else "manual trade"
    return {"stop": "stop fired", "target": "target fired"}.get(leg.kind)


def told_fills(state: DeskState, fills: Sequence[Fill], now_ms: int) -> list[ev.Event]:
    """New fills with the class of each that is not simply the answer to an order of ours."""
    told = fill_events(state, fills, now_ms)
    events = _behind(state, told, now_ms)
    for event in told:
        assert isinstance(event, ev.FillSeen)  # noqa: S101 fill_events returns nothing else; for the type checker
        events.append(event)
        fresh = state.account_read_ms and event.fill.at_ms > state.position(event.fill.coin).read_at_ms
        cause = fill_cause(event.fill, state.legs.get(event.cloid or ""))
        if cause and fresh:
            events.append(_fill_difference(state, event, cause, now_ms))
    return events


def _behind(state: DeskState, told: Sequence[ev.Event], now_ms: int) -> list[ev.Event]:
    """At start, fills with our tag and no leg of ours: the ledger is an older copy and its silence proves nothing."""
    strange = [e for e in told if isinstance(e, ev.FillSeen) and e.cloid is None and is_ours(e.fill.cloid)]
    if not strange or state.reconciled or not state.continuous:
        return []
    code, text = "LEDGER_BEHIND", "the venue has fills of ours that this ledger does not know: it is an older copy"
    return [
        ev.AnomalyNoted(at_ms=now_ms, account=state.account, code=code, text=text),
        ev.AlarmRaised(at_ms=now_ms, account=state.account, code=code, text=text),
    ]


def _fill_difference(state: DeskState, event: ev.FillSeen, cause: str, now_ms: int) -> ev.DifferenceFound:
    fill = event.fill
    return ev.DifferenceFound(
        at_ms=now_ms,
        account=state.account,
        key=event.key,
        coin=fill.coin,
        cause=cause,
        ours=plain(fill.start_position) or "0",
        venue=plain(fill.start_position + fill.signed_size) or "0",
    )


def order_list_events(state: DeskState, orders: Sequence[OpenOrder], asked_at_ms: int, now_ms: int) -> list[ev.Event]:
    """A read of the open orders: ours that are listed rest; ours that are not are doubted and will be looked up."""
    listed = {order.cloid: order for order in orders if order.cloid}
    known = {order.oid: order for order in orders}
    events: list[ev.Event] = []
    if known != state.orders or not state.orders_read_ms or listing(state, orders, asked_at_ms):
        events.append(ev.OrdersRead(at_ms=now_ms, account=state.account, orders=tuple(orders), asked_ms=asked_at_ms))
    for leg in state.live.values():
        order = listed.get(leg.cloid)
        if order is not None and leg.state is LegState.UNKNOWN:
            rested = ev.LegRested(
                at_ms=now_ms, account=state.account, key=leg.key, cloid=leg.cloid, oid=order.oid, listed=order.size
            )
            events += lawful(state, rested)
    return events


def missing(state: DeskState, orders: Sequence[OpenOrder], asked_at_ms: int) -> list[Leg]:
    """Legs we hold for resting that a complete list of open orders does not have."""
    listed = {order.cloid for order in orders}
    return [
        leg
        for leg in state.legs.values()
        if leg.state in (LegState.RESTING, LegState.TRIGGERED)
        and leg.cloid not in listed
        and leg.last_change_ms < asked_at_ms - SETTLE_MS
    ]
