"""Places orders: the ``order`` action, modifies, and what a triggered order does (hyperliquid.md sections 2.5, 2.8)."""

from __future__ import annotations

from decimal import Decimal

from executor.core.types import ZERO
from executor.hyperliquid.error_strings import error_text
from executor.paper import checks, fills, margin, orders, views
from executor.paper.book import Level, crosses, price_of
from executor.paper.model import Account, Json, Market, Order, State
from executor.paper.numbers import price_places, wire

MODIFY_FAILED = "Error placing new order during modify: "
"""As live clients were told once the old order was gone, though no document has it."""

MODIFY_TAKES = "Modified order must be post-only unless always_place is set."
"""Our wording: the venue's is not known (hyperliquid.md section 2.2)."""


def draft(
    state: State,
    account: Account,
    market: Market,
    wire_order: Json,
    *,
    builder_f: int = 0,
    position_tpsl: bool = False,
) -> Order:
    """An order as asked for, not yet on record (oid 0)."""
    trigger = wire_order["t"].get("trigger")
    size = Decimal(wire_order["s"])
    return Order(
        oid=0,
        user=account.user,
        coin=market.asset.coin,
        is_buy=wire_order["b"],
        limit_px=Decimal(wire_order["p"]),
        sz=size,
        orig_sz=size,
        tif=None if trigger else _tif(wire_order),
        reduce_only=wire_order["r"],
        placed_ms=state.now_ms,
        cloid=wire_order.get("c"),
        trigger_px=Decimal(trigger["triggerPx"]) if trigger else None,
        trigger_market=bool(trigger and trigger["isMarket"]),
        tpsl=trigger["tpsl"] if trigger else None,
        position_tpsl=position_tpsl,
        builder_f=builder_f,
    )


def _tif(wire_order: Json) -> str:
    tif: str = wire_order["t"]["limit"]["tif"]
    return tif


def place_all(state: State, account: Account, wires: list[Json], grouping: object, builder_f: int = 0) -> list[object]:
    """The statuses of one ``order`` action, aligned with its orders. ``builder_f`` is in tenths of a basis point.

    Priority is paid from staked HYPE, and nobody has any here (hyperliquid.md section 6.12).
    """
    if isinstance(grouping, dict) and grouping["p"] > 0:
        return [{"error": error_text("PRIORITY_BALANCE")}] * len(wires)
    if grouping == "normalTpsl":
        return _place_with_children(state, account, wires, builder_f)
    if grouping == "positionTpsl":
        return _place_position_tpsl(state, account, wires, builder_f)
    return [_place_one(state, account, w, builder_f) for w in wires]


def _place_one(state: State, account: Account, wire_order: Json, builder_f: int) -> object:
    market = _market(state, wire_order)
    return _place(state, account, market, draft(state, account, market, wire_order, builder_f=builder_f))[1]


def _market(state: State, wire_order: Json) -> Market:
    market = state.market(wire_order["a"])
    if market is None:
        raise KeyError(wire_order["a"])
    return market


def _place(state: State, account: Account, market: Market, asked: Order) -> tuple[Order, object]:
    refused = checks.refusal(state, account, market, asked)
    if refused is not None:
        return _reject(state, market, asked, refused)
    order = orders.create(state, asked)
    if order.trigger_px is not None:
        orders.arm(state, order)
        bare = order.position_tpsl or state.rules.lone_trigger_reply == "waitingForTrigger"
        return order, "waitingForTrigger" if bare else _resting(order)
    if order.reduce_only:
        order.sz = min(order.sz, abs(checks.position_size(account, order.coin)))
    return order, execute(state, market, order)


def _reject(state: State, market: Market, asked: Order, refused: checks.Refusal) -> tuple[Order, object]:
    order = orders.create(state, asked)
    orders.finish(state, order, refused.status)
    return order, _error(market, refused.text)


def _error(market: Market, text: str) -> Json:
    return {"error": checks.on_asset(text, market.asset.asset_id)}


def execute(state: State, market: Market, order: Order) -> object:
    """Matches an order, then rests or drops what is left; its status."""
    take(state, market, order)
    if order.live and order.sz > 0:
        if order.tif in ("Gtc", "Alo"):
            orders.rest(state, order)
            shown = order.filled_sz > 0 and state.rules.gtc_partial == "filled"
            return filled(state, order) if shown else _resting(order)
        return _drop(state, market, order)
    return filled(state, order)


def _drop(state: State, market: Market, order: Order) -> object:
    """The rest of an immediate order goes silently; without any match it is an error."""
    if order.filled_sz > 0:
        orders.finish(state, order, state.rules.ioc_partial_status)
        return filled(state, order)
    empty = market.book.best(not order.is_buy) is None
    market_order = order.trigger_market or order.tif == "FrontendMarket"
    refused = checks.refuse("NO_LIQUIDITY" if empty and market_order else "IOC_NO_MATCH")
    orders.finish(state, order, refused.status, quiet=not state.rules.ioc_reject_updates)
    return _error(market, refused.text)


def take(state: State, market: Market, order: Order) -> None:
    """Walks the other side while prices cross. Own resting orders expire, unaffordable ones go (section 6.3)."""
    limit = order.limit_px
    while order.sz > 0 and order.live:
        best = market.book.best(not order.is_buy)
        if best is None or not crosses(order.is_buy, limit, price_of(best)):
            return
        if isinstance(best, Level):
            size = min(order.sz, best.sz)
            market.book.consume(best, not order.is_buy, size)
            fills.match(state, order, None, best.px, size)
        else:
            maker = state.orders[best.oid]
            if _maker_stands(state, market, maker, order.user):
                fills.match(state, order, maker, maker.limit_px, min(order.sz, maker.sz))


def _maker_stands(state: State, market: Market, maker: Order, taker_user: str | None) -> bool:
    """Whether a resting order may trade; if not it is canceled here."""
    if maker.user == taker_user:
        orders.finish(state, maker, "selfTradeCanceled")
        return False
    if not maker.reduce_only and not margin.affordable(state, state.accounts[maker.user], maker):
        orders.finish(state, maker, "marginCanceled")
        return False
    return True


def sweep(state: State, market: Market, is_bid: bool) -> None:
    """Lets outside traders who crossed our resting orders on one side trade against them, at our price."""
    while True:
        own = next(iter(market.book.orders[is_bid]), None)
        level = next(iter(market.book.levels[not is_bid]), None)
        if own is None or level is None or not crosses(is_bid, own.limit_px, level.px):
            return
        maker = state.orders[own.oid]
        if _maker_stands(state, market, maker, None):
            size = min(maker.sz, level.sz)
            market.book.consume(level, not is_bid, size)
            fills.match(state, None, maker, maker.limit_px, size)


def _resting(order: Order) -> Json:
    return {"resting": _named(order)}


def _named(order: Order) -> Json:
    return {"oid": order.oid} | ({"cloid": order.cloid} if order.cloid is not None else {})


def filled(state: State, order: Order) -> Json:
    """The ``filled`` status: what executed at placement."""
    places = price_places(state.markets[order.coin].asset.sz_decimals)
    average = order.filled_ntl / order.filled_sz if order.filled_sz else ZERO
    return {"filled": {"totalSz": wire(order.filled_sz), "avgPx": wire(average, places)} | _named(order)}


def _place_with_children(state: State, account: Account, wires: list[Json], builder_f: int) -> list[object]:
    """``normalTpsl``: a parent and its stop and target (hyperliquid.md section 6.4)."""
    market = _market(state, wires[0])
    parent_draft, *others = (draft(state, account, market, w, builder_f=builder_f) for w in wires)
    refused = checks.refusal(state, account, market, parent_draft)
    if refused is not None:
        _, status = _reject(state, market, parent_draft, refused)
        return [status] * len(wires)
    parent = orders.create(state, parent_draft)
    children = [orders.create(state, asked, parent=parent.oid) for asked in others]
    _relate(parent, children)
    if parent.reduce_only:
        parent.sz = min(parent.sz, abs(checks.position_size(account, parent.coin)))
    status = execute(state, market, parent)
    if isinstance(status, dict) and "error" in status:
        return [status] * len(wires)
    return [status, *(_child_status(state, account, market, c) for c in children)]


def _relate(parent: Order | None, children: list[Order]) -> None:
    oids = [c.oid for c in children]
    if parent is not None:
        parent.children = oids
    for child in children:
        child.siblings = [oid for oid in oids if oid != child.oid]


def _child_status(state: State, account: Account, market: Market, child: Order) -> object:
    """A child's answer, after its parent has had its go; a child that cannot stand is rejected by itself."""
    refused = checks.refusal(state, account, market, child) if child.live else None
    if refused is None:
        return views.status_of(child)
    orders.finish(state, child, refused.status)
    return _error(market, refused.text)


def _place_position_tpsl(state: State, account: Account, wires: list[Json], builder_f: int) -> list[object]:
    placed = []
    for w in wires:
        market = _market(state, w)
        asked = draft(state, account, market, w, builder_f=builder_f, position_tpsl=True)
        placed.append(_place(state, account, market, asked))
    live = [order for order, _ in placed if order.live]
    for coin in {order.coin for order in live}:
        _relate(None, [order for order in live if order.coin == coin])
    return [status for _, status in placed]


def modify(state: State, account: Account, oid: object, wire_order: Json, *, always: bool) -> object:
    """Replaces an order: the old one is canceled, the new one has a new oid (hyperliquid.md sections 2.2, 2.8)."""
    market = _market(state, wire_order)
    old = views.find_order(state, account.user, oid)
    if old is not None and old.coin != market.asset.coin:
        old = None  # as with cancels: in the book of this coin there is no such order
    if not always and (old is None or not old.live):
        return _error(market, error_text("MODIFY_GONE"))
    asked = draft(state, account, market, wire_order)
    if old is not None:
        asked.position_tpsl, asked.builder_f = old.position_tpsl, old.builder_f
    if not always:
        if asked.tif not in ("Gtc", "Alo") or _crossing_gtc(market, asked):
            return _error(market, MODIFY_TAKES)
        asked.tif = "Alo"
    if old is not None and old.live:
        orders.finish(state, old, "canceled")
    return _modified(_place(state, account, market, asked)[1])


def _modified(status: object) -> object:
    """The status of a replacement. One that is refused does not bring the old order back, and its error says so."""
    return {"error": MODIFY_FAILED + status["error"]} if isinstance(status, dict) and "error" in status else status


def _crossing_gtc(market: Market, asked: Order) -> bool:
    return asked.tif == "Gtc" and checks.marketable(market, asked)


def fire(state: State, market: Market, order: Order) -> None:
    """A trigger has been reached: the order goes to work under its own oid (hyperliquid.md section 6.4)."""
    account = state.accounts[order.user]
    orders.trigger(state, order)
    held = checks.position_size(account, order.coin)
    if order.reduce_only:
        order.sz = abs(held) if order.orig_sz == 0 else min(order.sz, abs(held))
    order.limit_px = _fire_limit(state, market, order)
    order.tif = "Ioc" if order.trigger_market and state.rules.trigger_remainder == "dies" else "Gtc"
    refused = None if order.reduce_only else checks.afford(state, account, market, order)
    if refused is not None:
        orders.finish(state, order, refused.status)
        return
    execute(state, market, order)


def _fire_limit(state: State, market: Market, order: Order) -> Decimal:
    """A market trigger may slip 10 % from its trigger (or from the mark, where so configured)."""
    if not order.trigger_market or order.trigger_px is None:
        return order.limit_px
    base = order.trigger_px if state.rules.trigger_cap_base == "trigger" else (market.reference or order.trigger_px)
    return base * (1 + order.sign * state.rules.trigger_cap)
