"""Turns Halyrd's REST answers into the frames its socket would have carried, so that one decoder reads both; no I/O.

Facts: signal-protocols.md section 3.3. The shapes of trades, journal and blocks were not recovered: rows are taken by
the names in the tables below, and rows that cannot be told are left out and counted, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from executor.sources.fields import first_of
from executor.sources.strict_json import JsonObject

MAX_ROWS = 500
"""Of one answer no more than the newest are looked at."""

Frame = dict[str, object]

TRADE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ts": ("ts", "closed_at", "exit_ts", "timestamp"),
    "pair": ("pair", "symbol"),
    "side": ("side",),
    "size": ("size", "size_usdt", "notional", "quote_size"),
    "price": ("price", "exit_price", "close_price"),
    "pnl": ("pnl", "realised_pnl", "realized_pnl", "pnl_usdt"),
    "phase": ("phase",),
    "reduce_only": ("reduce_only",),
    "journal_ref": ("journal_ref", "journal_id"),
}
LAYERS = {"policy": "risk_veto", "physics": "twak_block"}
_TRADE_IN_JOURNAL = ("trade", "details", "data", "payload")


class Told(NamedTuple):
    """The frames of an answer in the order of their times, and how many rows could not be told."""

    frames: tuple[Frame, ...]
    untold: int = 0


def snapshots(body: object) -> Told:
    """``/equity``: only the newest row counts."""
    rows = [row for row in _rows(body) if row.get("equity") is not None]
    newest = sorted(rows, key=_time)[-1:]
    return Told(tuple({**row, "event": "snapshot"} for row in newest))


def trades(body: object) -> Told:
    """``/trades``: closed trades. A row without a side is the sell that closed one, for the market is spot."""
    return _told(body, _closed)


def journal(body: object) -> Told:
    """``/journal``: every entry, and of an EXECUTED one also the trade where the entry tells it."""
    return _told(body, _entry)


def blocks(body: object) -> Told:
    """``/risk/blocks``: vetoes of the policy layer, blocks of the physics layer."""
    return _told(body, _block)


def status(body: object) -> str | None:
    """``/agents/{id}``: the lifecycle state, if it is told."""
    found = body.get("status") if isinstance(body, dict) else None
    return found.upper() if isinstance(found, str) else None


def _told(body: object, frames_of: Callable[[JsonObject], list[Frame] | None]) -> Told:
    made = [frames_of(row) for row in sorted(_rows(body), key=_time)]
    return Told(tuple(frame for frames in made if frames for frame in frames), made.count(None))


def _closed(row: JsonObject) -> list[Frame] | None:
    """A round trip told by the side it began with is the sell that ended it: spot has no other, and it opens nothing.

    Its reference may be its entry's, so it has none. Who trades perps says ``reduce_only``.
    """
    side = row.get("side")
    begun = isinstance(side, str) and side.lower() != "sell" and row.get("reduce_only") is None
    if begun and first_of(row, TRADE_COLUMNS["pnl"]) is not None:
        row = {**row, "side": "sell", **dict.fromkeys(TRADE_COLUMNS["journal_ref"])}
    return _trade(row)


def _trade(row: JsonObject) -> list[Frame] | None:
    frame: Frame = {name: first_of(row, names) for name, names in TRADE_COLUMNS.items()}
    if frame["side"] is None and frame["pnl"] is not None:
        frame["side"] = "sell"
    if any(frame[name] is None for name in ("pair", "side", "size")):
        return None
    return [{**frame, "event": "trade"}]


def _entry(row: JsonObject) -> list[Frame] | None:
    entry: Frame = {**row, "event": "journal_entry"}
    kind = first_of(row, ("kind", "type", "event", "event_type"))
    if kind is not None:
        entry["kind"] = kind
    if not isinstance(kind, str) or kind.upper() != "EXECUTED":
        return [entry]
    inside = first_of(row, _TRADE_IN_JOURNAL)
    found = _trade({**row, **(inside if isinstance(inside, dict) else {}), "journal_ref": _reference(row, inside)})
    return [entry, *(found or [])]


def _reference(row: JsonObject, inside: object) -> object:
    named = inside.get("journal_ref") if isinstance(inside, dict) else None
    return named or first_of(row, ("journal_ref", "id", "entry_id", "ref"))


def _block(row: JsonObject) -> list[Frame] | None:
    layer = row.get("layer")
    event = LAYERS.get(layer.lower()) if isinstance(layer, str) else None
    return None if event is None else [{**row, "event": event}]


def _rows(body: object) -> Iterator[JsonObject]:
    """The objects of a list, or of the one list in an object (``{"items": [...]}``); the newest ``MAX_ROWS``."""
    if isinstance(body, dict):
        body = next((value for value in body.values() if isinstance(value, list)), None)
    rows = [row for row in body if isinstance(row, dict)] if isinstance(body, list) else []
    return iter(sorted(rows, key=_time)[-MAX_ROWS:])


def _time(row: JsonObject) -> str:
    """ISO times of one zone sort as text."""
    found = first_of(row, TRADE_COLUMNS["ts"])
    return found if isinstance(found, str) else ""
