"""``POST /info``: every request of hyperliquid.md section 1 that a trading client needs, answered from the state."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from executor.core.types import ZERO
from executor.hyperliquid.limits import FILLS_PER_ANSWER, ORDERS_REMEMBERED
from executor.paper import margin, market_info, views
from executor.paper.gate import Unprocessable
from executor.paper.market_info import account_of, first_dex_only, integer, market_of, until, user_of
from executor.paper.model import Json
from executor.paper.numbers import usd, wire
from executor.paper.service import Service

ITEMS_PER_REPLY = 500


def answer(service: Service, request: object) -> Any:
    """The JSON for one request. ``Unprocessable`` for an unknown type or a missing or misshapen field."""
    if not isinstance(request, dict) or not isinstance(request.get("type"), str):
        raise Unprocessable("missing field `type`")
    handler = _REQUESTS.get(request["type"])
    if handler is None:
        raise Unprocessable(f"unknown variant `{request['type'][:60]}`")
    return handler(service, request)


def _open_orders(service: Service, request: Json) -> Any:
    first_dex_only(request)
    return views.open_orders(service.state, user_of(request))


def _frontend_open_orders(service: Service, request: Json) -> Any:
    first_dex_only(request)
    return views.frontend_open_orders(service.state, user_of(request))


def _order_status(service: Service, request: Json) -> Any:
    oid = request.get("oid")
    if isinstance(oid, bool) or not isinstance(oid, int | str):
        raise Unprocessable("missing or invalid field `oid`")
    if isinstance(oid, str) and not re.fullmatch(r"0x[0-9a-fA-F]{32}", oid):
        raise Unprocessable("invalid cloid")
    found = views.order_status(service.state, user_of(request), oid.lower() if isinstance(oid, str) else oid)
    return {"status": "unknownOid"} if _not_yet_seen(service, found) else found


def _not_yet_seen(service: Service, found: Json) -> bool:
    """Whether an API node may still be behind the block (hyperliquid.md section 1.3), where so ruled."""
    lag = service.state.rules.order_status_lag_ms
    return bool(lag) and "order" in found and service.now() < found["order"]["order"]["timestamp"] + lag


def _historical_orders(service: Service, request: Json) -> Any:
    own = service.state.history.get(user_of(request), {})
    newest = sorted(own.values(), key=lambda o: (o.status_ms, o.oid), reverse=True)
    return [views.history_row(service.state, o) for o in newest[:ORDERS_REMEMBERED]]


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
    added = [key for key in ("closedPnl", "fee", "builderFee") if key in b]
    sums: Json = {key: usd(Decimal(a[key]) + Decimal(b[key])) for key in added}
    return {**a, **sums, "sz": wire(sum(sizes, ZERO)), "px": wire(ntl / sum(sizes, ZERO), 8)}


def _fills(service: Service, request: Json) -> list[Json]:
    rows = service.state.fills.get(user_of(request), [])
    return aggregated(rows) if request.get("aggregateByTime") else rows


def _user_fills(service: Service, request: Json) -> Any:
    return _fills(service, request)[::-1][:FILLS_PER_ANSWER]


def _user_fills_by_time(service: Service, request: Json) -> Any:
    start, end = integer(request, "startTime"), until(request)
    rows = [f for f in _fills(service, request) if start <= f["time"] <= end]
    return (rows[::-1] if request.get("reversed") else rows)[:FILLS_PER_ANSWER]


def _user_funding(service: Service, request: Json) -> Any:
    start, end = integer(request, "startTime"), until(request)
    rows = sorted(service.state.fundings.get(user_of(request), []), key=lambda row: int(row["time"]))
    return [r for r in rows if start <= r["time"] <= end][:ITEMS_PER_REPLY]


def _user_fees(service: Service, request: Json) -> Any:
    user_of(request)
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
    """The surplus is what was bought in advance (``reserveRequestWeight``) and not used, which nobody can here."""
    account = account_of(service, user_of(request))
    cap = service.state.rules.address_budget + int(account.volume_usd)
    return {
        "cumVlm": wire(account.volume_usd),
        "nRequestsUsed": account.requests,
        "nRequestsCap": cap,
        "nRequestsSurplus": 0,
    }


def _role(service: Service, request: Json) -> Any:
    user = user_of(request)
    if user in service.gate.sub_accounts:
        return {"role": "subAccount", "data": {"master": service.gate.sub_accounts[user]}}
    if user in service.state.accounts:
        return {"role": "user"}
    master = service.gate.master_of(user, service.now())
    return {"role": "missing"} if master is None else {"role": "agent", "data": {"user": master}}


def _extra_agents(service: Service, request: Json) -> Any:
    user = user_of(request)
    mine = [(address, a) for address, a in service.gate.agents.items() if a.master == user and a.name]
    return [{"name": a.name, "address": address, "validUntil": a.valid_until_ms} for address, a in mine]


def _sub_accounts(service: Service, request: Json) -> Any:
    user = user_of(request)
    rows = [
        {
            "name": address[:8],
            "subAccountUser": address,
            "master": user,
            "clearinghouseState": views.clearinghouse(service.state, address),
            "spotState": views.spot_state(service.state, address),
        }
        for address, master in service.gate.sub_accounts.items()
        if master == user
    ]
    return rows or None


def _portfolio(service: Service, request: Json) -> Any:
    account = account_of(service, user_of(request))
    value = usd(margin.equity(service.state, account))
    point = {
        "accountValueHistory": [[service.now(), value]],
        "pnlHistory": [[service.now(), "0.0"]],
        "vlm": wire(account.volume_usd),
    }
    names = ("day", "week", "month", "allTime", "perpDay", "perpWeek", "perpMonth", "perpAllTime")
    return [[name, point] for name in names]


def _active_asset(service: Service, request: Json) -> Any:
    market = market_of(service, request)
    if market is None:
        raise Unprocessable("unknown coin")
    return views.active_asset(service.state, user_of(request), market.asset.coin)


def _clearinghouse(service: Service, request: Json) -> Any:
    first_dex_only(request)
    return {**views.clearinghouse(service.state, user_of(request)), "time": service.now()}


def _max_builder_fee(service: Service, request: Json) -> Any:
    return account_of(service, user_of(request)).builder_fees.get(user_of(request, "builder"), 0)


def _referral(service: Service, request: Json) -> Any:
    account = account_of(service, user_of(request))
    return {
        "referredBy": None, "cumVlm": wire(account.volume_usd), "unclaimedRewards": "0.0", "claimedRewards": "0.0",
        "builderRewards": "0.0", "tokenToState": [], "referrerState": {"stage": "needToCreateCode", "data": None},
        "rewardHistory": [],
    }  # fmt: skip


Handler = Callable[[Service, Json], Any]


def _about_user(value: Any) -> Handler:
    """The same answer for every (well-formed) user."""

    def handle(_service: Service, request: Json) -> Any:
        user_of(request)
        return value

    return handle


_REQUESTS: dict[str, Handler] = {
    "meta": market_info.meta,
    "metaAndAssetCtxs": market_info.meta_and_ctxs,
    "spotMeta": lambda _service, _request: market_info.SPOT_META,
    "spotMetaAndAssetCtxs": market_info.spot_meta_and_ctxs,
    "perpDexs": lambda _service, _request: [None],
    "exchangeStatus": lambda service, _request: {"time": service.now(), "specialStatuses": None},
    "allMids": market_info.all_mids_answer,
    "l2Book": market_info.l2_book_answer,
    "recentTrades": market_info.recent_trades,
    "candleSnapshot": market_info.candles,
    "fundingHistory": market_info.funding_history,
    "predictedFundings": lambda _service, _request: [],
    "clearinghouseState": _clearinghouse,
    "spotClearinghouseState": lambda service, request: views.spot_state(service.state, user_of(request)),
    "activeAssetData": _active_asset,
    "userAbstraction": lambda service, request: user_of(request) and service.state.rules.abstraction,
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
    "approvedBuilders": lambda service, request: list(account_of(service, user_of(request)).builder_fees),
    "referral": _referral,
}
