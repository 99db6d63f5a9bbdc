"""Any bytes on the socket: no crash, no order, a recorded reason, and the next good frame still executes."""

from __future__ import annotations

import os

import orjson
import pytest
from mangle import Mangler

SEED = int(os.environ.get("FUZZ_SEED", "20261122"))
STAMP = "2023-01-01T00:00:00Z"
"""Becomes the moment of sending, so that no frame is refused for its age alone."""


def _position(**changed):
    position = {"asset": "BTC", "size": 0.1, "side": "LONG", "leverage": 10, "exchange": "hyperliquid"}
    return {**position, **changed}


def _frame(**changed):
    frame = {
        "action_id": "bad",
        "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
        "agent_id": "agent-uuid",
        "config": {"position": _position()},
        "created_at": STAMP,
        "status": "PENDING",
    }
    return orjson.dumps({**frame, **changed}).decode()


def _with(**changed):
    return _frame(config={"position": _position(**changed)})


TEXTS = {
    "empty": "",
    "a space": " ",
    "not JSON": "{not json",
    "cut in the middle": _frame()[:120],
    "two documents": _frame() + _frame(),
    "null": "null",
    "a number": "17",
    "a string": '"EXECUTE_HYPERLIQUID_PERP_TRADE"',
    "a list": "[1,2,3]",
    "an empty object": "{}",
    "a BOM": "\ufeff" + _frame(),
    "a NUL": _frame() + "\x00",
    "nested 100 000 deep": "[" * 100_000,
    "objects nested 20 000 deep": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "2 MB of text": '{"action_id": "' + "x" * 2_000_000 + '"}',
    "2 MB of members": "{" + ",".join(f'"k{i}":{i}' for i in range(150_000)) + "}",
    "NaN": _with(size=1).replace('"size":1', '"size":NaN'),
    "Infinity": _with(size=1).replace('"size":1', '"size":Infinity'),
    "1e999": _with(size=1).replace('"size":1', '"size":1e999'),
    "a million digits": _with(size=1).replace('"size":1', '"size":' + "9" * 1_000_000),
    "a negative size": _with(size=-1),
    "a zero size": _with(size=0),
    "a size of true": _with(size=True),
    "a size of null": _with(size=None),
    "an object for a size": _with(size={"a": 1}),
    "a huge size": _with(size=1e300),
    "a doubled key": _frame().replace('"agent_id"', '"action_id":"other","agent_id"'),
    "a doubled size": _with(size=1).replace('"size":1', '"size":1,"size":2'),
    "no side": _frame(config={"position": {"asset": "BTC", "size": 1}}),
    "an odd side": _with(side="UP"),
    "an odd action": _frame(action_type="SEND_TELEGRAM"),
    "no config": _frame(config=None),
    "a list for a config": _frame(config=[]),
    "another exchange": _with(exchange="binance"),
    "a lone surrogate": _frame().replace('"bad"', '"\\ud800"'),
    "an odd date": _frame(created_at="yesterday"),
    "a date in year 99999": _frame(created_at="99999-01-01T00:00:00Z"),
    "an envelope of another kind": orjson.dumps({"type": "PING", "data": {}}).decode(),
    "an envelope of nothing": orjson.dumps({"type": "ACTION", "data": None}).decode(),
    "a stale stamp": _frame(created_at="2022-12-31T23:59:59Z"),
    "an unknown symbol": _with(asset="NOSUCHCOIN"),
    "an endless symbol": _with(asset="B" * 100_000),
    "a lower-case coin with a quote": _with(asset="btc/eth"),
}

BINARY = {
    "nothing": b"",
    "zeros": bytes(64),
    "bytes that are no UTF-8": b"\xff\xfe\x80" * 20,
    "an overlong form": b'{"action_id":"\xc0\xaf"}',
    "all bytes": bytes(range(256)),
    "a gzip": b"\x1f\x8b\x08\x00" + bytes(100),
}


async def test_no_bytes_make_an_order_or_stop_the_next_good_frame(rig):
    await rig.spawn()
    for number, text in enumerate(TEXTS.values()):
        await rig.send(text.replace(STAMP, rig.now()).replace('"bad"', f'"bad-{number}"'))
    for data in BINARY.values():
        await rig.send(data)
    await rig.send(rig.trade("good", "LONG", 0.1))
    await rig.settled("good", within_s=20)
    assert rig.outcome("good") == "executed"
    assert (len(rig.orders()), len(rig.sent())) == (1, 1)
    refused = [row["reason"] for row in rig.events("FrameRefused")]
    rows = [row for name, row in rig.actions().items() if name != "good"]
    assert all(refused)
    assert all(row["outcome"] == "refused" and row["reason"] for row in rows), rows
    repeats = len(rig.events("DuplicateSeen")) + len(rig.events("ConflictSeen"))
    assert len(refused) + len(rows) + repeats == len(TEXTS) + len(BINARY)
    assert await rig.stop() == 0


@pytest.mark.parametrize("count", [300, pytest.param(3_000, marks=pytest.mark.full)])
async def test_mangled_frames_on_a_real_socket_make_no_order_and_cost_no_connection(rig, count):
    """None of them is pending: whatever a mangled one still says, it is nothing to execute."""
    done = tuple(_frame(status="DONE", action_id=name, agent_id="agent-uuid") for name in ("one", "two", "three"))
    async with rig.inside() as runtime:
        for raw in Mangler(SEED, done).many(count):
            try:
                await rig.send(raw.decode())
            except UnicodeDecodeError:
                await rig.send(raw)
        await rig.send(rig.trade("good", "LONG", 0.1))
        await rig.settled("good", within_s=30)
        assert rig.outcome("good") == "executed"
        assert (len(rig.orders()), len(rig.sent())) == (1, 1), SEED
        assert all(row["reason"] for row in rig.events("FrameRefused"))
        taken_in = [
            len(rig.events(kind)) for kind in ("FrameRefused", "ActionReceived", "DuplicateSeen", "ConflictSeen")
        ]
        assert sum(taken_in) == count + 1
        assert [row for row in rig.events("AlarmRaised") if row["code"] == "TASK_FAILED"] == []
        assert [channel.attempts for source in runtime.sources for channel in source.channels()] == [0]


@pytest.mark.parametrize("data", BINARY.values(), ids=BINARY.keys())
async def test_binary_frames_are_journaled_as_they_came(rig, data):
    async with rig.inside():
        await rig.send(data)
        await rig.until(lambda: rig.events("FrameRefused"))
    assert rig.sent() == []


async def test_a_good_frame_in_a_binary_message_is_read_like_text(rig):
    async with rig.inside():
        await rig.send(orjson.dumps(rig.trade("good", "LONG", 0.1)))
        await rig.settled("good")
    assert rig.outcome("good") in ("executed", "refused")
