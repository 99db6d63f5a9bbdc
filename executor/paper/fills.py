"""Settles one trade on the accounts it touches and writes the fill rows (hyperliquid.md sections 1.4, 6.10, 6.11)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b

from executor.core.types import ZERO
from executor.hyperliquid.limits import FILLS_REACHABLE
from executor.paper import margin, orders
from executor.paper.model import Account, Json, Market, Order, Phase, Position, State
from executor.paper.numbers import cents, usd, wire
from executor.paper.views import side

OUTSIDE = "0x" + "00" * 20
"""Stands for every trader who is not on this paper exchange."""

TRADES_KEPT = 100

BUILDER_STEP = Decimal("0.00001")
"""What one unit of a builder's ``f`` is: a tenth of a basis point (hyperliquid.md section 6.10)."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One match as both sides share it: price, size, the two order ids by buyer and seller."""

    coin: str
    px: Decimal
    sz: Decimal
    buyer_oid: int
    seller_oid: int

    @property
    def tid(self) -> int:
        """A 50-bit hash of (buyer oid, seller oid)."""
        digest = blake2b(f"{self.buyer_oid}:{self.seller_oid}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") >> 14


def match(state: State, taker: Order | None, maker: Order | None, px: Decimal, sz: Decimal) -> None:
    """Books one trade; ``None`` is an outside trader. Afterwards reduce-only orders that no longer fit shrink or go."""
    trade = _trade(state, taker, maker, px, sz)
    _print(state, trade, taker, maker)
    for order, crossed in ((taker, True), (maker, False)):
        if order is not None:
            _settle(state, order, trade, crossed=crossed)
    for order in (taker, maker):
        if order is not None:
            _after(state, order)


def _trade(state: State, taker: Order | None, maker: Order | None, px: Decimal, sz: Decimal) -> Trade:
    oids, coin = [], ""
    for order in (taker, maker):
        oids.append(state.next_external if order is None else order.oid)
        state.next_external += order is None
        coin = coin if order is None else order.coin
    buyer, seller = oids if _taker_buys(taker, maker) else reversed(oids)
    return Trade(coin, px, sz, buyer, seller)


def _taker_buys(taker: Order | None, maker: Order | None) -> bool:
    return taker.is_buy if taker is not None else maker is not None and not maker.is_buy


def _print(state: State, trade: Trade, taker: Order | None, maker: Order | None) -> None:
    """The public trade print, and the day's volume."""
    market = state.markets[trade.coin]
    market.last_px = trade.px
    market.day_base += trade.sz
    market.day_ntl += trade.sz * trade.px
    users = [o.user if o is not None else OUTSIDE for o in (taker, maker)]
    taker_buys = _taker_buys(taker, maker)
    row = {
        "coin": trade.coin,
        "side": side(taker_buys),
        "px": wire(trade.px),
        "sz": wire(trade.sz),
        "time": state.now_ms,
        "hash": step_hash(state, trade),
        "tid": trade.tid,
        "users": users if taker_buys else users[::-1],
    }
    state.out.trades[trade.coin].append(row)
    state.trades[trade.coin] = [*state.trades[trade.coin][1 - TRADES_KEPT :], row]
    state.out.coins.add(trade.coin)


def step_hash(state: State, trade: Trade) -> str:
    """A transaction hash: the same for both sides of a trade, derived from what happened."""
    text = f"{state.now_ms}:{trade.coin}:{trade.buyer_oid}:{trade.seller_oid}"
    return "0x" + blake2b(text.encode(), digest_size=32).hexdigest()


def _settle(state: State, order: Order, trade: Trade, *, crossed: bool) -> None:
    account = state.accounts[order.user]
    market = state.markets[order.coin]
    start = account.positions[order.coin].szi if order.coin in account.positions else ZERO
    rate = state.rules.taker_rate if crossed else state.rules.maker_rate
    builder_fee = cents(trade.px * trade.sz * order.builder_f * BUILDER_STEP)
    fee = ZERO if order.liquidation_px is not None else cents(trade.px * trade.sz * rate) + builder_fee
    closed_pnl = move(state, account, market, order.sign * trade.sz, trade.px, fee)
    account.volume_usd += trade.px * trade.sz
    order.sz -= trade.sz
    order.filled_sz += trade.sz
    order.filled_ntl += trade.sz * trade.px
    row = _row(state, order, trade, crossed, start, closed_pnl, fee)
    if builder_fee:
        row["builderFee"] = wire(builder_fee)
    state.fills[order.user] = [*state.fills[order.user][1 - FILLS_REACHABLE :], row]
    state.out.fills[order.user].append(row)


def _row(
    state: State, order: Order, trade: Trade, crossed: bool, start: Decimal, closed_pnl: Decimal, fee: Decimal
) -> Json:
    row: Json = {
        "coin": trade.coin,
        "px": wire(trade.px),
        "sz": wire(trade.sz),
        "side": side(order.is_buy),
        "time": state.now_ms,
        "startPosition": wire(start),
        "dir": direction(start, order.sign * trade.sz),
        "closedPnl": usd(closed_pnl),
        "hash": step_hash(state, trade),
        "oid": order.oid,
        "crossed": crossed,
        "fee": wire(fee),
        "tid": trade.tid,
    }
    if order.cloid is not None:
        row["cloid"] = order.cloid
    if order.liquidation_px is not None:
        row["liquidation"] = {
            "liquidatedUser": order.user,
            "markPx": wire(order.liquidation_px),
            "method": order.tif or "market",
        }
    return row | {"feeToken": "USDC", "twapId": None}


def direction(start: Decimal, change: Decimal) -> str:
    """The venue's display text of a fill."""
    end = start + change
    if start * end < 0:
        return "Long > Short" if start > 0 else "Short > Long"
    opens = start * change >= 0
    held_long = (change > 0) if opens else (start > 0)
    return f"{'Open' if opens else 'Close'} {'Long' if held_long else 'Short'}"


def move(state: State, account: Account, market: Market, change: Decimal, px: Decimal, fee: Decimal) -> Decimal:
    """Changes a position by a signed size at a price and pays the fee; returns the closed PnL, gross of fees."""
    coin = market.asset.coin
    lev = margin.setting(state, account, market)
    position = account.positions.setdefault(coin, Position())
    closing = min(abs(change), max(ZERO, -position.szi * _sign(change)))
    opening = abs(change) - closing
    pnl = closing * _sign(position.szi) * (px - position.entry_px)
    if lev.is_cross:
        account.raw_usd -= change * px + fee
    else:
        _move_isolated(account, position, _sign(change) * closing, _sign(change) * opening, px, fee, lev.value)
    _resize(position, change, opening, px)
    if position.szi == 0:
        account.raw_usd += position.raw_usd
        del account.positions[coin]
    state.out.users.add(account.user)
    return pnl


def _resize(position: Position, change: Decimal, opening: Decimal, px: Decimal) -> None:
    """New size and entry: weighted on increases, unchanged on decreases, the fill price after a flip."""
    end = position.szi + change
    kept = abs(end) - opening
    if opening:
        position.entry_px = (position.entry_px * kept + px * opening) / abs(end)
    if kept == 0:
        position.funding_since_open = ZERO
    position.szi = end
    position.funding_since_change = ZERO


def _move_isolated(
    account: Account, position: Position, closing: Decimal, opening: Decimal, px: Decimal, fee: Decimal, leverage: int
) -> None:
    """Closing releases the purse pro rata to cash; opening takes initial margin from cash. The purse pays the fee."""
    if closing:
        purse = position.raw_usd + position.szi * px
        released = purse if abs(closing) == abs(position.szi) else cents(purse * abs(closing) / abs(position.szi))
        position.raw_usd -= closing * px + released
        account.raw_usd += released
    if opening:
        collateral = cents(abs(opening) * px / leverage)
        position.raw_usd += collateral - opening * px
        account.raw_usd -= collateral
        position.raw_usd -= fee
    else:
        account.raw_usd -= fee


def _sign(value: Decimal) -> int:
    return 1 if value > 0 else -1


def _after(state: State, order: Order) -> None:
    """Ends a fully filled order, then fits the account's reduce-only orders to what is left of the position."""
    if order.liquidation_px is None:
        if order.sz == 0:
            orders.finish(state, order, "filled")
        else:
            orders.note_partial(state, order)
    fit_reduce_only(state, order.user, order.coin)


def fit_reduce_only(state: State, user: str, coin: str) -> None:
    """Resting reduce-only orders shrink with the position; with nothing to reduce they and armed stops are canceled.

    Sizes of armed triggers do not follow the position; they are clipped when they fire (hyperliquid.md section 6.4).
    """
    account = state.accounts[user]
    szi = account.positions[coin].szi if coin in account.positions else ZERO
    for order in state.live_orders(user, coin):
        if not order.reduce_only or order.phase not in (Phase.BOOK, Phase.ARMED):
            continue
        if szi * order.sign >= 0:
            orders.finish(state, order, "reduceOnlyCanceled")
        elif order.phase is Phase.BOOK and order.sz > abs(szi):
            order.sz = abs(szi)
            orders.touch(state, order)
