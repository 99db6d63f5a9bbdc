"""The programs of docs/streams.md, run as they stand against the simulators."""

from __future__ import annotations

import asyncio
import contextlib
import runpy
from pathlib import Path

from executor.sim.fractrade import Credentials, FractradeSimulator
from executor.sim.halyrd import HalyrdSimulator
from executor.sim.nexgent import NexgentSimulator
from executor.sim.tradeready import API_KEY, TradeReadySimulator

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
LIMIT_S = 30


async def until(true):
    async with asyncio.timeout(LIMIT_S):
        while not true():
            await asyncio.sleep(0.01)


async def said(capsys, *words):
    told = ""
    async with asyncio.timeout(LIMIT_S):
        while not all(word in told for word in words):
            await asyncio.sleep(0.01)
            told += capsys.readouterr().out


def example(name, monkeypatch, **environ):
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    return runpy.run_path(str(EXAMPLES / name))


@contextlib.asynccontextmanager
async def connected(ws):
    """The example's client, as its last lines would run it."""
    running = asyncio.create_task(ws.connect())
    await until(lambda: ws.is_connected)
    yield
    await ws.disconnect()
    await asyncio.wait_for(running, LIMIT_S)


async def test_actions(capsys, monkeypatch):
    async with FractradeSimulator(credentials=Credentials("k", "s", "t")) as sim:
        environ = {
            "FRACTRADE_API_KEY": "k",
            "FRACTRADE_API_SECRET": "s",
            "FRACTRADE_AGENT": "a",
            "FRACTRADE_URL": sim.url,
        }
        async with connected(example("watch_actions.py", monkeypatch, **environ)["ws"]):
            await sim.wait_connected(1)
            position = {"asset": "BTC", "size": 0.1, "side": "LONG", "leverage": 10}
            frame = {"action_id": "x", "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE", "agent_id": "a"}
            await sim.publish(frame | {"config": {"position": position}, "created_at": "now", "status": "PENDING"})
            await said(capsys, "buy 0.1 BTC at 10x")


async def test_positions(capsys, monkeypatch):
    async with NexgentSimulator() as sim:
        environ = {"NEXGENT_URL": sim.rest_url, "NEXGENT_TOKEN": sim.tokens.access(), "NEXGENT_AGENT": "sim-agent"}
        async with connected(example("watch_positions.py", monkeypatch, **environ)["ws"]):
            await sim.buy("sim-agent", "p", tokenAddress="M", tokenSymbol="BONK", purchasePrice=0.5, purchaseAmount=10)
            await sim.price("M", 0.75)
            await said(capsys, "BONK: +50.0%")


async def test_prices(capsys, monkeypatch):
    async with TradeReadySimulator() as sim:
        names = example("watch_prices.py", monkeypatch, AGENTEXCHANGE_API_KEY=API_KEY, AGENTEXCHANGE_WS_URL=sim.url)
        names["start"]()
        await until(lambda: sim.sessions and len(sim.sessions[0].channels) == 2)
        sim.pushes = True
        await sim.order("BTCUSDT", "buy", "1", order_id="o-1")
        await sim.tick("BTCUSDT", "65000")
        await until(lambda: names["prices"] == {"BTCUSDT": "65000"})
        await said(capsys, "o-1: filled")
        names["ws"].stop()
        await until(lambda: not sim.sessions)


async def test_a_worker(capsys, monkeypatch):
    async with HalyrdSimulator() as sim:
        names = example("watch_worker.py", monkeypatch, WORKER_URL=sim.url)
        running = asyncio.create_task(names["main"]())
        await sim.wait_connected()
        await sim.trade("BTC/USDT", "sell", 100.0, 50.0, pnl=2.5)
        await sim.block("risk_veto", "streak_limit", "three in a row", "ord_1")
        await said(capsys, "sell BTC/USDT for 100.0 USD, pnl 2.5", "streak_limit said no: three in a row")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
