"""How a worker ends, what it says about it, and that it never says a secret."""

from __future__ import annotations

import asyncio
import signal
from urllib.parse import quote, quote_plus

import pytest

from executor.paper.faults import Fault


async def _ended(worker, within_s=15):
    return await asyncio.wait_for(worker.wait(), within_s)


@pytest.mark.parametrize("ledger", ["live.db", "another.db"])
async def test_a_second_worker_on_the_account_ends_with_4(rig, ledger):
    await rig.spawn()
    rig.configure(ledger={"path": str(rig.folder / "var" / ledger)})
    second = await rig.spawn(channels=0)
    assert await _ended(second) == 4
    assert "another worker" in rig.log()
    assert rig.workers[0].returncode is None
    await rig.send(rig.trade("action-uuid", "LONG", 0.1))
    await rig.until(rig.fills)
    rig.workers[0].terminate()
    assert await _ended(rig.workers[0]) == 0


@pytest.mark.parametrize("rig", [200], indirect=True)
async def test_sigterm_with_an_order_out_ends_with_0_and_its_outcome_on_record(rig):
    await rig.spawn()
    await rig.send(rig.trade("action-uuid", "LONG", 0.1))
    await rig.until(rig.sent)
    assert await rig.stop() == 0
    assert rig.outcome("action-uuid") == "executed"
    assert len(rig.fills()) == 1
    assert rig.events("ProcessStopped")[-1]["unknown"] == 0


async def test_sigterm_refuses_the_entries_that_come_after_it(rig):
    await rig.spawn()
    rig.arm(Fault("delay_answer", match="order", delay_ms=1_500))
    await rig.send(rig.trade("first", "LONG", 0.1))
    await rig.until(rig.sent)
    rig.workers[-1].terminate()
    await asyncio.sleep(0.3)
    await rig.send(rig.trade("late", "LONG", 1, "ETH"))
    assert await _ended(rig.workers[-1]) == 0
    assert rig.outcome("first") == "executed"
    assert rig.size("ETH") == 0


async def test_an_exchange_that_hangs_ends_with_5_and_the_next_start_finds_out(rig):
    rig.configure(execution={"reply_timeout_s": 1, "shutdown_s": 2})
    await rig.spawn()
    rig.arm(Fault("delay", match="order", delay_ms=60_000, times=0))
    frame = rig.trade("action-uuid", "LONG", 0.1)
    await rig.send(frame)
    await rig.until(rig.sent)
    assert await rig.stop(within_s=8) == 5
    assert rig.events("ProcessStopped")[-1]["unknown"] == 1
    rig.exchange.faults.clear()
    await rig.spawn()
    await rig.settled("action-uuid", within_s=20)
    await rig.send(frame)
    assert await rig.stop() == 0
    assert len(rig.orders_named(rig.entry_name("action-uuid"))) == len(rig.fills()) <= 1
    assert rig.outcome("action-uuid") == ("executed" if rig.fills() else "absent")


async def test_a_refused_key_of_the_signal_system_ends_with_3_and_the_remedy(rig):
    rig.environ["FRACTRADE_API_KEY"] = "canary-key-7f3a91-wrong"
    worker = await rig.spawn(channels=0)
    assert await _ended(worker) == 3
    assert "403" in rig.log()


async def test_one_refused_channel_leaves_the_others_trading(rig):
    rig.configure(sources=[rig.source(executor_channel=True)])
    rig.environ["FRACTRADE_USER_TOKEN"] = "canary-token-44e1c6-wrong"
    await rig.spawn(channels=1)
    await rig.sim.wait_handshakes(2)
    await rig.send(rig.trade("action-uuid", "LONG", 0.1))
    await rig.settled("action-uuid")
    assert rig.outcome("action-uuid") == "executed"
    assert await rig.stop() == 0


async def test_a_signer_the_account_never_approved_ends_with_3_before_any_order(rig):
    rig.environ["HYPERLIQUID_PRIVATE_KEY"] = "0x" + "0badf00d" * 8
    worker = await rig.spawn(channels=0)
    assert await _ended(worker) == 3
    assert rig.exchange.reached == []


async def test_a_key_that_is_none_ends_with_2_and_is_not_repeated(rig):
    rig.environ["HYPERLIQUID_PRIVATE_KEY"] = "canary-key-7f3a91"
    worker = await rig.spawn(channels=0)
    assert await _ended(worker) == 2


async def test_a_second_sigint_ends_at_once_with_130(rig):
    await rig.spawn()
    rig.arm(Fault("delay", match="order", delay_ms=60_000, times=0))
    await rig.send(rig.trade("action-uuid", "LONG", 0.1))
    await rig.until(rig.sent)
    worker = rig.workers[-1]
    worker.send_signal(signal.SIGINT)
    await rig.until(lambda: '"stopping"' in rig.log())
    worker.send_signal(signal.SIGINT)
    assert await _ended(worker, 3) == 130


async def test_no_secret_is_ever_said_or_written_whatever_goes_wrong(rig):
    rig.configure(
        sources=[rig.source(user_id="user-1", executor_channel=True)],
        execution={"reply_timeout_s": 1, "shutdown_s": 2},
    )
    await rig.spawn(channels=3)
    rig.arm(
        Fault("drop_answer", match="order"), Fault("garbage", match="order"), Fault("http_502_after", match="order")
    )
    for number, coin in enumerate(("BTC", "ETH", "SOL", "AVAX")):
        await rig.send(rig.trade(f"action-{number}", "LONG", 1, coin), channels=("agent", "user", "executor"))
    await rig.send("{not json", b"\xff\xfe", "[" * 10_000)
    rig.exchange.cut_sockets()
    await rig.sim.cut(1006)
    rig.sim.refuse_with = 401
    await rig.until(lambda: rig.outcome("action-3") is not None)
    _, paused = await rig.command("pause", "--json")
    _, shown = await rig.command("config", "show")
    _, status = await rig.command("status", "--json")
    _, journal = await rig.command("journal", "--json", "--limit", "500")
    _, told = await rig.command("explain", "action-0")
    await rig.stop(within_s=20)
    said = f"{paused}\n{shown}\n{status}\n{journal}\n{told}".lower()
    secret = rig.environ["FRACTRADE_API_SECRET"]
    for word in ("canary", "5ec2e7", quote(secret), quote_plus(secret)):
        assert word.lower() not in said
    assert rig.log()
    assert rig.leaks() == []
