"""Bad frames by the thousand, through the real decoders and a whole worker: nothing is raised, nothing is ordered.

Signals: each is a recorded refusal with its reason, or an action that comes to an end of its own. The venue's frames
and answers: odd ones are counted, told as odd, or change nothing. ``FUZZ_SEED`` plays another million.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest
from little_worker import ADDRESS, judged, settle, working
from mangle import HEAVY, ODD_VALUES, Mangler
from story import T0, UNIVERSE

from executor.core.source_events import Origin
from executor.execution.worker import Worker
from executor.sources.fractrade_wire import decode

SEED = int(os.environ.get("FUZZ_SEED", "20261122"))
FULL = pytest.mark.full
MOST_GROWTH = 30 << 20
"""Bytes of memory a run may keep (reliability.md section A6)."""


# -- signals -------------------------------------------------------------------------------------------------------

STAMP = "2027-01-15T08:00:00Z"
POSITION = {"asset": "BTC", "size": 0.1, "side": "LONG", "leverage": 10, "exchange": "hyperliquid"}
FLAT = {
    "action_id": "a-1", "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE", "agent_id": "agent-uuid",
    "config": {"position": POSITION}, "created_at": STAMP, "status": "PENDING",
}  # fmt: skip
CLOSING = {"symbol": "ETH", "size": "2.5", "side": "SELL", "trigger_price": "3999.5", "reduce_only": True}
METADATA = {
    "event_id": "e-1", "agent_id": "agent-uuid", "strategy_id": "s-1", "timestamp": T0 // 1000, "price": 100.5,
    "leverage": 3, "server_execution": False, "source_wallet": ADDRESS,
}  # fmt: skip
ENVELOPE = {
    "type": "ACTION",
    "data": {
        "action_id": "set_hyperliquid_perp_stop_loss", "config": {"position": CLOSING, "metadata": METADATA},
    },
}  # fmt: skip
NAMED = {
    "action_id": "EXECUTE_HYPERLIQUID_PERP_TRADE", "agent_id": "agent-uuid", "status": "PENDING",
    "config": {"position": {**POSITION, "asset": "SOL", "side": "SELL"}, "metadata": METADATA}, "created_at": STAMP,
}  # fmt: skip
SIGNALS = tuple(json.dumps(frame) for frame in (FLAT, ENVELOPE, NAMED))


def feed(worker: Worker, raw: bytes, number: int) -> None:
    """One frame as a channel hands it on: text where it is UTF-8."""
    try:
        text: str | bytes = raw.decode()
    except UnicodeDecodeError:
        text = raw
    worker.emit(text, decode(text, Origin("fractrade", "src", "agent:agent-uuid", T0 + number)))


def resident() -> int:
    """Bytes of memory in use."""
    gc.collect()
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def could_be_meant(raw: bytes) -> bool:
    """Whether some reading of it is an executable trade; a second opinion, by another parser and more lenient."""

    def unique(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    try:
        frame = json.loads(raw.decode(), object_pairs_hook=unique, parse_constant=lambda _: 1 / 0)
        body = frame if "config" in frame else frame["data"]
        position = body["config"]["position"]
        size, side = Decimal(str(position["size"])), position["side"].upper()
        coin = str(position.get("asset") or position.get("symbol")).upper()
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return False
    status = str({**frame, **body}.get("status") or "PENDING").upper()
    flag = body["config"].get("metadata") or {}
    name = str(body.get("action_type") or body.get("action_id")).upper()
    return (
        status == "PENDING" and not flag.get("server_execution") and side in ("LONG", "SHORT", "BUY", "SELL")
        and isinstance(position["size"], (str, int, float)) and position["size"] is not True
        and size.is_finite() and size > 0 and coin in RULES_COINS and name.startswith(("EXECUTE", "SET_"))
    )  # fmt: skip


RULES_COINS = {asset.coin for asset in UNIVERSE.assets}


@pytest.mark.parametrize("count", [2_000, pytest.param(20_000, marks=FULL)])
async def test_mangled_signals_are_refused_with_a_reason_and_none_is_ordered(tmp_path, count):
    mangler, grown_from = Mangler(SEED, SIGNALS), 0
    async with working(tmp_path) as worker:
        for number, raw in enumerate(mangler.many(count)):
            before = len(worker.venue.placed)
            feed(worker, raw, number)
            await settle(worker)
            if len(worker.venue.placed) > before:
                assert could_be_meant(raw), f"seed {SEED}, frame {number}: an order for {raw[:500]!r}"
            if number == count // 2:
                grown_from = resident()
        assert resident() - grown_from < MOST_GROWTH
        judged(worker, count)


ABSENT = {"null", '""'}
MEANT = {("size", odd) for odd in ("1", "1e-30", "1e30", "1e308")} | {("leverage", odd) for odd in ("1", "1e-30")}
"""Values that are numbers like others: what becomes of them is the risk rules' and the quantiser's affair."""


async def test_no_odd_value_in_a_field_that_matters_makes_an_order(tmp_path):
    """Each value in each field: a size of NaN, a side of [], a coin of null; nothing of it is executed."""
    matters = ("size", "side", "asset", "exchange", "leverage", "action_type", "created_at", "status")
    optional = {"exchange", "leverage", "created_at", "status"}
    values = {**FLAT, **POSITION}
    rows = [(key, odd) for key in matters for odd in ODD_VALUES if not (key in optional and odd in ABSENT)]
    rows = [row for row in rows if row not in MEANT]
    async with working(tmp_path) as worker:
        for number, (key, odd) in enumerate(rows):
            raw = SIGNALS[0].replace(f'"{key}": {json.dumps(values[key])}', f'"{key}": {odd}')
            assert raw != SIGNALS[0]
            feed(worker, raw.replace("a-1", f"a-{number}").encode("utf-8", "surrogatepass"), number)
            await settle(worker)
            assert worker.venue.placed == [], (key, odd)
        judged(worker, len(rows))


async def test_frames_that_are_large_or_deep_are_refused_and_kept_in_bounds(tmp_path):
    async with working(tmp_path) as worker:
        before = resident()
        for number, (make, base) in enumerate((make, base) for make in HEAVY for base in SIGNALS):
            feed(worker, make(base.replace("PENDING", "DONE").encode()), number)
        await settle(worker)
        assert worker.venue.placed == []
        assert resident() - before < 120 << 20
        judged(worker, len(HEAVY) * len(SIGNALS))
