"""Processes that are stopped, told twice to end, or started twice: no order is doubled, and none leaves too late."""

from __future__ import annotations

import asyncio
import signal

import pytest
from apart import apart

HALT_S = 10.5


@pytest.fixture
async def rig(tmp_path):
    async with apart(tmp_path) as one:
        yield one


async def _one_order(rig, coin, size):
    record = await rig.venue.record()
    assert record.doubled() == []
    assert record.reused_nonces() == []
    assert record.size(coin) == size
    return record


@pytest.mark.timeout(120)
async def test_an_order_halted_before_it_leaves_is_never_doubled_nor_sent_expired(rig):
    """SIGSTOP for ten seconds between the commit and the first byte: its bytes are too old when it goes on."""
    worker = await rig.spawn()
    rig.arm("intent_committed:2:stop")
    await rig.send(rig.trade("one", "BTC", "LONG", 4))
    await rig.until(lambda: "fault point intent_committed: stop" in rig.log())
    rig.arm("")
    await asyncio.sleep(HALT_S)
    worker.send_signal(signal.SIGCONT)
    await rig.settled("one")
    outcome = rig.outcomes()["one"]
    assert outcome in ("absent", "rejected", "executed")
    record = await _one_order(rig, "BTC", 4 if outcome == "executed" else 0)
    entries = [row for row in record.reached if row["action"]["type"] == "order"]
    assert len({row["nonce"] for row in entries}) <= 1
    await rig.send(rig.trade("two", "ETH", "LONG", 4))
    await rig.settled("two")
    await _one_order(rig, "ETH", 4)
    assert await rig.stop() == 0


@pytest.mark.timeout(120)
async def test_a_worker_halted_with_an_order_out_finds_its_outcome_and_takes_no_stale_entry(rig):
    """SIGSTOP once the order is sent: it executes meanwhile; a signal of that time is looked at with its age."""
    rig.configure(execution={"shutdown_s": 3, "reply_timeout_s": 1, "entry_ttl_s": 5})
    worker = await rig.spawn()
    rig.arm("last_byte_sent:2:stop")
    await rig.send(rig.trade("one", "BTC", "LONG", 4))
    await rig.until(lambda: "fault point last_byte_sent: stop" in rig.log())
    rig.arm("")
    await rig.send(rig.trade("late", "ETH", "LONG", 4), rig.trade("out", "BTC", "SHORT", 1))
    await asyncio.sleep(HALT_S)
    worker.send_signal(signal.SIGCONT)
    await rig.settled("one", "late", "out")
    assert (rig.outcomes()["one"], rig.outcomes()["late"]) == ("executed", "refused")
    await rig.until_told(lambda: _size_is(rig, "BTC", 3))
    await _one_order(rig, "BTC", 3)
    await _one_order(rig, "ETH", 0)
    assert await rig.stop() == 0


async def _size_is(rig, coin, size):
    return (await rig.venue.record()).size(coin) == size


@pytest.mark.timeout(120)
async def test_sigterm_again_and_again_until_the_process_is_gone_changes_nothing(rig):
    worker = await rig.spawn()
    await rig.send(rig.trade("one", "BTC", "LONG", 4))
    await rig.settled("one")
    while worker.returncode is None:
        worker.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.005)
    assert worker.returncode == 0, rig.log()[-2000:]
    assert rig.read(lambda reader: reader.status())["ledger"]["clean"]


@pytest.mark.timeout(120)
async def test_sigterm_twice_ends_in_order_with_the_outcome_on_record(rig):
    worker = await rig.spawn()
    await rig.venue.ask("arm", kind="delay_answer", match="order", delay_ms=800)
    await rig.send(rig.trade("one", "BTC", "LONG", 4))
    await rig.until_told(lambda: _size_is(rig, "BTC", 4))
    worker.send_signal(signal.SIGTERM)
    await rig.until(lambda: '"stopping"' in rig.log())
    worker.send_signal(signal.SIGTERM)
    assert await rig.died() == 0, rig.log()[-2000:]
    assert rig.outcomes() == {"one": "executed"}
    assert rig.read(lambda reader: reader.status())["ledger"]["clean"]
    await _one_order(rig, "BTC", 4)


@pytest.mark.timeout(120)
async def test_a_second_worker_is_refused_while_the_first_is_halted_and_the_first_goes_on(rig):
    first = await rig.spawn()
    first.send_signal(signal.SIGSTOP)
    await rig.spawn(listening=False)
    assert await asyncio.wait_for(rig.lives[-1].wait(), 30) == 4
    assert "another worker" in rig.log()
    first.send_signal(signal.SIGCONT)
    await rig.send(rig.trade("one", "BTC", "LONG", 4))
    await rig.settled("one")
    await _one_order(rig, "BTC", 4)
    first.terminate()
    assert await asyncio.wait_for(first.wait(), 30) == 0
