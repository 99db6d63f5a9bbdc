"""What has to happen next, read off the state: nothing here remembers that it was asked before.

``next_steps`` is asked after every change until it has nothing more to say. For each coin it asks ``exits`` (until the
position has got where it should), then about planned entries (here), then ``protect`` (stops and targets as wished, by
what ``watch`` finds standing); for the account ``unmet`` (wishes nobody can fulfil) and what stands here: cancels,
requests, breakers, a flatten.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from executor.core import events as ev
from executor.core.exits import exit_steps
from executor.core.facts import OpenOrder
from executor.core.identity import is_ours
from executor.core.lifecycle import LegState
from executor.core.protect import protect_steps
from executor.core.protocols import Market
from executor.core.settings import DeskSettings
from executor.core.state import DeskState, Leg
from executor.core.unmet import unmet_steps
from executor.core.watch import all_covered, covered

Step = Callable[[DeskSettings, DeskState, str, int, Market], list[ev.Event]]


def next_steps(settings: DeskSettings, state: DeskState, now_ms: int, market: Market) -> list[ev.Event]:
    """Everything that is due now; empty when nothing is."""
    events: list[ev.Event] = []
    for coin in state.coins():
        for step in STEPS:
            events += step(settings, state, coin, now_ms, market)
    return events + unmet_steps(state, now_ms) + _account_steps(state, now_ms)


# -- entries that have not left yet -------------------------------------------------------------------------------


def _entry_steps(settings: DeskSettings, state: DeskState, coin: str, now_ms: int, market: Market) -> list[ev.Event]:
    planned = [leg for leg in state.legs_of(coin, "entry") if leg.state is LegState.PLANNED]
    events: list[ev.Event] = []
    for leg in planned:
        reason = _overtaken(state, leg, now_ms)
        if reason:
            events += given_up(state, leg, reason, "the entry was planned but could not leave in time", now_ms)
    return events or _leverage_step(settings, state, coin, planned, now_ms, market)


def _overtaken(state: DeskState, leg: Leg, now_ms: int) -> str:
    """Why a planned entry must not leave any more; empty when it may."""
    if state.latched:
        return "FLATTENED"
    if state.paused:
        return "PAUSED"
    if "signer_conflict" in state.breakers:
        return "SIGNER_CONFLICT"
    if state.unwritten:
        return "LEDGER_FAILED"
    if leg.good_until_ms is not None and now_ms > leg.good_until_ms:
        return "STALE"
    return ""


def given_up(state: DeskState, leg: Leg, reason: str, detail: str, now_ms: int) -> list[ev.Event]:
    """An entry that has not left, with the stop and target that would have gone with it."""
    children = [c for c in state.live.values() if c.bracket and c.bracket == leg.bracket and c is not leg]
    dropped: list[ev.Event] = [
        ev.LegDropped(at_ms=now_ms, account=state.account, key=gone.key, cloid=gone.cloid, reason=reason)
        for gone in (leg, *children)
    ]
    refused = ev.ActionRefused(
        at_ms=now_ms,
        account=state.account,
        key=leg.key,
        reason=reason,
        detail=detail,
        part="entry",
    )
    return [*dropped, refused]


def margin_is_cross(settings: DeskSettings, state: DeskState, coin: str, market: Market) -> bool:
    """The margin mode an entry of this coin is to have: as configured, isolated where the venue allows no other."""
    asset = market.rules.asset(coin)
    if asset is not None and asset.isolated_only:
        return False
    known = state.leverage.get(coin)
    if settings.margin_mode == "keep" and known is not None:
        return known.is_cross
    return settings.margin_mode == "cross"


def leverage_ready(settings: DeskSettings, state: DeskState, leg: Leg, market: Market) -> bool:
    """Whether an entry may leave as far as leverage goes: never changed on an occupied symbol."""
    if state.position(leg.coin).size != 0 or any(o.in_flight for o in state.legs_of(leg.coin, "entry")):
        return True
    known = state.leverage.get(leg.coin)
    if known is None or known.status != "confirmed":
        return False
    cross = margin_is_cross(settings, state, leg.coin, market)
    return Decimal(known.leverage) == leg.leverage and known.is_cross == cross


def _leverage_step(
    settings: DeskSettings, state: DeskState, coin: str, planned: list[Leg], now_ms: int, market: Market
) -> list[ev.Event]:
    leg = next((leg for leg in planned if not leg.wait_flat or state.position(coin).held_by(leg.agent) == 0), None)
    if leg is None or leg.leverage is None or leverage_ready(settings, state, leg, market):
        return []
    known = state.leverage.get(coin)
    if known is None and settings.margin_mode == "keep":
        return []  # what is to be kept has to be read first
    if known is not None and known.status == "wanted":
        return []
    return [
        ev.LeverageWanted(
            at_ms=now_ms,
            account=state.account,
            key=leg.key,
            coin=coin,
            leverage=int(leg.leverage),
            is_cross=margin_is_cross(settings, state, coin, market),
        )
    ]


# -- the whole account --------------------------------------------------------------------------------------------


def _account_steps(state: DeskState, now_ms: int) -> list[ev.Event]:
    return [
        *_unanswered(state, now_ms),
        *_left_behind(state, now_ms),
        *_cancelled_otherwise(state, now_ms),
        *_closed_requests(state, now_ms),
        *_breaker_ends(state, now_ms),
        *(_flatten_steps(state, now_ms) if state.flattening else []),
    ]


def _unanswered(state: DeskState, now_ms: int) -> list[ev.Event]:
    """Whatever became of the task that waits for an answer, no order stays sent for ever: it is looked up."""
    return [
        ev.LegUnknown(
            at_ms=now_ms,
            account=state.account,
            key=leg.key,
            cloid=leg.cloid,
            reason="NO_ANSWER",
            text="nobody brought an answer",
            deadline_ms=leg.deadline_ms,
        )
        for leg in state.live.values()
        if leg.state is LegState.SENT and leg.deadline_ms is not None and now_ms > leg.deadline_ms
    ]


def _left_behind(state: DeskState, now_ms: int) -> list[ev.Event]:
    """Orders with our tag that stand on the list and that no leg keeps: they go.

    Triggers of a life whose ledger is gone, or could not be written; and whatever rests although we were told, or
    concluded, that it is over.
    """
    if not state.reconciled:
        return []
    return [
        _cancel(state, order.coin, order.oid, order.cloid, why, now_ms)
        for order in state.orders.values()
        if order.cloid not in state.cancels and (why := _surplus(state, order))
    ]


def _surplus(state: DeskState, order: OpenOrder) -> str:
    """Why an order of ours has no business on the list; empty where it has, or is not ours."""
    leg = state.legs.get(order.cloid or "")
    if leg is not None:
        return "listed although it is over" if not leg.open and not _alone_protects(state, leg) else ""
    left = order.trigger_px is not None and is_ours(order.cloid) and _needs_no(state, order)
    return "left behind by an earlier life" if left else ""


def _alone_protects(state: DeskState, leg: Leg) -> bool:
    """Whether a stop is what its agent's holding has until another stands."""
    agent = state.whose(leg.coin, leg.agent)
    held = state.position(leg.coin).part_of(agent)
    if leg.kind != "stop" or held * leg.side.sign >= 0:
        return False
    return not covered(state.legs_for(leg.coin, "stop", agent), held)


def _needs_no(state: DeskState, order: OpenOrder) -> bool:
    """Whether the coin is flat, or stops of ours that are on record cover it: then this one does nothing but harm."""
    if state.position(order.coin).size == 0:
        return not any(leg.coin == order.coin for leg in state.live.values())
    return order.is_stop and all_covered(state, order.coin)


def _cancelled_otherwise(state: DeskState, now_ms: int) -> list[ev.Event]:
    """Cancels that failed, of orders that have no leg and are not listed any more: nothing is left to cancel."""
    failed = {n: c for n, c in state.cancels.items() if c.attempts and not c.asked and n not in state.live}
    shown = {name for order in state.orders.values() if failed for name in (order.cloid, str(order.oid))}
    return [
        ev.CancelSettled(at_ms=now_ms, account=state.account, oid=cancel.oid, cloid=cancel.cloid, result="gone")
        for name, cancel in failed.items()
        if name not in shown
    ]


def _closed_requests(state: DeskState, now_ms: int) -> list[ev.Event]:
    """Requests none of whose legs is uncertain any more need no more attention."""
    over = [name for name, request in state.requests.items() if request.unknown and state.is_certain(request)]
    return [ev.RequestClosed(at_ms=now_ms, account=state.account, request_id=name, result="resolved") for name in over]


def _breaker_ends(state: DeskState, now_ms: int) -> list[ev.Event]:
    over = [rule for rule, until in state.breakers.items() if until is not None and now_ms >= until]
    return [ev.BreakerReset(at_ms=now_ms, account=state.account, rule=rule, by="its own end") for rule in over]


def _flatten_steps(state: DeskState, now_ms: int) -> list[ev.Event]:
    """Cancel entries, close everything, then cancel triggers; done when two reads were flat and nothing is open."""
    cancels = [
        _cancel(state, order.coin, order.oid, order.cloid, "flatten", now_ms)
        for order in state.orders.values()
        if _to_cancel(state, order.trigger_px is not None) and (order.cloid or str(order.oid)) not in state.cancels
    ]
    exits = [
        ev.ExitOwed(
            at_ms=now_ms,
            account=state.account,
            key=f"flatten:{coin}",
            coin=coin,
            agent=position.owner,
            size=abs(position.size),
            why="flatten",
        )
        for coin, position in state.positions.items()
        if position.size != 0 and f"flatten:{coin}" not in state.exits
    ]
    if cancels or exits or not _is_flat(state):
        return [*cancels, *exits]
    return [ev.FlattenDone(at_ms=now_ms, account=state.account)]


def _to_cancel(state: DeskState, is_trigger: bool) -> bool:
    """Entries go first; triggers protect until two reads were flat and nothing is unknown."""
    return not is_trigger or (_stays_flat(state) and not any(leg.in_flight for leg in state.live.values()))


def _stays_flat(state: DeskState) -> bool:
    return all(p.size == 0 for p in state.positions.values()) and state.flat_reads >= 2


def _is_flat(state: DeskState) -> bool:
    quiet = not state.live and not state.orders and not state.cancels
    return _stays_flat(state) and quiet and not state.exits


def _cancel(state: DeskState, coin: str, oid: int | None, name: str | None, why: str, now_ms: int) -> ev.CancelWanted:
    return ev.CancelWanted(at_ms=now_ms, account=state.account, coin=coin, oid=oid, cloid=name, why=why)


STEPS: tuple[Step, ...] = (exit_steps, _entry_steps, protect_steps)
"""Asked per coin in this order: what reduces comes before what opens."""
