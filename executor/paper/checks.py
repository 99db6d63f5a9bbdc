"""What the venue refuses an order for: batch-wide pre-validation, then order by order (hyperliquid.md section 2.6)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from executor.core.types import ZERO
from executor.hyperliquid import limits
from executor.hyperliquid.error_strings import error_text, status_for
from executor.hyperliquid.quantise import floor_size, is_valid_px
from executor.paper import margin
from executor.paper.book import BOTH_SIDES, crosses
from executor.paper.model import Account, Json, Market, Order, Phase, State
from executor.paper.numbers import bare

BAND = 5
"""A price more than five times, or less than a fifth of, the reference is refused (hyperliquid.md section 2.6)."""

NO_CHILDREN = "Unexpected number of trigger orders."
"""As live clients were told, though no document has it."""

UNKNOWN_ASSET = "Order has invalid asset."
BAD_GROUPING = "Invalid TP/SL grouping."
NOT_REDUCE_ONLY = "TP/SL orders must be reduce-only."
DUPLICATE_CLOID = "Duplicate cloid."
TOO_LARGE = "Order exceeds the largest value of an order."
"""Our wording of the last five: the venue's is not known."""

LARGEST_USD = ((25, 300_000_000), (20, 50_000_000), (10, 20_000_000), (0, 5_000_000))
"""From which maximum leverage of a coin how much an order may be worth (hyperliquid.md section 6.1)."""


class Refusal(NamedTuple):
    """The status kept in history and the text answered (without its `` asset=N``)."""

    status: str
    text: str


class Case(NamedTuple):
    """One order before the court."""

    state: State
    account: Account
    market: Market
    order: Order

    @property
    def held(self) -> Decimal:
        """The signed position, zero when flat."""
        return position_size(self.account, self.order.coin)

    @property
    def parent(self) -> Order | None:
        """The order this one is a child of."""
        return self.state.orders.get(self.order.parent or 0)


Check = Callable[[Case], Refusal | None]


def refuse(reason: str, **params: object) -> Refusal:
    """A refusal by reason code, in the venue's words."""
    return Refusal(status_for(reason), error_text(reason, **params))  # type: ignore[arg-type]  # asset_id is never in params


def on_asset(text: str, asset_id: int) -> str:
    """A per-order error as sent live."""
    return f"{text} asset={asset_id}"


def prevalidate(state: State, wires: list[Json], grouping: object) -> str | None:
    """The one error that refuses a whole batch before any order is looked at, if there is one."""
    if not wires:
        return error_text("EMPTY_BATCH")
    for wire in wires:
        problem = _malformed(state, wire)
        if problem is not None:
            return on_asset(problem, wire["a"])
    return _bad_grouping(wires, grouping)


def _malformed(state: State, wire: Json) -> str | None:
    market = state.market(wire["a"])
    if market is None or market.asset.delisted:
        return UNKNOWN_ASSET
    px, sz = Decimal(wire["p"]), Decimal(wire["s"])
    if min(px, Decimal(wire["t"].get("trigger", {}).get("triggerPx", px))) <= 0:
        return error_text("INVALID_PRICE")
    if sz < 0 or sz != floor_size(market.asset, sz):
        return error_text("INVALID_SIZE")
    return _out_of_band(market, px)


def _out_of_band(market: Market, px: Decimal) -> str | None:
    reference = market.reference
    if reference is not None and (px * BAND <= reference or reference * BAND < px):
        return error_text("TOO_FAR_FROM_REFERENCE")
    return None


def _bad_grouping(wires: list[Json], grouping: object) -> str | None:
    if grouping == "na" or isinstance(grouping, dict):
        return None
    grouped = wires[1:] if grouping == "normalTpsl" else wires
    if not grouped:
        return NO_CHILDREN
    if any("trigger" not in w["t"] for w in grouped) or (grouping == "normalTpsl" and "trigger" in wires[0]["t"]):
        return BAD_GROUPING
    if any(not w["r"] for w in grouped):
        return NOT_REDUCE_ONLY
    if grouping == "normalTpsl" and any(w["a"] != wires[0]["a"] or w["b"] == wires[0]["b"] for w in grouped):
        return BAD_GROUPING
    kinds = [(w["a"], w["t"]["trigger"]["tpsl"]) for w in grouped]
    return BAD_GROUPING if len(set(kinds)) != len(kinds) else None


def refusal(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    """The first reason to refuse a new order, in the venue's order of looking."""
    case = Case(state, account, market, order)
    return next((found for check in _CHECKS if (found := check(case)) is not None), None)


def _size(case: Case) -> Refusal | None:
    if case.order.orig_sz == 0 and not case.order.position_tpsl:
        return refuse("ZERO_SIZE")
    return None


def _tick(case: Case) -> Refusal | None:
    prices = (case.order.limit_px, case.order.trigger_px or case.order.limit_px)
    return None if all(is_valid_px(case.market.asset, px) for px in prices) else refuse("TICK_SIZE")


def _cloid(case: Case) -> Refusal | None:
    order = case.order
    if case.state.rules.duplicate_cloid == "accept" or order.cloid is None:
        return None
    twin = any(o.cloid == order.cloid and o.oid != order.oid for o in case.state.history[order.user].values())
    return Refusal("rejected", DUPLICATE_CLOID) if twin else None


def _count(case: Case) -> Refusal | None:
    """Structural limits (hyperliquid.md section 5.3)."""
    live = sum(1 for _ in case.state.live_orders(case.account.user))
    base = case.state.rules.max_open_orders
    extra = int(case.account.volume_usd // limits.OPEN_ORDERS_USD_EACH)
    extra = min(limits.OPEN_ORDERS_MAX - limits.OPEN_ORDERS_BASE, extra)
    special = case.order.reduce_only or case.order.trigger_px is not None
    return refuse("TOO_MANY_OPEN_ORDERS") if live >= (base if special else base + extra) else None


def position_size(account: Account, coin: str) -> Decimal:
    """The signed position, zero when flat."""
    position = account.positions.get(coin)
    return ZERO if position is None else position.szi


def _min_notional(case: Case) -> Refusal | None:
    """Ten dollars on the limit price, but for what closes the whole position (hyperliquid.md section 6.1)."""
    order = case.order
    if order.sz * order.limit_px >= case.state.rules.min_notional_usd or (order.position_tpsl and order.orig_sz == 0):
        return None
    whole = -case.held * order.sign
    if case.parent is not None:
        whole = max(whole, case.parent.orig_sz)
    closes = order.sz == whole or (order.reduce_only and order.sz >= whole)
    return None if whole > 0 and closes else refuse("MIN_NOTIONAL")


def _reduce_only(case: Case) -> Refusal | None:
    """A grouped child is judged before its parent has opened anything: it may wait."""
    if not case.order.reduce_only or case.order.parent is not None:
        return None
    return refuse("REDUCE_ONLY_WOULD_INCREASE") if case.held * case.order.sign >= 0 else None


def _trigger(case: Case) -> Refusal | None:
    """The limit must lie beyond the trigger, the trigger on the far side of the mark."""
    order = case.order
    if order.trigger_px is None:
        return None
    needs_aggressive = order.trigger_market or order.tpsl == "sl"
    if needs_aggressive and not crosses(order.is_buy, order.limit_px, order.trigger_px):
        return refuse("INVALID_TRIGGER_PX")
    tolerated = order.tpsl == "tp" and case.state.rules.past_take_profit == "fire"
    past = reached(order, _trigger_reference(case))
    return refuse("INVALID_TRIGGER_PX") if past and not tolerated else None


def _trigger_reference(case: Case) -> Decimal | None:
    """A child of a parent that still rests is judged by the parent's price, everything else by the mark."""
    parent = case.parent
    rests = parent is not None and parent.phase is Phase.BOOK
    return parent.limit_px if parent is not None and rests else case.market.reference


def reached(order: Order, px: Decimal | None) -> bool:
    """Whether a price has reached the order's trigger."""
    if px is None or order.trigger_px is None:
        return False
    above = (order.tpsl == "tp") != order.is_buy
    return px >= order.trigger_px if above else px <= order.trigger_px


def _margin(case: Case) -> Refusal | None:
    return None if case.order.reduce_only or case.order.trigger_px is not None else afford(*case)


def afford(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    """Margin and tier limit of an order that may open exposure."""
    if not margin.affordable(state, account, order):
        return refuse("INSUFFICIENT_MARGIN")
    szi = position_size(account, order.coin)
    notional = abs(szi + order.sign * order.sz) * (market.reference or order.limit_px)
    opens = margin.opening_part(szi, is_buy=order.is_buy, sz=order.sz) > 0
    too_high = margin.setting(state, account, market).value > margin.max_leverage_at(market, notional)
    return refuse("MARGIN_TIER_LIMIT") if opens and too_high else None


def _largest(case: Case) -> Refusal | None:
    """All our orders are limit orders; what closes a position is clipped to it."""
    cap = next(usd for leverage, usd in LARGEST_USD if case.market.asset.max_leverage >= leverage)
    too_large = not case.order.reduce_only and case.order.sz * case.order.limit_px > cap
    return Refusal("rejected", TOO_LARGE) if too_large else None


def _post_only(case: Case) -> Refusal | None:
    order, book = case.order, case.market.book
    if order.tif != "Alo" or not marketable(case.market, order):
        return None
    bid, ask = (book.best_px(is_bid) for is_bid in BOTH_SIDES)
    texts = {name: "none" if px is None else bare(px) for name, px in (("bid", bid), ("ask", ask))}
    return refuse("POST_ONLY_WOULD_MATCH", **texts)


def marketable(market: Market, order: Order) -> bool:
    """Whether an order would trade at once."""
    best = market.book.best_px(not order.is_buy)
    return best is not None and crosses(order.is_buy, order.limit_px, best)


_CHECKS: tuple[Check, ...] = (
    _size, _tick, _cloid, _count, _min_notional, _reduce_only, _trigger, _margin, _largest, _post_only,
)  # fmt: skip
