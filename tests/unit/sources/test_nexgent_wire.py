"""Nexgent's frames N1 to N10 (signal-protocols.md section 7) and what is made of each."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from executor.core.source_events import Malformed, Origin
from executor.sources.nexgent_wire import (
    Connected,
    Failure,
    Gone,
    Ignored,
    Mark,
    Ping,
    Prices,
    Snapshot,
    Upsert,
    decode,
)

AGENT = "550e8400-e29b-41d4-a716-446655440000"
ORIGIN = Origin("nexgent", "nex", f"agent:{AGENT}", 1_790_000_000_000)
MINT = "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263"
POSITION: dict[str, Any] = {  # the shape of seed 001's example, our values
    "id": "pos-123",
    "agentId": AGENT,
    "walletAddress": "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU",
    "tokenAddress": MINT,
    "tokenSymbol": "BONK",
    "purchasePrice": 0.00000234,
    "purchaseAmount": 1000000,
    "purchasePriceUsd": 0.000234,
    "currentPrice": 0.00000256,
    "currentPriceUsd": 0.000256,
    "positionValueSol": 2.56,
    "profitLossPercent": 9.4,
    "currentStopLossPercentage": 25,
    "peakPrice": 0.0000026,
    "createdAt": "2025-01-20T08:00:00.000Z",
    "updatedAt": "2025-01-20T10:30:00.000Z",
    "purchaseTransactionId": "tx-abc123",
}
RAW = {  # what position_update really carries: no computed field, undocumented ones
    key: value
    for key, value in POSITION.items()
    if key not in ("currentPrice", "currentPriceUsd", "purchasePriceUsd", "positionValueSol", "profitLossPercent")
} | {"remainingAmount": None, "realizedProfitSol": 0, "moonBagActivated": False, "takeProfitTransactionIds": []}


def frame(kind: str, data: object = None, **more: object) -> str:
    return json.dumps({"type": kind, **({} if data is None else {"data": data}), **more})


def update(**data: object) -> str:
    return frame("position_update", data)


def test_n1_connected() -> None:
    assert (
        decode(frame("connected", {"agentId": AGENT, "timestamp": "2025-01-20T10:30:00.000Z"}), ORIGIN) == Connected()
    )


@pytest.mark.parametrize("rows", [[], [POSITION], [POSITION, {**POSITION, "id": "pos-2", "remainingAmount": 400000}]])
def test_n2_initial_data_has_every_position(rows: list[dict[str, Any]]) -> None:
    found = decode(frame("initial_data", {"positions": rows}), ORIGIN)
    assert isinstance(found, Snapshot)
    assert (found.by_socket, found.complete, found.faults) == (True, True, ())
    assert [row.position_id for row in found.rows] == [row["id"] for row in rows]
    assert [row.values.get("remaining_amount") for row in found.rows] == [
        None if "remainingAmount" not in row else Decimal(row["remainingAmount"]) for row in rows
    ]


def test_numbers_are_exact_and_nulls_that_mean_something_are_kept() -> None:
    found = decode(update(eventType="position_created", position=RAW), ORIGIN)
    assert isinstance(found, Upsert)
    values = found.change.values
    assert values["purchase_price"] == Decimal("0.00000234")
    assert values["remaining_amount"] is None
    assert "current_price" not in values
    assert values["updated_ms"] == 1737369000000
    assert values["extra"] == {"purchaseTransactionId": "tx-abc123"}


@pytest.mark.parametrize("kind", ["position_created", "position_updated"])
def test_n3_created_and_updated_are_one_upsert(kind: str) -> None:
    found = decode(update(eventType=kind, position=RAW), ORIGIN)
    assert isinstance(found, Upsert)
    assert found.change.position_id == "pos-123"


def test_n3_a_partial_update_says_only_what_it_says() -> None:
    found = decode(update(eventType="position_updated", position={"id": "pos-456", "dcaCount": 2}), ORIGIN)
    assert isinstance(found, Upsert)
    assert dict(found.change.values) == {"dca_count": 2}


@pytest.mark.parametrize("said", [{"positionId": "pos-456"}, {"position": {"id": "pos-456"}}])
def test_n3_closed(said: dict[str, Any]) -> None:
    assert decode(update(eventType="position_closed", **said), ORIGIN) == Gone("pos-456")


def test_n5_a_batch_with_a_lower_cased_mint_and_an_exponent() -> None:
    updates = [{"tokenAddress": MINT.lower(), "price": 3.1e-9, "priceUsd": 4.65e-7}]
    found = decode(frame("price_update_batch", {"updates": updates}), ORIGIN)
    assert found == Prices((Mark(MINT.lower(), Decimal("3.1E-9"), Decimal("4.65E-7")),))


def test_n5_the_legacy_single_price_says_the_same_and_zero_dollars_mean_unknown() -> None:
    found = decode(frame("price_update", {"tokenAddress": MINT, "price": 3.1e-9, "priceUsd": 0}), ORIGIN)
    assert found == Prices((Mark(MINT.lower(), Decimal("3.1E-9"), None),))


def test_n6_ping_has_its_time_at_the_top() -> None:
    assert decode(frame("ping", timestamp="2025-01-20T10:30:00.000Z"), ORIGIN) == Ping()


def test_n7_a_snapshot_that_will_not_come() -> None:
    found = decode(frame("error", {"message": "Failed to load initial data: x"}), ORIGIN)
    assert isinstance(found, Failure)
    assert found.no_snapshot
    other = decode(frame("error", {"message": "Invalid message format"}), ORIGIN)
    assert isinstance(other, Failure)
    assert not other.no_snapshot


@pytest.mark.parametrize("kind", ["pong", "subscribed", "something_new"])
def test_n10_what_needs_nothing_is_ignored_and_no_ping(kind: str) -> None:
    assert decode(frame(kind, {"agentId": AGENT}), ORIGIN) == Ignored(kind)


def test_an_update_of_a_kind_nobody_documented_is_ignored() -> None:
    assert decode(update(eventType="position_moved"), ORIGIN) == Ignored("position_moved")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("{", "INVALID_JSON"),
        ("[]", "NOT_AN_OBJECT"),
        (b"\xff", "NOT_UTF8"),
        ('{"type": 1}', "WRONG_TYPE"),
        ("{}", "MISSING_FIELD"),
        (frame("initial_data", {}), "MISSING_FIELD"),
        (frame("initial_data", {"positions": {}}), "WRONG_TYPE"),
        (frame("initial_data", []), "WRONG_TYPE"),
        (update(eventType="position_closed"), "MISSING_FIELD"),
        (update(eventType="position_updated"), "MISSING_FIELD"),
        (update(eventType="position_updated", position={"dcaCount": 1}), "MISSING_FIELD"),
        (update(eventType="position_updated", position={"id": "p", "dcaCount": 1.5}), "BAD_NUMBER"),
        (update(eventType="position_updated", position={"id": "p", "purchaseAmount": -1}), "OUT_OF_RANGE"),
        (
            '{"type":"position_update","data":{"eventType":"position_updated","position":{"id":"p","purchaseAmount":1e400}}}',
            "OUT_OF_RANGE",
        ),
        (update(eventType="position_updated", position={"id": "p", "purchaseAmount": True}), "WRONG_TYPE"),
        (frame("price_update", {"price": 1}), "MISSING_FIELD"),
    ],
)
def test_what_cannot_be_read_is_malformed_with_its_reason(raw: str | bytes, reason: str) -> None:
    found = decode(raw, ORIGIN)
    assert isinstance(found, Malformed)
    assert (found.reason, found.agent_id) == (reason, AGENT)


def test_one_bad_position_of_a_snapshot_costs_neither_the_others_nor_itself() -> None:
    rows = [{**POSITION, "purchaseAmount": "lots"}, {**POSITION, "id": "good"}]
    found = decode(frame("initial_data", {"positions": rows}), ORIGIN)
    assert isinstance(found, Snapshot)
    assert [row.position_id for row in found.rows] == ["good"]
    assert (found.unread, found.complete, len(found.faults)) == (("pos-123",), True, 1)


@pytest.mark.parametrize("row", [7, {"id": 5}, {}])
def test_a_position_without_an_id_makes_the_snapshot_incomplete(row: object) -> None:
    found = decode(frame("initial_data", {"positions": [row]}), ORIGIN)
    assert isinstance(found, Snapshot)
    assert not found.complete


def test_a_rest_answer_is_read_in_its_nested_shape() -> None:
    row = {
        "id": "pos-123",
        "tokenAddress": MINT,
        "tokenSymbol": "BONK",
        "purchase": {"priceNative": 2.34e-6, "priceUsd": 3.5e-4, "amount": 1000, "transaction": {"id": "t"}},
        "current": {"priceNative": 2.5e-6, "priceUsd": 3.7e-4, "valueNative": 1, "valueUsd": 2},
        "profitLoss": {"native": 9, "usd": 9, "percent": 9, "priceChangePercent": 9},
        "stopLoss": {"percentage": -32, "peakPrice": 2.6e-6},
        "takeProfit": {"levelsHit": 1, "remainingAmount": 400, "soldPercent": 60, "moonBagActivated": True},
        "dca": {"count": 2, "totalInvestedSol": 0.2, "lastDcaTime": None},
        "updatedAt": "2025-01-20T10:30:00.000Z",
    }
    found = decode(frame("rest_snapshot", {"known": ["a"], "positions": [row]}), ORIGIN)
    assert isinstance(found, Snapshot)
    assert (found.by_socket, found.known) == (False, frozenset({"a"}))
    values = found.rows[0].values
    told = {
        name: values[name] for name in ("purchase_amount", "remaining_amount", "dca_count", "tp_levels_hit", "stop_pct")
    }
    assert told == {
        "purchase_amount": 1000,
        "remaining_amount": 400,
        "dca_count": 2,
        "tp_levels_hit": 1,
        "stop_pct": -32,
    }


@pytest.mark.parametrize(("percentage", "peak", "stop"), [(0, 0, None), (0, 1e-6, 0), (-32, 0, -32)])
def test_rests_zero_for_a_stop_that_is_none(percentage: int, peak: float, stop: int | None) -> None:
    row = {"id": "p", "stopLoss": {"percentage": percentage, "peakPrice": peak}}
    found = decode(frame("rest_snapshot", {"positions": [row]}), ORIGIN)
    assert isinstance(found, Snapshot)
    assert found.rows[0].values["stop_pct"] == stop


def test_a_flood_of_unknown_fields_is_not_kept() -> None:
    row = {"id": "p", **{f"x{n}": n for n in range(100)}, "y": "z" * 500, "not a name": 1}
    found = decode(update(eventType="position_updated", position=row), ORIGIN)
    assert isinstance(found, Upsert)
    assert len(found.change.values["extra"]) == 40


def test_more_rows_than_positions_can_be_are_refused_as_a_whole() -> None:
    found = decode('{"type":"initial_data","data":{"positions":[' + "{}," * 10_000 + "{}]}}", ORIGIN)
    assert isinstance(found, Malformed)
    assert (found.reason, found.field) == ("FRAME_TOO_LARGE", "data.positions")
