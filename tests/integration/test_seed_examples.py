"""The published examples of Nexgent (seed 002) and TradeReady (seed 004), run against the simulators.

Nothing is changed in them but import line and address, and a token where the page has a placeholder.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import os
import re
import shutil
import signal
import sys
import threading
import types
from pathlib import Path

import pytest

from executor.sim.nexgent import NexgentSimulator
from executor.sim.tradeready import TradeReadySimulator

DATA = Path(__file__).parents[1] / "data"
LIMIT_S = 30
KEY = "ak_live_..."
DECORATED, FIRST, THREADED, WAITING, CACHE, TOOL, LOOPED = (0, 2, 3, 4, 5, 6), 1, 8, 7, 9, 10, 11
"""Which blocks of seed 004's page belong together, by their numbers."""


def blocks(url):
    """The page's blocks with our import line and this address."""
    found = re.findall(r"```python\n(.*?)```", (DATA / "tradeready/seed_examples.txt").read_text(), re.DOTALL)
    changed = [one.replace("from agentexchange import", "from executor.streams import") for one in found]
    changed = [one.replace("ws://localhost:8000", url) for one in changed]
    for key in ('"ak_live_..."', 'os.environ["AGENTEXCHANGE_API_KEY"]'):
        changed = [one.replace(f"(api_key={key})", f'(api_key={key}, base_url="{url}")') for one in changed]
    return changed


async def execute(code, name="example"):
    """Run a block as a module of that name, ``await`` at its top included; its names."""
    module = types.ModuleType(name)
    done = eval(compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), module.__dict__)
    if inspect.isawaitable(done):
        await done
    return module


async def until(true):
    async with asyncio.timeout(LIMIT_S):
        while not true():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def tradeready(channels):
    """The simulator as its page promises it to be, and once a client has subscribed, so many channels of it."""
    async with TradeReadySimulator(api_key=KEY) as sim:
        sim.pushes = True

        async def ready():
            await until(lambda: sim.sessions and len(sim.sessions[-1].channels) >= channels)

        yield sim, ready


async def test_the_first_example_waits_in_connect_and_tells_prices_orders_and_equity(capsys):
    async with tradeready(4) as (sim, ready):
        running = asyncio.create_task(execute(blocks(sim.url)[FIRST]))
        await ready()
        await sim.tick("BTCUSDT", "65000.1")
        await sim.order("BTCUSDT", "buy", "0.5", order_id="ord-1")
        said = ""
        async with asyncio.timeout(LIMIT_S):
            while not all(words in said for words in ("BTC: $65000.1", "Order ord-1 → filled", "Equity: $10000")):
                await asyncio.sleep(0.01)
                said += capsys.readouterr().out
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_every_kind_of_handler_on_the_page_is_called(capsys):
    async with tradeready(5) as (sim, ready):
        code = "\n".join(blocks(sim.url)[number] for number in DECORATED)
        ws = (await execute(code)).ws
        async with ws:
            await ready()
            await sim.tick("SOLUSDT", "150")
            await sim.order("SOLUSDT", "sell", "2", price="151", order_id="ord-2")
            chart = {"time": "2026-05-04T09:30:00Z", "open": "1", "high": "3", "low": "1", "close": "2", "volume": "9"}
            for symbol, interval in (("BTCUSDT", "1m"), ("ETHUSDT", "1h")):
                frame = {"channel": "candles", "symbol": symbol, "interval": interval}
                await sim.publish(frame | {"data": chart | {"is_closed": False}})
                await sim.publish(frame | {"data": chart | {"is_closed": True}})
            wanted = ("SOLUSDT: $150", "1m candle closed at $2", "ETH 1h: O=1 H=3 L=1 C=2", "Filled at: $151", "ROI: ")
            said = ""
            async with asyncio.timeout(LIMIT_S):
                while not all(words in said for words in wanted):
                    await asyncio.sleep(0.01)
                    said += capsys.readouterr().out
            assert said.count("1m candle closed") == 1, "only when it closes"


async def test_connect_in_a_program_of_its_own_and_in_a_daemon_thread(capsys):
    async with tradeready(1) as (sim, ready):
        for number in (WAITING, THREADED):
            names = {}
            code = compile(blocks(sim.url)[number], "example", "exec")
            thread = threading.Thread(target=exec, args=(code, names))
            thread.start()
            await ready()
            await sim.tick("BTCUSDT", f"6500{number}")
            said = ""
            async with asyncio.timeout(LIMIT_S):
                while f"BTC: $6500{number}" not in said:
                    await asyncio.sleep(0.01)
                    said += capsys.readouterr().out
            names["ws"].stop()
            await asyncio.to_thread(thread.join, LIMIT_S)
            await until(lambda: not sim.sessions)


async def test_the_streaming_price_cache_and_the_tool_that_reads_it(capsys, monkeypatch):
    async with tradeready(4) as (sim, ready):
        monkeypatch.setenv("AGENTEXCHANGE_API_KEY", KEY)
        monkeypatch.setenv("AGENTEXCHANGE_WS_URL", sim.url)
        cache = await execute(blocks(sim.url)[CACHE], "price_stream")
        monkeypatch.setitem(sys.modules, "price_stream", cache)
        await execute(blocks(sim.url)[TOOL])
        await ready()
        await sim.tick("BTCUSDT", "64999")
        await sim.order("BTCUSDT", "buy", "1", order_id="ord-3")
        await until(lambda: cache.get_cached_price("btcusdt") == "64999" and cache.latest_orders)
        await execute(
            "from price_stream import get_cached_price\nprint(f\"{get_cached_price('BTCUSDT')} (from cache)\")"
        )
        cache.ws.stop()
        await until(lambda: not sim.sessions)
    said = capsys.readouterr().out
    assert "[WS] Order ord-3 → filled" in said
    assert "64999 (from cache)" in said


@contextlib.asynccontextmanager
async def running(*command, cwd, env):
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.communicate()


async def said(process, words):
    told = ""
    async with asyncio.timeout(LIMIT_S):
        while words not in told:
            line = await process.stdout.readline()
            assert line, f"ended without saying {words!r}:\n{told}"
            told += line.decode()


async def test_the_async_example_beside_a_loop_of_its_own(tmp_path):
    async with tradeready(2) as (sim, ready):
        (tmp_path / "example.py").write_text(blocks(sim.url)[LOOPED])
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "AGENTEXCHANGE_API_KEY": KEY}
        async with running(sys.executable, "example.py", cwd=tmp_path, env=env) as process:
            await ready()
            await sim.order("BTCUSDT", "buy", "0.5", price="65001")
            await said(process, "[FILL] BTCUSDT buy 0.5 @ 65001")


def nexgent_example(name, sim):
    code = (DATA / f"nexgent/{name}").read_text()
    for placeholder, value in (("https://your-instance.com", sim.rest_url), ("your-jwt-token", sim.tokens.access())):
        assert code.count(placeholder) == 1
        code = code.replace(placeholder, value)
    return code


async def check_nexgent(sim, process, connected, updated):
    await said(process, connected)
    await sim.buy(
        "your-agent-id", "p1", tokenAddress="MintA", tokenSymbol="BONK", purchasePrice=0.5, purchaseAmount=100
    )
    await sim.price("MintA", 0.75)
    await said(process, updated)


async def test_nexgents_python_example(tmp_path):
    async with NexgentSimulator(agents=("your-agent-id",)) as sim:
        (tmp_path / "example.py").write_text(nexgent_example("seed_example_python.txt", sim))
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        async with running(sys.executable, "example.py", cwd=tmp_path, env=env) as process:
            await check_nexgent(sim, process, "Connected to agent: your-agent-id", "BONK:")


@pytest.mark.full
async def test_nexgents_javascript_example(tmp_path):
    if shutil.which("node") is None:
        pytest.skip("the example needs node, which is not installed")
    async with NexgentSimulator(agents=("your-agent-id",)) as sim:
        (tmp_path / "example.js").write_text(nexgent_example("seed_example_javascript.txt", sim))
        command = ("node", "--experimental-websocket", "example.js")  # from version 22 on it is there without the flag
        async with running(*command, cwd=tmp_path, env=dict(os.environ)) as process:
            await check_nexgent(sim, process, "Connected to agent: your-agent-id", "profitLossPercent: 50")
