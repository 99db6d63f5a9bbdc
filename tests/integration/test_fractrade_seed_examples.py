"""Fractrade's own published example clients run against the simulator, adapted in URL only."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from executor.sim.fractrade import Credentials, FractradeSimulator

DATA = Path(__file__).parents[1] / "data/fractrade"
PUBLISHED = "wss://api.fractrade.xyz"
IN_THE_EXAMPLES = Credentials(api_key="your-api-key", api_secret="your-api-secret")
FRAME: dict[str, Any] = {
    "action_id": "action-uuid",
    "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
    "agent_id": "agent-uuid",
    "config": {"position": {"asset": "BTC", "size": 0.1, "side": "LONG", "leverage": 10, "exchange": "hyperliquid"}},
    "created_at": "now",
    "status": "PENDING",
}


def adapted(name: str, url: str) -> str:
    """The example with the address replaced, and nothing else."""
    code = (DATA / name).read_text()
    assert code.count(PUBLISHED) == 1
    return code.replace(PUBLISHED, url)


@contextlib.asynccontextmanager
async def running(*command: str, cwd: Path, env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.communicate()


async def said(process: asyncio.subprocess.Process, words: str) -> str:
    """Output up to and with these words; fails when it ends without them."""
    assert process.stdout is not None
    told = ""
    async with asyncio.timeout(15):
        while words not in told:
            line = await process.stdout.readline()
            assert line, f"ended without saying {words!r}:\n{told}"
            told += line.decode()
    return told


async def check(simulator: FractradeSimulator, process: asyncio.subprocess.Process) -> None:
    await said(process, "Connection opened")
    await simulator.wait_connected(1)
    assert [client.id for client in simulator.clients] == ["your-agent-id"]
    assert await simulator.publish(FRAME) == 1
    assert "'BTC'" in await said(process, "Trade signal:")
    await simulator.cut(1001)
    await said(process, "Connection closed")


@pytest.mark.skipif(importlib.util.find_spec("rel") is None, reason="the example imports rel, which is not installed")
async def test_the_published_python_example_works_against_the_simulator(tmp_path: Path) -> None:
    async with FractradeSimulator(credentials=IN_THE_EXAMPLES) as simulator:
        (tmp_path / "example.py").write_text(adapted("seed_example_python.txt", simulator.url))
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        async with running(sys.executable, "example.py", cwd=tmp_path, env=env) as process:
            await check(simulator, process)


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which node finds the ``ws`` package of the example, fetched from the npm registry."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("the example needs node and npm, which are not installed")
    folder = tmp_path_factory.mktemp("node")
    command = ["npm", "install", "ws@8", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=45, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry did not answer, so the example's package ws is missing")
    if done.returncode:
        pytest.skip(f"npm could not install the example's package ws: {done.stderr.strip()[:200]}")
    return folder


@pytest.mark.full
async def test_the_published_javascript_example_works_against_the_simulator(node_modules: Path) -> None:
    async with FractradeSimulator(credentials=IN_THE_EXAMPLES) as simulator:
        (node_modules / "example.js").write_text(adapted("seed_example_javascript.txt", simulator.url))
        async with running("node", "example.js", cwd=node_modules, env=dict(os.environ)) as process:
            await check_javascript(simulator, process)


async def check_javascript(simulator: FractradeSimulator, process: asyncio.subprocess.Process) -> None:
    await said(process, "Connection opened")
    await simulator.publish(FRAME)
    assert "asset: 'BTC'" in await said(process, "exchange: 'hyperliquid'\n}")
    await simulator.cut(1001)
    await said(process, "Connection closed")
