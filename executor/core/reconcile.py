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
from executor.core.settings import CLAIM_MS, SETTLE_MS
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
    state: DeskState, fact: AccountFact, asked_at_ms: int, now_ms: int, *, fills_read: bool = True
) -> list[ev.Event]:
    """A read of positions and money, with what differed from what we knew.

    Without its fills (``fills_read``) a read cannot speak against what an answer claimed.
    """
    told = {p.coin: p.size for p in fact.positions}
    lagging = _lagging(state, told, asked_at_ms, fills_read)
    busy = tuple(sorted({*busy_coins(state, asked_at_ms), *_outdated(state, fact), *lagging}))
    events: list[ev.Event] = []
    for coin in sorted(set(told) | set(state.positions)):
        if coin not in busy and told.get(coin, ZERO) != state.position(coin).size:
            events += _differing(state, coin, told.get(coin, ZERO), now_ms)
    return [*events, ev.AccountRead(at_ms=now_ms, account=state.account, fact=fact, skipped=busy)]


def _claims(state: DeskState, coin: str) -> list[Leg]:
    """Orders of which an answer told more than fills have shown."""
    return [leg for leg in state.legs.values() if leg.coin == coin and leg.told_filled > leg.seen_filled]


def unconfirmed(state: DeskState, now_ms: int) -> bool:
    """Whether an answer told of an execution a while ago that no fill and no position has shown since."""
    return any(
        leg.told_filled > leg.seen_filled and 0 <= now_ms - leg.last_change_ms - SETTLE_MS < 2 * CLAIM_MS
        for leg in state.legs.values()
    )


def _fits_a_lag(state: DeskState, coin: str, venue: Decimal) -> bool:
    """Whether what is read is what we would know without all, or some, of what was only claimed."""
    ours = state.position(coin).size
    open_claims = [(leg.told_filled - leg.seen_filled) * leg.side.sign for leg in _claims(state, coin)]
    low = ours - sum((size for size in open_claims if size > 0), ZERO)
    high = ours - sum((size for size in open_claims if size < 0), ZERO)
    return venue != ours and low <= venue <= high


def _lagging(state: DeskState, told: dict[str, Decimal], asked_at_ms: int, fills_read: bool) -> set[str]:
    """Coins whose newest executions the venue answered for and does not show yet: a read lags now and then."""
    young = {
        leg.coin
        for leg in state.legs.values()
        if leg.told_filled > leg.seen_filled and (asked_at_ms - leg.last_change_ms < CLAIM_MS or not fills_read)
    }
    return {coin for coin in young if _fits_a_lag(state, coin, told.get(coin, ZERO))}


def _differing(state: DeskState, coin: str, venue: Decimal, now_ms: int) -> list[ev.Event]:
    """The difference with its class; what was claimed and never came is void, and a person is told."""
    if not _fits_a_lag(state, coin, venue):
        return [_difference(state, coin, _cause(state.position(coin).size, venue), venue, now_ms)]
    events: list[ev.Event] = [_difference(state, coin, "unconfirmed fill", venue, now_ms)]
    for leg in _claims(state, coin):
        size, base = leg.told_filled - leg.seen_filled, {"at_ms": now_ms, "account": state.account, "key": leg.key}
        text = f"{coin}: the venue answered that {plain(size)} were filled; neither its fills nor the position show it"
        events.append(ev.ClaimVoided(**base, cloid=leg.cloid, coin=coin, size=size))  # type: ignore[arg-type]  # a mapping of mixed types
        events.append(ev.AlarmRaised(**base, code="FILL_UNCONFIRMED", text=text))  # type: ignore[arg-type]  # the same
    return events


def _outdated(state: DeskState, fact: AccountFact) -> set[str]:
    """Coins we know more of than this read does: it was overtaken by a fill or by a newer read."""
    return {c for c, p in state.positions.items() if max(p.read_at_ms, p.filled_at_ms) > fact.at_ms}


def _difference(state: DeskState, coin: str, cause: str, venue: Decimal, now_ms: int) -> ev.DifferenceFound:
    ours = plain(state.position(coin).size) or "0"
    return ev.DifferenceFound(
        at_ms=now_ms, account=state.account, coin=coin, cause=cause, ours=ours, venue=plain(venue) or "0"
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
    return [*events, *_liquidated(state, told, now_ms)]


def _liquidated(state: DeskState, told: Sequence[ev.Event], now_ms: int) -> list[ev.Event]:
    """A liquidation is told to people, once for each coin, also where it is read only after a restart."""
    sizes: dict[str, Decimal] = {}
    for event in told:
        if isinstance(event, ev.FillSeen) and event.fill.liquidation:
            sizes[event.fill.coin] = sizes.get(event.fill.coin, ZERO) + event.fill.signed_size
    return [
        ev.AlarmRaised(
            at_ms=now_ms,
            account=state.account,
            code="LIQUIDATED",
            text=f"{coin}: the venue liquidated {plain(abs(size))} of a {'long' if size < 0 else 'short'} position",
        )
        for coin, size in sizes.items()
    ]


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
        cloid=event.cloid,
        coin=fill.coin,
        cause=cause,
        ours=plain(fill.start_position) or "0",
        venue=plain(fill.start_position + fill.signed_size) or "0",
    )


def order_list_events(state: DeskState, orders: Sequence[OpenOrder], asked_at_ms: int, now_ms: int) -> list[ev.Event]:
    """A read of the open orders: ours that are listed rest; ours that are not are doubted and will be looked up.

    Of an order that ended since the list was asked for it says nothing. One that ended before is listed all the same:
    it is on the venue, and the next steps see it there.
    """
    orders = [order for order in orders if not _ended_since(state, order, asked_at_ms)]
    listed = {order.cloid: order for order in orders if order.cloid}
    known = {order.oid: order for order in orders}
    events = _foreign_orders(state, orders, now_ms)
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


def _ended_since(state: DeskState, order: OpenOrder, asked_at_ms: int) -> bool:
    leg = state.legs.get(order.cloid or "")
    return leg is not None and not leg.open and leg.last_change_ms >= asked_at_ms


def _foreign_orders(state: DeskState, orders: Sequence[OpenOrder], now_ms: int) -> list[ev.Event]:
    """Orders that are new on the list and that this ledger never sent, one difference per coin and class."""
    new: dict[tuple[str, str], Decimal] = {}
    for order in orders:
        if order.oid not in state.orders and (order.cloid or "") not in state.legs:
            cause = "forgotten order" if is_ours(order.cloid) else "foreign order"
            new[order.coin, cause] = new.get((order.coin, cause), ZERO) + order.size
    return [
        ev.DifferenceFound(
            at_ms=now_ms, account=state.account, coin=coin, cause=cause, ours="0", venue=plain(size) or "0"
        )
        for (coin, cause), size in sorted(new.items())
    ]


ENDED_BY_VENUE = frozenset({"siblingFilledCanceled", "reduceOnlyCanceled", "waitingForFill"})
"""Statuses by which the venue itself tidies up behind a position that closed: nobody interfered."""


def with_causes(state: DeskState, told: Sequence[ev.Event]) -> list[ev.Event]:
    """What was told of our orders, and the class of each ending that nobody here asked for."""
    events: list[ev.Event] = []
    for event in told:
        cause = _ending_cause(state, event)
        leg = state.legs.get(getattr(event, "cloid", None) or "")
        if cause and leg is not None:
            events.append(
                ev.DifferenceFound(
                    at_ms=event.at_ms,
                    account=state.account,
                    key=leg.key,
                    cloid=leg.cloid,
                    coin=leg.coin,
                    cause=cause,
                    ours=plain(leg.remaining) or "0",
                    venue="0",
                )
            )
        events.append(event)
    return events


def _ending_cause(state: DeskState, event: ev.Event) -> str:
    """expired: out too long to happen any more. canceled elsewhere: it rested, and somebody took it away."""
    if isinstance(event, ev.LegAbsent):
        return "expired"
    if not isinstance(event, ev.LegEnded) or event.ending != "canceled" or event.status in ENDED_BY_VENUE:
        return ""
    leg = state.legs.get(event.cloid)
    if leg is None or leg.state is not LegState.RESTING or event.cloid in state.cancels:
        return ""
    if event.status == "liquidatedCanceled":
        return "liquidation"
    return "canceled elsewhere" if state.position(leg.coin).size else ""  # with the position what closes it may go


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
