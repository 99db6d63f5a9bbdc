"""Turns TradeReady's REST answers into the frames its socket should carry, so that one decoder reads both; no I/O.

Facts: signal-protocols.md section 4.6. The public server pushes neither orders nor portfolio nor candles (4.5).
"""

from __future__ import annotations

from collections.abc import Iterator

from executor.sources.fields import Refusal, epoch_stamp, first_of
from executor.sources.strict_json import JsonObject
from executor.sources.tradeready_wire import ALIASES

Frame = dict[str, object]


def orders(body: object) -> list[Frame]:
    """``/trade/orders``, oldest first. Pages come newest first; at one time an entry belongs before an exit."""
    oldest_first = list(_rows(body, "orders"))[::-1]
    rows = sorted(oldest_first, key=lambda row: (_stamp(row, "at"), row.get("side") == "sell"))
    return [{"channel": "orders", "data": row} for row in rows]


def listed(body: object) -> list[JsonObject]:
    """The rows of one page of orders."""
    return list(_rows(body, "orders"))


def total(body: object) -> int:
    """How many orders there are by the answer's word, 0 without one; the real server counts the page alone."""
    found = body.get("total") if isinstance(body, dict) else None
    return found if isinstance(found, int) else 0


def agents(body: object) -> int:
    """``/agents``: how many of the account's are told, archived ones not among them."""
    return len(list(_rows(body, "agents")))


def portfolio(body: object) -> list[Frame]:
    """``/account/portfolio``."""
    return [{"channel": "portfolio", "data": body}] if isinstance(body, dict) else []


def candles(body: object, symbol: str, interval: str, interval_ms: int | None, now_ms: int) -> list[Frame]:
    """``/market/candles/{symbol}``, oldest first. A row that does not say so is closed once its time is over."""
    frames: list[Frame] = []
    for row in sorted(_rows(body, "candles"), key=lambda row: _stamp(row, "open_time")):
        open_ms = _stamp(row, "open_time")
        over = interval_ms is not None and 0 < open_ms <= now_ms - interval_ms
        data = {**row, "is_closed": row.get("is_closed", over)}
        frames.append({"channel": "candles", "symbol": symbol, "interval": interval, "data": data})
    return frames


def _rows(body: object, name: str) -> Iterator[JsonObject]:
    listed = body.get(name) if isinstance(body, dict) else body
    return (row for row in listed if isinstance(row, dict)) if isinstance(listed, list) else iter(())


def _stamp(row: JsonObject, name: str) -> int:
    """For sorting alone: what cannot be read comes first, and the decoder says what is wrong with it."""
    try:
        return epoch_stamp(first_of(row, ALIASES[name]), "") or 0
    except Refusal:
        return 0
