"""The seed's own example frame becomes one order, and never a second one."""

from __future__ import annotations

import asyncio
import signal

import orjson
import pytest

AGENT = "agent-uuid"


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
    await rig.until(
        lambda: rig.events("LegFilled") and rig.events("FillSeen")
    )  # the fill and the answer come in any order
    told = rig.read(lambda reader: reader.explain("action-uuid"))
    text = orjson.dumps(told).decode()
    assert rig.entry_name("action-uuid") in text
    (account,) = told["accounts"]
    for step in ("ActionTaken", "IntentProposed", "EntryJudged", "LegPlanned", "SendStarted", "LegFilled", "FillSeen"):
        assert step in text or step in str(account), step
    assert "max_leverage" in text
    assert "EXECUTE_HYPERLIQUID_PERP_TRADE" in text
    assert await rig.stop() == 0


def _as_envelope(frame):
    """The same action as the executor channel tells it, under the same id."""
    data = {key: value for key, value in frame.items() if key in ("action_id", "action_type", "agent_id", "status")}
    position = dict(frame["config"]["position"])
    symbol = position.pop("asset")
    data["config"] = {"position": {"symbol": symbol, **position}}
    return {"type": "ACTION", "data": {**data, "created_at": frame["created_at"]}}


async def _seen_again(rig, frame, times):
    """The worker has looked at this many repeats and found each one known."""
    await rig.until(lambda: len(rig.events("DuplicateSeen")) >= times)
    rows = rig.read(lambda reader: reader.actions(limit=100)["actions"])
    assert [row["action_id"] for row in rows] == [frame["action_id"]]


async def test_the_same_frame_on_every_channel_and_in_every_shape_is_one_order(rig):
    rig.configure(sources=[rig.source(user_id="user-1", executor_channel=True)])
    await rig.spawn(channels=3)
    frame = rig.trade("action-uuid", "LONG", 0.1)
    await rig.send(frame, frame)
    await rig.send(frame, channels=("user",))
    await rig.send(frame, _as_envelope(frame), channels=("executor",))
    await rig.settled("action-uuid")
    await _seen_again(rig, frame, 4)
    _one_order(rig, "action-uuid")
    assert await rig.stop() == 0
    assert len(rig.sent()) == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_the_same_frame_after_a_restart_is_no_second_order(rig, how):
    await rig.spawn()
    frame = rig.trade("action-uuid", "LONG", 0.1)
    await rig.send(frame)
    await rig.settled("action-uuid")
    await rig.stop(how)
    await rig.spawn()
    await rig.send(frame)
    await _seen_again(rig, frame, 1)
    assert await rig.stop() == 0
    assert len(rig.sent()) == 1
    _one_order(rig, "action-uuid")


def _ledger_files(rig):
    return [path for path in rig.ledger_path.parent.iterdir() if path.name.startswith(rig.ledger_path.name)]


async def test_with_the_ledger_deleted_the_exchange_is_asked_and_no_second_order_leaves(rig):
    await rig.spawn()
    frame = rig.trade("action-uuid", "LONG", 0.1)
    await rig.send(frame)
    await rig.settled("action-uuid")
    await rig.stop(signal.SIGKILL)
    for path in _ledger_files(rig):
        path.unlink()
    await rig.spawn()
    await rig.send(frame)
    await rig.settled("action-uuid")
    assert rig.outcome("action-uuid") == "executed"
    (position,) = rig.read(lambda reader: reader.positions()["positions"])
    assert position["owner"] == AGENT
    await rig.send(rig.trade("close", "SHORT", 0.1))
    await rig.settled("close")
    assert await rig.stop() == 0
    assert len(rig.orders_named(rig.entry_name("action-uuid"))) == 1
    assert rig.size() == 0


async def test_with_a_ledger_restored_from_before_the_action_no_second_order_leaves(rig):
    await rig.spawn()
    await rig.send(rig.trade("before", "LONG", 0.1, "ETH"))
    await rig.settled("before")
    await rig.stop()
    copies = {path: path.read_bytes() for path in _ledger_files(rig)}
    await rig.spawn()
    frame = rig.trade("action-uuid", "LONG", 0.1)
    await rig.send(frame)
    await rig.settled("action-uuid")
    await rig.stop()
    for path in _ledger_files(rig):
        path.unlink()
    for path, data in copies.items():
        path.write_bytes(data)
    await rig.spawn()
    await rig.send(frame)
    await rig.settled("action-uuid")
    assert rig.outcome("action-uuid") == "executed"
    assert await rig.stop() == 0
    assert len(rig.orders_named(rig.entry_name("action-uuid"))) == 1
    assert str(rig.size()) == "0.1"


KILL_AFTER_S = (0.005, 0.15, 0.3, 0.45)
SLOWER = [pytest.param(at_s, marks=pytest.mark.full) for at_s in (0.0, 0.02, 0.06, 0.25, 0.6)]


@pytest.mark.parametrize("rig", [200], indirect=True)
@pytest.mark.parametrize("after_s", [*KILL_AFTER_S, *SLOWER])
async def test_killed_at_any_moment_the_action_ends_as_one_order_and_can_be_closed(rig, after_s):
    await rig.spawn()
    frame = rig.trade("action-uuid", "LONG", 0.1)
    await rig.send(frame)
    await asyncio.sleep(after_s)
    await rig.stop(signal.SIGKILL)
    await rig.spawn()
    await rig.send(frame)
    await rig.settled("action-uuid", within_s=20)
    assert rig.outcome("action-uuid") == "executed"
    _one_order(rig, "action-uuid")
    (position,) = rig.read(lambda reader: reader.positions()["positions"])
    assert (position["size"], position["owner"]) == ("0.1", AGENT)
    await rig.send(rig.trade("close", "SHORT", 0.1))
    await rig.settled("close")
    await rig.until(lambda: rig.size() == 0)
    filled = {fill["tid"] for fill in rig.fills()}
    await rig.until(lambda: {row["fill"]["tid"] for row in rig.events("FillSeen")} == filled)
    assert await rig.stop() == 0
    assert rig.read(lambda reader: reader.positions()["positions"]) == []


@pytest.mark.parametrize("closed", [False, True])
async def test_an_action_without_a_stamp_after_the_ledger_was_restored_is_no_second_order(rig, closed):
    await rig.spawn()
    assert await rig.stop() == 0
    copies = {path: path.read_bytes() for path in _ledger_files(rig)}
    await rig.spawn()
    frame = rig.trade("action-uuid", "LONG", 0.1)
    del frame["created_at"]
    await rig.send(frame)
    await rig.settled("action-uuid")
    if closed:
        await rig.send(rig.trade("close", "SHORT", 0.1))
        await rig.settled("close")
    assert await rig.stop() == 0
    for path in _ledger_files(rig):
        path.unlink()
    for path, data in copies.items():
        path.write_bytes(data)
    await rig.spawn()
    await rig.send(frame)
    await rig.settled("action-uuid")
    assert len(rig.orders_named(rig.entry_name("action-uuid"))) == 1
    assert await rig.stop() == 0
