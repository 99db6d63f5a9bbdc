"""The seed's own example frame becomes one order, and never a second one."""

from __future__ import annotations

import asyncio
import signal

import orjson
import pytest


def _one_order(rig, action_id, size="0.1"):
    name = rig.entry_name(action_id)
    assert len(rig.orders_named(name)) == 1
    assert len(rig.fills()) == 1
    assert str(rig.size()) == size


async def test_the_seeds_example_frame_becomes_one_ioc_order_with_a_derived_cloid_and_leverage(rig):
    await rig.spawn()
    await rig.send(rig.trade("action-uuid", "LONG", 0.1))
    await rig.settled("action-uuid")
    assert rig.outcome("action-uuid") == "executed"
    _one_order(rig, "action-uuid")
    (order,) = rig.sent()
    (wire,) = order["action"]["orders"]
    assert wire["t"] == {"limit": {"tif": "Ioc"}}
    assert (wire["b"], wire["s"], wire["r"]) == (True, "0.1", False)
    assert wire["c"] == rig.entry_name("action-uuid")
    (leverage,) = rig.sent("updateLeverage")
    assert (leverage["action"]["leverage"], leverage["action"]["isCross"]) == (5, False)
    assert rig.exchange.reached.index(leverage) < rig.exchange.reached.index(order)
    assert await rig.stop() == 0


async def test_explain_shows_every_step_of_it(rig):
    await rig.spawn()
    await rig.send(rig.trade("action-uuid", "LONG", 0.1))
    await rig.settled("action-uuid")
    told = rig.read(lambda reader: reader.explain("action-uuid"))
    text = orjson.dumps(told).decode()
    assert rig.entry_name("action-uuid") in text
    (account,) = told["accounts"]
    for step in ("ActionTaken", "IntentProposed", "EntryJudged", "LegPlanned", "SendStarted", "LegFilled", "FillSeen"):
        assert step in text or step in str(account), step
    assert "max_leverage" in text
    assert "EXECUTE_HYPERLIQUID_PERP_TRADE" in text
    assert await rig.stop() == 0
