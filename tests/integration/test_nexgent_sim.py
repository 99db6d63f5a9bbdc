"""The Nexgent simulator keeps the real server's rules and traps (signal-protocols.md sections 2.1 to 2.6)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from executor.clock import SystemClock
from executor.errors import ConfigError
from executor.sim import nexgent_script
from executor.sim.nexgent import Habits, NexgentSimulator
from executor.sim.nexgent_positions import BONK
from executor.sim.scenario import parse_scenario, play

AGENT = "sim-agent"
LIMIT_S = 20


@contextlib.asynccontextmanager
async def client(
    sim: NexgentSimulator, agent_id: str = AGENT, token: str | None = None
) -> AsyncIterator[ClientConnection]:
    query = f"token={quote(token or sim.tokens.access())}&agentId={agent_id}"
    async with connect(f"{sim.url}/ws?{query}", proxy=None, close_timeout=0.5) as socket:
        yield socket


async def heard(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(LIMIT_S):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv())
            if frame["type"] == kind:
                return frame


async def farewell(socket: ClientConnection) -> tuple[int | None, str | None]:
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(LIMIT_S):
            while True:
                await socket.recv()
    return socket.close_code, socket.close_reason


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ws", 401),
        ("/ws?token=x", 401),
        ("/ws?token=a.b.c&agentId=sim-agent", 401),
        ("/ws/?token=x&agentId=y", 400),
        ("/", 404),
    ],
)
async def test_the_handshake_refuses_as_the_server_does(path: str, status: int) -> None:
    async with NexgentSimulator() as sim:
        with pytest.raises(InvalidStatus) as refusal:
            async with connect(sim.url + path, proxy=None):
                pass
        assert refusal.value.response.status_code == status


async def test_an_expired_token_is_refused_and_a_refresh_token_is_taken() -> None:
    async with NexgentSimulator() as sim:
        with pytest.raises(InvalidStatus):
            async with client(sim, token=sim.tokens.access(-1)):
                pass
        async with client(sim, token=sim.tokens.refresh()) as socket:
            await heard(socket, "initial_data")


async def test_an_unknown_agent_gets_an_error_and_1008() -> None:
    async with NexgentSimulator() as sim, client(sim, "nobody") as socket:
        assert (await heard(socket, "error"))["data"]["message"] == "Agent not found or access denied"
        assert await farewell(socket) == (1008, "Agent not found")


async def test_a_second_connection_ends_the_first_and_is_mute_yet_answers() -> None:
    async with NexgentSimulator(habits=Habits(ping_s=0.05)) as sim, client(sim) as first:
        await heard(first, "ping")
        async with client(sim) as second:
            assert await farewell(first) == (1000, "New connection established")
            await heard(second, "initial_data")
            await sim.buy(AGENT, "p1")
            await second.send('{"type": "ping"}')
            await second.send('{"type": "subscribe"}')
            kinds = [json.loads(await second.recv())["type"] for _ in range(2)]
            assert kinds == ["pong", "subscribed"]


async def test_without_the_trap_the_second_connection_hears_everything() -> None:
    async with NexgentSimulator(habits=Habits(mute_trap=False)) as sim, client(sim), client(sim) as second:
        await heard(second, "initial_data")
        await sim.buy(AGENT, "p1")
        assert (await heard(second, "position_update"))["data"]["position"]["id"] == "p1"


async def test_a_client_that_says_nothing_is_timed_out_with_1000() -> None:
    async with NexgentSimulator(habits=Habits(ping_s=0.05)) as sim, client(sim) as socket:
        assert await farewell(socket) == (1000, "Connection timeout")


async def test_bad_json_is_answered_and_the_socket_stays_open() -> None:
    async with NexgentSimulator() as sim, client(sim) as socket:
        await socket.send("oops")
        assert (await heard(socket, "error"))["data"]["message"] == "Invalid message format"
        await socket.send('{"type": "ping"}')
        await heard(socket, "pong")


async def test_snapshots_are_priced_updates_are_raw_and_prices_lower_cased() -> None:
    async with NexgentSimulator() as sim:
        await sim.buy(AGENT, "p1", purchaseAmount=1000, purchasePrice=0.001, remainingAmount=400, realizedProfitSol=0.5)
        async with client(sim) as socket:
            (row,) = (await heard(socket, "initial_data"))["data"]["positions"]
            assert (row["positionValueSol"], row["profitLossPercent"]) == (0.4, 50)
            await sim.change(AGENT, "p1", dcaCount=1)
            raw = (await heard(socket, "position_update"))["data"]["position"]
            assert not {"currentPrice", "positionValueSol", "purchasePriceUsd"} & raw.keys()
            await sim.price(BONK, 3.1e-9)
            assert '"tokenAddress": "dezx' in json.dumps(await heard(socket, "price_update_batch"))


async def test_rest_logs_in_refreshes_and_lists_nested_positions_with_the_servers_mistakes() -> None:
    async with NexgentSimulator() as sim, aiohttp.ClientSession(sim.rest_url) as http:
        await sim.buy(AGENT, "p1", purchaseAmount=1000, remainingAmount=400, currentStopLossPercentage=None)
        login = {"email": sim.tokens.email, "password": sim.tokens.password}
        pair = await (await http.post("/api/v1/auth/login", json=login)).json()
        fresh = await (await http.post("/api/v1/auth/refresh", json={"refreshToken": pair["refreshToken"]})).json()
        assert set(fresh) == {"accessToken"}
        headers = {"Authorization": f"Bearer {fresh['accessToken']}"}
        (row,) = await (await http.get(f"/api/v1/agent-positions/{AGENT}", headers=headers)).json()
        assert (row["stopLoss"], row["takeProfit"]["remainingAmount"]) == ({"percentage": 0, "peakPrice": 0}, 400)
        assert row["current"]["valueNative"] == row["purchase"]["priceNative"] * 1000  # as if nothing had been sold
        statuses = [
            (await http.get("/api/v1/agent-positions/nobody", headers=headers)).status,
            (await http.get(f"/api/v1/agent-positions/{AGENT}?walletAddress=x", headers=headers)).status,
            (await http.get(f"/api/v1/agent-positions/{AGENT}")).status,
            (await http.post("/api/v1/auth/login", json={**login, "password": "x"})).status,
            (await http.post("/api/v1/auth/refresh", data="oops")).status,
        ]
        assert statuses == [404, 400, 401, 401, 401]


async def test_the_sixth_login_within_a_minute_is_one_too_many() -> None:
    async with NexgentSimulator() as sim, aiohttp.ClientSession(sim.rest_url) as http:
        statuses = [(await http.post("/api/v1/auth/login", json={})).status for _ in range(6)]
        assert statuses == [401] * 5 + [429]


SCRIPT = """
steps:
  - {at: 0, note: begin, buy: {id: p1, purchaseAmount: 5}}
  - {at: 0, change: {id: p1, partial: true, dcaCount: 1}}
  - {at: 0, price: {sol: 2.0e-6, legacy: true}}
  - {at: 0, raw: hello}
  - {at: 0, fail_load: broken}
  - {at: 0, refuse: 503}
  - {at: 0, refuse: 0}
  - {at: 0, rest_refuse: 500}
  - {at: 0, sell: {id: p1, told: false}}
  - {at: 0, mute: true}
  - {at: 0, cut: {code: 1000, reason: Server shutdown}}
"""


async def test_the_next_socket_is_told_of_a_purchase_before_a_snapshot_that_lacks_it() -> None:
    async with NexgentSimulator() as sim:
        sim.buy_early(AGENT, "p1")
        async with client(sim) as socket:
            told = [json.loads(await socket.recv()) for _ in range(3)]
    assert [frame["type"] for frame in told] == ["connected", "position_update", "initial_data"]
    assert told[1]["data"]["position"]["id"] == "p1"
    assert told[2]["data"]["positions"] == []


async def test_a_revoked_token_leaves_its_socket_open_and_opens_no_other() -> None:
    async with NexgentSimulator() as sim:
        steps = parse_scenario("steps: [{at: 0, revoke: true}]", "test", nexgent_script.WORDS)
        token = sim.tokens.access()
        async with client(sim, token=token) as socket:
            await heard(socket, "initial_data")
            await play(steps, nexgent_script.Player(sim).vocabulary, SystemClock(), lambda text: None)
            assert (sim.tokens.good(token), socket.close_code) == (False, None)


async def test_a_script_is_played_step_by_step() -> None:
    said: list[str] = []
    async with NexgentSimulator() as sim, client(sim) as socket:
        await heard(socket, "initial_data")
        steps = parse_scenario(SCRIPT, "test", nexgent_script.WORDS)
        await play(steps, nexgent_script.Player(sim).vocabulary, SystemClock(), said.append)
        got = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                got.append(str(await socket.recv()))
        assert json.loads(got[1])["data"]["position"] == {"id": "p1", "dcaCount": 1}
        assert json.loads(got[2])["type"] == "price_update"
        assert (got[3], len(got), socket.close_reason) == ("hello", 4, "Server shutdown")
        assert (sim.habits.fail_load, sim.refuse_with, sim.rest_refuse_with) == ("broken", None, 500)
    assert said[0].endswith("begin (bought 5 BONK)")


@pytest.mark.parametrize(
    "text", ["steps: [{at: 0, buy: {}}]", "steps: [{at: 0, price: {sol: 0}}]", "steps: [{at: 0, x: 1}]"]
)
def test_a_script_that_cannot_be_played_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="script"):
        parse_scenario(text, "script", nexgent_script.WORDS)


async def test_served_alone_it_plays_the_bundled_script_to_each_first_client() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    steps = nexgent_script.load()
    assert steps[-1].at < 30
    task = asyncio.create_task(nexgent_script.serve("127.0.0.1", 0, steps[:1], told.put_nowait))
    try:
        lines = [await asyncio.wait_for(told.get(), LIMIT_S) for _ in range(3)]
        url, token = lines[0].rpartition(" ")[2].replace("http", "ws"), lines[2].rpartition(" ")[2]
        for _ in range(2):
            async with connect(f"{url}/ws?token={token}&agentId={AGENT}", proxy=None) as socket:
                assert (await heard(socket, "position_update"))["data"]["eventType"] == "position_created"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
