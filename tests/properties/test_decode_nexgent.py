"""Any frame from Nexgent decodes to a message or ``Malformed``, and no order of messages breaks the mirror."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from executor.core.source_events import Malformed, Origin
from executor.sources.nexgent_mirror import Mirror, apply, as_event
from executor.sources.nexgent_wire import decode

ORIGIN = Origin("nexgent", "nex", "agent:a1", 1)
KEYS = (
    "id", "tokenAddress", "tokenSymbol", "purchasePrice", "purchaseAmount", "currentPrice", "currentPriceUsd",
    "remainingAmount", "realizedProfitSol", "currentStopLossPercentage", "updatedAt", "dcaCount", "purchase",
    "takeProfit",
)  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
numbers = st.floats(1e-25, 1e12) | st.integers(0, 10**15) | st.sampled_from(("3.1e-9", 1e-13, 1e-29, 0))
ids = st.sampled_from(("p1", "p2", "p3"))


@st.composite
def positions(draw: st.DrawFn, full: bool = True) -> dict[str, Any]:
    stamp = f"2026-01-01T00:00:0{draw(st.integers(0, 9))}.000Z"
    must = {"id": draw(ids), "tokenAddress": draw(st.sampled_from(("MintA", "MintB"))), "tokenSymbol": "BONK"}
    may = {
        "purchasePrice": draw(numbers),
        "currentPrice": draw(numbers),
        "currentPriceUsd": draw(numbers),
        "remainingAmount": draw(st.none() | numbers),
        "realizedProfitSol": draw(st.integers(-(10**9), 10**9)) / 1000,
        "currentStopLossPercentage": draw(st.none() | st.integers(-100, 500)),
        "updatedAt": stamp,
    }
    row = {**must, "purchaseAmount": draw(numbers), **may}
    kept = draw(st.sets(st.sampled_from(sorted(may))))
    return row if full else {"id": row["id"], **{key: row[key] for key in kept}}


@st.composite
def frames(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(("initial_data", "rest_snapshot", "update", "closed", "prices", "connected", "ping")))
    rows = st.lists(positions(), max_size=3)
    if kind in ("initial_data", "rest_snapshot"):
        known = draw(st.lists(ids)) if kind == "rest_snapshot" else []
        return {"type": kind, "data": {"positions": draw(rows), **({"known": known} if known else {})}}
    if kind == "update":
        row = draw(positions(full=draw(st.booleans())))
        return {"type": "position_update", "data": {"eventType": "position_updated", "position": row}}
    if kind == "closed":
        return {"type": "position_update", "data": {"eventType": "position_closed", "positionId": draw(ids)}}
    if kind == "prices":
        marks = [{"tokenAddress": "minta", "price": draw(numbers), "priceUsd": draw(numbers)}]
        return {"type": "price_update_batch", "data": {"updates": marks}}
    return {"type": kind}


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(path for key, value in inner for path in paths(value, (*at, key)))]


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    if isinstance(node, list):
        return [replaced(one, path[1:], value) if index == path[0] else one for index, one in enumerate(node)]
    return {**node, path[0]: replaced(node[path[0]], path[1:], value)}


def check_safe(raw: str | bytes) -> None:
    found = decode(raw, ORIGIN)
    if isinstance(found, Malformed):
        assert found.detail.isascii()
        assert found.detail.isprintable()
        return
    step = apply(Mirror(), found)
    for one in step.changed:
        event = as_event(one, ORIGIN)
        assert event.size.is_finite()
        assert event.size >= 0
        assert one.profit_pct is None or one.profit_pct.is_finite()


@given(st.binary(max_size=300))
def test_any_bytes_are_safe(raw: bytes) -> None:
    check_safe(raw)


@given(json_values)
def test_any_json_is_safe(value: Any) -> None:
    check_safe(json.dumps(value))


@given(st.sampled_from(("initial_data", "rest_snapshot", "position_update", "price_update", "error")), json_values)
def test_any_data_of_a_known_type_is_safe(kind: str, value: Any) -> None:
    check_safe(json.dumps({"type": kind, "data": value}))
    row = dict.fromkeys(KEYS, value)
    check_safe(json.dumps({"type": "rest_snapshot", "data": {"positions": [row, value]}}))


@given(frames(), st.data())
def test_a_frame_with_any_one_value_replaced_is_safe(frame: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(frame)))
    check_safe(json.dumps(replaced(frame, path, data.draw(json_values))))


@given(frames(), st.integers(0), st.binary(min_size=1, max_size=4))
def test_a_frame_with_any_bytes_overwritten_is_safe(frame: dict[str, Any], at: int, other: bytes) -> None:
    raw = json.dumps(frame).encode()
    at %= len(raw)
    check_safe(raw[:at] + other + raw[at + len(other) :])


@given(st.lists(frames(), max_size=12))
def test_every_position_that_was_told_is_told_closed_before_it_is_missing(story: list[dict[str, Any]]) -> None:
    """Whatever comes in whatever order: changes and closes add up to what the mirror holds."""
    mirror, told = Mirror(), {}
    for frame in story:
        found = decode(json.dumps(frame), ORIGIN)
        assert not isinstance(found, Malformed), found
        step = apply(mirror, found)
        mirror = step.mirror
        for one in step.closed:
            told.pop(one.id)
        told |= {one.id: one.holding for one in step.changed}
        assert told == {key: one.holding for key, one in mirror.positions.items()}
        assert all(isinstance(one.holding, Decimal) for one in mirror.positions.values())
