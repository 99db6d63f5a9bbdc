"""From a look-up of one order to events: what became of it, or the proof that it never happened."""

from __future__ import annotations

from collections.abc import Sequence

from executor.core import events as ev
from executor.core.answers import canceled, fill_events, lawful, status_of_leg
from executor.core.facts import Fill, OrderFact
from executor.core.lifecycle import LegState
from executor.core.prior import ending_of
from executor.core.state import DeskState, Leg
from executor.core.types import ZERO

FILLS_LAG_MS = 2_000
"""How long after an order is over its fills may still be on their way to the list of fills."""


def _may_have_more(leg: Leg, fact: OrderFact, mine: Sequence[Fill], venue_now_ms: int) -> bool:
    """Whether an order that is over may have fills that are not listed yet.

    A partial exit that ended with some of its fills still to come would be sent again, and close more than it should.
    """
    over = ending_of(fact.status) in ("filled", "canceled") or (fact.order is None and mine)
    if not leg.in_flight or not over or sum((fill.size for fill in mine), ZERO) >= leg.size:
        return False
    over_ms = max([fill.at_ms for fill in mine] + ([fact.at_ms] if fact.order else []))
    return venue_now_ms - over_ms < FILLS_LAG_MS


def lookup_events(
    state: DeskState, leg: Leg, fact: OrderFact, fills: Sequence[Fill], venue_now_ms: int, *, listed: bool
) -> list[ev.Event]:
    """What a look-up of an unknown or doubted leg proves.

    Found: its status, and its fills; where some may still come, it is asked again. Not found: absent only when
    the venue's time is past its expiry and margin, it is in no list of open orders, and has no fill. Until then nothing
    (design.md section 4). A leg that did rest and of which all this is true is gone: the venue keeps the records of
    the last 2000 orders only (hyperliquid.md section 1.3).
    """
    mine = [fill for fill in fills if fill.cloid == leg.cloid or (leg.oid is not None and fill.oid == leg.oid)]
    if leg.state is LegState.PLANNED and fact.order is None and not mine and not listed:
        return [ev.LegCleared(at_ms=venue_now_ms, account=state.account, key=leg.key, cloid=leg.cloid)]
    events = fill_events(state, mine, venue_now_ms)
    if fact.status == "filled" and not mine and leg.filled == 0:
        return []
    if _may_have_more(leg, fact, mine, venue_now_ms):
        return events
    if fact.order is not None:
        return [*status_of_leg(state, leg, fact, venue_now_ms), *events]
    if mine:
        ended = ev.LegEnded(
            at_ms=venue_now_ms,
            account=state.account,
            key=leg.key,
            cloid=leg.cloid,
            oid=mine[0].oid,
            ending="filled",
            status="seen in fills",
        )
        return [*lawful(state, ended), *events]
    proved = leg.deadline_ms is not None and venue_now_ms > leg.deadline_ms
    if listed or not proved:
        return []
    if leg.state is not LegState.UNKNOWN:
        return lawful(state, canceled(state, leg, venue_now_ms)) if leg.open else []
    return lawful(state, ev.LegAbsent(at_ms=venue_now_ms, account=state.account, key=leg.key, cloid=leg.cloid))
