"""What an agent's own stops and targets closed here: no frame tells of it, and its book still shows it.

So what it closes, and what a target of it takes, is a share of what is left of the book: where a target took two of
five, the agent's SHORT 3 closes all. What opens, and on which side, stays the book's word: whether that order executed
for the agent as well, or the agent tells the close itself, nobody here can know.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal

from executor.core import events as ev
from executor.core.exits import CROSSED, NOT_FILLED
from executor.core.position import Executed
from executor.core.state import OF_POLICY, DeskState, Leg
from executor.core.types import ZERO, ActionType

ROUNDED = Decimal("0.01")
"""A rest of less than this share is none: what orders of whole lots closed is not exactly what the agent's did."""

_ONE = Decimal(1)
_DOWN = Context(prec=28, rounding=ROUND_DOWN)
_UP = Context(prec=28, rounding=ROUND_UP)


def note_executed(state: DeskState, leg: Leg, newly: Decimal) -> None:
    """Count what an agent's own stop or target newly executed (positive), once it is taken off what the agent holds."""
    agent = leg.agent
    if newly <= 0 or agent is None or agent.via or not _is_signalled(state, leg):
        return  # what a strategy made of facts has a book of its own, whose closes are all told
    held = state.position(leg.coin).held_by(agent) * -leg.side.sign
    if held < 0:
        return  # told so late that the agent holds the other side by now: of that it took nothing
    left = max(held - _leaving(state, leg), ZERO)
    records = state.executed.setdefault(leg.coin, [])
    record = next((record for record in records if record.agent == agent), None)
    if record is None:
        record = Executed(agent)
        records.append(record)
    record.left = _DOWN.multiply(record.left, _DOWN.divide(left, left + newly))


def _leaving(state: DeskState, leg: Leg) -> Decimal:
    """What the agent's own closes still owe: its book shows that as gone."""
    owed = (one for one in state.exits_for(leg.coin, leg.agent) if one.why == "signal" and one.side in (None, leg.side))
    return sum((one.owed for one in owed), ZERO)


def _is_signalled(state: DeskState, leg: Leg) -> bool:
    """Whether it is a stop or target that the agent signalled as such: not the policy's, not one of an entry."""
    owed = state.exits.get(leg.key)
    for_stop = leg.kind == "exit" and owed is not None and owed.why in (CROSSED, NOT_FILLED)
    if leg.key.startswith(OF_POLICY) or not (leg.kind in ("stop", "target") or for_stop):
        return False
    return not any(one.kind == "entry" and one.key == leg.key for one in state.legs.values())


def heard(state: DeskState, event: ev.ActionReceived) -> None:
    """The agent's next frame: what was closed since the one before is counted in its units, while its book lasts."""
    records = state.executed.pop(event.coin or "", None)
    if records is None:
        return
    for record in records:
        if record.agent == event.agent:
            _count(record, event.book_before, event.book_after, event.at_ms)
    kept = [record for record in records if record.closed or record.left != 1]
    if kept:
        state.executed[event.coin or ""] = kept


def _count(record: Executed, before: Decimal, after: Decimal, at_ms: int) -> None:
    rest = max(abs(before) - record.closed, ZERO)
    closed = record.closed + _UP.multiply(rest, _ONE - record.left)
    if closed >= abs(before):
        record.flat_ms = at_ms
    record.closed = min(closed, abs(after)) if before * after > 0 else ZERO
    record.left = _ONE


def as_followed(state: DeskState, received: ev.ActionReceived) -> ev.ActionReceived:
    """The action by what is left of its agent's book, where it does not open: for the shares that are taken of it.

    An agent whose own orders had closed all of it was flat, so that what was missed before does not count any more.
    A close from before the position opened stays the book's word: it is judged by what that leaves open.
    """
    before, after = received.book_before, received.book_after
    records = state.executed.get(received.coin or "", ())
    record = next((record for record in records if record.agent == received.agent), None)
    if record is None:
        return received
    received = replace(received, gapped=received.gapped and received.gapped_ms > record.flat_ms)
    if before * after < 0 or abs(after) > abs(before) or _is_older(state, received):
        return received
    left, rest = _less(before, record.closed), _less(after, record.closed)
    return replace(received, book_before=left, book_after=rest if abs(rest) > abs(left) * ROUNDED else ZERO)


def _is_older(state: DeskState, received: ev.ActionReceived) -> bool:
    holding = state.position(received.coin or "").holding(received.agent)
    is_trade = received.action_type == ActionType.TRADE
    return is_trade and holding is not None and received.signal_at_ms < holding.opened_at_ms


def _less(book: Decimal, gone: Decimal) -> Decimal:
    return max(abs(book) - gone, ZERO).copy_sign(book)
