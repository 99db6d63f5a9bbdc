"""How positions are carried on: by reads, by answers, by fills; each execution counts once.

Positions are the venue's. Between two reads they are carried on by fills: a fill counts once, by its identity;
an answer's claim and the fill it speaks of count once, whichever comes first; a fill older than the newest read is
in that read already.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from executor.core import events as ev
from executor.core.earnings import account_earned, agrees, entry_worked, fill_earned
from executor.core.facts import AccountFact, Fill, OpenOrder
from executor.core.lifecycle import LegState
from executor.core.settings import SETTLE_MS
from executor.core.spent import midnight_ms
from executor.core.state import KEEP_FILLS, KEEP_STRANGE, Day, DeskState, Exit, Leg, Position, speaks_of
from executor.core.types import ZERO, Agent


def fill_id(tid: int, oid: int) -> str:
    """A fill's identity on one account (hyperliquid.md section 1.4)."""
    return f"{tid}:{oid}"


def position_of(state: DeskState, coin: str) -> Position:
    """The coin's record, made flat where there was none."""
    position = state.positions.get(coin)
    if position is None:
        position = state.positions[coin] = Position(coin=coin, read_at_ms=state.account_read_ms)
    return position


def _clamp_owned(state: DeskState, position: Position) -> None:
    """What we own is never more than what is there, and never on the other side."""
    if position.owned * position.size <= 0:
        position.owned = ZERO
    elif abs(position.owned) > abs(position.size):
        position.owned = position.size
    if position.owned == 0 and position.owner is not None:
        position.owner = None
        _life_ended(state, position.coin)


def _went_flat(state: DeskState, position: Position) -> None:
    coin = position.coin
    state.positions[coin] = Position(coin=coin, read_at_ms=position.read_at_ms, filled_at_ms=position.filled_at_ms)
    _life_ended(state, coin)


def _life_ended(state: DeskState, coin: str) -> None:
    """Stops and targets belong to one life of a position: they go with it, but those of an entry under way stay."""
    coming = {leg.key for leg in state.legs_of(coin, "entry")}
    stop = state.stops.get(coin)
    if stop is not None:
        stop.before = None
        if stop.seen and stop.key not in coming:
            del state.stops[coin]
    state.targets[coin] = [wish for wish in state.targets.get(coin, []) if not wish.seen or wish.key in coming]
    if not state.targets[coin]:
        del state.targets[coin]


def _came_up(state: DeskState, coin: str) -> None:
    size = state.positions[coin].size
    stop = state.stops.get(coin)
    if stop is not None:
        stop.seen = stop.seen or speaks_of(stop, size)
    for wish in state.targets.get(coin, []):
        wish.seen = wish.seen or speaks_of(wish, size)


def _move(state: DeskState, coin: str, delta: Decimal, px: Decimal, leg: Leg | None) -> None:
    """Carry a position on by an execution; ``leg`` is ours, ``None`` for a foreign one."""
    position = position_of(state, coin)
    before, after = position.size, position.size + delta
    grows = before == 0 or before * delta > 0
    if grows and after != 0:
        position.entry_px = (abs(before) * position.entry_px + abs(delta) * px) / abs(after)
    elif before * after < 0:
        position.entry_px = px
    position.size = after
    if leg is not None:
        _own(state, position, leg, delta)
    _clamp_owned(state, position)
    if after == 0:
        _went_flat(state, position)
    else:
        _came_up(state, coin)


def _own(state: DeskState, position: Position, leg: Leg, delta: Decimal) -> None:
    """Only an entry makes a position ours; the rest reduces, also when it is told before the entry it closes."""
    if leg.kind == "entry":
        if position.owned == 0:
            position.owner, position.opened_at_ms = leg.agent, leg.signal_at_ms
            _only_of(state, position.coin, leg.agent)
        position.owned += delta
    elif position.owned * delta < 0:
        position.owned = ZERO if abs(delta) >= abs(position.owned) else position.owned + delta


def _only_of(state: DeskState, coin: str, owner: Agent | None) -> None:
    """Stops and targets that wait for another agent's position are not for this one: the coin is taken."""
    stop = state.stops.get(coin)
    if stop is not None and stop.agent not in (None, owner):
        del state.stops[coin]
    targets = [wish for wish in state.targets.pop(coin, []) if wish.agent in (None, owner)]
    if targets:
        state.targets[coin] = targets


def _pay(state: DeskState, leg: Leg, newly: Decimal) -> None:
    owed = state.exits.get(leg.key)
    if owed is not None and leg.kind == "exit":
        owed.owed = max(ZERO, owed.owed - newly)


def execute(state: DeskState, leg: Leg, newly: Decimal, px: Decimal) -> None:
    """Carry position and exit on by what a leg of ours newly executed."""
    if newly <= 0:
        return
    _pay(state, leg, newly)
    _move(state, leg.coin, newly * leg.side.sign, px, leg)


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
    if leg is not None:
        _leg_fill(state, leg, event, in_read)
    else:
        _strange(state, fill)
        if not in_read:
            _move(state, fill.coin, fill.signed_size, fill.px, None)
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
        _claim(state, leg, newly)
    else:
        execute(state, leg, newly, event.fill.px)
    if leg.filled >= leg.size:
        leg.turn("filled", event.at_ms)


def _strange(state: DeskState, fill: Fill) -> None:
    """A fill nobody here claims yet: it may be ours, when it comes without a cloid before the answer."""
    if fill.cloid is None:
        state.strange_fills[fill.oid] = state.strange_fills.get(fill.oid, ZERO) + fill.size
        if len(state.strange_fills) > KEEP_STRANGE:
            del state.strange_fills[next(iter(state.strange_fills))]


def learn_oid(state: DeskState, leg: Leg, oid: int | None) -> None:
    """The answer names the leg's order: fills that came before it, and were nobody's, are the leg's."""
    if oid is None:
        return
    leg.oid = oid
    size = state.strange_fills.pop(oid, ZERO)
    if size:
        leg.seen_filled += size
        _claim(state, leg, size)


def _claim(state: DeskState, leg: Leg, newly: Decimal) -> None:
    """The read has the size already, but only the fill tells that an entry of ours brought it."""
    _pay(state, leg, newly)
    if leg.kind == "entry" and newly > 0:
        position = position_of(state, leg.coin)
        _own(state, position, leg, newly * leg.side.sign)
        _clamp_owned(state, position)


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
    position = position_of(state, coin)
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
    _clamp_owned(state, position)
    _came_up(state, coin)


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
    """A position found on the venue belongs to an agent."""
    position = position_of(state, event.coin)
    position.owner, position.owned = event.agent, event.size
    _only_of(state, event.coin, event.agent)
    position.opened_at_ms = event.opened_at_ms
    _clamp_owned(state, position)


def claim_voided(state: DeskState, event: ev.ClaimVoided) -> None:
    """What was counted is taken back; what was thought closed is its agent's again, and still has to go.

    The read that follows says what there is. A flatten owes what it finds by itself.
    """
    leg = state.legs.get(event.cloid)
    if leg is None:
        return
    leg.told_filled = leg.seen_filled
    position = position_of(state, event.coin)
    position.size -= event.size * leg.side.sign
    if leg.kind != "entry" and (state.flattening or leg.agent is None):
        return
    position.owner = position.owner or leg.agent
    position.owned -= event.size * leg.side.sign
    _clamp_owned(state, position)
    if leg.kind == "exit":
        _owe_again(state, leg, event)


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
