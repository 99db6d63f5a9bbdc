"""``POST /info``: every request of hyperliquid.md section 1 that a trading client needs, answered from the state."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from executor.core.types import ZERO
from executor.paper import margin, views
from executor.paper.book import BOTH_SIDES
from executor.paper.gate import Unprocessable
from executor.paper.model import Account, Json, Market
from executor.paper.numbers import usd, wire
from executor.paper.service import Service

FILLS_PER_REPLY = 2000
ITEMS_PER_REPLY = 500
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")

_USDC_TOKEN = {
    "name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0,
    "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054", "isCanonical": True, "evmContract": None, "fullName": None,
    "deployerTradingFeeShare": "0.0",
}  # fmt: skip
_PURR_TOKEN = {
    "name": "PURR", "szDecimals": 0, "weiDecimals": 5, "index": 1,
    "tokenId": "0xc1fb593aeffbeb02f85e0308e9956a90", "isCanonical": True, "evmContract": None, "fullName": None,
    "deployerTradingFeeShare": "0.0",
}  # fmt: skip
SPOT_META: Json = {
    "tokens": [_USDC_TOKEN, _PURR_TOKEN],
    "universe": [{"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True}],
}


def answer(service: Service, request: object) -> Any:
    """The JSON for one request. ``Unprocessable`` for an unknown type or a missing or misshapen field."""
    if not isinstance(request, dict) or not isinstance(request.get("type"), str):
        raise Unprocessable("missing field `type`")
    handler = _REQUESTS.get(request["type"])
    if handler is None:
        raise Unprocessable(f"unknown variant `{request['type'][:60]}`")
    return handler(service, request)


def _user(request: Json, key: str = "user") -> str:
    value = request.get(key)
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise Unprocessable(f"missing or invalid field `{key}`")
    return value.lower()


def _integer(request: Json, key: str) -> int:
    value = request.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unprocessable(f"missing or invalid field `{key}`")
    return value


def _until(request: Json) -> int:
    return 2**63 if request.get("endTime") is None else _integer(request, "endTime")


def _market(service: Service, request: Json) -> Market | None:
    coin = request.get("coin")
    if not isinstance(coin, str):
        raise Unprocessable("missing or invalid field `coin`")
    return service.state.markets.get(coin)


def _account(service: Service, user: str) -> Account:
    return service.state.accounts.get(user) or Account(user)


def first_dex_only(request: Json) -> None:
    """Other perp dexes are not simulated; the SDK's empty string and null mean the first."""
    if request.get("dex") not in (None, ""):
        raise Unprocessable("unknown dex")


def meta(service: Service, request: Json) -> Any:
    """``meta``."""
    first_dex_only(request)
    return service.meta


def asset_ctx(market: Market) -> Json:
    """``PerpAssetCtx``."""
    mark = market.reference or ZERO
    mid = market.mid
    bid, ask = (market.book.best_px(is_bid) for is_bid in BOTH_SIDES)
    return {
        "funding": wire(market.funding),
        "openInterest": "0.0",
        "prevDayPx": wire(market.prev_day_px or mark),
        "dayNtlVlm": usd(market.day_ntl),
        "premium": None if mid is None or not market.oracle else wire(mid / market.oracle - 1, 8),
        "oraclePx": wire(market.oracle or mark),
        "markPx": wire(mark),
        "midPx": None if mid is None else wire(mid),
        "impactPxs": None if bid is None or ask is None else [wire(bid), wire(ask)],
        "dayBaseVlm": wire(market.day_base),
    }


def _meta_and_ctxs(service: Service, request: Json) -> Any:
    return [meta(service, request), [asset_ctx(m) for m in service.state.markets.values()]]


def _spot_meta_and_ctxs(_service: Service, _request: Json) -> Any:
    ctx = {
        "coin": "PURR/USDC", "prevDayPx": "0.2", "dayNtlVlm": "0.0", "markPx": "0.2", "midPx": None,
        "circulatingSupply": "0.0", "totalSupply": "0.0", "dayBaseVlm": "0.0",
    }  # fmt: skip
    return [SPOT_META, [ctx]]


def all_mids(service: Service) -> Json:
    """``allMids``: every coin that has a mid or a last trade."""
    mids = {coin: market.mid for coin, market in service.state.markets.items()}
    return {coin: wire(mid) for coin, mid in mids.items() if mid is not None}


def _all_mids(service: Service, request: Json) -> Any:
    first_dex_only(request)
    return all_mids(service)


def l2_book(
    service: Service, coin: str, sig_figs: int | None = None, mantissa: int | None = None, limit: int = 20
) -> Json:
    """``l2Book`` of a listed coin, levels optionally put together at fewer significant figures."""
    market = service.state.markets[coin]
    sides = [
        [_level(px, sz, n) for px, sz, n in _aggregated(market, is_bid, sig_figs, mantissa or 1)[:limit]]
        for is_bid in BOTH_SIDES
    ]
    return {"coin": coin, "time": service.now(), "levels": sides}


def _level(px: Decimal, sz: Decimal, n: int) -> Json:
    return {"px": wire(px), "sz": wire(sz), "n": n}


def _aggregated(
    market: Market, is_bid: bool, sig_figs: int | None, mantissa: int
) -> list[tuple[Decimal, Decimal, int]]:
    merged: dict[Decimal, tuple[Decimal, int]] = {}
    for level in market.book.depth(is_bid, limit=10_000):
        px = level.px if sig_figs is None else _coarse(level.px, sig_figs, mantissa, is_bid)
        size, count = merged.get(px, (ZERO, 0))
        merged[px] = (size + level.sz, count + level.n)
    return [(px, size, count) for px, (size, count) in merged.items()]


def _coarse(px: Decimal, figures: int, mantissa: int, down: bool) -> Decimal:
    step = Decimal(mantissa).scaleb(px.adjusted() - figures + 1)
    return (px / step).to_integral_value(ROUND_FLOOR if down else ROUND_CEILING) * step


def check_book_options(request: Json) -> tuple[int | None, int | None]:
    """``nSigFigs`` 2..5 or null, ``mantissa`` 1, 2, 5 or null."""
    figures, mantissa = request.get("nSigFigs"), request.get("mantissa")
    if figures not in (None, 2, 3, 4, 5) or mantissa not in (None, 1, 2, 5):
        raise Unprocessable("invalid nSigFigs or mantissa")
    return figures, mantissa


def _l2_book(service: Service, request: Json) -> Any:
    figures, mantissa = check_book_options(request)
    market = _market(service, request)
    return None if market is None else l2_book(service, market.asset.coin, figures, mantissa)


def _recent_trades(service: Service, request: Json) -> Any:
    market = _market(service, request)
    return None if market is None else service.state.trades[market.asset.coin][::-1]


def _candles(service: Service, request: Json) -> Any:
    req = request.get("req")
    if not isinstance(req, dict) or not isinstance(req.get("coin"), str):
        raise Unprocessable("missing or invalid field `req`")
    try:
        return service.candles.rows(req["coin"], req.get("interval", ""), _integer(req, "startTime"), _until(req))
    except KeyError:
        raise Unprocessable("unknown interval") from None


def _open_orders(service: Service, request: Json) -> Any:
    first_dex_only(request)
    return views.open_orders(service.state, _user(request))


def _frontend_open_orders(service: Service, request: Json) -> Any:
    first_dex_only(request)
    return views.frontend_open_orders(service.state, _user(request))


def _order_status(service: Service, request: Json) -> Any:
    oid = request.get("oid")
    if isinstance(oid, bool) or not isinstance(oid, int | str):
        raise Unprocessable("missing or invalid field `oid`")
    if isinstance(oid, str) and not re.fullmatch(r"0x[0-9a-fA-F]{32}", oid):
        raise Unprocessable("invalid cloid")
    found = views.order_status(service.state, _user(request), oid.lower() if isinstance(oid, str) else oid)
    return {"status": "unknownOid"} if _not_yet_seen(service, found) else found


def _not_yet_seen(service: Service, found: Json) -> bool:
    """Whether an API node may still be behind the block (hyperliquid.md section 1.3), where so ruled."""
    lag = service.state.rules.order_status_lag_ms
    return bool(lag) and "order" in found and service.now() < found["order"]["order"]["timestamp"] + lag


def _historical_orders(service: Service, request: Json) -> Any:
    own = service.state.history.get(_user(request), {})
    newest = sorted(own.values(), key=lambda o: (o.status_ms, o.oid), reverse=True)
    return [views.history_row(service.state, o) for o in newest[:FILLS_PER_REPLY]]


def aggregated(fills: list[Json]) -> list[Json]:
    """Partials of one crossing order in one block, put together at their average price."""
    out: list[Json] = []
    for fill in fills:
        last = out[-1] if out else None
        if last and fill["crossed"] and (last["oid"], last["time"]) == (fill["oid"], fill["time"]):
            out[-1] = _merged(last, fill)
        else:
            out.append(fill)
    return out


def _merged(a: Json, b: Json) -> Json:
    sizes = Decimal(a["sz"]), Decimal(b["sz"])
    ntl = Decimal(a["px"]) * sizes[0] + Decimal(b["px"]) * sizes[1]
    sums = {key: usd(Decimal(a[key]) + Decimal(b[key])) for key in ("closedPnl", "fee")}
    return {**a, **sums, "sz": wire(sum(sizes, ZERO)), "px": wire(ntl / sum(sizes, ZERO), 8)}


def _fills(service: Service, request: Json) -> list[Json]:
    rows = service.state.fills.get(_user(request), [])
    return aggregated(rows) if request.get("aggregateByTime") else rows


def _user_fills(service: Service, request: Json) -> Any:
    return _fills(service, request)[::-1][:FILLS_PER_REPLY]


def _user_fills_by_time(service: Service, request: Json) -> Any:
    start, end = _integer(request, "startTime"), _until(request)
    rows = [f for f in _fills(service, request) if start <= f["time"] <= end]
    return (rows[::-1] if request.get("reversed") else rows)[:FILLS_PER_REPLY]


def _user_funding(service: Service, request: Json) -> Any:
    start, end = _integer(request, "startTime"), _until(request)
    rows = service.state.fundings.get(_user(request), [])
    return [r for r in rows if start <= r["time"] <= end][:ITEMS_PER_REPLY]


def _funding_history(service: Service, request: Json) -> Any:
    """Hourly rates; the tape and the feed give one rate, which is shown for each hour the exchange can have seen."""
    market = _market(service, request)
    start, end = _integer(request, "startTime"), min(_until(request), service.now())
    if market is None:
        return []
    first = max(start, end - 24 * 3_600_000)
    hours = range(first + (-first) % 3_600_000, end + 1, 3_600_000)
    rate = wire(market.funding)
    return [{"coin": market.asset.coin, "fundingRate": rate, "premium": rate, "time": hour} for hour in hours]


def _user_fees(service: Service, request: Json) -> Any:
    _user(request)
    cross, add = wire(service.state.rules.taker_rate), wire(service.state.rules.maker_rate)
    schedule = {
        "cross": cross, "add": add, "spotCross": "0.0007", "spotAdd": "0.0004",
        "tiers": {"vip": [], "mm": []}, "referralDiscount": "0.04", "stakingDiscountTiers": [],
    }  # fmt: skip
    return {
        "dailyUserVlm": [], "feeSchedule": schedule, "userCrossRate": cross, "userAddRate": add,
        "userSpotCrossRate": "0.0007", "userSpotAddRate": "0.0004", "activeReferralDiscount": "0.0", "trial": None,
        "feeTrialReward": "0.0", "nextTrialAvailableTimestamp": None, "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }  # fmt: skip


def _rate_limit(service: Service, request: Json) -> Any:
    account = _account(service, _user(request))
    cap = service.state.rules.address_budget + int(account.volume_usd)
    return {
        "cumVlm": wire(account.volume_usd),
        "nRequestsUsed": account.requests,
        "nRequestsCap": cap,
        "nRequestsSurplus": max(0, cap - account.requests),
    }


def _role(service: Service, request: Json) -> Any:
    user = _user(request)
    if user in service.gate.sub_accounts:
        return {"role": "subAccount", "data": {"master": service.gate.sub_accounts[user]}}
    if user in service.state.accounts:
        return {"role": "user"}
    master = service.gate.master_of(user, service.now())
    return {"role": "missing"} if master is None else {"role": "agent", "data": {"user": master}}


def _extra_agents(service: Service, request: Json) -> Any:
    user = _user(request)
    mine = [(address, a) for address, a in service.gate.agents.items() if a.master == user and a.name]
    return [{"name": a.name, "address": address, "validUntil": a.valid_until_ms} for address, a in mine]


def _sub_accounts(service: Service, request: Json) -> Any:
    user = _user(request)
    rows = [
        {
            "name": address[:8],
            "subAccountUser": address,
            "master": user,
            "clearinghouseState": views.clearinghouse(service.state, address),
            "spotState": {"balances": []},
        }
        for address, master in service.gate.sub_accounts.items()
        if master == user
    ]
    return rows or None


def _portfolio(service: Service, request: Json) -> Any:
    account = _account(service, _user(request))
    value = usd(margin.equity(service.state, account))
    point = {
        "accountValueHistory": [[service.now(), value]],
        "pnlHistory": [[service.now(), "0.0"]],
        "vlm": wire(account.volume_usd),
    }
    names = ("day", "week", "month", "allTime", "perpDay", "perpWeek", "perpMonth", "perpAllTime")
    return [[name, point] for name in names]


def _active_asset(service: Service, request: Json) -> Any:
    market = _market(service, request)
    if market is None:
        raise Unprocessable("unknown coin")
    return views.active_asset(service.state, _user(request), market.asset.coin)


def _clearinghouse(service: Service, request: Json) -> Any:
    first_dex_only(request)
    return {**views.clearinghouse(service.state, _user(request)), "time": service.now()}


def _max_builder_fee(service: Service, request: Json) -> Any:
    return _account(service, _user(request)).builder_fees.get(_user(request, "builder"), 0)


def _referral(service: Service, request: Json) -> Any:
    account = _account(service, _user(request))
    return {
        "referredBy": None, "cumVlm": wire(account.volume_usd), "unclaimedRewards": "0.0", "claimedRewards": "0.0",
        "builderRewards": "0.0", "tokenToState": [], "referrerState": {"stage": "needToCreateCode", "data": None},
        "rewardHistory": [],
    }  # fmt: skip


Handler = Callable[[Service, Json], Any]


def _about_user(value: Any) -> Handler:
    """The same answer for every (well-formed) user."""

    def handle(_service: Service, request: Json) -> Any:
        _user(request)
        return value

    return handle


_REQUESTS: dict[str, Handler] = {
    "meta": meta,
    "metaAndAssetCtxs": _meta_and_ctxs,
    "spotMeta": lambda _service, _request: SPOT_META,
    "spotMetaAndAssetCtxs": _spot_meta_and_ctxs,
    "perpDexs": lambda _service, _request: [None],
    "exchangeStatus": lambda service, _request: {"time": service.now(), "specialStatuses": None},
    "allMids": _all_mids,
    "l2Book": _l2_book,
    "recentTrades": _recent_trades,
    "candleSnapshot": _candles,
    "fundingHistory": _funding_history,
    "predictedFundings": lambda _service, _request: [],
    "clearinghouseState": _clearinghouse,
    "spotClearinghouseState": _about_user({"balances": []}),
    "activeAssetData": _active_asset,
    "userAbstraction": lambda service, request: _user(request) and service.state.rules.abstraction,
    "userDexAbstraction": _about_user(None),
    "openOrders": _open_orders,
    "frontendOpenOrders": _frontend_open_orders,
    "orderStatus": _order_status,
    "historicalOrders": _historical_orders,
    "userFills": _user_fills,
    "userFillsByTime": _user_fills_by_time,
    "userFunding": _user_funding,
    "userNonFundingLedgerUpdates": _about_user([]),
    "userTwapSliceFills": _about_user([]),
    "userVaultEquities": _about_user([]),
    "userFees": _user_fees,
    "userRateLimit": _rate_limit,
    "userRole": _role,
    "extraAgents": _extra_agents,
    "subAccounts": _sub_accounts,
    "portfolio": _portfolio,
    "maxBuilderFee": _max_builder_fee,
    "approvedBuilders": lambda service, request: list(_account(service, _user(request)).builder_fees),
    "referral": _referral,
}
