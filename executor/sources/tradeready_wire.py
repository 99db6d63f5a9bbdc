"""TradeReady's socket, without I/O: what to say to the server that runs, and what its frames mean; never an exception.

Facts: signal-protocols.md sections 4.2 and 4.3, observed on the running server. Its own documents and client disagree
with it in many points (4.5): this speaks the server's language.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from executor.core.source_events import AgentNotice, Candle, Malformed, Origin, SourcePortfolio, SourceTrade, Ticker
from executor.core.types import Agent, Side
from executor.sources.fields import (
    MAX_ID_CHARS,
    Refusal,
    epoch_stamp,
    first_of,
    flag,
    malformed,
    need,
    number,
    positive,
    shown,
    text,
    wrong_type,
)
from executor.sources.seen import Marks, once
from executor.sources.strict_json import JsonObject, parse_object

SYSTEM = "tradeready"
UNKNOWN_AGENT = "unknown"

INTERVALS: Mapping[str, int] = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000, "1d": 86_400_000}
"""What the running server knows, in milliseconds; its pages also promise 15m and 4h."""

MAX_SUBSCRIPTIONS = 10
"""Per connection; the eleventh is an error (repeats are free)."""

PONG = json.dumps({"action": "pong", "type": "pong"})
"""The server reads ``action``; its documents and client write ``type``. This satisfies both."""

DONE = ("filled", "cancelled", "expired", "rejected")
"""After these an order changes no more."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "executed_quantity": ("executed_quantity", "executed_qty", "filled_quantity"),
    "executed_price": ("executed_price", "avg_price", "price"),
    "at": ("filled_at", "cancelled_at", "updated_at", "created_at"),
    "open_time": ("time", "open_time", "timestamp"),
    "available": ("available_cash",),
}
"""Our name of a field, and what the socket and the REST API call it."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The server took a subscription on, or off."""

    channel: str
    subscribed: bool


@dataclass(frozen=True, slots=True)
class ServerError:
    """What the server did not understand or allow; it does not say which request it means."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer with ``PONG`` within 10 s."""


Fact = Ticker | Candle | SourceTrade | SourcePortfolio | AgentNotice
Decoded = Fact | Ack | ServerError | Ping | Malformed | None


# -- what we say ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription: ``key`` as the server acknowledges it, ``message`` as it is asked for."""

    key: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to subscribe to. ``symbols`` filters ``ticker_all``; ``None`` lets every symbol through.

    ``left_out`` are the keys the limit has no room for: REST alone brings them.
    """

    subscriptions: tuple[Subscription, ...]
    symbols: frozenset[str] | None
    every_ticker: bool = False
    left_out: tuple[str, ...] = ()


def plan(tickers: tuple[str, ...], candles: tuple[tuple[str, str], ...], *, orders: bool, portfolio: bool) -> Plan:
    """Within the limit of ten: one ``ticker_all`` for "all" or for more symbols than there is room for.

    A symbol and all together would bring each tick twice, so it is never both. ``{"channel": "ticker", "symbol":
    "all"}`` is acknowledged and stays silent, so it is never asked for.
    """
    symbols = tuple(dict.fromkeys(symbol.upper() for symbol in tickers))
    private = [_subscription("orders")] * orders + [_subscription("portfolio")] * portfolio
    charts = [_subscription("candles", symbol=s.upper(), interval=i) for s, i in dict.fromkeys(candles)]
    every = "ALL" in symbols or len(symbols) + len(private) + len(charts) > MAX_SUBSCRIPTIONS > 0 < len(symbols)
    if every:
        quotes = [Subscription("ticker:all", json.dumps({"action": "subscribe", "channel": "ticker_all"}))]
    else:
        quotes = [_subscription("ticker", symbol=symbol) for symbol in symbols]
    wanted = [*private, *quotes, *charts]
    return Plan(
        subscriptions=tuple(wanted[:MAX_SUBSCRIPTIONS]),
        symbols=None if "ALL" in symbols else frozenset(symbols),
        every_ticker=every,
        left_out=tuple(one.key for one in wanted[MAX_SUBSCRIPTIONS:]),
    )


def _subscription(channel: str, **more: str) -> Subscription:
    key = ":".join((channel, *more.values()))
    return Subscription(key, json.dumps({"action": "subscribe", "channel": channel, **more}))


# -- what we hear -----------------------------------------------------------------------------------------------------


def decode(raw: str | bytes, origin: Origin) -> Decoded:
    """One frame; ``None`` for what says nothing to us (battles, channels nobody knows). Nothing is raised."""
    try:
        return _frame(parse_object(raw), origin)
    except Refusal as refusal:
        return malformed(refusal, origin, agent_of(origin).agent_id)


def decode_fact(raw: str | bytes, origin: Origin) -> Fact | Malformed | None:
    """What a recorded frame says to strategies: what the server says to us alone is nothing."""
    said = decode(raw, origin)
    return None if isinstance(said, Ack | ServerError | Ping) else said


def agent_of(origin: Origin) -> Agent:
    """The account a channel belongs to (``stream:<agent>``, ``rest:<agent>``): frames name none."""
    _, _, agent_id = origin.channel.partition(":")
    return Agent(SYSTEM, agent_id or UNKNOWN_AGENT)


def marks(event: Fact) -> Marks | None:
    """By what an event is recognised when it comes by socket and by REST; ``None`` for what may repeat."""
    match event:
        case SourceTrade():
            return once("order", event.ref)
        case AgentNotice():
            return once("order", event.ref, event.rule)
        case Candle(closed=True):
            return once("candle", event.symbol, event.interval, event.open_at_ms)
    return None


def _frame(frame: JsonObject, origin: Origin) -> Decoded:
    """By ``type`` where it is a word of the server's own: the acknowledgement of ``orders`` is no order."""
    kind = frame.get("type")
    control = _CONTROL.get(kind) if isinstance(kind, str) else None
    if control is not None:
        return control(frame)
    channel = text(frame.get("channel"), "channel")
    if channel is None and isinstance(kind, str):
        return None
    reader = _CHANNELS.get(need(channel, "channel"))
    return None if reader is None else reader(frame, _data(frame), origin)


def _data(frame: JsonObject) -> JsonObject:
    data = need(frame.get("data", {}), "data")
    if type(data) is not dict:
        wrong_type("data", "an object", data)
    return data


def _first(data: JsonObject, name: str) -> object:
    return first_of(data, ALIASES[name])


def _ack(frame: JsonObject) -> Ack:
    return Ack(text(frame.get("channel"), "channel") or "", frame["type"] == "subscribed")


def _error(frame: JsonObject) -> ServerError:
    code, message = frame.get("code"), frame.get("message")
    return ServerError(_plain(code) or "ERROR", _plain(message))


def _plain(value: object) -> str:
    return "".join(c if c.isprintable() else " " for c in value[:MAX_ID_CHARS]) if isinstance(value, str) else ""


def _symbol(frame: JsonObject, data: JsonObject) -> str:
    return need(text(frame.get("symbol") or data.get("symbol"), "symbol", 64), "symbol")


def _ticker(frame: JsonObject, data: JsonObject, origin: Origin) -> Ticker:
    return Ticker(
        origin=origin,
        symbol=_symbol(frame, data),
        px=need(positive(data.get("price"), "price"), "price"),
        at_ms=epoch_stamp(data.get("timestamp"), "timestamp"),
    )


def _candle(frame: JsonObject, data: JsonObject, origin: Origin) -> Candle:
    def price(name: str) -> object:
        return data.get(name)

    volume = need(number(data.get("volume"), "volume"), "volume")
    return Candle(
        origin=origin,
        symbol=_symbol(frame, data),
        interval=need(text(frame.get("interval") or data.get("interval"), "interval"), "interval"),
        open_at_ms=need(epoch_stamp(_first(data, "open_time"), "time"), "time"),
        open_px=need(positive(price("open"), "open"), "open"),
        high_px=need(positive(price("high"), "high"), "high"),
        low_px=need(positive(price("low"), "low"), "low"),
        close_px=need(positive(price("close"), "close"), "close"),
        volume=volume,
        closed=bool(flag(data.get("is_closed"), "is_closed")),
    )


def _order(frame: JsonObject, data: JsonObject, origin: Origin) -> SourceTrade | AgentNotice:
    """What an order came to. An order that is over and executed something is a trade; all else is a notice.

    A part of an order that still works is no trade yet: its final word carries the whole, once.
    """
    order_id = need(text(data.get("order_id"), "order_id"), "order_id")
    status = need(text(data.get("status"), "status"), "status").lower()
    executed = _executed(data, status)
    if executed is not None:
        return _trade(data, origin, order_id, executed)
    return AgentNotice(
        origin=origin,
        agent=agent_of(origin),
        kind="order",
        rule=status,
        reason=_plain(data.get("rejected_reason")),
        ref=order_id,
        at_ms=epoch_stamp(_first(data, "at"), "filled_at"),
        symbol=text(data.get("symbol"), "symbol", 64),
    )


def _executed(data: JsonObject, status: str) -> object:
    """The executed quantity of an order that is over; of a filled one that does not say, all of it."""
    if status not in DONE:
        return None
    told = number(_first(data, "executed_quantity"), "executed_quantity")
    if told is None:
        return data.get("quantity") if status == "filled" else None
    return told or None


def _trade(data: JsonObject, origin: Origin, order_id: str, executed: object) -> SourceTrade:
    """An account there holds cash and coins, so that a sell can only reduce (``GET /account/portfolio``)."""
    written = need(text(data.get("side"), "side"), "side").lower()
    if written not in _SIDES:
        raise Refusal("BAD_SIDE", "side", f"not buy or sell: {shown(written)}")
    return SourceTrade(
        origin=origin,
        agent=agent_of(origin),
        symbol=need(text(data.get("symbol"), "symbol", 64), "symbol"),
        side=_SIDES[written],
        size=need(positive(executed, "executed_quantity"), "executed_quantity"),
        quote_size=None,
        px=positive(_first(data, "executed_price"), "executed_price"),
        ref=order_id,
        at_ms=epoch_stamp(_first(data, "at"), "filled_at"),
        reduce_only=_SIDES[written] is Side.SELL,
    )


def _portfolio(frame: JsonObject, data: JsonObject, origin: Origin) -> SourcePortfolio:
    return SourcePortfolio(
        origin=origin,
        agent=agent_of(origin),
        equity_usd=need(number(data.get("total_equity"), "total_equity"), "total_equity"),
        available_usd=number(_first(data, "available"), "available_cash"),
        unrealized_pnl_usd=number(data.get("unrealized_pnl"), "unrealized_pnl"),
        realized_pnl_usd=number(data.get("realized_pnl"), "realized_pnl"),
        at_ms=epoch_stamp(data.get("timestamp"), "timestamp"),
    )


_SIDES = {"buy": Side.BUY, "sell": Side.SELL}

_CONTROL: Mapping[str, Callable[[JsonObject], Ack | ServerError | Ping]] = {
    "subscribed": _ack,
    "unsubscribed": _ack,
    "error": _error,
    "ping": lambda frame: Ping(),
}

_CHANNELS: Mapping[str, Callable[[JsonObject, JsonObject, Origin], Decoded]] = {
    "ticker": _ticker,
    "candles": _candle,
    "orders": _order,
    "portfolio": _portfolio,
}
