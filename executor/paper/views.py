"""Orders and accounts as the venue's JSON, key by key (hyperliquid.md sections 1.2, 1.3, 4.4)."""

from __future__ import annotations

from decimal import Decimal

from executor.core.types import ZERO
from executor.paper import margin
from executor.paper.model import Account, Json, Order, Phase, Position, State
from executor.paper.numbers import bare, price_places, ratio, usd, wire

_ORDER_TYPES = {
    ("sl", True): "Stop Market",
    ("sl", False): "Stop Limit",
    ("tp", True): "Take Profit Market",
    ("tp", False): "Take Profit Limit",
}


def side(is_buy: bool) -> str:
    """``B`` for bid/buy, ``A`` for ask/sell."""
    return "B" if is_buy else "A"


def open_order(order: Order, sz: Decimal | None = None) -> Json:
    """A row of ``openOrders`` and ``orderUpdates``: optional keys only when set."""
    row: Json = {
        "coin": order.coin,
        "side": side(order.is_buy),
        "limitPx": wire(order.limit_px),
        "sz": wire(order.sz if sz is None else sz),
        "oid": order.oid,
        "timestamp": order.placed_ms,
        "origSz": wire(order.orig_sz),
    }
    if order.reduce_only:
        row["reduceOnly"] = True
    if order.cloid is not None:
        row["cloid"] = order.cloid
    return row


def order_type(order: Order) -> str:
    """The display text of an order's type."""
    return "Limit" if order.tpsl is None else _ORDER_TYPES[order.tpsl, order.trigger_market]


def fires_above(order: Order) -> bool:
    """Whether the trigger waits for the mark to rise (a target of a long, a stop of a short)."""
    return (order.tpsl == "tp") != order.is_buy


def _condition(order: Order) -> str:
    if order.trigger_px is None:
        return "N/A"
    if order.status == "triggered" or order.phase is Phase.BOOK:
        return "Triggered"
    return f"Price {'above' if fires_above(order) else 'below'} {bare(order.trigger_px)}"


def frontend_order(state: State, order: Order, sz: Decimal | None = None) -> Json:
    """A ``FrontendOrder``, with its children while they live."""
    children = [state.orders[oid] for oid in order.children if oid in state.orders and state.orders[oid].live]
    return {
        "coin": order.coin,
        "side": side(order.is_buy),
        "limitPx": wire(order.limit_px),
        "sz": wire(order.sz if sz is None else sz),
        "oid": order.oid,
        "timestamp": order.placed_ms,
        "triggerCondition": _condition(order),
        "isTrigger": order.trigger_px is not None,
        "triggerPx": wire(order.trigger_px or ZERO),
        "children": [frontend_order(state, child) for child in children] if order.live else [],
        "isPositionTpsl": order.position_tpsl,
        "reduceOnly": order.reduce_only,
        "orderType": order_type(order),
        "origSz": wire(order.orig_sz),
        "tif": None if order.tpsl is not None else order.tif,
        "cloid": order.cloid,
    }


def history_row(state: State, order: Order) -> Json:
    """``{order, status, statusTimestamp}``; ``sz`` as of the last status change (SDK issue 141)."""
    row = frontend_order(state, order, order.status_sz)
    return {"order": row, "status": order.status, "statusTimestamp": order.status_ms}


def open_orders(state: State, user: str) -> list[Json]:
    """``openOrders``: everything live, triggers as plain reduce-only rows; newest first."""
    return [open_order(o) for o in reversed(list(state.live_orders(user)))]


def frontend_open_orders(state: State, user: str) -> list[Json]:
    """``frontendOpenOrders``: children nested in their parent and as rows of their own."""
    return [frontend_order(state, o) for o in reversed(list(state.live_orders(user)))]


def order_status(state: State, user: str, oid: object) -> Json:
    """``orderStatus`` by oid or cloid: of several under one cloid the live one, else the newest."""
    order = find_order(state, user, oid)
    return {"status": "unknownOid"} if order is None else {"status": "order", "order": history_row(state, order)}


def find_order(state: State, user: str, oid: object) -> Order | None:
    """One order of this user, by oid or cloid."""
    own = state.history.get(user, {})
    if isinstance(oid, int):
        return own.get(oid)
    matches = [o for o in own.values() if o.cloid == oid]
    return max(matches, key=lambda o: (o.live, o.oid), default=None)


def _leverage(state: State, account: Account, coin: str) -> Json:
    lev = margin.setting(state, account, state.markets[coin])
    row: Json = {"type": "cross" if lev.is_cross else "isolated", "value": lev.value}
    position = account.positions.get(coin)
    if not lev.is_cross:
        row["rawUsd"] = usd(position.raw_usd if position else ZERO)
    return row


def _position(state: State, account: Account, coin: str, position: Position) -> Json:
    asset = state.markets[coin].asset
    worth = margin.value(state, coin, position)
    cost = position.entry_px * position.szi
    lev = margin.setting(state, account, state.markets[coin]).value
    liquidation = margin.liquidation_px(state, account, coin)
    funding = (account.funding_all_time.get(coin, ZERO), position.funding_since_open, position.funding_since_change)
    return {
        "coin": coin,
        "szi": wire(position.szi),
        "leverage": _leverage(state, account, coin),
        "entryPx": wire(position.entry_px, price_places(asset.sz_decimals)),
        "positionValue": usd(abs(worth)),
        "unrealizedPnl": usd(worth - cost),
        "returnOnEquity": wire(ratio(worth - cost, abs(cost) / lev), 8),
        "liquidationPx": None if liquidation is None else wire(liquidation, 8),
        "marginUsed": usd(margin.position_margin(state, account, coin)),
        "maxLeverage": asset.max_leverage,
        "cumFunding": dict(zip(("allTime", "sinceOpen", "sinceChange"), map(usd, funding), strict=True)),
    }


def _summary(state: State, account: Account, coins: dict[str, Position], raw: Decimal) -> Json:
    worths = [margin.value(state, c, p) for c, p in coins.items()]
    used = sum((margin.position_margin(state, account, c) for c in coins), ZERO)
    raw = used - sum(worths, ZERO) if _pooled(state) else raw
    return {
        "accountValue": usd(raw + sum(worths, ZERO)),
        "totalNtlPos": usd(sum(map(abs, worths), ZERO)),
        "totalRawUsd": usd(raw),
        "totalMarginUsed": usd(used),
    }


def _pooled(state: State) -> bool:
    """Whether spot and perps share one balance: then the perps show no more of it than they bind (section 6.13)."""
    return state.rules.abstraction in ("unifiedAccount", "portfolioMargin")


def spot_state(state: State, user: str) -> Json:
    """``spotClearinghouseState``: the one balance of a unified account, and what positions and orders hold of it."""
    account = state.accounts.get(user)
    if account is None or not _pooled(state):
        return {"balances": []}
    total = margin.equity(state, account)
    hold = total - margin.free(state, account)
    return {"balances": [{"coin": "USDC", "token": 0, "total": usd(total), "hold": usd(hold), "entryNtl": "0.0"}]}


def clearinghouse(state: State, user: str) -> Json:
    """``clearinghouseState``; an unknown address shows an empty account."""
    account = state.accounts.get(user) or Account(user)
    cross = margin.cross_positions(state, account)
    raw = account.raw_usd + sum((p.raw_usd for p in account.positions.values()), ZERO)
    rows = sorted(account.positions.items(), key=lambda item: state.markets[item[0]].asset.asset_id)
    return {
        "marginSummary": _summary(state, account, account.positions, raw),
        "crossMarginSummary": _summary(state, account, cross, account.raw_usd),
        "crossMaintenanceMarginUsed": usd(margin.cross_maintenance(state, account)),
        "withdrawable": usd(ZERO if _pooled(state) else margin.withdrawable(state, account)),
        "assetPositions": [{"type": "oneWay", "position": _position(state, account, c, p)} for c, p in rows],
        "time": state.now_ms,
    }


def active_asset(state: State, user: str, coin: str) -> Json:
    """``activeAssetData``: the leverage setting, also while flat, and what could be traded."""
    account = state.accounts.get(user) or Account(user)
    market = state.markets[coin]
    mark = market.reference or ZERO
    lev = margin.setting(state, account, market)
    spare = max(ZERO, margin.free(state, account))
    held = margin.position_margin(state, account, coin) if coin in account.positions else ZERO
    szi = account.positions[coin].szi if coin in account.positions else ZERO
    avail = [spare + (2 * held if szi * sign < 0 else ZERO) for sign in (1, -1)]
    step = market.asset.sz_decimals
    return {
        "user": user,
        "coin": coin,
        "leverage": _leverage(state, account, coin),
        "maxTradeSzs": [wire(ratio(usd_ * lev.value, mark), step) for usd_ in avail],
        "availableToTrade": [usd(usd_) for usd_ in avail],
        "markPx": wire(mark),
    }


def status_of(order: Order) -> str:
    """The bare answer of a grouped child."""
    return "waitingForTrigger" if order.phase is Phase.ARMED else "waitingForFill"
