"""The whole route table against foreign names, pages and strangers; clients that are slow, deaf or talk nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from handshakes import GARBLED, GOOD, handshake
from mangle import Mangler
from pydantic import SecretStr

from executor.core.events import AlarmRaised
from executor.ledger.reader import LedgerReader
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp
from executor.server.model import Readiness
from executor.server.rest import ROUTES
from executor.server.server import WorkerServer
from executor.server.settings import Limits, ServerSettings

TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROBES = ("/healthz", "/readyz")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "WS")
PATHS = sorted({route.path.replace("{id}", "x").replace("{name}", "x") for route in ROUTES} | {"/", "/nowhere"})
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip
SEED = int(os.environ.get("FUZZ_SEED", "20261122"))


class Served:
    """A server on a real record, and what was commanded."""

    def __init__(self, folder: Path, limits: Limits | None = None, **settings: object) -> None:
        self.commands: list[object] = []
        stamp = Stamp("dry_run", "mainnet", {"main": "0x" + "1" * 40})
        self.ledger = SqliteLedger(folder / "ledger.db", stamp=stamp, durability="normal")
        self.server = WorkerServer(
            ServerSettings(port=0, **settings),
            lambda: LedgerReader(folder / "ledger.db"),
            readiness=lambda: Readiness(True, (), {}),
            command=lambda *words: self.commands.append(words) or {"done": True},
            budgets=dict,
            limits=limits,
        )
        self.port = 0

    def host(self) -> str:
        return f"localhost:{self.port}"

    async def ask(self, method: str, path: str, headers: dict[str, str]) -> int:
        """The status, of raw bytes: no client's own ideas about headers."""
        if method == "WS":
            method, headers = "GET", headers | UPGRADE
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        answer = await self.say(f"{method} {path} HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n".encode(), line=True)
        return int(answer.split()[1]) if answer else 0

    async def say(self, data: bytes, *, line: bool = False) -> bytes:
        """What is answered: the first line, or all until the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            if not line:
                writer.write_eof()
            return await asyncio.wait_for(reader.readline() if line else reader.read(), 20)
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(folder: Path, **settings: object) -> AsyncIterator[Served]:
    it = Served(folder, **settings)
    it.port = int((await it.server.start()).rpartition(":")[2])
    try:
        yield it
    finally:
        await it.server.close()
        it.ledger.close()


@contextlib.asynccontextmanager
async def connections(port: int, count: int, **options: int):
    """So many, cut at the end."""
    made = [await asyncio.open_connection("127.0.0.1", port, **options) for _ in range(count)]
    try:
        yield made
    finally:
        for _, writer in made:
            writer.transport.abort()
        await asyncio.sleep(0)


def foreign_hosts(port: int) -> list[str]:
    return [
        "evil.example",
        f"evil.example:{port}",
        "localhost:1",
        f"0.0.0.0:{port}",
        f"localhost.evil.example:{port}",
        "",
    ]


def foreign_origins(port: int) -> list[str]:
    return ["http://evil.example", "null", "http://localhost:1", f"https://localhost:{port}.evil", "file://", "x"]


def spread(every: bool, *axes: object) -> Iterator[tuple]:
    """Every mix of the axes with every method; or each mix with one method, all of them in turn."""
    if every:
        return itertools.product(*axes, METHODS)
    return ((*mix, method) for mix, method in zip(itertools.product(*axes), itertools.cycle(METHODS), strict=False))


EVERY = pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.full)])


@EVERY
async def test_no_route_answers_a_foreign_name_or_page_by_any_method(tmp_path, every):
    """Each beside a good other, at every route, by every method and as an upgrade; with the token."""
    async with serving(tmp_path, token=SecretStr(TOKEN)) as served:
        port, wrong = served.port, []
        mixes = [(host, None) for host in foreign_hosts(port)]
        mixes += [(served.host(), origin) for origin in foreign_origins(port)]
        for (host, origin), path, method in spread(every, mixes, PATHS):
            headers = {"Host": host, **BEARER, **({"Origin": origin} if origin else {})}
            status = await served.ask(method, path, headers)
            if status not in (400, 403):
                wrong.append((method, path, host, origin, status))
        assert wrong == []
        assert served.commands == []


@EVERY
async def test_from_outside_every_route_wants_the_token_by_every_method(tmp_path, every):
    async with serving(tmp_path, host="0.0.0.0", token=SecretStr(TOKEN)) as served:
        near = {"Host": served.host()}
        strangers = [near, near | {"Authorization": "Bearer wrong"}, near | {"Authorization": f"Basic {TOKEN}"}]
        strangers += [near | {"Authorization": TOKEN}, near | {"Cookie": f"token={TOKEN}"}]
        for headers, path, method in spread(every, strangers, PATHS):
            status = await served.ask(method, path, headers)
            is_probe = path in PROBES and method in ("GET", "HEAD", "WS")
            assert (status == 401) is not is_probe, (method, path, headers, status)
            assert (await served.ask(method, f"{path}?token={TOKEN}", near) == 401) is not is_probe


async def test_what_could_change_something_wants_the_token_also_from_this_machine(tmp_path):
    async with serving(tmp_path, token=SecretStr(TOKEN)) as served:
        for path, method in itertools.product(PATHS, ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X")):
            assert await served.ask(method, path, {"Host": served.host()}) in (400, 401), (method, path)
        assert served.commands == []


async def test_fifty_slow_connections_stop_nothing_and_are_ended(tmp_path):
    """Slowloris: one byte now and then of a request that never ends."""
    limits, turns = Limits(connections=100, head_s=1.0), 0
    async with serving(tmp_path, limits=limits) as served, connections(served.port, 50) as slow:
        for _, writer in slow:
            writer.write(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        async with asyncio.timeout(30):
            while not all(reader.at_eof() or reader.exception() for reader, _ in slow):
                for _, writer in slow:
                    if not writer.transport.is_closing():
                        writer.write(b"a")
                assert await served.ask("GET", "/healthz", {"Host": served.host()}) == 200
                turns += 1
                await asyncio.sleep(0.02)
    assert turns >= 3, "others were answered all the while"


def resident() -> int:
    gc.collect()
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


async def test_subscribers_that_never_read_are_dropped_and_hold_no_memory(tmp_path):
    limits, text = Limits(send_s=0.5, streams=32), "x" * 20_000
    async with serving(tmp_path, limits=limits) as served, connections(served.port, 30, limit=1024) as deaf:
        head = "".join(f"{name}: {value}\r\n" for name, value in (UPGRADE | {"Host": served.host()}).items())
        for _, writer in deaf:
            writer.write(f"GET /api/events?after=0 HTTP/1.1\r\n{head}\r\n".encode())
        before = resident()
        for batch in range(20):
            alarms = [AlarmRaised(at_ms=n, account="main", code="TEST", text=text) for n in range(50)]
            served.server.notify(served.ledger.commit([], alarms))
            assert await served.ask("GET", "/healthz", {"Host": served.host()}) == 200, batch
        async with asyncio.timeout(30):
            while served.server._streams.dropped < 30 or len(served.server._streams):
                await asyncio.sleep(0.05)
        assert resident() - before < 100 << 20, "30 readers x 20 MB were owed"


# -- nonsense -------------------------------------------------------------------------------------------------------

_HEADERS = "\r\n".join(f"{name}: {value}" for name, value in UPGRADE.items())
REQUESTS = tuple(
    (head + "\r\n\r\n" + body)
    for head, body in (
        ("GET /api/events?after=0&limit=5 HTTP/1.1\r\nHost: localhost:PORT", ""),
        ("POST /api/commands HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Type: application/json\r\nContent-Length: 19",
         '{"command":"pause"}'),
        ("GET /api/events HTTP/1.1\r\nHost: localhost:PORT\r\n" + _HEADERS, "\x81\x85abcdefghi"),
        ("GET /api/actions/%2e%2e%2fetc%2fpasswd HTTP/1.1\r\nHost: localhost:PORT\r\nTransfer-Encoding: chunked",
         "5\r\nhello\r\n0\r\n\r\n"),
    )
)  # fmt: skip


class Bytes(Mangler):
    """The byte-level half of the mangler: requests are no JSON."""

    def __init__(self, seed: int, requests: tuple[str, ...]) -> None:
        super().__init__(seed, ("{}",), heavy=0.0)
        self._frames = requests
        self._kinds = (self._bytes, self._bytes, self._bytes, self._splice)


async def test_handshakes_that_are_no_ascii_open_no_stream_and_are_nobodys_error(tmp_path, caplog):
    async with serving(tmp_path) as served:
        for path, refused in (("/api/events", 200), ("/ws/agents/main", 426)):
            url = f"http://{served.host()}{path}"
            assert await handshake(url, GOOD) == 101
            assert {await handshake(url, headers) for headers in GARBLED} <= {0, 400, refused}
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("count", [200, pytest.param(1_200, marks=pytest.mark.full)])
async def test_mangled_requests_are_answered_or_cut_and_command_nothing(tmp_path, count, caplog):
    async with serving(tmp_path, token=SecretStr(TOKEN), limits=Limits(head_s=2, body_s=1)) as served:
        requests = tuple(request.replace("PORT", str(served.port)) for request in REQUESTS)
        for number, raw in enumerate(Bytes(SEED, requests).many(count)):
            answer = await served.say(raw)
            if answer:
                assert answer.startswith(b"HTTP/1."), (SEED, number, raw, answer[:100])
                assert b" 500 " not in answer.partition(b"\r\n")[0], (SEED, number, raw, answer[:100])
        assert await served.ask("GET", "/healthz", {"Host": served.host()}) == 200
        assert served.commands == []
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
