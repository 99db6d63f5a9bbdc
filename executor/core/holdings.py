"""How positions are carried on: by reads, by answers, by fills; each execution counts once.

Positions are the venue's. Between two reads they are carried on by fills: a fill counts once, by its identity;
an answer's claim and the fill it speaks of count once, whichever comes first; a fill older than the newest read is
in that read already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import TypeVar

from executor.core import events as ev
from executor.core.earnings import account_earned, agrees, entry_worked, fill_earned, forget_told
from executor.core.executed import note_executed
from executor.core.facts import AccountFact, Fill, OpenOrder
from executor.core.lifecycle import LegState
from executor.core.position import Holding, Position
from executor.core.settings import SETTLE_MS
from executor.core.spent import midnight_ms
from executor.core.state import KEEP_FILLS, KEEP_STRANGE, Day, DeskState, Exit, Leg, StopWish, TargetWish, speaks_of
from executor.core.types import ZERO, Agent
from executor.core.virtual import (
    closed,
    fill_charged,
    fit,
    hand_over,
    moved_by_others,
    note_hour,
    opened,
    priced_late,
    taken_back,
)

Wish = TypeVar("Wish", StopWish, TargetWish)


def fill_id(tid: int, oid: int) -> str:
    """A fill's identity on one account (hyperliquid.md section 1.4)."""
    return f"{tid}:{oid}"


def position_of(state: DeskState, coin: str) -> Position:
    """The coin's record, made flat where there was none."""
    position = state.positions.get(coin)
    if position is None:
        position = state.positions[coin] = Position(coin=coin, read_at_ms=state.account_read_ms)
    return position


def _fit(state: DeskState, position: Position, at_ms: int) -> None:
    """Holdings follow what is there, and wishes follow the holdings."""
    fit(state, position, at_ms)
    _lives_ended(state, position)
    if position.size == 0 and not position.ahead:
        state.positions[position.coin] = Position(
            coin=position.coin, read_at_ms=position.read_at_ms, filled_at_ms=position.filled_at_ms
        )
    else:
        _came_up(state, position)


def _lives_ended(state: DeskState, position: Position) -> None:
    """Stops and targets belong to one life of a holding: they go with it, but those of an entry under way stay."""
    coin = position.coin
    coming = {leg.key for leg in state.legs_of(coin, "entry")}
    for wish in state.stops.get(coin, ()):
        wish.before = wish.before if position.part_of(wish.agent) else None
    put(state.stops, coin, [wish for wish in state.stops.get(coin, ()) if _lives(position, wish, coming)])
    put(state.targets, coin, [wish for wish in state.targets.get(coin, ()) if _lives(position, wish, coming)])


def _lives(position: Position, wish: StopWish | TargetWish, coming: Collection[str]) -> bool:
    return not wish.seen or wish.key in coming or position.part_of(wish.agent) != 0


def put(wishes: dict[str, list[Wish]], coin: str, kept: list[Wish]) -> None:
    """What is wished of a coin from now on; a coin of which nothing is wished is not kept."""
    wishes[coin] = kept
    if not kept:
        del wishes[coin]


def _came_up(state: DeskState, position: Position) -> None:
    for wish in (*state.stops.get(position.coin, ()), *state.targets.get(position.coin, ())):
        wish.seen = wish.seen or speaks_of(wish, position.part_of(wish.agent))


def _move(state: DeskState, coin: str, delta: Decimal, px: Decimal, leg: Leg | None, at_ms: int) -> None:
    """Carry a position on by an execution; ``leg`` is ours, ``None`` for a foreign one."""
    position = position_of(state, coin)
    before, after = position.size, position.size + delta
    grows = before == 0 or before * delta > 0
    if grows and after != 0:
        position.entry_px = (abs(before) * position.entry_px + abs(delta) * px) / abs(after)
    elif before * after < 0:
        position.entry_px = px
    position.size = after
    if leg is None:
        moved_by_others(position, abs(delta), px)
    else:
        _own(state, position, leg, delta, px)
    _fit(state, position, at_ms)


def _own(state: DeskState, position: Position, leg: Leg, delta: Decimal, px: Decimal) -> None:
    """Only an entry makes a position ours; the rest reduces, also when it is told before the entry it closes."""
    if leg.kind == "entry":
        opened(state, position, leg.agent, delta, px, leg.signal_at_ms)
    else:
        closed(state, position, leg.agent, delta, px)


def _pay(state: DeskState, leg: Leg, newly: Decimal) -> None:
    """Take what executed off what its exit owes; a target that executed is done."""
    owed = state.exits.get(leg.key)
    if owed is not None and leg.kind == "exit":
        owed.owed = max(ZERO, owed.owed - newly)
    if leg.kind == "target":
        for wish in state.targets.get(leg.coin, ()):
            wish.executed = wish.executed or wish.key == leg.key


def entry_settled(state: DeskState, cloid: str, at_ms: int) -> None:
    """An entry that may bring nothing more settles what exits closed ahead of it."""
    leg = state.legs.get(cloid)
    position = None if leg is None else state.positions.get(leg.coin)
    if leg is not None and not leg.open and position is not None and position.ahead:
        _fit(state, position, at_ms)


def execute(state: DeskState, leg: Leg, newly: Decimal, px: Decimal, at_ms: int) -> None:
    """Carry position and exit on by what a leg of ours newly executed."""
    if newly <= 0:
        return
    _pay(state, leg, newly)
    _move(state, leg.coin, newly * leg.side.sign, px, leg, at_ms)
    note_executed(state, leg, newly)


def fill_seen(state: DeskState, event: ev.FillSeen) -> None:
    """Count one fill, once."""
    fill = event.fill
    identity = fill_id(fill.tid, fill.oid)
    if identity in state.seen_fills:
        return
    state.seen_fills[identity] = fill.at_ms
    state.last_fill_ms = max(state.last_fill_ms, fill.at_ms)
    fill_earned(state, fill)
    in_read = _in_read(position_of(state, fill.coin), fill)
    leg = state.legs.get(event.cloid or "")
    note_hour(state, fill.coin, fill.at_ms)
    fill_charged(state, fill, None if leg is None else leg.agent)
    if leg is not None:
        _leg_fill(state, leg, event, in_read)
    else:
        _strange(state, fill)
        _strange_fill(state, fill, in_read)
    position = position_of(state, fill.coin)
    position.filled_at_ms = max(position.filled_at_ms, fill.at_ms)
    if len(state.seen_fills) > 2 * KEEP_FILLS:
        state.seen_fills = dict(list(state.seen_fills.items())[-KEEP_FILLS:])


def _in_read(position: Position, fill: Fill) -> bool:
    """Whether the newest read has this fill already; in one millisecond the fill's own start tells."""
    if fill.at_ms == position.read_at_ms:
        return fill.start_position != position.size
    return fill.at_ms < position.read_at_ms


def _leg_fill(state: DeskState, leg: Leg, event: ev.FillSeen, in_read: bool) -> None:
    before = leg.filled
    leg.seen_filled += event.fill.size
    entry_worked(state, leg)
    newly = leg.filled - before
    if in_read:
        explained = _claim(state, leg, newly, event.fill.px, event.at_ms)
        priced_late(state, event.fill, leg.agent, newly - explained)
        note_executed(state, leg, newly)
    else:
        execute(state, leg, newly, event.fill.px, event.at_ms)
    forget_told(state)
    if leg.filled >= leg.size:
        leg.turn("filled", event.at_ms)


def _strange(state: DeskState, fill: Fill) -> None:
    """A fill nobody here claims yet: it may be ours, when it comes without a cloid before the answer."""
    if fill.cloid is None:
        state.strange_fills[fill.oid] = state.strange_fills.get(fill.oid, ZERO) + fill.size
        if len(state.strange_fills) > KEEP_STRANGE:
            del state.strange_fills[next(iter(state.strange_fills))]


def _strange_fill(state: DeskState, fill: Fill, in_read: bool) -> None:
    """Carry on by what others did; what a read told before it has its price now."""
    if not in_read:
        _move(state, fill.coin, fill.signed_size, fill.px, None, fill.at_ms)
        return
    moved_by_others(position_of(state, fill.coin), fill.size, fill.px)
    priced_late(state, fill, None, fill.size)


def learn_oid(state: DeskState, leg: Leg, oid: int | None, px: Decimal, at_ms: int) -> None:
    """The answer names the leg's order: fills that came before it, and were nobody's, are the leg's."""
    if oid is None:
        return
    leg.oid = oid
    size = state.strange_fills.pop(oid, ZERO)
    if size:
        leg.seen_filled += size
        _claim(state, leg, size, px, at_ms)
        note_executed(state, leg, size)


def _claim(state: DeskState, leg: Leg, newly: Decimal, px: Decimal, at_ms: int) -> Decimal:
    """The position has the size already, but only the fill tells who of ours brought it, or let it go.

    Returns how much of it (positive) that explained.
    """
    _pay(state, leg, newly)
    position = position_of(state, leg.coin)
    explained = newly if leg.kind == "entry" else min(newly, position.excess)
    if explained > 0:
        _own(state, position, leg, explained * leg.side.sign, px)
        _fit(state, position, at_ms)
    return explained


def account_read(state: DeskState, event: ev.AccountRead) -> None:
    """Take the venue's word for every coin the read speaks of."""
    fact = event.fact
    account_earned(state, fact, agreed=agrees(state, fact, event.skipped))
    # sorted: a set's order is another in each process, and steps follow the order of the positions
    for coin in sorted({p.coin for p in fact.positions} | set(state.positions) | set(event.skipped)):
        if coin in event.skipped:
            position_of(state, coin)  # made now, so that it does not pass for part of this read
            continue
        _set_position(state, coin, fact)
    state.equity_usd = fact.equity_usd
    state.account_read_ms = fact.at_ms
    state.flat_reads = 0 if fact.positions else state.flat_reads + 1
    _roll_day(state, fact)


def _set_position(state: DeskState, coin: str, fact: AccountFact) -> None:
    note_hour(state, coin, fact.at_ms)
    position = position_of(state, coin)
    position.read_at_ms = fact.at_ms
    told = next((p for p in fact.positions if p.coin == coin), None)
    if told is None:
        if position.size != 0 or position.ahead:
            position.size = ZERO
            _fit(state, position, fact.at_ms)
        return
    position.size, position.entry_px = told.size, told.entry_px
    position.leverage, position.is_cross = told.leverage, told.is_cross
    position.liquidation_px = told.liquidation_px
    position.unrealized_pnl_usd = told.unrealized_pnl_usd
    _fit(state, position, fact.at_ms)


def _roll_day(state: DeskState, fact: AccountFact) -> None:
    start_ms = midnight_ms(fact.at_ms)
    if start_ms <= state.day.start_ms:
        return
    unrealized = sum((p.unrealized_pnl_usd for p in fact.positions), ZERO)
    state.day = Day(
        start_ms=start_ms,
        since_ms=fact.at_ms,
        start_equity_usd=fact.equity_usd,
        start_unrealized_usd=unrealized,
    )


def orders_read(state: DeskState, event: ev.OrdersRead) -> None:
    """Keep the list of open orders, and learn the oids of ours."""
    state.orders = {order.oid: order for order in event.orders}
    state.orders_read_ms = event.at_ms
    for order in event.orders:
        leg = state.legs.get(order.cloid or "")
        if leg is not None and leg.open:
            leg.oid = order.oid
    for cloid, listed in listing(state, event.orders, event.asked_ms).items():
        leg = state.legs[cloid]
        leg.listed, leg.doubted = listed, leg.doubted or listed == 0


def listing(state: DeskState, orders: Iterable[OpenOrder], asked_ms: int) -> dict[str, Decimal]:
    """What a complete list says anew of our resting triggers: the size it shows, zero for one it lacks.

    One that came to rest just before the list was asked for may be missing without being gone.
    """
    shown = {order.cloid: order.size for order in orders if order.cloid}
    news: dict[str, Decimal] = {}
    for leg in state.live.values():
        if leg.trigger_px is None or leg.state is not LegState.RESTING:
            continue
        size = shown.get(leg.cloid)
        if size is None and leg.last_change_ms < asked_ms - SETTLE_MS and (leg.listed or not leg.doubted):
            news[leg.cloid] = ZERO
        elif size is not None and size != leg.listed:
            news[leg.cloid] = size
    return news


def adopted(state: DeskState, event: ev.PositionAdopted) -> None:
    """What was found on the venue belongs to an agent: it holds so much then."""
    position = position_of(state, event.coin)
    holding = position.holding(event.agent)
    if holding is None:
        holding = Holding(event.agent, entry_px=position.entry_px)
        position.holdings.append(holding)
    holding.size, holding.opened_at_ms = event.size, event.opened_at_ms
    _fit(state, position, event.at_ms)


def claim_voided(state: DeskState, event: ev.ClaimVoided) -> None:
    """What was counted is taken back; what was thought closed is its agent's again, and still has to go.

    The read that follows says what there is. A flatten owes what it finds by itself.
    """
    leg = state.legs.get(event.cloid)
    if leg is None:
        return
    leg.told_filled = leg.seen_filled
    forget_told(state)
    position = position_of(state, event.coin)
    back = -event.size * leg.side.sign
    position.size += back
    if leg.kind == "entry":
        taken_back(state, position, leg.agent, back, position.entry_px, event.at_ms)
    elif not state.flattening and leg.agent is not None:
        opened(state, position, leg.agent, back, position.entry_px, 0)
    _fit(state, position, event.at_ms)
    if leg.kind == "exit" and not state.flattening and leg.agent is not None:
        _owe_again(state, leg, event)


def handed_over(state: DeskState, coin: str, agent: Agent | None) -> None:
    """A rest too small for an order of its own goes to another agent of the coin: this one holds nothing any more.

    Where that one's exits already take all it had, they take this too: else it would be left behind by both.
    """
    position = position_of(state, coin)
    rest = abs(position.held_by(agent))
    heir = hand_over(position, agent)
    if heir is None:
        return
    _lives_ended(state, position)
    leaving = [owed for owed in state.exits_of(coin) if owed.agent == heir.agent]
    if leaving and sum(owed.owed for owed in leaving) >= abs(heir.size) - rest:
        leaving[-1].owed += rest


def _owe_again(state: DeskState, leg: Leg, event: ev.ClaimVoided) -> None:
    owed = state.exits.get(leg.key)
    if owed is None:
        owed = state.exits[leg.key] = Exit(
            key=leg.key,
            coin=leg.coin,
            agent=leg.agent,
            owed=ZERO,
            why="unconfirmed fill",
            at_ms=event.at_ms,
            side=leg.side,
        )
    owed.owed += event.size
    owed.failed += 1
