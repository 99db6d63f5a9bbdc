"""Paper exchange and simulator: for programs of this machine, for no page in its browser, and never open unseen."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import aiohttp
import pytest
from handshakes import GARBLED, GOOD, handshake

from executor.paper.feeds import ManualMarket
from executor.paper.server import PaperExchange
from executor.sim.fractrade import FractradeSimulator
from executor.sim.halyrd import HalyrdSimulator
from executor.sim.tradeready import API_KEY, TradeReadySimulator

FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]
WELCOME = [{}, {"Origin": "http://localhost:3000"}]


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as one:
        yield one


async def _post(session, url, headers):
    body = b'{"type":"meta"}'
    async with session.post(f"{url}/info", data=body, headers={"Content-Type": "text/plain", **headers}) as answer:
        return answer.status


async def _open(session, url, headers):
    try:
        async with session.ws_connect(url, headers=headers):
            return 101
    except aiohttp.WSServerHandshakeError as refusal:
        return refusal.status


async def test_no_page_of_another_site_can_use_the_paper_exchange(session):
    async with PaperExchange(ManualMarket()) as paper:
        assert [await _post(session, paper.url, headers) for headers in WELCOME] == [200, 200]
        assert [await _open(session, f"{paper.url}/ws", headers) for headers in WELCOME] == [101, 101]
        assert [await _post(session, paper.url, headers) for headers in FOREIGN] == [403] * 4
        assert [await _open(session, f"{paper.url}/ws", headers) for headers in FOREIGN] == [403] * 4


async def test_no_page_of_another_site_can_listen_to_the_simulator(session):
    async with FractradeSimulator() as sim:
        url = f"{sim.url}/ws/actions/a?api_key=sim-key&api_secret=sim-secret"
        assert [await _open(session, url, headers) for headers in WELCOME] == [101, 101]
        assert [await _open(session, url, headers) for headers in FOREIGN] == [403] * 4


@pytest.mark.parametrize(
    ("simulator", "paths"),
    [
        (HalyrdSimulator, ("/ws/agents/current", "/agents")),
        (TradeReadySimulator, (f"/ws/v1?api_key={API_KEY}", "/api/v1/account/portfolio")),
    ],
)
async def test_no_page_of_another_site_can_use_the_other_simulators(session, simulator, paths):
    async with simulator() as sim:
        stream, rest = paths
        assert [await _open(session, sim.url + stream, headers) for headers in WELCOME] == [101, 101]
        assert [await _open(session, sim.url + stream, headers) for headers in FOREIGN] == [403] * 4
        url = sim.url.replace("ws:", "http:") + rest
        for headers, status in [(WELCOME[0], 200), *((foreign, 403) for foreign in FOREIGN)]:
            async with session.get(url, headers={"X-API-Key": API_KEY, **headers}) as answer:
                assert answer.status == status


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '"\\ud800"', "1" * 10_000, "\x00", "null", ""])
async def test_odd_frames_end_no_connection_of_the_paper_exchange(session, text, caplog):
    async with PaperExchange(ManualMarket()) as paper, session.ws_connect(f"{paper.url}/ws") as socket:
        await socket.send_str(text)
        await socket.send_str('{"method":"ping"}')
        channels = [(await socket.receive_json(timeout=5))["channel"] for _ in range(2)]
        assert channels == ["error", "pong"]
        assert "Traceback" not in caplog.text


async def test_handshakes_that_are_no_ascii_are_refused_by_every_server_and_logged_as_nobodys_error(caplog):
    async with PaperExchange(ManualMarket()) as paper, TradeReadySimulator() as tradeready:
        for url in (f"{paper.url}/ws", f"{tradeready.url}/ws/v1?api_key={API_KEY}"):
            assert await handshake(url, GOOD) == 101
            assert {await handshake(url, headers) for headers in GARBLED} <= {0, 400}
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_the_paper_exchanges_file_is_its_owners_alone(tmp_path):
    before = os.umask(0)
    try:
        async with PaperExchange(ManualMarket(), state_path=tmp_path / "new" / "paper.db", fund={"0x" + "a1" * 20: 1}):
            found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
            folder = stat.S_IMODE((tmp_path / "new").stat().st_mode)
    finally:
        os.umask(before)
    assert set(found.values()) == {0o600}
    assert folder == 0o700


@pytest.mark.parametrize(
    ("words", "host", "warned"),
    [
        (["paper-exchange"], None, False),
        (["paper-exchange"], "0.0.0.0", True),
        (["sim", "fractrade"], None, False),
        (["sim", "fractrade"], "0.0.0.0", True),
        (["sim", "halyrd"], None, False),
        (["sim", "tradeready"], "0.0.0.0", True),
    ],
)
async def test_to_listen_beyond_this_machine_is_asked_for_and_told(words, host, warned):
    script = Path(sys.executable).with_name("executor")
    process = await asyncio.create_subprocess_exec(
        script,
        *words,
        *(["--host", host] if host else []),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    first = await asyncio.wait_for(process.stdout.readline(), 20)
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert (host or "127.0.0.1").encode() in first
    assert (b"other machines can reach" in errors) is warned
    assert process.returncode == 0
