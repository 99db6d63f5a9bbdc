"""Account arithmetic: equity, margin used and free, maintenance, liquidation price (hyperliquid.md 1.2, 6.5-6.7)."""

from __future__ import annotations

from decimal import Decimal

from executor.core.types import ZERO
from executor.paper.model import Account, Leverage, Market, Order, Phase, Position, State


def setting(state: State, account: Account, market: Market) -> Leverage:
    """The coin's leverage setting; untouched coins are cross (isolated where cross is not allowed)."""
    default = Leverage(not market.asset.isolated_only, min(state.rules.default_leverage, market.asset.max_leverage))
    return account.leverage.get(market.asset.coin, default)


def is_cross(state: State, account: Account, coin: str) -> bool:
    """Whether the coin is in cross mode on this account."""
    return setting(state, account, state.markets[coin]).is_cross


def mark_of(state: State, coin: str, position: Position) -> Decimal:
    """The mark price; the entry price before the first mark is known."""
    reference = state.markets[coin].reference
    return position.entry_px if reference is None else reference


def value(state: State, coin: str, position: Position) -> Decimal:
    """Signed position value at mark."""
    return position.szi * mark_of(state, coin, position)


def cross_positions(state: State, account: Account) -> dict[str, Position]:
    """Positions that share the cross purse."""
    return {c: p for c, p in account.positions.items() if is_cross(state, account, c)}


def cross_equity(state: State, account: Account) -> Decimal:
    """Cash plus signed value of cross positions (cross ``accountValue``)."""
    return account.raw_usd + sum((value(state, c, p) for c, p in cross_positions(state, account).items()), ZERO)


def equity(state: State, account: Account) -> Decimal:
    """Everything: cross purse, isolated purses, all positions at mark (``accountValue``)."""
    raw = account.raw_usd + sum((p.raw_usd for p in account.positions.values()), ZERO)
    return raw + sum((value(state, c, p) for c, p in account.positions.items()), ZERO)


def position_margin(state: State, account: Account, coin: str) -> Decimal:
    """``marginUsed`` of one position."""
    position = account.positions[coin]
    lev = setting(state, account, state.markets[coin])
    worth = value(state, coin, position)
    return abs(worth) / lev.value if lev.is_cross else worth + position.raw_usd


def cross_margin_used(state: State, account: Account) -> Decimal:
    """Initial margin of the cross positions."""
    return sum((position_margin(state, account, c) for c in cross_positions(state, account)), ZERO)


def tier_rate(market: Market, notional: Decimal) -> tuple[Decimal, Decimal]:
    """Maintenance rate and deduction at a notional (hyperliquid.md section 6.7)."""
    rate, deduction = ZERO, ZERO
    for lower_usd, max_leverage in market.tiers:
        if lower_usd > notional:
            break
        fresh = 1 / Decimal(2 * max_leverage)
        deduction += lower_usd * (fresh - rate)
        rate = fresh
    return rate, deduction


def maintenance(state: State, coin: str, position: Position) -> Decimal:
    """Maintenance margin of one position at mark."""
    notional = abs(value(state, coin, position))
    rate, deduction = tier_rate(state.markets[coin], notional)
    return notional * rate - deduction


def cross_maintenance(state: State, account: Account) -> Decimal:
    """Maintenance margin of all cross positions."""
    return sum((maintenance(state, c, p) for c, p in cross_positions(state, account).items()), ZERO)


def liquidation_px(state: State, account: Account, coin: str) -> Decimal | None:
    """Where the position would be liquidated, everything else standing still; ``None`` when never."""
    position = account.positions[coin]
    if is_cross(state, account, coin):
        available = cross_equity(state, account) - cross_maintenance(state, account)
    else:
        available = position_margin(state, account, coin) - maintenance(state, coin, position)
    side = 1 if position.szi > 0 else -1
    rate, _ = tier_rate(state.markets[coin], abs(value(state, coin, position)))
    px = mark_of(state, coin, position) - side * available / abs(position.szi) / (1 - rate * side)
    return px if px > 0 else None


def opening_part(szi: Decimal, is_buy: bool, sz: Decimal) -> Decimal:
    """How much of an order would open exposure, rather than close what is held."""
    against = -szi if is_buy else szi
    return max(ZERO, sz - max(ZERO, against))


def order_margin(state: State, account: Account, order: Order, szi: Decimal, sz: Decimal) -> Decimal:
    """Initial margin an order asks for its opening part. Sells below mark are valued at mark."""
    market = state.markets[order.coin]
    px = order.limit_px if order.is_buy else max(order.limit_px, market.reference or ZERO)
    return opening_part(szi, order.is_buy, sz) * px / setting(state, account, market).value


def reserved(state: State, account: Account, skip: int = 0) -> Decimal:
    """Margin held for resting orders that would open exposure: per coin the more demanding side."""
    sides: dict[tuple[str, bool], Decimal] = {}
    left: dict[tuple[str, bool], Decimal] = {}
    for order in state.live_orders(account.user):
        if order.phase is not Phase.BOOK or order.reduce_only or order.oid == skip:
            continue
        key = (order.coin, order.is_buy)
        szi = left.setdefault(key, _held(account, order.coin))
        sides[key] = sides.get(key, ZERO) + order_margin(state, account, order, szi, order.sz)
        left[key] = szi + order.sign * order.sz
    coins = {coin for coin, _ in sides}
    return sum((max(sides.get((c, True), ZERO), sides.get((c, False), ZERO)) for c in coins), ZERO)


def free(state: State, account: Account, skip: int = 0) -> Decimal:
    """What new orders may use."""
    return cross_equity(state, account) - cross_margin_used(state, account) - reserved(state, account, skip)


def released_by_flip(state: State, account: Account, order: Order) -> Decimal:
    """Margin an order frees by closing what is held before it opens the other side."""
    position = account.positions.get(order.coin)
    if position is None or opening_part(position.szi, order.is_buy, order.sz) == order.sz:
        return ZERO
    return position_margin(state, account, order.coin)


def affordable(state: State, account: Account, order: Order) -> bool:
    """Whether the account can carry the order's opening part."""
    need = order_margin(state, account, order, _held(account, order.coin), order.sz)
    if need <= 0:
        return True
    return need <= free(state, account, skip=order.oid) + released_by_flip(state, account, order)


def withdrawable(state: State, account: Account) -> Decimal:
    """Cross equity that is bound by nothing (hyperliquid.md section 1.2)."""
    bound = cross_margin_used(state, account) + reserved(state, account)
    total = sum((abs(value(state, c, p)) for c, p in cross_positions(state, account).items()), ZERO)
    return max(ZERO, cross_equity(state, account) - max(bound, total / 10))


def max_leverage_at(market: Market, notional: Decimal) -> int:
    """The tier's leverage limit for a position of this notional."""
    return min((lev for lower, lev in market.tiers if lower < notional), default=market.asset.max_leverage)


def _held(account: Account, coin: str) -> Decimal:
    position = account.positions.get(coin)
    return ZERO if position is None else position.szi
