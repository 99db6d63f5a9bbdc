"""Fractrade's wire format, without I/O: any frame becomes an ``Action`` or a ``Malformed``, never an exception.

Facts: signal-protocols.md section 1. One normaliser reads the three published shapes and their mixtures:
A flat (``action_type``, ``config.position.asset``), B envelope (``{"type": "ACTION", "data": ...}`` with the action's
*name* in ``action_id``), C flat with the name in ``action_id``. Where the platform's papers are silent
(section 8) the assumption stands beside the line that makes it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypedDict

from executor.core.identity import action_key, fingerprint, real_id
from executor.core.source_events import Action, Malformed, Origin, SetStop, SetTarget, Trade
from executor.core.types import ActionType, Side, agent_named
from executor.sources.fields import (
    MAX_ID_CHARS,
    Refusal,
    agree,
    epoch_stamp,
    flag,
    iso_stamp,
    malformed,
    need,
    positive,
    shown,
    text,
    wrong_type,
)
from executor.sources.strict_json import JsonObject, parse_object

SYSTEM = "fractrade"
UNKNOWN_AGENT = "unknown"
"""The agent of a frame that names none, on a channel that carries many."""

MAX_SYMBOL_CHARS = 64
MAX_LEVERAGE = 1000
_ACTIONS = {name.value: name for name in ActionType}
_CLASSES: dict[ActionType, type[Trade | SetStop | SetTarget]] = {
    ActionType.TRADE: Trade,
    ActionType.STOP_LOSS: SetStop,
    ActionType.TAKE_PROFIT: SetTarget,
}
_ORDER_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_POSITION_SIDES = {"LONG": Side.BUY, "SHORT": Side.SELL}
_NO_OBJECT: JsonObject = {}


class _Facts(TypedDict):
    """What one frame says, normalised; the names are those of ``ActionBase``."""

    symbol: str
    side: Side
    size: Decimal
    reduce_only: bool
    event_id: str | None
    strategy_id: str | None
    leverage: Decimal | None
    reference_px: Decimal | None
    trigger_px: Decimal | None
    stamped_at_ms: int | None
    server_execution: bool | None


def decode(raw: str | bytes, origin: Origin) -> Action | Malformed:
    """One frame of any Fractrade channel. ``origin`` says where and when it came in; nothing is raised."""
    body: JsonObject = _NO_OBJECT
    try:
        frame = parse_object(raw)
        body = frame
        shape, body = _unwrap(frame)
        return _action(shape, body, origin)
    except Refusal as refusal:
        return malformed(refusal, origin, _searchable(body.get("agent_id")), _searchable(body.get("action_id")))


def _searchable(value: object) -> str | None:
    """An id people may search for, if the frame gave something usable as one."""
    try:
        return text(value, "", MAX_ID_CHARS)
    except Refusal:
        return None


def _unwrap(frame: JsonObject) -> tuple[str, JsonObject]:
    """The shape's name and the object that holds the action.

    Fields beside ``data`` are taken as the action's own, so that a ``status`` there is not overlooked.
    """
    kind = frame.get("type")
    if kind is None:
        return "flat", frame
    if not isinstance(kind, str) or kind.upper() != "ACTION":
        raise Refusal("UNSUPPORTED_MESSAGE", "type", f"only messages of type ACTION are signals, got {shown(kind)}")
    data = frame.get("data")
    if data is None and "config" in frame:  # the envelope's type on a flat action
        return "flat", frame
    inner = _object(need(data, "data"), "data")
    return "envelope", inner if len(frame) == 2 else _merged(frame, inner)


def _merged(frame: JsonObject, inner: JsonObject) -> JsonObject:
    outer = {key: value for key, value in frame.items() if key not in ("type", "data")}
    for key in outer.keys() & inner.keys():
        field = key if key.isidentifier() else "data"
        agree(_scalar(outer[key], field), _scalar(inner[key], field), field)
    return {**outer, **inner}


def _scalar(value: object, field: str) -> object:
    """Objects and arrays are not compared: nested deeply enough, even that would overflow the stack."""
    if isinstance(value, (dict, list)):
        raise Refusal("FIELD_CONFLICT", field, "given both beside data and in it")
    return value


def _object(value: object, field: str) -> JsonObject:
    if type(value) is not dict:
        wrong_type(field, "an object", value)
    return value


def _optional_object(value: object, field: str) -> JsonObject:
    return _NO_OBJECT if value is None else _object(value, field)


def _action(shape: str, body: JsonObject, origin: Origin) -> Action:
    kind, sender_id = _identify(body)
    config = _object(need(body.get("config"), "config"), "config")
    position = _object(need(config.get("position"), "config.position"), "config.position")
    metadata = _optional_object(config.get("metadata"), "config.metadata")
    facts = _facts(kind, body, config, position, metadata)
    named_agent = agree(
        text(body.get("agent_id"), "agent_id"), text(metadata.get("agent_id"), "config.metadata.agent_id"), "agent_id"
    )
    content = _fingerprint(kind, sender_id, named_agent, facts)
    return _CLASSES[kind](
        origin=origin,
        agent=agent_named(SYSTEM, named_agent or _channel_agent(origin.channel)),
        key=_key(kind, sender_id, named_agent, content, facts),
        fingerprint=content,
        shape=shape,
        sender_id=sender_id,
        status=_status(body),
        **facts,
    )


def _identify(body: JsonObject) -> tuple[ActionType, str | None]:
    """What to do, and the sender's id. ``action_id`` carries the action's name in shapes B and C."""
    action_id = text(body.get("action_id"), "action_id")
    named = _ACTIONS.get(action_id.upper()) if action_id else None
    written = text(body.get("action_type"), "action_type")
    if written is None:
        return named or _unnamed(action_id), None
    kind = _ACTIONS.get(written.upper())
    if kind is None:
        raise Refusal("UNSUPPORTED_ACTION", "action_type", f"no action of ours: {shown(written)}")
    agree(kind, named, "action_id")
    return kind, real_id(action_id)


def _unnamed(action_id: str | None) -> ActionType:
    """No ``action_type``, and ``action_id`` is no name: refused."""
    if action_id is None:
        raise Refusal("MISSING_FIELD", "action_type", "neither action_type nor an action's name in action_id")
    raise Refusal("UNSUPPORTED_ACTION", "action_id", f"no action_type, and no action's name: {shown(action_id)}")


def _facts(
    kind: ActionType, body: JsonObject, config: JsonObject, position: JsonObject, metadata: JsonObject
) -> _Facts:
    _check_exchange(position.get("exchange"))
    protects = kind is not ActionType.TRADE
    reduce_only = flag(position.get("reduce_only"), "config.position.reduce_only")
    return {
        "symbol": _symbol(position),
        "side": _side(position.get("side"), protects),
        "size": need(positive(position.get("size"), "config.position.size"), "config.position.size"),
        "reduce_only": protects or bool(reduce_only),
        "event_id": text(metadata.get("event_id"), "config.metadata.event_id"),
        "strategy_id": text(metadata.get("strategy_id"), "config.metadata.strategy_id"),
        "leverage": _leverage(position, metadata),
        "reference_px": positive(metadata.get("price"), "config.metadata.price"),
        "trigger_px": _trigger_px(position) if protects else None,
        "stamped_at_ms": _stamp(body, metadata),
        "server_execution": _server_execution(body, config, position, metadata),
    }


def _check_exchange(value: object) -> None:
    exchange = text(value, "config.position.exchange")
    if exchange is not None and exchange.lower() != "hyperliquid":
        raise Refusal("UNSUPPORTED_EXCHANGE", "config.position.exchange", f"not hyperliquid: {shown(exchange)}")


def _symbol(position: JsonObject) -> str:
    """``asset`` (shape A) and ``symbol`` (shape B) are one field; ``btc`` and ``BTC`` do not disagree."""
    symbol = text(position.get("symbol"), "config.position.symbol", MAX_SYMBOL_CHARS)
    asset = text(position.get("asset"), "config.position.asset", MAX_SYMBOL_CHARS)
    if symbol and asset:
        agree(symbol.casefold(), asset.casefold(), "config.position.symbol")
    return need(symbol or asset, "config.position.symbol")


def _side(value: object, protects: bool) -> Side:
    """The order's direction. BUY and SELL are directions of orders, LONG and SHORT of positions.

    A stop or target closes: for a LONG position it sells, while BUY or SELL already is the closing order's side,
    as the platform's own executor takes it.
    """
    written = need(text(value, "config.position.side"), "config.position.side").upper()
    order = _ORDER_SIDES.get(written)
    if order is not None:
        return order
    of_position = _POSITION_SIDES.get(written)
    if of_position is None:
        raise Refusal("BAD_SIDE", "config.position.side", f"not LONG, SHORT, BUY or SELL: {shown(value)}")
    return of_position.opposite if protects else of_position


def _leverage(position: JsonObject, metadata: JsonObject) -> Decimal | None:
    leverage = agree(
        positive(position.get("leverage"), "config.position.leverage"),
        positive(metadata.get("leverage"), "config.metadata.leverage"),
        "config.position.leverage",
    )
    if leverage is not None and leverage > MAX_LEVERAGE:
        raise Refusal("OUT_OF_RANGE", "config.position.leverage", f"more than {MAX_LEVERAGE}: {shown(leverage)}")
    return leverage


def _trigger_px(position: JsonObject) -> Decimal:
    """Required of a stop or target. A trade's trigger price has no meaning on the platform and is not read."""
    return need(
        positive(position.get("trigger_price"), "config.position.trigger_price"), "config.position.trigger_price"
    )


def _stamp(body: JsonObject, metadata: JsonObject) -> int | None:
    """``created_at`` is when the action was made and wins; ``metadata.timestamp`` is the only stamp of shape B."""
    created = iso_stamp(body.get("created_at"), "created_at")
    event = epoch_stamp(metadata.get("timestamp"), "config.metadata.timestamp")
    return event if created is None else created


def _server_execution(body: JsonObject, config: JsonObject, position: JsonObject, metadata: JsonObject) -> bool | None:
    """Whether the platform executes this itself; documented in ``metadata``, honoured wherever it stands.

    Overlooking it would double the trade (signal-protocols.md section 1.3).
    """
    said = flag(metadata.get("server_execution"), "config.metadata.server_execution")
    for holder, path in ((position, "config.position."), (config, "config."), (body, "")):
        if "server_execution" in holder:
            field = path + "server_execution"
            said = agree(said, flag(holder["server_execution"], field), field)
    return said


def _status(body: JsonObject) -> str | None:
    status = text(body.get("status"), "status")
    return None if status is None else status.upper()


def _channel_agent(channel: str) -> str:
    """The agent a frame without one belongs to: the one whose channel it came by (``agent:<id>``)."""
    kind, _, agent_id = channel.partition(":")
    return agent_id if kind == "agent" and agent_id else UNKNOWN_AGENT


def _fingerprint(kind: ActionType, sender_id: str | None, named_agent: str | None, facts: _Facts) -> str:
    """All that the frame says but status and transport (shape, channel, time of receipt).

    Joined by a control character, which ``text`` lets into no field.
    """
    return fingerprint(
        "\x1f".join(
            (
                kind,
                sender_id or "",
                named_agent or "",
                facts["symbol"],
                facts["side"],
                _canonical(facts["size"]),
                "1" if facts["reduce_only"] else "0",
                facts["event_id"] or "",
                facts["strategy_id"] or "",
                _canonical(facts["leverage"]),
                _canonical(facts["reference_px"]),
                _canonical(facts["trigger_px"]),
                str(facts["stamped_at_ms"]),
                str(facts["server_execution"]),
            )
        )
    )


def _canonical(value: Decimal | None) -> str:
    """One spelling per number; exact, for ``positive`` lets no more digits through than a context holds."""
    return "" if value is None else str(value.normalize())


def _key(kind: ActionType, sender_id: str | None, named_agent: str | None, content: str, facts: _Facts) -> str:
    """The action's identity: the same on every channel, so only the agent the frame itself names counts.

    Without any id it is derived from the content, under a control character no real id can contain: such a frame
    can be recorded and recognised when it comes again, while the core refuses to enter on it.
    """
    known = action_key(
        SYSTEM,
        sender_id,
        named_agent or "",
        kind,
        facts["event_id"],
        facts["symbol"],
        facts["side"],
        facts["reduce_only"],
        facts["trigger_px"],
    )
    if known is not None:
        return known
    by_content = "\x00content:" + content
    derived = action_key(SYSTEM, by_content, "", kind, None, facts["symbol"], facts["side"], facts["reduce_only"], None)
    return need(derived, "action_id")
