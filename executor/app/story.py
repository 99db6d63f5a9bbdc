"""An event as one line for people: what happened, in the words of trading."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal

from executor.core import events as ev
from executor.core.identity import plain
from executor.core.types import ActionType, Side

Line = tuple[str, str]
"""The text, and its style: signal, order, fill, good, refused, alarm, quiet."""

_NEAR = Context(prec=10)
"""A share of somebody's book may have thirty digits: ten are enough for people."""

_POSITION = {Side.BUY: "LONG", Side.SELL: "SHORT"}


def _received(event: ev.ActionReceived) -> Line:
    size, symbol = plain(_NEAR.plus(event.size)), event.coin or event.symbol
    if event.action_type == ActionType.TRADE:
        word = _POSITION[event.side]
        reduce = ", reduce-only" if event.reduce_only else ""
        book = f"agent's book {_signed(event.book_before)} → {_signed(event.book_after)}"
        return f"signal {event.action_id}: {word} {size} {symbol}{reduce} ({book})", "signal"
    kind = "stop" if event.action_type == ActionType.STOP_LOSS else "target"
    return f"signal {event.action_id}: {kind} for {symbol} at {plain(event.trigger_px)}", "signal"


def _signed(size: Decimal) -> str:
    return plain(_NEAR.plus(size)) or "0"


def _planned(event: ev.LegPlanned) -> Line:
    word = "buy" if event.side is Side.BUY else "sell"
    size, px = plain(event.size), plain(event.limit_px)
    if event.leg in ("stop", "target"):
        return f"{event.leg} order: {word} {size} {event.coin} when the mark meets {plain(event.trigger_px)}", "order"
    again = f", attempt {event.attempt}" if event.attempt > 1 else ""
    return f"{event.leg} order: {word} {size} {event.coin} at {px} or better{again}", "order"


def _fill(event: ev.FillSeen) -> Line:
    fill = event.fill
    pnl = f", PnL {plain(fill.closed_pnl_usd)} USD" if fill.closed_pnl_usd else ""
    word = "bought" if fill.side is Side.BUY else "sold"
    return f"filled: {word} {plain(fill.size)} {fill.coin} at {plain(fill.px)}{pnl}", "fill"


def _refused(event: ev.ActionRefused) -> Line:
    return f"refused ({event.reason}): {event.detail}", "refused"


def _duplicate(event: ev.DuplicateSeen) -> Line:
    word = "suspected duplicate" if event.suspected else "duplicate"
    return f"{word} on {event.channel}: the same action again, nothing is done", "quiet"


def _difference(event: ev.DifferenceFound) -> Line:
    return f"{event.cause}: {event.coin} {event.ours} → {event.venue}", "alarm" if "fired" in event.cause else "quiet"


def _source(event: ev.SourceChanged) -> Line:
    told = f" ({event.detail})" if event.detail else ""
    if event.state == "refused":
        remedy = f": {event.remedy}" if event.remedy else ""
        return f"channel {event.channel} of {event.source} is refused for good{told}{remedy}", "alarm"
    return f"channel {event.channel} {event.state}{told}", "quiet"


TELLERS: dict[type[ev.Event], Callable[..., Line]] = {
    ev.ActionReceived: _received,
    ev.LegPlanned: _planned,
    ev.FillSeen: _fill,
    ev.ActionRefused: _refused,
    ev.DuplicateSeen: _duplicate,
    ev.ConflictSeen: lambda e: (f"conflict on {e.channel}: a known id came with another content", "alarm"),
    ev.FrameRefused: lambda e: (f"malformed frame refused ({e.reason}): {e.detail}", "refused"),
    ev.LegRejected: lambda e: (f"rejected by the venue ({e.reason}): {e.text}", "refused"),
    ev.LegUnknown: lambda e: (f"outcome unknown ({e.reason}): it is looked up", "alarm"),
    ev.LegAbsent: lambda e: ("proved absent: the order never happened", "quiet"),
    ev.LegRested: lambda e: ("accepted: resting on the venue", "good"),
    ev.LeverageConfirmed: lambda e: (
        f"leverage of {e.coin}: {e.leverage}x {'cross' if e.is_cross else 'isolated'}",
        "quiet",
    ),
    ev.DifferenceFound: _difference,
    ev.ProtectionChanged: lambda e: (f"{e.coin} is {e.state}", "good" if e.state == "protected" else "quiet"),
    ev.AlarmRaised: lambda e: (f"alarm {e.code}: {e.text}", "alarm"),
    ev.SourceChanged: _source,
    ev.GapNoted: lambda e: (f"gap: frames of {', '.join(e.agent_ids)} may have been missed", "quiet"),
    ev.Paused: lambda e: (f"paused by {e.by}", "alarm"),
    ev.Resumed: lambda e: (f"resumed by {e.by}", "good"),
    ev.FlattenStarted: lambda e: (f"flatten by {e.by}: closing everything", "alarm"),
    ev.FlattenDone: lambda e: ("flat: nothing is open any more", "good"),
    ev.BreakerLatched: lambda e: (f"breaker {e.rule} fired: {e.value} against {e.limit}", "alarm"),
    ev.ReconcileFailed: lambda e: (f"not read completely: {', '.join(e.missing)}; it is read again", "alarm"),
    ev.Reconciled: lambda e: ("reconciled: positions, orders and fills read", "good"),
}


def tell(event: ev.Event) -> Line | None:
    """The line for an event; ``None`` for those only ``explain`` and the journal show."""
    teller = TELLERS.get(type(event))
    return None if teller is None else teller(event)
