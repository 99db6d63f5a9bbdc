"""A worker that is killed with an order on its way comes back with another signer: the order still executes once."""

from __future__ import annotations

import asyncio
import signal

import pytest

from executor.venue.signer import Signer

ANOTHER_KEY = "0x" + "7e57ab1e" * 8


def _delayed(rig):
    """From now on the first order waits on its way; returns it, and how its cloids are asked for by look-ups."""
    take, tell = rig.exchange._exchange, rig.exchange._info
    waiting, asked = [], []

    async def exchange(body, ip):
        if body["action"]["type"] == "order" and not waiting:
            waiting.append((body, ip))
            await asyncio.Event().wait()  # until the connection is gone
        return await take(body, ip)

    async def info(body, ip):
        if body["type"] == "orderStatus":
            asked.append(body["oid"])
        return await tell(body, ip)

    rig.exchange._exchange, rig.exchange._info = exchange, info
    return waiting, asked, take


@pytest.mark.full  # two processes
async def test_an_order_on_its_way_at_a_kill_executes_once_whoever_signs_for_the_next_life(rig):
    another = Signer.from_key_text(ANOTHER_KEY, mainnet=False)
    rig.exchange.approve_agent(rig.address, another.address, "another")
    waiting, asked, take = _delayed(rig)
    await rig.spawn()
    await rig.send(rig.trade("open", "LONG", 1))
    await rig.until(lambda: waiting)
    await rig.stop(signal.SIGKILL)
    rig.environ["HYPERLIQUID_PRIVATE_KEY"] = ANOTHER_KEY
    asked.clear()
    await rig.spawn()
    await rig.until(lambda: rig.entry_name("open") in asked and len(rig.events("Reconciled")) >= 2)
    assert rig.outcome("open") == "unknown"
    await take(*waiting[0])  # the first life's bytes arrive at last
    await rig.settled("open")
    await rig.send(rig.trade("close", "SHORT", 1))
    await rig.settled("close")
    assert (rig.outcome("open"), rig.outcome("close"), rig.size()) == ("executed", "executed", 0)
    assert [fill["sz"] for fill in rig.fills()] == ["1.0", "1.0"]
    assert {row["signer"] for row in rig.events("SendStarted") if row["purpose"] == "exit"} == {another.address}
    assert await rig.stop() == 0
