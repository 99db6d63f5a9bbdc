"""A simulator served alone plays its script again to each next first client, and begins as if nothing had happened."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from executor.sim import halyrd_script, nexgent_script, play, tradeready_script
from executor.sim.scenario import parse_scenario
from executor.sim.script import parse_script
from executor.sim.tradeready import API_KEY

LIMIT_S = 20
HALYRD = """
steps:
  - {at: 0, trade: {pair: A/USDT, side: buy, size: 1, price: 1, pnl: 1}}
  - {at: 0, demote: {rule: max_drawdown, breach: max}}
"""
TRADEREADY = "steps: [{at: 0, order: {id: one, symbol: AUSDT, side: buy, quantity: '1'}}]"


async def read(http: ClientSession, url: str, paths: tuple[str, ...]) -> list[Any]:
    base = url.replace("ws:", "http:")
    return [await (await http.get(base + path, headers={"X-API-Key": API_KEY})).json() for path in paths]


@pytest.mark.parametrize(
    ("script", "steps", "path", "reads"),
    [
        (halyrd_script, HALYRD, "/ws/agents/current", ("/agents/current/trades", "/agents/current/journal")),
        (tradeready_script, TRADEREADY, f"/ws/v1?api_key={API_KEY}", ("/api/v1/trade/orders",)),
    ],
)
async def test_the_second_play_finds_nothing_of_the_first(
    script: Any, steps: str, path: str, reads: tuple[str, ...]
) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    played = parse_scenario(steps, "test", script.WORDS)
    task = asyncio.create_task(script.serve("127.0.0.1", 0, played, told.put_nowait))
    try:
        url = (await asyncio.wait_for(told.get(), LIMIT_S)).rpartition(" ")[2]
        async with ClientSession() as http, asyncio.timeout(LIMIT_S):
            empty = await read(http, url, reads)
            for _ in range(2):
                async with http.ws_connect(url + path):
                    while "is over" not in await told.get():
                        pass
                    assert await read(http, url, reads) != empty
                while await read(http, url, reads) != empty:  # it notices a moment later that its last client left
                    await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


REFUSING = "steps: [{at: 0, refuse: 403}]"
NEXGENT = """
steps:
  - {at: 0, buy: {id: p1}}
  - {at: 0, fail_load: broken}
  - {at: 0, revoke: true}
  - {at: 0, rest_refuse: 500}
  - {at: 0, refuse: 403}
"""
AUTHORIZED = {"Authorization": "Token sim-token"}


async def enter(http: ClientSession, url: str, told: asyncio.Queue[str]) -> None:
    """Be the first client, once the server welcomes one, until the script that begins then is over."""
    while True:
        try:
            async with http.ws_connect(url, headers=AUTHORIZED):
                while "is over" not in await told.get():
                    pass
                return
        except WSServerHandshakeError:  # it notices a moment later that its last client left
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("script", "text", "path"),
    [
        (play, REFUSING, "/ws/executor/"),
        (halyrd_script, REFUSING, "/ws/agents/current"),
        (tradeready_script, REFUSING, f"/ws/v1?api_key={API_KEY}"),
        (nexgent_script, NEXGENT, "/ws?agentId=sim-agent&token="),
    ],
)
async def test_a_script_that_ends_with_a_refusal_locks_out_no_later_first_client(
    script: Any, text: str, path: str
) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    played = parse_script(text, "test") if script is play else parse_scenario(text, "test", script.WORDS)
    task = asyncio.create_task(script.serve("127.0.0.1", 0, played, told.put_nowait))
    try:
        async with ClientSession() as http, asyncio.timeout(LIMIT_S):
            url = (await told.get()).rpartition(" ")[2].replace("http:", "ws:") + path
            if script is nexgent_script:
                await told.get()
                url += (await told.get()).rpartition(" ")[2]
            for _ in range(2):
                await enter(http, url, told)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
