"""requests: the wire action of each batch, its record, and bytes that are the same each time."""

from __future__ import annotations

from decimal import Decimal

import pytest
from coincurve import PrivateKey
from story import RULES, Story

from executor.core.batch import Batch
from executor.core.state import Cancel, Leverage, Request
from executor.execution.requests import LANES, action_of, legs_expected, signed, started
from executor.ports import Lane
from executor.venue.signer import Signer

D = Decimal
SIGNER = Signer(PrivateKey(b"\x01" * 32), mainnet=False)


def batches(purpose: str) -> tuple[Story, Batch]:
    s = Story()
    s.long(1, stop_px="90", target_px="120")
    s.stop(95)
    s.short("0.5")
    return s, next(b for b in s.sent if b.purpose == purpose)


def test_a_bracket_is_one_action_with_its_trigger_orders():
    s, batch = batches("entry")
    action = action_of(RULES, s.state, batch)
    entry, stop, target = action["orders"]
    assert action["grouping"] == "normalTpsl"
    assert (entry["r"], entry["t"]) == (False, {"limit": {"tif": "Ioc"}})
    assert (stop["r"], stop["t"]["trigger"]["tpsl"], stop["t"]["trigger"]["isMarket"]) == (True, "sl", True)
    assert target["t"]["trigger"]["tpsl"] == "tp"
    assert [o["c"] for o in action["orders"]] == [leg.cloid for leg in batch.legs]


def test_exits_are_reduce_only_and_stops_go_ungrouped():
    s, batch = batches("exit")
    [order] = action_of(RULES, s.state, batch)["orders"]
    assert (order["r"], order["s"], order["b"]) == (True, "0.5", False)
    s, batch = batches("protect")
    assert action_of(RULES, s.state, batch)["grouping"] == "na"


def test_cancels_go_by_name_or_by_number():
    s = Story()
    named = Batch("cancel", cancels=(Cancel("BTC", 7, "0x" + "1" * 32, "x"),))
    numbered = Batch("cancel", cancels=(Cancel("ETH", 7, None, "x"),))
    assert action_of(RULES, s.state, named)["type"] == "cancelByCloid"
    assert action_of(RULES, s.state, numbered)["cancels"] == [{"a": 1, "o": 7}]


def test_a_leverage_setting_names_its_coin():
    s = Story()
    s.state.leverage["ETH"] = Leverage(7, True, "wanted")
    action = action_of(RULES, s.state, Batch("leverage", coin="ETH"))
    assert (action["type"], action["asset"], action["isCross"], action["leverage"]) == ("updateLeverage", 1, True, 7)


def test_a_coin_the_venue_does_not_list_cannot_be_ordered():
    s = Story()
    s.state.leverage["NEW"] = Leverage(7, True, "wanted")
    with pytest.raises(LookupError, match="NEW"):
        action_of(RULES, s.state, Batch("leverage", coin="NEW"))


@pytest.mark.parametrize(
    ("purpose", "count"), [("entry", 3), ("exit", 1), ("protect", 1), ("cancel", 1), ("leverage", 1)]
)
def test_the_record_is_all_a_byte_identical_resend_needs(purpose, count):
    s, batch = batches(purpose)
    action = action_of(RULES, s.state, batch)
    record = started(s.state, batch, action, SIGNER.address, 5, 9, "0xv", 3)
    assert (record.nonce, record.expires_after_ms, record.vault, record.at_ms) == (5, 9, "0xv", 3)
    assert legs_expected(record) == count
    assert record.cloids == tuple(leg.cloid for leg in batch.legs) or purpose == "cancel"
    assert record.key == (batch.legs[0].key if len(batch.legs) == 1 else None)
    kept = Request(
        record.request_id, purpose, 5, 9, "0xv", record.action, record.cloids, record.oids, record.coin, 3
    )  # fmt: skip
    vault = "0x" + "b" * 40
    from dataclasses import replace

    assert signed(SIGNER, replace(record, vault=vault)) == signed(SIGNER, replace(kept, vault=vault))


def test_what_reduces_has_the_right_of_way():
    assert LANES["exit"] == LANES["protect"] == Lane.CLOSE < LANES["cancel"] < LANES["entry"]
