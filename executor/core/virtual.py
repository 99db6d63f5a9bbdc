"""Virtual positions: who of ours gains and loses what by each execution, in size and in money.

They always add up to the venue's netted position, together with what nobody of ours opened; they are all on its side.
Where an account shrinks and nothing of ours explains it (liquidation, a trade by hand), the loss is shared in
proportion: at once where one agent holds all, else after ``CLAIM_MS``, since a stop's own fill may be on its way.
What left by a read, before its fill was seen, is priced when that comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

from executor.core.facts import Fill, Funding
from executor.core.position import Earned, Holding, Hour, Position
from executor.core.settings import CLAIM_MS
from executor.core.state import DeskState
from executor.core.types import ZERO, Agent

HOUR_MS = 3_600_000

KEEP_HOURS = 48
"""Of how many hours with changes it is kept who held a coin: funding that is read later goes by who holds then."""


def earned_of(state: DeskState, coin: str, agent: Agent | None) -> Earned:
    """The record of an agent and coin, made empty where there was none."""
    records = state.earned.setdefault(coin, [])
    found = next((record for record in records if record.agent == agent), None)
    if found is None:
        found = Earned(agent)
        records.append(found)
    return found


# -- sizes --------------------------------------------------------------------------------------------------------


def opened(state: DeskState, position: Position, agent: Agent | None, delta: Decimal, px: Decimal, at_ms: int) -> None:
    """An entry of an agent executed: what was closed ahead of it is gone again, the rest is held.

    Against others' holdings the two cancel out, as they do at the venue.
    """
    delta = _met(state, position, agent, delta, px)
    if position.owned * delta < 0:
        against = min(abs(delta), abs(position.owned)).copy_sign(delta)
        _take(state, position, agent, abs(against), px)
        delta -= against
    _grow(position, agent, delta, px, at_ms)
    _settle(position)


def taken_back(
    state: DeskState, position: Position, agent: Agent | None, delta: Decimal, px: Decimal, at_ms: int
) -> None:
    """An entry that was counted never was: its agent's own holding alone moves, through zero where nobody else holds.

    Else what seemed to be closed of it already stands as closed ahead until all that is told at this time (``at_ms``)
    was heard; then others have lost it.
    """
    held = position.held_by(agent)
    own = min(abs(held), abs(delta)).copy_sign(delta) if held * delta < 0 else ZERO
    _take(state, position, agent, abs(own), px)
    _settle(position)
    rest = delta - own
    if not position.holdings and rest * position.size > 0:
        _grow(position, agent, rest, px, 0)
    elif rest:
        position.ahead.append(Holding(agent, rest, px, at_ms))


def _grow(position: Position, agent: Agent | None, delta: Decimal, px: Decimal, at_ms: int) -> None:
    if delta == 0:
        return
    holding = position.holding(agent)
    if holding is None:
        holding = Holding(agent)
        position.holdings.append(holding)
    if holding.size == 0:
        holding.opened_at_ms = at_ms
    before = abs(holding.size)
    holding.size += delta
    holding.entry_px = (before * holding.entry_px + abs(delta) * px) / abs(holding.size)


def closed(state: DeskState, position: Position, agent: Agent | None, delta: Decimal, px: Decimal) -> None:
    """An order that reduces executed ``delta``: first what its agent holds goes, then what is still to come of it.

    An exit may be told before the entry it closes: that is kept for the entry, and others lose nothing by it.
    """
    own = min(abs(delta), abs(position.held_by(agent))) if position.owned * delta < 0 else ZERO
    _take(state, position, agent, own, px)
    rest = delta - own.copy_sign(delta)
    ahead = min(abs(rest), _coming(state, position.coin, agent, -rest)).copy_sign(rest)
    if ahead:
        position.ahead.append(Holding(agent, ahead, px))
    _cut(state, position, min(position.excess, abs(rest - ahead)), px)
    _settle(position)


def _coming(state: DeskState, coin: str, agent: Agent | None, direction: Decimal) -> Decimal:
    """What an agent's entries of one direction may still bring (positive)."""
    entries = state.legs_for(coin, "entry", agent)
    return sum((leg.remaining for leg in entries if leg.side.sign * direction > 0), ZERO)


def _met(state: DeskState, position: Position, agent: Agent | None, delta: Decimal, px: Decimal) -> Decimal:
    """What of an entry is left when what was closed ahead of it is taken off, with that part's result."""
    for one in (one for one in position.ahead if one.agent == agent):
        if one.size * delta < 0:
            part = min(abs(one.size), abs(delta)).copy_sign(delta)
            earned_of(state, position.coin, agent).realized_usd += part * (one.entry_px - px)
            one.size += part
            delta -= part
    position.ahead = [one for one in position.ahead if one.size]
    return delta


def _released(state: DeskState, position: Position, at_ms: int) -> None:
    """What was closed ahead of an entry that brought nothing was others': they lose it after all."""
    for one in (one for one in position.ahead if one.opened_at_ms < at_ms):
        surplus = abs(one.size) - min(abs(one.size), _coming(state, position.coin, one.agent, -one.size))
        if surplus:
            one.size -= surplus.copy_sign(one.size)
            _cut(state, position, min(surplus, position.excess), one.entry_px)
    position.ahead = [one for one in position.ahead if one.size]


def fit(state: DeskState, position: Position, at_ms: int) -> None:
    """What our agents hold is never on the other side, and not for long more than there is."""
    _released(state, position, at_ms)
    gone_over = position.known * position.size <= 0 and position.excess
    if gone_over or len(position.holdings) == 1 or _waited(position, at_ms):
        known = min(position.strange, position.excess)
        _cut(state, position, known, position.strange_px)
        _cut(state, position, position.excess, None)
    elif position.excess and not position.excess_since_ms:
        position.excess_since_ms = at_ms
    _settle(position)


def moved_by_others(position: Position, size: Decimal, px: Decimal) -> None:
    """Remember the price at which others took ``size`` (positive) of what our agents hold, whosever it was."""
    part = min(size, position.excess - position.strange)
    if part > 0:
        whole = position.strange + part
        position.strange_px = (position.strange * position.strange_px + part * px) / whole
        position.strange = whole


def _waited(position: Position, at_ms: int) -> bool:
    return 0 < position.excess_since_ms <= at_ms - CLAIM_MS


def _settle(position: Position) -> None:
    position.holdings = [holding for holding in position.holdings if holding.size != 0]
    if not position.excess:
        position.excess_since_ms, position.strange = 0, ZERO


def _take(state: DeskState, position: Position, agent: Agent | None, size: Decimal, px: Decimal) -> None:
    """Take ``size`` (positive) from an agent's own holding first, from all of them then."""
    holding = position.holding(agent)
    own = ZERO if holding is None else min(size, abs(holding.size))
    if holding is not None:
        _shrink(state, position, holding, own, px)
    _cut(state, position, size - own, px)


def _shrink(state: DeskState, position: Position, holding: Holding, size: Decimal, px: Decimal | None) -> None:
    """Take ``size`` (positive) from one holding: its result at ``px``, or later, when the price is known."""
    gone = size.copy_sign(holding.size)
    holding.size -= gone
    record = earned_of(state, position.coin, holding.agent)
    if px is not None:
        record.realized_usd += gone * (px - holding.entry_px)
    elif gone:
        before = record.unpriced if record.unpriced * gone > 0 else ZERO  # else of a life whose fill never came
        record.unpriced = before + gone
        record.unpriced_px = (before * record.unpriced_px + gone * holding.entry_px) / record.unpriced


def _cut(state: DeskState, position: Position, size: Decimal, px: Decimal | None) -> None:
    """Take ``size`` (positive), at most all, from the holdings in proportion, in whole steps of the sizes there are."""
    size = min(size, abs(position.owned))
    if size <= 0:
        return
    parts = in_proportion(size, [abs(holding.size) for holding in position.holdings])
    for holding, part in zip(position.holdings, parts, strict=True):
        _shrink(state, position, holding, part, px)


def in_proportion(total: Decimal, weights: list[Decimal]) -> list[Decimal]:
    """``total`` shared by ``weights`` (positive, at least ``total`` together), none above its weight.

    In whole steps of the finest number given, so that sizes stay what the venue takes; what rounding leaves goes step
    by step to those that lost most by it. The parts add up to ``total`` exactly.
    """
    step = Decimal(1).scaleb(min(int(number.as_tuple().exponent) for number in (total, *weights)))
    whole = sum(weights, ZERO)
    exact = [total * weight / whole for weight in weights]
    parts = [part.quantize(step, ROUND_DOWN) for part in exact]
    order = sorted(range(len(parts)), key=lambda i: parts[i] - exact[i])
    for i in order[: int((total - sum(parts, ZERO)) / step)]:
        parts[i] += step
    return parts


def hand_over(position: Position, agent: Agent | None) -> Holding | None:
    """A rest the venue takes no order for goes to whoever holds most of the coin beside it, at what it was opened at.

    Returns that one; ``None`` where there was no such rest, or nobody to take it.
    """
    rest = position.holding(agent)
    others = [holding for holding in position.holdings if holding is not rest]
    if rest is None or not others:
        return None
    heir = max(others, key=lambda holding: abs(holding.size))
    whole = heir.size + rest.size
    heir.entry_px = (heir.size * heir.entry_px + rest.size * rest.entry_px) / whole
    heir.size = whole
    position.holdings.remove(rest)
    return heir


# -- money --------------------------------------------------------------------------------------------------------


def priced_late(state: DeskState, fill: Fill, agent: Agent | None, size: Decimal) -> None:
    """``size`` (positive) of a fill was told by a read before: what left then has its price now, its agent's first."""
    left = size * fill.side.sign
    for record in sorted(state.earned.get(fill.coin, []), key=lambda record: record.agent != agent):
        if record.unpriced * left < 0:
            part = min(abs(left), abs(record.unpriced)).copy_sign(record.unpriced)
            record.realized_usd += part * (fill.px - record.unpriced_px)
            record.unpriced -= part
            left += part


def fill_charged(state: DeskState, fill: Fill, agent: Agent | None) -> None:
    """Book one fill's fee and volume: to the agent that ordered it, a liquidation's to those it hit, else to nobody."""
    payers: list[tuple[Agent | None, Decimal]] = [(agent, fill.size)]
    if fill.liquidation and agent is None:
        payers = _held(state, fill.coin) or payers
    for payer, usd in _shared(fill.fee_usd, payers):
        earned_of(state, fill.coin, payer).fees_usd += usd
    for payer, usd in _shared(fill.size * fill.px, payers):
        record = earned_of(state, fill.coin, payer)
        record.volume_usd += usd
        record.fills += 1


def funding_shared(state: DeskState, funding: Funding) -> None:
    """Book one funding payment to those who held the coin when its hour began."""
    paid_for = funding.at_ms // HOUR_MS
    hours = (hour.held for hour in state.hours.get(funding.coin, ()) if hour.number >= paid_for)
    then = next(hours, _held(state, funding.coin))
    for agent, usd in _shared(funding.usd, then or [(None, Decimal(1))]):
        earned_of(state, funding.coin, agent).funding_usd += usd


def note_hour(state: DeskState, coin: str, at_ms: int) -> None:
    """Before something changes: who held the coin when this hour began, if this is its first change."""
    hours, number = state.hours.setdefault(coin, []), at_ms // HOUR_MS
    if not hours or hours[-1].number < number:
        hours.append(Hour(number, _held(state, coin)))
        del hours[:-KEEP_HOURS]


def _held(state: DeskState, coin: str) -> list[tuple[Agent | None, Decimal]]:
    """Everybody's part of a coin, positive; what nobody of ours opened last."""
    position = state.position(coin)
    held = [(holding.agent, abs(holding.size)) for holding in position.holdings]
    others = abs(position.size) - abs(position.owned)
    return [*held, (None, others)] if others > 0 else held


def _shared(usd: Decimal, parts: Iterable[tuple[Agent | None, Decimal]]) -> list[tuple[Agent | None, Decimal]]:
    """Money in proportion to sizes; the first takes what the division leaves, so that the parts add up to it."""
    sizes = list(parts)
    whole = sum((size for _, size in sizes), ZERO)
    rest = [(agent, usd * size / whole) for agent, size in sizes[1:]]
    return [(sizes[0][0], usd - sum((part for _, part in rest), ZERO)), *rest]
