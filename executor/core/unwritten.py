"""What goes on when nothing can be written down any more, and how a later life with a healthy disk finds it again.

Entries end. What reduces leaves unwritten, one order of a kind per coin at a time, under names of its own: attempts
counted from 101. They are derived like all others, so the next life asks the venue for them before it acts, and never
meets them with a name it gives itself (issue 3 item 11).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from executor.core import events as ev
from executor.core.batch import Batch
from executor.core.facts import Fill, OpenOrder, OrderFact
from executor.core.holdings import fill_id
from executor.core.identity import cloid, is_ours
from executor.core.prior import status_events
from executor.core.settings import DeskSettings
from executor.core.state import UNWRITTEN, DeskState
from executor.core.types import ZERO, Agent, Side

LOOKED_FOR = 20
"""How many names of each exit, stop and target are looked for: an unwritten life that needs more is a bad one."""


def unwritten_batches(state: DeskState, batches: Sequence[Batch]) -> list[Batch]:
    """Of what is urgent, what may leave unwritten now: cancels, and single reduce-only orders."""
    busy = {(leg.coin, leg.kind == "exit") for leg in state.live.values() if leg.in_flight and leg.kind != "entry"}
    leaving: list[Batch] = []
    for batch in batches:
        if batch.purpose == "cancel":
            leaving.append(batch)
        for leg in batch.legs:
            lane = (leg.coin, leg.kind == "exit")
            if leg.reduce_only and lane not in busy:
                busy.add(lane)
                leaving.append(replace(batch, legs=(leg,)))
    return leaving


def withdrawn(state: DeskState, sent: ev.SendStarted, now_ms: int) -> list[ev.Event]:
    """A request that was to leave with a turn that could not be written: it never did."""
    account, at = state.account, now_ms
    events: list[ev.Event] = []
    for name in sent.cloids if sent.purpose != "cancel" else ():
        leg = state.legs[name]
        unknown = ev.LegUnknown(
            at_ms=at, account=account, key=leg.key, cloid=name, reason="LEDGER_FAILED", text="not sent", deadline_ms=at
        )
        events += [unknown, ev.LegAbsent(at_ms=at, account=account, key=leg.key, cloid=name)]
    for oid, asked in _cancels(sent) if sent.purpose == "cancel" else ():
        events.append(ev.CancelSettled(at_ms=at, account=account, oid=oid, cloid=asked, result="unknown"))
    if sent.purpose == "leverage":
        events.append(
            ev.LeverageFailed(
                at_ms=at, account=account, key=sent.key, coin=sent.coin or "", reason="LEDGER_FAILED", text="not sent"
            )
        )
    return [*events, ev.RequestClosed(at_ms=at, account=account, request_id=sent.request_id, result="not sent")]


def _cancels(sent: ev.SendStarted) -> list[tuple[int | None, str | None]]:
    return [*((None, name) for name in sent.cloids), *((oid, None) for oid in sent.oids)]


# -- found again ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name:
    """An order that a life whose record is lost may have sent."""

    cloid: str
    leg: ev.LegKind
    key: str
    attempt: int
    agent: Agent | None


def unwritten_orders(
    settings: DeskSettings, state: DeskState, orders: Sequence[OpenOrder], fills: Sequence[Fill], now_ms: int
) -> list[ev.Event]:
    """Legs for the venue's orders and fills whose names only an unwritten life of ours can have given.

    Asked at the first read of a life, before its fills are folded: then they count for the exits that are owed.
    """
    listed = {order.cloid: order for order in orders if _is_strange(state, order.cloid)}
    executed: dict[str, list[Fill]] = {}
    for fill in fills:
        if (
            fill.cloid is not None
            and _is_strange(state, fill.cloid)
            and fill_id(fill.tid, fill.oid) not in state.seen_fills
        ):
            executed.setdefault(fill.cloid, []).append(fill)
    if not listed and not executed:
        return []
    events: list[ev.Event] = []
    for name in _names(settings, state):
        order, some = listed.get(name.cloid), executed.get(name.cloid, [])
        if order is not None:
            events.append(_planned(state, name, order.coin, order.side, order.orig_size, order.limit_px, order, now_ms))
            events.append(
                ev.LegRested(at_ms=now_ms, account=state.account, key=name.key, cloid=name.cloid, oid=order.oid)
            )
        elif some:
            size = sum((fill.size for fill in some), ZERO)
            events.append(_planned(state, name, some[0].coin, some[0].side, size, some[0].px, None, now_ms))
    return events


def _is_strange(state: DeskState, name: str | None) -> bool:
    return is_ours(name) and name not in state.legs


def next_names(settings: DeskSettings, state: DeskState) -> list[Name]:
    """The name each exit, stop and target would give its next order: an older copy of a ledger may have given it."""
    names = []
    for kind, key, identity, agent in _wanted(state):
        made = [leg.attempt for leg in state.legs.values() if leg.key == key and leg.kind == kind]
        attempt = state.attempt_after(max(made, default=0))
        names.append(
            Name(cloid(settings.network, settings.address, identity, kind, attempt), kind, key, attempt, agent)
        )
    return names


def found_again(state: DeskState, name: Name, fact: OrderFact, now_ms: int) -> list[ev.Event]:
    """The leg of an order that is known to the venue and not to this ledger; empty where there is no such order."""
    order = fact.order
    if order is None:
        return []
    planned = _planned(state, name, order.coin, order.side, order.orig_size, order.limit_px, order, now_ms)
    return [planned, *status_events(state, name.key, name.cloid, fact.status, order.oid, now_ms)]


def _names(settings: DeskSettings, state: DeskState) -> Iterator[Name]:
    for kind, key, identity, agent in _wanted(state):
        for attempt in range(UNWRITTEN + 1, UNWRITTEN + 1 + LOOKED_FOR):
            name = cloid(settings.network, settings.address, identity, kind, attempt)
            yield Name(name, kind, key, attempt, agent)


def _wanted(state: DeskState) -> list[tuple[ev.LegKind, str, str, Agent | None]]:
    """Every exit, stop and target that may send another order: kind, key, what its names are made of, agent."""
    wanted: list[tuple[ev.LegKind, str, str, Agent | None]] = [
        ("exit", owed.key, owed.identity, owed.agent) for owed in state.exits.values()
    ]
    for coin, stops in state.stops.items():
        wanted += [("stop", wish.key, wish.key, state.whose(coin, wish.agent)) for wish in stops]
    for coin, targets in state.targets.items():
        wanted += [("target", wish.key, wish.key, state.whose(coin, wish.agent)) for wish in targets]
    return wanted


def _planned(
    state: DeskState,
    name: Name,
    coin: str,
    side: Side,
    size: Decimal,
    px: Decimal,
    order: OpenOrder | None,
    now_ms: int,
) -> ev.LegPlanned:
    return ev.LegPlanned(
        at_ms=now_ms,
        account=state.account,
        key=name.key,
        cloid=name.cloid,
        leg=name.leg,
        attempt=name.attempt,
        coin=coin,
        side=side,
        size=size,
        limit_px=px,
        reduce_only=True,
        trigger_px=None if order is None else order.trigger_px,
        agent=name.agent,
        signal_at_ms=now_ms if order is None else order.at_ms,
    )
