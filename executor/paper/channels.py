"""What each websocket subscription sends: defaults, first frame, news (hyperliquid.md sections 4.3, 4.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from executor.hyperliquid.limits import FILLS_PER_ANSWER
from executor.paper import info, market_info, views
from executor.paper.candles import INTERVALS_MS
from executor.paper.gate import Unprocessable
from executor.paper.model import Json, Pushes
from executor.paper.numbers import wire
from executor.paper.service import Service


class UnknownCoin(Exception):
    """The venue cuts the socket without a word (hyperliquid.md section 4.1)."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """Milliseconds between frames of the periodic channels (measured values of hyperliquid.md section 4.4)."""

    l2_book_ms: int = 5400
    fast_book_ms: int = 540
    asset_ctx_ms: int = 1000
    all_mids_ms: int = 5000
    account_ms: int = 5000


Snapshot = Callable[[Service, Json], Any]
News = Callable[[Service, Json, Pushes], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Channel:
    """One subscription type. ``needs`` are its required fields, ``defaults`` what the ack fills in."""

    needs: tuple[str, ...] = ()
    defaults: tuple[tuple[str, Any], ...] = ()
    name: str | None = None
    snapshot: Snapshot | None = None
    news: News | None = None
    period: str | None = None


def normalised(service: Service, wanted: object) -> Json:
    """A subscription with its defaults. ``Unprocessable`` when misshapen, ``UnknownCoin`` for a coin not listed."""
    if not isinstance(wanted, dict) or wanted.get("type") not in CHANNELS:
        raise Unprocessable("unknown subscription")
    channel = CHANNELS[wanted["type"]]
    if any(not isinstance(wanted.get(key), str) for key in channel.needs):
        raise Unprocessable("missing field")
    market_info.first_dex_only(wanted)
    sub: Json = {"type": wanted["type"]}
    for key in channel.needs:
        sub[key] = market_info.user_of(wanted) if key == "user" else wanted[key]
    sub |= {key: wanted.get(key, default) for key, default in channel.defaults}
    if any(isinstance(default, bool) and not isinstance(sub[key], bool | None) for key, default in channel.defaults):
        raise Unprocessable("not a boolean")
    _check(service, sub)
    return sub


def _check(service: Service, sub: Json) -> None:
    if "coin" in sub and sub["coin"] not in service.state.markets:
        raise UnknownCoin(sub["coin"])
    if "interval" in sub and sub["interval"] not in INTERVALS_MS:
        raise Unprocessable("unknown interval")
    if "nSigFigs" in sub:
        try:
            market_info.check_book_options(sub)
        except Unprocessable:
            raise UnknownCoin("bad nSigFigs") from None


def frame(sub: Json, data: Any) -> Json:
    """A server message of this subscription's channel."""
    return {"channel": CHANNELS[sub["type"]].name or sub["type"], "data": data}


def period_ms(sub: Json, cadence: Cadence) -> int | None:
    """How often the subscription's state is sent whole, if it is periodic."""
    name = CHANNELS[sub["type"]].period
    if name == "l2_book_ms" and sub.get("fast"):
        name = "fast_book_ms"
    return None if name is None else getattr(cadence, name)


# First frames and states


def _all_mids(service: Service, _sub: Json) -> Any:
    return {"mids": market_info.all_mids(service)}


def _book(service: Service, sub: Json) -> Any:
    fast = bool(sub["fast"])
    book = market_info.l2_book(service, sub["coin"], sub["nSigFigs"], sub["mantissa"], 5 if fast else 20)
    return book | ({"fast": True} if fast else {})


def bbo(service: Service, sub: Json) -> Any:
    """Best bid and offer, ``null`` where a side is empty."""
    depths = [service.state.markets[sub["coin"]].book.depth(is_bid, 1) for is_bid in (True, False)]
    best = [{"px": wire(d[0].px), "sz": wire(d[0].sz), "n": d[0].n} if d else None for d in depths]
    return {"coin": sub["coin"], "time": service.now(), "bbo": best}


def _ctx(service: Service, sub: Json) -> Any:
    return {"coin": sub["coin"], "ctx": market_info.asset_ctx(service.state.markets[sub["coin"]])}


def _trades(service: Service, sub: Json) -> Any:
    return [t for t in service.state.trades[sub["coin"]] if t["time"] >= service.now() - 20_000]


def _last_candle(service: Service, sub: Json) -> Any:
    rows = service.candles.rows(sub["coin"], sub["interval"], service.now(), None)
    return rows[-1] if rows else None


def _user_fills(service: Service, sub: Json) -> Any:
    rows = service.state.fills.get(sub["user"], [])
    rows = info.aggregated(rows) if sub["aggregateByTime"] else rows
    return {"isSnapshot": True, "user": sub["user"], "fills": rows[::-1][:FILLS_PER_ANSWER]}


def _fundings(service: Service, sub: Json) -> Any:
    rows = [{"time": r["time"], **r["delta"]} for r in service.state.fundings.get(sub["user"], [])]
    for row in rows:
        row.pop("type", None)
    return {"isSnapshot": True, "user": sub["user"], "fundings": rows[-info.ITEMS_PER_REPLY :]}


def _history(service: Service, sub: Json) -> Any:
    rows = info.answer(service, {"type": "historicalOrders", "user": sub["user"]})
    return {"isSnapshot": True, "user": sub["user"], "orderHistory": rows}


def _ledger(_service: Service, sub: Json) -> Any:
    return {"isSnapshot": True, "user": sub["user"], "nonFundingLedgerUpdates": []}


def _open_orders(service: Service, sub: Json) -> Any:
    return {"dex": "", "user": sub["user"], "orders": views.frontend_open_orders(service.state, sub["user"])}


def _account(service: Service, sub: Json) -> Any:
    state = {**views.clearinghouse(service.state, sub["user"]), "time": service.now()}
    return {"dex": "", "user": sub["user"], "clearinghouseState": state}


def _spot(service: Service, sub: Json) -> Any:
    return {"user": sub["user"], "spotState": views.spot_state(service.state, sub["user"])}


def _active_asset(service: Service, sub: Json) -> Any:
    return views.active_asset(service.state, sub["user"], sub["coin"])


def _web_data2(service: Service, sub: Json) -> Any:
    return {
        "clearinghouseState": _account(service, sub)["clearinghouseState"],
        "openOrders": views.frontend_open_orders(service.state, sub["user"]),
        "agentAddress": None,
        "agentValidUntil": None,
        "meta": service.meta,
        "assetCtxs": [market_info.asset_ctx(m) for m in service.state.markets.values()],
        "serverTime": service.now(),
        "isVault": False,
        "user": sub["user"],
    }


def _web_data3(service: Service, sub: Json) -> Any:
    user = {
        "agentAddress": None, "agentValidUntil": None, "serverTime": service.now(), "cumLedger": "0.0",
        "isVault": False, "user": sub["user"],
    }  # fmt: skip
    return {"userState": user, "perpDexStates": [{"totalVaultEquity": "0.0"}]}


# News


def _trade_news(_service: Service, sub: Json, pushes: Pushes) -> Iterator[Any]:
    if rows := pushes.trades.get(sub["coin"]):
        yield rows


def _candle_news(service: Service, sub: Json, pushes: Pushes) -> Iterator[Any]:
    if sub["coin"] in pushes.coins and (row := _last_candle(service, sub)):
        yield row


def _order_news(_service: Service, sub: Json, pushes: Pushes) -> Iterator[Any]:
    if rows := pushes.order_updates.get(sub["user"]):
        yield rows


def _event_news(_service: Service, sub: Json, pushes: Pushes) -> Iterator[Any]:
    """Exactly one kind of content in each message."""
    user = sub["user"]
    if rows := pushes.fills.get(user):
        yield {"fills": rows}
    for row in pushes.fundings.get(user, ()):
        yield {"funding": row}
    for row in pushes.liquidations.get(user, ()):
        yield {"liquidation": row}
    if rows := pushes.system_cancels.get(user):
        yield {"nonUserCancel": rows}


def _fill_news(_service: Service, sub: Json, pushes: Pushes) -> Iterator[Any]:
    if rows := pushes.fills.get(sub["user"]):
        yield {"user": sub["user"], "fills": info.aggregated(rows) if sub["aggregateByTime"] else rows}


def _funding_news(_service: Service, sub: Json, pushes: Pushes) -> Iterator[Any]:
    if rows := pushes.fundings.get(sub["user"]):
        yield {"user": sub["user"], "fundings": rows}


def _history_news(_service: Service, sub: Json, pushes: Pushes) -> Iterator[Any]:
    if rows := pushes.order_history.get(sub["user"]):
        yield {"user": sub["user"], "orderHistory": rows}


def _whole(snapshot: Snapshot) -> News:
    """News that is the whole state again, whenever the user's account changed."""

    def news(service: Service, sub: Json, pushes: Pushes) -> Iterator[Any]:
        if sub["user"] in pushes.users:
            yield snapshot(service, sub)

    return news


def _user_state(snapshot: Snapshot, *, periodic: bool = False, dex: bool = False) -> Channel:
    return Channel(
        needs=("user",),
        defaults=(("dex", ""),) if dex else (),
        snapshot=snapshot,
        news=_whole(snapshot),
        period="account_ms" if periodic else None,
    )


_BOOK_DEFAULTS = (("nSigFigs", None), ("mantissa", None), ("fast", False))

CHANNELS: dict[str, Channel] = {
    "allMids": Channel(snapshot=_all_mids, period="all_mids_ms"),
    "l2Book": Channel(("coin",), _BOOK_DEFAULTS, snapshot=_book, period="l2_book_ms"),
    "bbo": Channel(("coin",), snapshot=bbo),
    "trades": Channel(("coin",), snapshot=_trades, news=_trade_news),
    "candle": Channel(("coin", "interval"), snapshot=_last_candle, news=_candle_news),
    "activeAssetCtx": Channel(("coin",), snapshot=_ctx, period="asset_ctx_ms"),
    "orderUpdates": Channel(("user",), news=_order_news),
    "userEvents": Channel(("user",), name="user", news=_event_news),
    "userFills": Channel(("user",), (("aggregateByTime", False),), snapshot=_user_fills, news=_fill_news),
    "userFundings": Channel(("user",), snapshot=_fundings, news=_funding_news),
    "userNonFundingLedgerUpdates": Channel(("user",), snapshot=_ledger),
    "userHistoricalOrders": Channel(("user",), snapshot=_history, news=_history_news),
    "openOrders": _user_state(_open_orders, dex=True),
    "clearinghouseState": _user_state(_account, periodic=True, dex=True),
    "spotState": _user_state(_spot),
    "activeAssetData": Channel(
        ("user", "coin"), snapshot=_active_asset, news=_whole(_active_asset), period="account_ms"
    ),
    "webData2": _user_state(_web_data2, periodic=True),
    "webData3": _user_state(_web_data3, periodic=True),
    "notification": Channel(("user",)),
}
