"""What the venue refuses an order for: batch-wide pre-validation, then order by order (hyperliquid.md section 2.6)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from executor.core.types import ZERO
from executor.hyperliquid.quantise import is_valid_px
from executor.paper import margin
from executor.paper.book import crosses
from executor.paper.model import Account, Json, Market, Order, Phase, State
from executor.paper.numbers import bare

BAND = 5
"""A price more than five times, or less than a fifth of, the reference is refused (hyperliquid.md section 2.6)."""


class Refusal(NamedTuple):
    """The status kept in history and the text answered."""

    status: str
    text: str


Check = Callable[[State, Account, Market, Order], Refusal | None]


def prevalidate(state: State, wires: list[Json], grouping: object) -> str | None:
    """The one error that refuses a whole batch before any order is looked at, if there is one."""
    if not wires:
        return "Orders are empty."
    for wire in wires:
        problem = _malformed(state, wire)
        if problem is not None:
            return f"{problem} asset={wire['a']}"
    return _bad_grouping(wires, grouping)


def _malformed(state: State, wire: Json) -> str | None:
    market = state.market(wire["a"])
    if market is None or market.asset.delisted:
        return "Order has invalid asset."
    px, sz = Decimal(wire["p"]), Decimal(wire["s"])
    if px <= 0 or "trigger" in wire["t"] and Decimal(wire["t"]["trigger"]["triggerPx"]) <= 0:
        return "Order has invalid price."
    if sz < 0 or sz != round(sz, market.asset.sz_decimals):
        return "Order has invalid size."
    return _out_of_band(market, px)


def _out_of_band(market: Market, px: Decimal) -> str | None:
    reference = market.reference
    if reference is not None and (px * BAND <= reference or reference * BAND < px):
        return "Order price cannot be more than 80% away from the reference price"
    return None


def _bad_grouping(wires: list[Json], grouping: object) -> str | None:
    if grouping == "na" or isinstance(grouping, dict):
        return None
    grouped = wires[1:] if grouping == "normalTpsl" else wires
    if any("trigger" not in w["t"] for w in grouped) or (grouping == "normalTpsl" and "trigger" in wires[0]["t"]):
        return "Invalid TP/SL grouping."
    if any(not w["r"] for w in grouped):
        return "TP/SL orders must be reduce-only."
    kinds = [(w["a"], w["t"]["trigger"]["tpsl"]) for w in grouped]
    return "Invalid TP/SL grouping." if len(set(kinds)) != len(kinds) else None


def refusal(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    """The first reason to refuse a new order, in the venue's order of looking."""
    for check in _CHECKS:
        found = check(state, account, market, order)
        if found is not None:
            return found
    return None


def _size(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    if order.orig_sz == 0 and not order.position_tpsl:
        return Refusal("rejected", "Order has zero size.")
    return None


def _tick(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    prices = [order.limit_px, *([order.trigger_px] if order.trigger_px is not None else [])]
    if all(is_valid_px(market.asset, px) for px in prices):
        return None
    return Refusal("tickRejected", "Price must be divisible by tick size.")


def _cloid(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    if state.rules.duplicate_cloid == "accept" or order.cloid is None:
        return None
    if any(o.cloid == order.cloid and o.oid != order.oid for o in state.history[account.user].values()):
        return Refusal("rejected", "Duplicate cloid.")
    return None


def _count(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    """Structural limits, hyperliquid.md section 5.3; the text is not known."""
    live = sum(1 for _ in state.live_orders(account.user))
    extra = min(4000, int(account.volume_usd // 5_000_000))
    base = state.rules.max_open_orders
    special = order.reduce_only or order.trigger_px is not None
    if live >= base + extra or (special and live >= base):
        return Refusal("tooManyOpenOrdersRejected", "Too many open orders.")
    return None


def position_size(account: Account, coin: str) -> Decimal:
    """The signed position, zero when flat."""
    position = account.positions.get(coin)
    return ZERO if position is None else position.szi


def _parent_will_open(state: State, order: Order) -> bool:
    """Whether a grouped child is judged before its parent has opened anything."""
    return order.parent is not None


def _min_notional(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    """Ten dollars on the limit price, but for what closes the whole position (hyperliquid.md section 6.1)."""
    if order.sz * order.limit_px >= state.rules.min_notional_usd or order.position_tpsl and order.orig_sz == 0:
        return None
    held = -position_size(account, order.coin) * order.sign
    parent = state.orders.get(order.parent or 0)
    whole = held if parent is None else max(held, parent.orig_sz)
    if whole > 0 and (order.sz == whole or (order.reduce_only and order.sz >= whole)):
        return None
    return Refusal("minTradeNtlRejected", "Order must have minimum value of $10.")


def _reduce_only(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    if not order.reduce_only or _parent_will_open(state, order):
        return None
    if position_size(account, order.coin) * order.sign >= 0:
        return Refusal("reduceOnlyRejected", "Reduce only order would increase position.")
    return None


_BAD_TRIGGER = Refusal("badTriggerPxRejected", "Invalid TP/SL price.")


def _trigger(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    """The limit must lie beyond the trigger, the trigger on the far side of the mark."""
    if order.trigger_px is None:
        return None
    needs_aggressive = order.trigger_market or order.tpsl == "sl"
    if needs_aggressive and not crosses(order.is_buy, order.limit_px, order.trigger_px):
        return _BAD_TRIGGER
    past = reached(order, _trigger_reference(state, market, order))
    tolerated = order.tpsl == "tp" and state.rules.past_take_profit == "fire"
    return _BAD_TRIGGER if past and not tolerated else None


def _trigger_reference(state: State, market: Market, order: Order) -> Decimal | None:
    """A child of a parent that still rests is judged by the parent's price, everything else by the mark."""
    parent = state.orders.get(order.parent or 0)
    if parent is not None and parent.phase is Phase.BOOK:
        return parent.limit_px
    return market.reference


def reached(order: Order, px: Decimal | None) -> bool:
    """Whether a price has reached the order's trigger."""
    if px is None or order.trigger_px is None:
        return False
    above = (order.tpsl == "tp") != order.is_buy
    return px >= order.trigger_px if above else px <= order.trigger_px


def _margin(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    if order.reduce_only or order.trigger_px is not None:
        return None
    return afford(state, account, market, order)


def afford(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    """Margin and tier limit of an order that may open exposure."""
    if not margin.affordable(state, account, order):
        return Refusal("perpMarginRejected", "Insufficient margin to place order.")
    szi = position_size(account, order.coin)
    notional = abs(szi + order.sign * order.sz) * (market.reference or order.limit_px)
    opens = margin.opening_part(szi, order.is_buy, order.sz) > 0
    if opens and margin.setting(state, account, market).value > margin.max_leverage_at(market, notional):
        text = "Order would cause position to exceed margin tier limit at current leverage"
        return Refusal("perpMaxPositionRejected", text)
    return None


def _post_only(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    if order.tif != "Alo" or order.trigger_px is not None or not marketable(market, order):
        return None
    bid, ask = (market.book.best_px(side) for side in (True, False))
    bbo = f"{'none' if bid is None else bare(bid)}@{'none' if ask is None else bare(ask)}"
    text = f"Post only order would have immediately matched, bbo was {bbo}."
    return Refusal("badAloPxRejected", text)


def marketable(market: Market, order: Order) -> bool:
    """Whether an order would trade at once."""
    best = market.book.best_px(not order.is_buy)
    return best is not None and crosses(order.is_buy, order.limit_px, best)


_CHECKS: tuple[Check, ...] = (
    _size, _tick, _cloid, _count, _min_notional, _reduce_only, _trigger, _margin, _post_only,
)  # fmt: skip
