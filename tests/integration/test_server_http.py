"""The worker's server over real sockets: routes, security, commands, metrics, limits."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import time

import aiohttp
import pytest
from pydantic import SecretStr

from executor.core.events import AlarmRaised
from executor.errors import ConfigError
from executor.ports import ChannelState
from executor.server.model import Readiness
from executor.server.rest import ROUTES
from executor.server.server import WorkerServer
from executor.server.settings import Limits, ServerSettings
from executor.testing import until

TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROBES = ("/healthz", "/readyz")


class Record:
    """A read model with a few rows of everything."""

    def __init__(self):
        self.asked = []

    def status(self):
        return {"ledger": {}, "accounts": [{"account": "main", "paused": False}]}

    def actions(self, limit=50, account=None):
        self.asked.append(("actions", limit, account))
        return {"actions": [{"action_id": "a/1", "account": "main", "outcome": "executed"}]}

    def orders(self, limit=50, account=None):
        self.asked.append(("orders", limit, account))
        return {"orders": [{"cloid": "0x1"}]}

    def positions(self, account=None):
        return {"positions": [{"account": "main", "symbol": "BTC", "size": "1", "unprotected_s": "1.5"}]}

    def agents(self, account=None):
        nobody = {"account": "main", "symbol": "ETH", "agent": None, "strategy": None, "size": "0", "net": "-1"}
        return {"agents": [{**nobody, "symbol": "BTC", "agent": "alice", "size": "-0.5", "net": "12.5"}, nobody]}

    def mirror(self, source=None):
        return {"positions": []} if source == "nex" else None

    def events(self, after=0, limit=1000):
        numbers = range(after + 1, min(after + limit, 2500) + 1)
        rows = [
            {"seq": n, "at": "2026-01-01T00:00:00.000Z", "kind": "K", "account": None, "key": None, "data": {}}
            for n in numbers
        ]
        return {"events": rows, "last_seq": 2500}

    def explain(self, action_id):
        return {"action_id": action_id} if action_id == "a/1" else None

    def close(self):
        pass


class Broken(Record):
    def status(self):
        raise RuntimeError(f"the secret is {TOKEN}")


class Gone(Record):
    """The client goes while its question is being answered."""

    def status(self):
        raise ConnectionResetError("Connection lost")


class Inbox:
    """Takes commands; knows one account."""

    def __init__(self):
        self.commands = []

    async def __call__(self, name, account, rule, by):
        if account not in (None, "main"):
            raise ConfigError(f"there is no account {account}", "the accounts are: main")
        self.commands.append((name, account, rule, by))
        return {"command": name, "done": True}


class Client:
    """Asks and reads the whole answer."""

    def __init__(self, session):
        self.port = session._base_url.port
        self.ws_connect = session.ws_connect
        self._session = session

    async def request(self, method, path, **more):
        async with self._session.request(method, path, **more) as answer:
            await answer.read()
            return answer

    async def get(self, path, **more):
        return await self.request("GET", path, **more)

    async def post(self, path, **more):
        return await self.request("POST", path, **more)


@contextlib.asynccontextmanager
async def serving(record=None, *, ready=True, command=None, limits=None, **settings):
    state = Readiness(ready, (ChannelState("agent:a", "open"),), {"main": ready})
    server = WorkerServer(
        ServerSettings(port=0, **settings),
        lambda: record or Record(),
        readiness=lambda: state,
        command=command or Inbox(),
        budgets=lambda: {"weight": (12.0, 1200.0)},
        limits=limits,
    )
    url = (await server.start()).replace("0.0.0.0", "127.0.0.1")
    try:
        async with aiohttp.ClientSession(url) as session:
            yield server, Client(session)
    finally:
        await server.close()


def protected(**more):
    return serving(host="0.0.0.0", token=SecretStr(TOKEN), **more)


# -- answers ----------------------------------------------------------------------------------------------------


async def test_probes_tell_liveness_and_readiness():
    async with serving() as (_, client):
        assert (await client.get("/healthz")).status == 200
        answer = await client.get("/readyz")
        assert answer.status == 200
        document = await answer.json()
        assert document["accounts"] == {"main": True}
        assert document["channels"][0]["name"] == "agent:a"
    async with serving(ready=False) as (_, client):
        answer = await client.get("/readyz")
        assert (answer.status, (await answer.json())["ready"]) == (503, False)
        assert (await client.get("/healthz")).status == 200


async def test_a_stranger_learns_of_readiness_the_word_only():
    async with protected() as (_, client):
        assert await (await client.get("/readyz")).json() == {"ready": True}
        assert "channels" in await (await client.get("/readyz", headers=BEARER)).json()


@pytest.mark.parametrize(
    ("path", "member"),
    [
        ("/api/actions", "actions"),
        ("/api/orders", "orders"),
        ("/api/positions", "positions"),
        ("/api/agents", "agents"),
        ("/api/accounts", "accounts"),
        ("/api/sources/nex/positions", "positions"),
    ],
)
async def test_the_record_is_answered_as_the_command_line_prints_it(path, member):
    async with serving() as (_, client):
        answer = await client.get(path)
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert list(await answer.json()) == [member]


async def test_lists_take_a_limit_and_an_account():
    record = Record()
    async with serving(record) as (_, client):
        await client.get("/api/actions")
        await client.get("/api/actions?limit=3&account=main")
        await client.get("/api/orders?limit=999999")
        for wrong in ("-1", "x", "", "1.5", "9" * 30):
            assert (await client.get(f"/api/actions?limit={wrong}")).status == 400
    assert record.asked == [("actions", 50, None), ("actions", 3, "main"), ("orders", 1000, None)]


async def test_an_action_is_explained_by_its_id_whatever_it_is():
    async with serving() as (_, client):
        assert await (await client.get("/api/actions/a%2F1")).json() == {"action_id": "a/1"}
        assert (await client.get("/api/actions/nobody")).status == 404


async def test_events_come_in_pages_without_a_gap():
    async with serving() as (_, client):
        seen, after = [], 0
        while page := (await (await client.get(f"/api/events?after={after}&limit=700")).json())["events"]:
            seen += [event["seq"] for event in page]
            after = seen[-1]
        assert seen == list(range(1, 2501))
        most = await (await client.get("/api/events?limit=100000")).json()
        assert (len(most["events"]), most["last_seq"]) == (1000, 2500)
        assert most["events"][0]["at_ms"] == 1767225600000


async def test_metrics_are_prometheus_text():
    async with serving() as (server, client):
        server.observe(AlarmRaised(at_ms=1, account="main", code="NAKED", text=""))
        answer = await client.get("/metrics")
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await answer.text()
    lines = text.splitlines()
    assert 'executor_alarms_total{account="main",reason="NAKED"} 1' in lines
    assert 'executor_unprotected_seconds{account="main",symbol="BTC"} 1.5' in lines
    assert 'executor_budget_limit{budget="weight"} 1200.0' in lines
    assert 'executor_agent_position{account="main",agent="alice",symbol="BTC"} -0.5' in lines
    assert 'executor_agent_net_usd{account="main",agent="alice",symbol="BTC"} 12.5' in lines
    assert 'executor_agent_net_usd{account="main",symbol="ETH"} -1' in lines
    assert "executor_last_seq 2500" in lines
    assert text.endswith("\n")
    sample = re.compile(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.]+')
    assert not [line for line in lines if not line.startswith("# ") and not sample.fullmatch(line)]


# -- commands ---------------------------------------------------------------------------------------------------


async def test_a_command_reaches_the_inbox_with_who_sent_it():
    inbox = Inbox()
    async with serving(command=inbox, token=SecretStr(TOKEN)) as (_, client):
        answer = await client.post("/api/commands", json={"command": "pause", "account": None}, headers=BEARER)
        assert (answer.status, await answer.json()) == (200, {"command": "pause", "done": True})
    assert inbox.commands == [("pause", None, None, "http 127.0.0.1")]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"pause", 400),
        ("application/x-www-form-urlencoded", b"command=pause", 400),
        ("application/x-www-form-urlencoded", b'{"command": "pause"}=', 400),
        ("multipart/form-data; boundary=x", b'--x\r\n\r\n{"command": "pause"}\r\n--x--', 400),
        ("application/json", b"{", 400),
        ("application/json", b'{"command": "buy"}', 400),
        ("application/json", b'{"command": "pause", "account": "nobody"}', 400),
        ("application/json", b" " * 5000, 413),
    ],
)
async def test_what_is_no_command_is_refused_and_nothing_happens(kind, body, status):
    inbox = Inbox()
    async with serving(command=inbox, token=SecretStr(TOKEN)) as (_, client):
        answer = await client.post("/api/commands", data=body, headers={**BEARER, "Content-Type": kind})
        assert (answer.status, "error" in await answer.json()) == (status, True)
    assert inbox.commands == []


KINDS = ["application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""]
"""What curl, a form and a script of a foreign page may call a body."""


@pytest.mark.parametrize("kind", KINDS)
async def test_whoever_brings_the_token_may_call_the_body_what_he_likes(kind):
    """``curl -d`` says application/x-www-form-urlencoded of everything."""
    inbox = Inbox()
    async with serving(command=inbox, token=SecretStr(TOKEN)) as (_, client):
        answer = await client.post(
            "/api/commands", data=b'{"command": "pause"}', headers=BEARER | {"Content-Type": kind}
        )
        assert (answer.status, await answer.json()) == (200, {"command": "pause", "done": True})
    assert [name for name, *_ in inbox.commands] == ["pause"]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_foreign_page_could_send_commands_nothing_whatever_it_calls_the_body(kind):
    """A page cannot set the Authorization header without a preflight, which is never granted; nor hide its origin."""
    inbox, form = Inbox(), {"Content-Type": kind}
    strange = [
        ({}, 401),
        ({"Cookie": f"token={TOKEN}; Authorization=Bearer {TOKEN}"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        (BEARER | {"Origin": "http://evil.example"}, 403),
        (BEARER | {"Origin": "null"}, 403),
        (BEARER | {"Host": "evil.example"}, 403),
    ]
    async with serving(command=inbox, token=SecretStr(TOKEN)) as (_, client):
        for headers, status in strange:
            answer = await client.post("/api/commands", data=b'{"command": "pause"}', headers=headers | form)
            assert answer.status == status, headers
        answer = await client.post(f"/api/commands?token={TOKEN}", data=b'{"command": "pause"}', headers=form)
        assert answer.status == 401
        host = {"Host": f"localhost:{client.port}"}
        preflight = {"Origin": "http://evil.example", "Access-Control-Request-Headers": "authorization"}
        assert await status_of(client.port, "OPTIONS", "/api/commands", host | preflight) == 403
    assert inbox.commands == []


async def test_without_a_configured_token_commands_are_closed_and_the_remedy_told():
    async with serving() as (_, client):
        answer = await client.post("/api/commands", json={"command": "pause"}, headers=BEARER)
        assert answer.status == 403
        assert "EXECUTOR_TOKEN" in (await answer.json())["remedy"]


# -- security ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_from_outside_every_route_but_the_probes_needs_the_token(route):
    async with protected() as (_, client):
        path = route.path.replace("{id}", "x")
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            answer = await client.request(route.method, path, headers=headers)
            assert (answer.status != 401) is (route.path in PROBES)
            assert TOKEN not in await answer.text()
        answer = await client.request(route.method, path, headers=BEARER)
        assert answer.status not in (401, 403)


@pytest.mark.parametrize("path", ["/nowhere", "/", "/api", "/api/../metrics", "//metrics", "/metrics/", "/%6detrics"])
async def test_from_outside_no_path_shows_anything_without_the_token(path):
    async with protected() as (_, client):
        port = client.port
        assert await status_of(port, "GET", path, {"Host": f"localhost:{port}"}) == 401


async def test_from_outside_the_stream_needs_the_token():
    async with protected() as (_, client):
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await client.ws_connect("/api/events")
        assert raised.value.status == 401
        async with client.ws_connect("/api/events", headers=BEARER) as socket:
            assert (await socket.receive_json())["seq"] == 1


def hosts(port):
    return {
        f"127.0.0.1:{port}": True, f"localhost:{port}": True, f"[::1]:{port}": True,
        "evil.example": False, f"evil.example:{port}": False, "localhost:1": False, f"0.0.0.0:{port}": False,
    }  # fmt: skip


def origins(port):
    return {
        None: True, f"http://127.0.0.1:{port}": True, f"http://localhost:{port}": True,
        "http://evil.example": False, "null": False, "http://localhost:1": False, f"file://localhost:{port}": False,
    }  # fmt: skip


UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


async def status_of(port, method, path, headers):
    """Raw bytes: no client's own ideas about headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.transport.abort()
    return int(line.split()[1]) if line else 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "WS"])
async def test_no_mix_with_a_foreign_host_or_origin_gets_in(method):
    async with serving(token=SecretStr(TOKEN)) as (_, client):
        port = client.port
        for (host, good_host), (origin, good_origin) in itertools.product(hosts(port).items(), origins(port).items()):
            headers = {"Host": host, **BEARER, **({"Origin": origin} if origin else {}), "Content-Length": "0"}
            if method == "WS":
                status = await status_of(port, "GET", "/api/events", headers | UPGRADE)
            else:
                status = await status_of(port, method, "/api/events", headers)
            assert (status == 403) is not (good_host and good_origin), (host, origin, status)


async def test_two_hosts_or_none_are_refused():
    async with serving() as (_, client):
        port = client.port
        assert await status_of(port, "GET", "/healthz", {}) in (400, 403)
        two = {"Host": f"localhost:{port}", "host": "evil.example"}
        assert await status_of(port, "GET", "/healthz", two) in (400, 403)
        foreign = {"Host": f"localhost:{port}", "X-Forwarded-Host": "evil.example"}
        assert await status_of(port, "GET", "/healthz", foreign) == 200


async def test_a_browser_is_given_no_leave_and_no_hint():
    async with serving() as (_, client):
        for path in ("/healthz", "/nowhere", "/metrics"):
            headers = (await client.get(path)).headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Server"] == "executor"
            assert not [name for name in headers if name.startswith("Access-Control")]


async def test_a_source_that_mirrors_nothing_is_not_found():
    async with serving() as (_, client):
        assert (await client.get("/api/sources/fractrade/positions")).status == 404


async def test_what_goes_wrong_inside_is_not_told_outside():
    async with serving(Broken(), token=SecretStr(TOKEN)) as (_, client):
        answer = await client.get("/api/accounts")
        assert answer.status == 500
        assert TOKEN not in await answer.text()
        assert (await client.get("/api/orders")).status == 200


async def test_a_client_that_goes_meanwhile_is_nobodys_mistake(caplog):
    async with serving(Gone()) as (_, client):
        assert (await client.get("/api/accounts")).status == 400
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_a_port_that_is_taken_is_a_configuration_error_with_a_remedy():
    async with serving() as (_, client):
        other = WorkerServer(
            ServerSettings(port=client.port),
            Record,
            readiness=lambda: Readiness(True, (), {}),
            command=Inbox(),
            budgets=dict,
        )
        with pytest.raises(ConfigError) as raised:
            await other.start()
        assert "server.port" in raised.value.remedy


# -- limits -----------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def crawlers(port, count, first=b"GET /healthz HTTP/1.1\r\nX-Slow: "):
    """So many sockets, each sending one byte a second of a request that never ends; yields how many still stand."""
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]

    async def crawl():
        for _, writer in connections:
            writer.write(first)
        while True:
            for _, writer in connections:
                writer.write(b"a")
            await asyncio.sleep(1)

    task = asyncio.create_task(crawl())
    try:
        yield lambda: sum(not ended(reader, writer) for reader, writer in connections)
    finally:
        task.cancel()
        for _, writer in connections:
            writer.transport.abort()


def ended(reader, writer):
    return reader.at_eof() or reader.exception() is not None or writer.transport.is_closing()


async def longest_answer_s(client, seconds):
    longest, end = 0.0, time.monotonic() + seconds  # noqa: TID251 - a test measures
    while time.monotonic() < end:  # noqa: TID251 - a test measures
        start = time.perf_counter()
        assert (await client.get("/healthz", headers={"Connection": "close"})).status == 200
        longest = max(longest, time.perf_counter() - start)
        await asyncio.sleep(0.01)
    return longest


async def test_a_hundred_slow_connections_keep_nobody_waiting_and_are_ended():
    limits = Limits(connections=40, head_s=3)
    async with serving(limits=limits) as (_, client), crawlers(client.port, 100) as standing:
        assert await longest_answer_s(client, 1.0) < limits.head_s  # nobody waited for a slow one's end
        assert standing() <= 40
        await until(lambda: not standing())


async def test_a_body_that_never_ends_is_given_up():
    async with serving(token=SecretStr(TOKEN), limits=Limits(body_s=0.2)) as (_, client):
        port = client.port
        head = {"Host": f"localhost:{port}", **BEARER, "Content-Type": "application/json", "Content-Length": "100"}
        assert await status_of(port, "POST", "/api/commands", head) == 408


async def test_a_head_without_an_end_is_refused():
    async with serving() as (_, client):
        port = client.port
        assert await status_of(port, "GET", "/healthz", {"Host": f"localhost:{port}", "X": "a" * 100_000}) == 400
        many = {"Host": f"localhost:{port}"} | {f"X-{number}": "a" for number in range(1000)}
        assert await status_of(port, "GET", "/healthz", many) == 400


async def test_what_is_not_http_is_answered_briefly_and_not_logged(caplog):
    async with serving() as (_, client):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"\x16\x03\x01\x02\x00<script>\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b"script" not in answer
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]


@pytest.mark.parametrize(("request_line", "status"), [("GET /healthz", b"200"), ("POST /api/commands", b"400")])
async def test_a_body_that_is_not_encoded_as_it_says_is_nobodys_error(caplog, request_line, status):
    async with serving(token=SecretStr(TOKEN)) as (_, client):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        head = f"Host: localhost:{client.port}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Encoding: gzip"
        writer.write(f"{request_line} HTTP/1.1\r\n{head}\r\nContent-Length: 7\r\n\r\nno gzip".encode())
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert answer.split(b" ")[1] == status
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_an_answer_that_is_not_taken_is_given_up():
    class Big(Record):
        def orders(self, limit=50, account=None):
            return {"orders": ["x" * 1000] * 30_000}

    async with serving(Big(), limits=Limits(answer_s=0.5)) as (server, client):
        port = client.port
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(f"GET /api/orders HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
        await asyncio.sleep(1.5)
        assert len(server._crowd) == 0
        writer.transport.abort()


async def test_the_answer_to_json_is_json():
    async with serving() as (_, client):
        answer = await client.get("/nowhere")
        assert (answer.status, json.loads(await answer.text())) == (404, {"error": "404: Not Found"})
        assert (await client.get("/api/commands")).status == 405
