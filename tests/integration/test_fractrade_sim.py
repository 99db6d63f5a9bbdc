"""The simulator keeps Fractrade's rules, and plays its scripts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from executor.clock import SystemClock
from executor.errors import ConfigError
from executor.sim.fractrade import FractradeSimulator
from executor.sim.play import Player, serve
from executor.sim.script import Script, load_script, parse_script

KEYS = "?api_key=sim-key&api_secret=sim-secret"
TOKEN = {"Authorization": "Token sim-token"}


@contextlib.asynccontextmanager
async def client(
    simulator: FractradeSimulator, path: str = f"/ws/actions/a1{KEYS}", headers: dict[str, str] | None = None
) -> AsyncIterator[ClientConnection]:
    async with connect(simulator.url + path, additional_headers=headers, proxy=None, close_timeout=0.5) as socket:
        yield socket


async def code_of(socket: ClientConnection) -> int | None:
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(3):
            while True:
                await socket.recv()
    return socket.close_code


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/ws/actions/any{KEYS}", {}),
        (f"/ws/user/any{KEYS}", {}),
        ("/ws/user/any", TOKEN),
        ("/ws/executor/", TOKEN),
    ],
)
async def test_the_right_credentials_open_each_channel(path: str, headers: dict[str, str]) -> None:
    async with FractradeSimulator() as simulator, client(simulator, path, headers) as socket:
        await simulator.wait_connected(1)
        await simulator.publish("hello")
        assert await asyncio.wait_for(socket.recv(), 3) == "hello"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ws/actions/a1", {}, 403),
        ("/ws/actions/a1?api_key=sim-key&api_secret=wrong", {}, 403),
        ("/ws/actions/a1", TOKEN, 403),
        ("/ws/user/u1", {"Authorization": "Bearer sim-token"}, 403),
        (f"/ws/executor/{KEYS}", {}, 403),
        ("/ws/executor/", {"Authorization": "Token wrong"}, 403),
        ("/ws/executor", TOKEN, 404),
        ("/", {}, 404),
    ],
)
async def test_wrong_credentials_and_paths_are_refused_at_the_handshake(
    path: str, headers: dict[str, str], status: int
) -> None:
    async with FractradeSimulator() as simulator:
        with pytest.raises(InvalidStatus) as refusal:
            async with client(simulator, path, headers):
                pass
        assert refusal.value.response.status_code == status


async def test_the_eleventh_connection_of_a_user_is_closed_with_1008() -> None:
    async with FractradeSimulator() as simulator, contextlib.AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(client(simulator))
        await simulator.wait_connected(10)
        async with client(simulator) as eleventh:
            assert await code_of(eleventh) == 1008
        assert len(simulator.clients) == 10


async def test_the_hundred_and_first_message_within_a_minute_closes_with_1008() -> None:
    async with FractradeSimulator() as simulator, client(simulator) as socket:
        for _ in range(100):
            await socket.send("x")
        await asyncio.sleep(0.1)
        assert len(simulator.clients) == 1
        await socket.send("x")
        assert await code_of(socket) == 1008


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1006, 1008, 1011])
async def test_every_close_code_can_be_had(code: int) -> None:
    async with FractradeSimulator() as simulator, client(simulator) as socket:
        await simulator.wait_connected(1)
        assert await simulator.cut(code) == 1
        assert await code_of(socket) == code
        await simulator.wait_disconnected()


async def test_a_silent_simulator_answers_no_ping_and_sends_nothing() -> None:
    async with FractradeSimulator() as simulator, client(simulator) as socket:
        await asyncio.wait_for(await socket.ping(), 2)
        simulator.silent = True
        assert await simulator.publish("x") == 0
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(await socket.ping(), 0.2)


SCRIPT = """
agent: a1
steps:
  - {at: 0s, send: {id: one, symbol: BTC, side: LONG, size: "0.1"}}
  - {at: 0.01s, repeat: one, shape: envelope, times: 2}
  - at: 0.02
    shape: envelope
    send: {event_id: two, action: stop, symbol: BTC, side: SELL, size: 0.1, trigger_price: 9, stamp: now-60s}
  - {at: 0.03, raw: "not json"}
  - {at: 0.04, frame: {type: PING}}
  - {at: 0.05, refuse: 503}
  - {at: 0.06, silence: 0.01s}
  - {at: 0.07, note: the end, cut: 1012}
"""


async def collect(script: Script, run_id: str = "") -> tuple[list[str], int | None, list[str]]:
    said: list[str] = []
    got: list[str] = []
    async with FractradeSimulator() as simulator, client(simulator) as socket:
        await simulator.wait_connected(1)
        playing = asyncio.create_task(Player(simulator, script, SystemClock(), said.append, run_id).play())
        with contextlib.suppress(ConnectionClosed):
            while True:
                got.append(str(await asyncio.wait_for(socket.recv(), 3)))
        await playing
        return got, socket.close_code, said


async def test_a_script_is_played_step_by_step() -> None:
    got, code, said = await collect(parse_script(SCRIPT, "test"))
    one, wrapped, again, two = (json.loads(raw) for raw in got[:4])
    assert wrapped == again == {"type": "ACTION", "data": one}
    assert one["config"]["position"] == {"asset": "BTC", "side": "LONG", "size": "0.1", "exchange": "hyperliquid"}
    assert one["created_at"].endswith("Z")
    assert two["data"]["action_id"] == "set_hyperliquid_perp_stop_loss"
    assert two["data"]["config"]["metadata"]["timestamp"] < SystemClock().now_ms() / 1000 - 59
    assert got[4:] == ["not json", '{"type": "PING"}']
    assert code == 1012
    assert "the end" in said[-1]


async def test_a_script_played_again_has_other_ids() -> None:
    got, _, _ = await collect(parse_script(SCRIPT, "test"), run_id="r2")
    assert json.loads(got[0])["action_id"] == "one-r2"
    assert json.loads(got[3])["data"]["config"]["metadata"]["event_id"] == "two-r2"


@pytest.mark.parametrize(
    "text",
    [
        "steps: [{at: 1}]",
        "steps: [{at: 1, raw: x, cut: 1000}]",
        "steps: [{at: 2, raw: x}, {at: 1, raw: x}]",
        "steps: [{at: soon, raw: x}]",
        "steps: [{at: 1, rew: x}]",
        "steps: [{at: 1, raw: x, to: [everyone]}]",
        "steps: {",
        "[]",
    ],
)
def test_a_script_that_cannot_be_played_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="script"):
        parse_script(text, "script")


async def test_repeating_what_was_never_sent_is_refused() -> None:
    script: Any = parse_script("steps: [{at: 0, repeat: nothing}]", "script")
    async with FractradeSimulator() as simulator:
        with pytest.raises(ConfigError, match="nothing"):
            await Player(simulator, script, SystemClock(), print).play()


def test_the_bundled_demo_lasts_less_than_half_a_minute() -> None:
    assert load_script().steps[-1].at < 30


async def test_served_alone_it_plays_its_script_to_each_first_client() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    script = parse_script("steps: [{at: 0, send: {id: one, symbol: BTC, side: LONG, size: 1}}]", "script")
    task = asyncio.create_task(serve("127.0.0.1", 0, script, told.put_nowait))
    try:
        url = (await asyncio.wait_for(told.get(), 5)).rpartition(" ")[2]
        ids = [await first_id(url) for _ in range(2)]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert ids[0] != ids[1]
    assert all(action_id.startswith("one-") for action_id in ids)


async def first_id(url: str) -> str:
    async with asyncio.timeout(5), connect(f"{url}/ws/executor/", additional_headers=TOKEN, proxy=None) as socket:
        return str(json.loads(await socket.recv())["action_id"])
