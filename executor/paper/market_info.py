"""The public half of /info: markets, prices, books, candles (hyperliquid.md section 1.1); readers of request fields."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from executor.core.types import ZERO
from executor.paper.book import BOTH_SIDES
from executor.paper.gate import Unprocessable
from executor.paper.model import Account, Json, Market
from executor.paper.numbers import usd, wire
from executor.paper.service import Service

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


def user_of(request: Json, key: str = "user") -> str:
    """An address field, lower-cased."""
    value = request.get(key)
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise Unprocessable(f"missing or invalid field `{key}`")
    return value.lower()


def integer(request: Json, key: str) -> int:
    """A whole number that is not negative."""
    value = request.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unprocessable(f"missing or invalid field `{key}`")
    return value


def until(request: Json) -> int:
    """``endTime``, or for ever."""
    return 2**63 if request.get("endTime") is None else integer(request, "endTime")


def market_of(service: Service, request: Json) -> Market | None:
    """The market of the ``coin`` field; ``None`` when not listed."""
    coin = request.get("coin")
    if not isinstance(coin, str):
        raise Unprocessable("missing or invalid field `coin`")
    return service.state.markets.get(coin)


def account_of(service: Service, user: str) -> Account:
    """The account of an address, an empty one when unknown."""
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


def meta_and_ctxs(service: Service, request: Json) -> Any:
    """``metaAndAssetCtxs``."""
    return [meta(service, request), [asset_ctx(m) for m in service.state.markets.values()]]


def spot_meta_and_ctxs(_service: Service, _request: Json) -> Any:
    """``spotMetaAndAssetCtxs``."""
    ctx = {
        "coin": "PURR/USDC", "prevDayPx": "0.2", "dayNtlVlm": "0.0", "markPx": "0.2", "midPx": None,
        "circulatingSupply": "0.0", "totalSupply": "0.0", "dayBaseVlm": "0.0",
    }  # fmt: skip
    return [SPOT_META, [ctx]]


def all_mids(service: Service) -> Json:
    """``allMids``: every coin that has a mid or a last trade."""
    mids = {coin: market.mid for coin, market in service.state.markets.items()}
    return {coin: wire(mid) for coin, mid in mids.items() if mid is not None}


def all_mids_answer(service: Service, request: Json) -> Any:
    """``allMids``."""
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
    """``nSigFigs`` 2..5 or null, ``mantissa`` 1, 2, 5 or null, and only where ``nSigFigs`` is 5."""
    figures, mantissa = request.get("nSigFigs"), request.get("mantissa")
    if figures not in (None, 2, 3, 4, 5) or mantissa not in (None, 1, 2, 5) or float in map(type, (figures, mantissa)):
        raise Unprocessable("invalid nSigFigs or mantissa")
    if mantissa is not None and figures != 5:
        raise Unprocessable("mantissa is only allowed with nSigFigs 5")
    return figures, mantissa


def l2_book_answer(service: Service, request: Json) -> Any:
    """``l2Book``; ``null`` for a coin that is not listed."""
    figures, mantissa = check_book_options(request)
    market = market_of(service, request)
    return None if market is None else l2_book(service, market.asset.coin, figures, mantissa)


def recent_trades(service: Service, request: Json) -> Any:
    """``recentTrades``, newest first."""
    market = market_of(service, request)
    return None if market is None else service.state.trades[market.asset.coin][::-1]


def candles(service: Service, request: Json) -> Any:
    """``candleSnapshot``."""
    req = request.get("req")
    if not isinstance(req, dict) or any(not isinstance(req.get(key), str) for key in ("coin", "interval")):
        raise Unprocessable("missing or invalid field `req`")
    try:
        return service.candles.rows(req["coin"], req["interval"], integer(req, "startTime"), until(req))
    except KeyError:
        raise Unprocessable("unknown interval") from None


def funding_history(service: Service, request: Json) -> Any:
    """Hourly rates; the tape and the feed give one rate, which is shown for each hour the exchange can have seen."""
    market = market_of(service, request)
    start, end = integer(request, "startTime"), min(until(request), service.now())
    if market is None:
        return []
    first = max(start, end - 24 * 3_600_000)
    hours = range(first + (-first) % 3_600_000, end + 1, 3_600_000)
    rate = wire(market.funding)
    return [{"coin": market.asset.coin, "fundingRate": rate, "premium": rate, "time": hour} for hour in hours]
