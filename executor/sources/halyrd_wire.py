"""Halyrd's event stream, without I/O: a frame becomes a fact, a ``Malformed`` or nothing, never an exception.

Facts: signal-protocols.md section 3.2. The published page lost the names of many fields; ``ALIASES`` is the one place
that says which names are taken for which field, the likeliest first. A trade is read strictly. A notice (veto,
demotion, ...) is read kindly: it protects, so an odd detail must not lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from executor.core.source_events import AgentNotice, Malformed, Origin, SourcePortfolio, SourceTrade
from executor.core.types import Agent, Side
from executor.sources.fields import (
    MAX_ID_CHARS,
    Refusal,
    first_of,
    flag,
    iso_stamp,
    malformed,
    need,
    number,
    positive,
    shown,
    text,
)
from executor.sources.seen import Marks, once
from executor.sources.strict_json import JsonObject, parse_object

SYSTEM = "halyrd"
UNKNOWN_AGENT = "unknown"
MAX_WORDS = 500
"""Of free text no more is kept; the journal has the frame itself."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "kind": ("kind", "type", "event_type", "category"),
    "tags": ("tags", "labels"),
    "text": ("text", "message", "description", "summary", "note", "reasoning"),
    "id": ("id", "journal_ref", "entry_id", "journal_id", "ref"),
    "rule": ("rule", "rule_name", "policy", "limit"),
    "reason": ("reason", "message", "explanation", "text"),
    "order_ref": ("order_ref", "order_id", "order", "ref"),
    "from": ("from", "from_status", "previous", "previous_status", "old_status", "old"),
    "to": ("to", "to_status", "new_status", "current", "new", "status"),
    "category": ("reason", "category", "code"),
    "detail": ("detail", "details", "explanation", "message"),
    "tx_hash": ("tx_hash", "transaction_hash", "tx", "hash"),
    "breach": ("breach", "breach_type", "drawdown"),
    "locked_until": ("locked_until", "lock_until", "locked_till"),
    "journal_ref": ("journal_ref", "journal_id", "ref"),
}
"""Our name of a field, and what it may be called on the wire. Only ``journal_ref`` is confirmed of these."""

RULES: Mapping[str, str] = {
    "consecutive_losses": "streak_limit",
    "max_consecutive_losses": "streak_limit",
    "streak": "streak_limit",
    "daily_dd": "daily_drawdown",
    "daily": "daily_drawdown",
    "max_dd": "max_drawdown",
    "max": "max_drawdown",
}
"""Other names of the rules."""

CATEGORIES: Mapping[str, str] = {
    "divergence": "QUOTE_DIVERGENCE",
    "stale": "QUOTE_STALE",
    "liquidity": "INSUFFICIENT_LIQUIDITY",
}
"""Why a quote was rejected, in short, and the codes the page maps them to."""

BREACHES: Mapping[str, str] = {"daily_drawdown": "daily", "max_drawdown": "max"}

Decoded = SourceTrade | SourcePortfolio | AgentNotice | Malformed | None

_T = TypeVar("_T")
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}


def decode(raw: str | bytes, origin: Origin) -> Decoded:
    """One frame; ``None`` for an event nobody here knows (the page asks to ignore those). Nothing is raised."""
    try:
        return _event(parse_object(raw), origin)
    except Refusal as refusal:
        return malformed(refusal, origin, agent_of(origin).agent_id)


def agent_of(origin: Origin) -> Agent:
    """The agent a channel carries (``agent:<id>``): frames name none."""
    kind, _, agent_id = origin.channel.partition(":")
    return Agent(SYSTEM, agent_id if kind == "agent" and agent_id else UNKNOWN_AGENT)


def marks(event: SourceTrade | SourcePortfolio | AgentNotice) -> Marks:
    """By what an event is recognised when REST tells it again: kind, time to the second, and reference.

    Of a trade either telling may leave the reference out: then, and only then, it is recognised by what it says.
    """
    second = None if event.at_ms is None else event.at_ms // 1000
    if isinstance(event, SourcePortfolio):
        return once("snapshot", second)
    if isinstance(event, AgentNotice):
        return once(event.kind, second, event.ref, event.rule, event.was, event.now)
    content = (second, event.symbol, event.side)
    bare, referenced = ("bare trade", *content), ("trade", *content)
    if event.ref is None:
        return Marks((bare, referenced), (bare,))
    return Marks((("trade", second, event.ref), bare), (("trade", second, event.ref), referenced))


def _event(frame: JsonObject, origin: Origin) -> Decoded:
    name = need(text(frame.get("event"), "event"), "event")
    reader = _READERS.get(name)
    return None if reader is None else reader(name, frame, origin)


def _field(frame: JsonObject, name: str) -> object:
    return first_of(frame, ALIASES[name])


# -- what may open positions or is money: strict ----------------------------------------------------------------------


def _trade(_: str, frame: JsonObject, origin: Origin) -> SourceTrade:
    """A trade: ``size`` is in the quote currency. Theirs is spot, so a sell can only reduce.

    Another worker's stream is of perps, and its ``reduce_only`` says of each trade whether it only closes.
    """
    side = need(text(frame.get("side"), "side"), "side").lower()
    if side not in _SIDES:
        raise Refusal("BAD_SIDE", "side", f"not buy or sell: {shown(side)}")
    told = flag(frame.get("reduce_only"), "reduce_only")
    return SourceTrade(
        origin=origin,
        agent=agent_of(origin),
        symbol=need(text(frame.get("pair"), "pair", 64), "pair"),
        side=_SIDES[side],
        size=None,
        quote_size=need(positive(frame.get("size"), "size"), "size"),
        px=positive(frame.get("price"), "price"),
        ref=text(_field(frame, "journal_ref"), "journal_ref"),
        at_ms=iso_stamp(frame.get("ts"), "ts"),
        reduce_only=_SIDES[side] is Side.SELL if told is None else told,
        pnl_usd=number(frame.get("pnl"), "pnl"),
        phase=text(frame.get("phase"), "phase"),
    )


def _snapshot(_: str, frame: JsonObject, origin: Origin) -> SourcePortfolio:
    return SourcePortfolio(
        origin=origin,
        agent=agent_of(origin),
        equity_usd=need(number(frame.get("equity"), "equity"), "equity"),
        drawdown=number(frame.get("dd_from_peak"), "dd_from_peak"),
        daily_drawdown_used=number(frame.get("daily_dd_used"), "daily_dd_used"),
        phase=text(frame.get("phase"), "phase"),
        at_ms=iso_stamp(frame.get("ts"), "ts"),
    )


# -- what is said about the agent: kind -------------------------------------------------------------------------------


def _notice(kind: str, frame: JsonObject, origin: Origin) -> AgentNotice:
    """A veto or a block: ``rule``, ``reason``, ``order_ref``."""
    return AgentNotice(
        origin=origin,
        agent=agent_of(origin),
        kind=kind,
        rule=_rule(frame),
        reason=_words(_field(frame, "reason")),
        ref=_kindly(_name, _field(frame, "order_ref")),
        at_ms=_kindly(_time, frame.get("ts")),
        symbol=_kindly(_name, frame.get("pair")),
    )


def _quote_rejected(kind: str, frame: JsonObject, origin: Origin) -> AgentNotice:
    category = _kindly(_name, _field(frame, "category"))
    return AgentNotice(
        origin=origin,
        agent=agent_of(origin),
        kind=kind,
        rule=None if category is None else CATEGORIES.get(category.lower(), category.upper()),
        reason=_words(_field(frame, "detail")),
        at_ms=_kindly(_time, frame.get("ts")),
        symbol=_kindly(_name, frame.get("pair")),
    )


def _journal_entry(kind: str, frame: JsonObject, origin: Origin) -> AgentNotice:
    tags = _field(frame, "tags")
    listed = tags[:32] if isinstance(tags, list) else []
    return AgentNotice(
        origin=origin,
        agent=agent_of(origin),
        kind=kind,
        rule=_kindly(_name, _field(frame, "kind")),
        reason=_words(_field(frame, "text")),
        ref=_kindly(_name, _field(frame, "id")),
        at_ms=_kindly(_time, frame.get("ts")),
        tags=tuple(tag for tag in (_kindly(_name, entry) for entry in listed) if tag is not None),
    )


def _status_change(kind: str, frame: JsonObject, origin: Origin) -> AgentNotice:
    return AgentNotice(
        origin=origin,
        agent=agent_of(origin),
        kind=kind,
        reason=_words(_field(frame, "reason")),
        at_ms=_kindly(_time, frame.get("ts")),
        was=_state(_field(frame, "from")),
        now=_state(_field(frame, "to")),
    )


def _promotion(kind: str, frame: JsonObject, origin: Origin) -> AgentNotice:
    return AgentNotice(
        origin=origin,
        agent=agent_of(origin),
        kind=kind,
        ref=_kindly(_name, _field(frame, "tx_hash")),
        at_ms=_kindly(_time, frame.get("ts")),
        now="LIVE",
    )


def _demotion(kind: str, frame: JsonObject, origin: Origin) -> AgentNotice:
    rule = _rule(frame)
    breach = _kindly(_name, _field(frame, "breach"))
    return AgentNotice(
        origin=origin,
        agent=agent_of(origin),
        kind=kind,
        rule=rule,
        reason=_words(_field(frame, "reason")),
        at_ms=_kindly(_time, frame.get("ts")),
        breach=breach.lower() if breach else BREACHES.get(rule or ""),
        locked_until_ms=_kindly(_time, _field(frame, "locked_until")),
        now="DEMOTED",
    )


def _rule(frame: JsonObject) -> str | None:
    rule = _kindly(_name, _field(frame, "rule"))
    return None if rule is None else RULES.get(rule.lower(), rule.lower())


def _state(value: object) -> str | None:
    state = _kindly(_name, value)
    return None if state is None else state.upper()


def _name(value: object) -> str | None:
    return text(value, "", MAX_ID_CHARS)


def _time(value: object) -> int | None:
    return iso_stamp(value, "")


def _kindly(read: Callable[[object], _T | None], value: object) -> _T | None:
    """The field, or nothing where it cannot be read."""
    try:
        return read(value)
    except Refusal:
        return None


def _words(value: object) -> str:
    """Free text for people: printable, in bounds, empty when it is no text."""
    if not isinstance(value, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in value[:MAX_WORDS]).strip()


_READERS: Mapping[str, Callable[[str, JsonObject, Origin], Decoded]] = {
    "snapshot": _snapshot,
    "trade": _trade,
    "journal_entry": _journal_entry,
    "risk_veto": _notice,
    "twak_block": _notice,
    "quote_rejected": _quote_rejected,
    "status_change": _status_change,
    "promotion": _promotion,
    "demotion": _demotion,
}
