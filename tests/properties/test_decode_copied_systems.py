"""Whatever Halyrd or TradeReady say, by socket or REST, becomes a fact, a Malformed or nothing: never an exception."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from executor.core.source_events import Malformed, Origin
from executor.sources import halyrd_rest, halyrd_wire, tradeready_rest, tradeready_wire
from executor.sources.halyrd_wire import ALIASES
from executor.sources.seen import Seen
from executor.sources.strict_json import text_of

HALYRD = Origin("halyrd", "mine", "agent:current", 5)
TRADEREADY = Origin("tradeready", "mine", "stream:account", 5)

EVENTS = ["snapshot", "trade", "journal_entry", "risk_veto", "twak_block", "quote_rejected", "status_change"]
NAMES = ["event", "ts", "pair", "side", "size", "price", "pnl", "fees", "phase", "equity", "dd_from_peak", "layer"]
WIRE = ["type", "channel", "symbol", "interval", "data", "order_id", "status", "side", "quantity", "price", "time"]
WIRE += ["executed_qty", "executed_quantity", "open", "high", "low", "close", "volume", "is_closed", "timestamp"]
WIRE += ["total_equity", "orders", "candles", "total", "code", "message", "filled_at"]
WORDS = [*EVENTS, "promotion", "demotion", "buy", "sell", "2026-05-04T09:30:00Z", "EXECUTED", "policy", "ticker"]
WORDS += ["candles", "orders", "portfolio", "filled", "cancelled", "subscribed", "error", "ping", "1.5", "-0", "1e400"]

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
KEYS = st.sampled_from([*NAMES, *WIRE, *(alias for names in ALIASES.values() for alias in names)]) | st.text(max_size=4)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=12
)
FRAMES = st.dictionaries(KEYS, VALUES, max_size=10).map(json.dumps) | st.text(max_size=40) | st.binary(max_size=40)
BODIES = VALUES | st.lists(st.dictionaries(KEYS, VALUES, max_size=8), max_size=4)


@settings(max_examples=100, deadline=None)
@given(FRAMES)
def test_any_frame_of_halyrd_is_read(raw: str | bytes) -> None:
    event = halyrd_wire.decode(raw, HALYRD)
    if event is not None and not isinstance(event, Malformed):
        assert Seen().fresh(halyrd_wire.marks(event))


@settings(max_examples=100, deadline=None)
@given(FRAMES)
def test_any_frame_of_tradeready_is_read(raw: str | bytes) -> None:
    said = tradeready_wire.decode(raw, TRADEREADY)
    if isinstance(said, tradeready_wire.Fact):
        marks = tradeready_wire.marks(said)
        assert marks is None or Seen().fresh(marks)


@settings(max_examples=60, deadline=None)
@given(BODIES)
def test_any_list_of_halyrd_is_told_or_left_out(body: Any) -> None:
    for read in (halyrd_rest.trades, halyrd_rest.journal, halyrd_rest.blocks, halyrd_rest.snapshots):
        for frame in read(body).frames:
            halyrd_wire.decode(text_of(frame), HALYRD)
    halyrd_rest.status(body)


@settings(max_examples=60, deadline=None)
@given(BODIES, st.none() | st.just(60_000))
def test_any_answer_of_tradeready_is_told_or_left_out(body: Any, interval_ms: int | None) -> None:
    frames = [
        *tradeready_rest.orders(body),
        *tradeready_rest.portfolio(body),
        *tradeready_rest.candles(body, "A", "1m", interval_ms, 10**12),
    ]
    for frame in frames:
        tradeready_wire.decode(text_of(frame), TRADEREADY)


def test_what_is_nested_too_deeply_to_be_written_again_is_nothing() -> None:
    deep: Any = []
    for _ in range(20_000):
        deep = [deep]
    assert text_of({"deep": deep}) == "null"
