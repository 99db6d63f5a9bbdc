"""Canaries: every secret has a value that occurs nowhere else, and no form of it is found in anything that leaves."""

from __future__ import annotations

import asyncio
import base64
import json
import stat
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import forked
import orjson
import pytest
from aiohttp import ClientSession, web

from executor import config, plugins
from executor.errors import ConfigError
from executor.paper.faults import Fault

SERVER_TOKEN = "canary-server~token/9f3e+21"
CANARIES = {
    "api key": "canary-key-7f3a91",
    "api secret": "canary-secret-b2 8&d0",
    "user token": "canary-token-44e1c6",
    "account key": "0x" + "5ec2e7" * 10 + "c0de",
    "server token": SERVER_TOKEN,
}
SOURCE = {"user_id": "user-1", "executor_channel": True}

STRATEGY = """
import os, threading
class Raises:
    inline = True
    def on_action(self, action, view):
        held = {name: os.environ[name] for name in os.environ if name.startswith(("FRACTRADE", "HYPER", "EXECUTOR_T"))}
        def beside():
            raise RuntimeError(f"thread {held}")
        thread = threading.Thread(target=beside)
        thread.start()
        thread.join()
        raise ValueError(f"options and surroundings: {held} " + os.environ["FRACTRADE_API_SECRET"])
"""


def forms(secret: str) -> Iterator[str]:
    """What URLs, JSON, headers and Python make of it, lower case; the caller's text is lower case too."""
    plain = secret.removeprefix("0x")
    for text in {secret, plain}:
        yield from (text, quote(text, safe=""), quote(text), quote_plus(text), repr(text)[1:-1], json.dumps(text)[1:-1])
        raw = text.encode()
        yield raw.hex()
        # the three ways base64 cuts it, less what depends on the neighbours
        yield from (base64.b64encode(b"x" * lead + raw)[4:-4].decode() for lead in range(3))
    if len(plain) == 64:
        key = bytes.fromhex(plain)
        yield base64.b64encode(key).decode().rstrip("=")
        yield str(int(plain, 16))


def found(data: bytes, secrets: dict[str, str]) -> list[str]:
    """Which secrets can be read in it, in whatever form."""
    low = data.lower()
    return [name for name, secret in secrets.items() if any(form.lower().encode() in low for form in forms(secret))]


class Watch:
    """Collects everything that leaves, and looks into it at the end."""

    def __init__(self, rig: Any) -> None:
        self.rig, self.said = rig, {}
        self.secrets = dict(CANARIES)

    def hear(self, where: str, data: bytes | str) -> None:
        self.said[where] = self.said.get(where, b"") + (data if isinstance(data, bytes) else data.encode())

    def signatures(self) -> dict[str, str]:
        """The halves of every signature that reached the exchange."""
        sent = [body["signature"] for body in self.rig.exchange.reached]
        return {f"signature {n} {half}": one[half] for n, one in enumerate(sent) for half in ("r", "s")}

    def files(self) -> Iterator[Path]:
        return (path for path in self.rig.folder.rglob("*") if path.is_file() and path.suffix != ".key")

    def leaks(self) -> list[str]:
        for path in self.files():
            self.hear(f"file {path.relative_to(self.rig.folder)}", path.read_bytes())
        secrets = self.secrets | self.signatures()
        return [f"{name} in {where}" for where, data in self.said.items() for name in found(data, secrets)]

    async def run(self, *words: str, config: str = "config.yaml") -> None:
        """A command, to its end or for five seconds; both streams are heard."""
        told = (*words, "-c", str(self.rig.folder / config))
        done = await asyncio.to_thread(forked.run, told, env=self.rig.environ, cwd=self.rig.folder, merged=True)
        assert "Traceback" not in done.stdout, done.stdout
        self.hear(f"executor {' '.join(words)} ({config})", done.stdout.encode())

    async def ask(self, method: str, path: str, **more: Any) -> int:
        async with ClientSession() as session, session.request(method, self.rig.server + path, **more) as answer:
            self.hear(f"{method} {path}", await answer.read() + repr(answer.headers).encode())
            return answer.status


@pytest.fixture
def watch(rig):
    rig.environ |= {"EXECUTOR_TOKEN": SERVER_TOKEN, "PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1"}
    return Watch(rig)


def _argv(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc").is_dir() else b""


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _serving(rig, **blocks):
    port = _free_port()
    rig.server = f"http://127.0.0.1:{port}"
    return {"server": {"enabled": True, "port": port}, **blocks}


def test_the_search_finds_every_form():
    """The test of the test: each form, hidden in other bytes, is found."""
    for name, secret in CANARIES.items():
        for form in forms(secret):
            assert name in found(f"a{form.upper()}z".encode(), CANARIES), (name, form)
        assert name in found(base64.b64encode(b"user:" + secret.encode() + b"::"), CANARIES)
    assert found(b"nothing here", CANARIES) == []


@pytest.mark.parametrize("form", ["console", pytest.param("json", marks=pytest.mark.full)])
async def test_no_secret_leaves_a_worker_by_any_way_through_success_and_failure(rig, watch, form):
    rig.configure(
        **_serving(rig, sources=[rig.source(**SOURCE)], logging={"level": "DEBUG", "format": form}),
        execution={"reply_timeout_s": 1, "shutdown_s": 2},
    )
    worker = await rig.spawn(channels=3, by_exec=True)
    watch.hear("argv", _argv(worker.pid))
    await rig.send(rig.trade("good", "LONG", 0.1), channels=("agent", "user", "executor"))
    await rig.settled("good")
    await _odd_frames(rig)
    await _odd_answers(rig)
    await _answers(watch)
    await _control(watch)
    for words in (
        ("doctor",), ("config", "show"), ("config", "validate"), ("status",), ("actions",), ("orders",),
        ("positions",), ("journal", "--limit", "500"), ("explain", "good"), ("explain", "bad-0"), ("pause",),
    ):  # fmt: skip
        await watch.run(*words, *(["--json"] if form == "json" else []))
    await watch.run("export-frames")
    rig.exchange.cut_sockets()
    await rig.sim.cut(1006)
    rig.sim.refuse_with = 403
    await rig.until(lambda: rig.log().count("403") >= 1, 15)
    await rig.stop(within_s=20)
    assert watch.signatures()
    assert "Traceback" not in rig.log()
    assert watch.leaks() == []


async def _odd_frames(rig):
    """Frames that look like secrets, that repeat ours, and such as hold control characters."""
    for secret in CANARIES.values():
        await rig.send(
            f"bad credentials: {secret}", f"\udcff {secret}".encode("utf-8", "surrogateescape"),
            {"error": "bad credentials", "echo": secret, "url": f"wss://h/?api_secret={quote_plus(secret)}"},
            {"action_id": "echo", "action_type": secret, "agent_id": secret, "config": secret, secret: secret},
            rig.trade("echo-in-note", "LONG", 1, metadata={"note": secret}, status="EXECUTED"),
        )  # fmt: skip
    await rig.send(
        "{not json", b"\xff\xfe\x00", "[" * 10_000, '"\\ud800"', "null",
        {"error": "bad credentials", "api_key": "somebody-elses", "private_key": "0x" + "ab" * 32},
        {"action_id": "\x1b[2J[bold]x[/]", "action_type": "\x1b]0;title\x07", "agent_id": "\n[alarm] forged"},
        rig.trade("\x1b[31mred", "LONG", 1, "\x1b[2J"),
        rig.trade("markup", "LONG", 1, "[link=http://h]BTC[/link]"),
    )  # fmt: skip


async def _odd_answers(rig):
    """Every way an order's answer can go wrong, one order each."""
    kinds = ("garbage", "http_429_after", "http_502_after", "drop_answer", "http_429", "http_502")
    for number, kind in enumerate(kinds):
        rig.arm(Fault(kind, match="order"))
        await rig.send(rig.trade(f"bad-{number}", "LONG", 0.1, ("ETH", "SOL", "AVAX")[number % 3]))
        await asyncio.sleep(0.2)
    await rig.until(lambda: all(f"bad-{n}" in rig.actions() for n in range(len(kinds))))


async def _answers(watch):
    """Every route, with the token, without, and with one that is almost right."""
    good = {"Authorization": f"Bearer {SERVER_TOKEN}"}
    for path in (
        "/healthz", "/readyz", "/metrics", "/api/events", "/api/actions", "/api/actions/good", "/api/actions/none",
        "/api/orders", "/api/positions", "/api/accounts", "/nowhere", "/api/actions?limit=x", "/api/../x",
    ):  # fmt: skip
        await watch.ask("GET", path)
        await watch.ask("GET", path, headers=good)
    for headers in (good, {}, {"Authorization": f"Bearer {SERVER_TOKEN}x"}, {"Authorization": SERVER_TOKEN}):
        for body in ({"command": "pause", "account": "nobody"}, {"command": SERVER_TOKEN[:3]}, [1], None):
            await watch.ask("POST", "/api/commands", json=body, headers=headers)
    assert await watch.ask("POST", "/api/commands", json={"command": "pause"}, headers=good) == 200
    assert await watch.ask("POST", "/api/commands", json={"command": "resume"}, headers=good) == 200
    async with ClientSession() as session, session.ws_connect(f"{watch.rig.server}/api/events?after=0") as stream:
        while True:
            try:
                watch.hear("stream", repr((await stream.receive(timeout=0.3)).data))
            except TimeoutError:
                return


async def _control(watch):
    path = watch.rig.ledger_path.with_suffix(".sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for line in (b"nonsense\n", b'{"command":"reset","rule":5}\n', b"x" * 9_000 + b"\n", b'{"command":"resume"}\n'):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        said = await asyncio.wait_for(reader.read(), 6)
        writer.close()
        assert set(json.loads(said)) & {"error", "effect"}
        watch.hear("control", said)


@pytest.mark.parametrize("form", ["console", "json"])
async def test_a_strategy_that_tells_everything_it_holds_is_not_repeated(rig, watch, form):
    (rig.folder / "mine.py").write_text(STRATEGY)
    route = {"source": "fractrade", "agents": ["*"], "strategy": "mine.py:Raises", "accounts": ["main"]}
    rig.configure(**_serving(rig, routes=[route], sources=[rig.source(**SOURCE)], logging={"format": form}))
    await rig.spawn(channels=3)
    await rig.send(rig.trade("a1", "LONG", 0.1))
    await rig.settled("a1")
    assert rig.reason("a1") == "STRATEGY_FAILED"
    await watch.run("explain", "a1")
    await watch.ask("GET", "/api/actions/a1")
    await rig.stop()
    assert "options and surroundings" in rig.log() + str(watch.said)
    assert watch.leaks() == []


def _has_repeat(rig, action_id):
    """Whether what the exchange repeated is on record."""
    return action_id in rig.actions() and "cannot take" in str(rig.read(lambda reader: reader.explain(action_id)))


async def test_an_exchange_that_repeats_requests_gives_no_signature_away(rig, watch):
    """Some answer an error with the request in it: over HTTP and websocket, as JSON and as text."""
    await rig.spawn()
    true_exchange = rig.exchange._exchange

    async def repeats(body: Any, ip: str) -> Any:
        reply = await true_exchange(body, ip)
        if body["action"]["type"] != "order":
            return reply
        number = sum(one["action"]["type"] == "order" for one in rig.exchange.reached)
        text = f"cannot take {orjson.dumps({'signature': body['signature'], 'at': number}).decode()}"
        if number % 2:
            return type(reply)(200, orjson.dumps({"status": "err", "response": text}))
        return type(reply)(400, text.encode(), "text/plain")

    rig.exchange._exchange = repeats
    for number, coin in enumerate(("BTC", "ETH", "SOL", "AVAX")):
        await rig.send(rig.trade(f"echo-{number}", "LONG", 0.1, coin))
        await rig.until(lambda n=number: f"echo-{n}" in rig.actions())
        await asyncio.sleep(0.2)
        await watch.run("explain", f"echo-{number}", "--json")
    await rig.until(lambda: _has_repeat(rig, "echo-0"))
    await watch.run("explain", "echo-0", "--json")
    rig.exchange._exchange = true_exchange
    await rig.stop(within_s=20)
    assert watch.signatures()
    assert b"cannot take" in b"".join(watch.said.values())
    assert watch.leaks() == []


MORE = {
    "NEXGENT_ACCESS_TOKEN": "canary-nexgent-access.31/aa+b",
    "NEXGENT_REFRESH_TOKEN": "canary-nexgent-refresh.52/cc+d",
    "NEXGENT_EMAIL": "canary-nexgent+mail@example.invalid",
    "NEXGENT_PASSWORD": "canary nexgent/pass&word 77",
    "TRADEREADY_API_KEY": "canary-tradeready-key.88/ee+f",
}
GIVEN = {"accessToken": "canary-given-access.61/gg+h", "refreshToken": "canary-given-refresh.62/ii+j"}
"""What a server hands out at a login: secrets nobody knew of at the start."""


@asynccontextmanager
async def parrot() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that repeats all it is told: over HTTP and websocket, as error, answer and reason to close."""
    heard: list[str] = []

    async def repeat(request: web.Request) -> web.StreamResponse:
        said = f"{request.path_qs} {dict(request.headers)} {(await request.read()).decode()}"
        heard.append(said)
        if "upgrade" in request.headers.get("Connection", "").lower():
            return await _repeat_on(web.WebSocketResponse(), request, said)
        if request.path.endswith(("/login", "/refresh")) and len(heard) % 2:
            return web.json_response(GIVEN)
        body = {"error": said, "detail": said, "message": said, "echo": dict(request.headers)}
        return web.json_response(
            body, status=(200, 500, 401, 429, 422)[len(heard) % 5], reason=said[:60].replace("\n", "")
        )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", repeat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", heard
    finally:
        await runner.cleanup()


async def _repeat_on(socket: web.WebSocketResponse, request: web.Request, said: str) -> web.StreamResponse:
    await socket.prepare(request)
    await socket.send_str(said)
    await socket.send_json({"type": "error", "message": said, "error": said, "data": {"token": said}})
    with suppress(TimeoutError):
        heard = await socket.receive(timeout=1)
        await socket.send_str(f"bad message: {heard.data}")
    await socket.close(code=1011, message=said.encode()[:120])
    return socket


@pytest.mark.full
@pytest.mark.timeout(240)
async def test_servers_that_repeat_what_they_were_told_get_no_secret_into_anything(rig, watch):
    """Twelve canaries and two that are handed out at a login; every source there is, at DEBUG."""
    rig.environ |= MORE
    watch.secrets |= MORE | GIVEN
    agent = "8f14e45f-ceea-4e7a-9c5a-000000000001"
    async with parrot() as (url, heard):
        sources = [
            rig.source(**SOURCE),
            rig.source(name="echo", url=url, **SOURCE),
            {"name": "nexgent", "type": "nexgent", "url": url, "agents": [agent], "server_execution": "execute"},
            {
                "name": "login",
                "type": "nexgent",
                "url": url,
                "agents": [agent],
                "access_token_env": None,
                "server_execution": "execute",
            },
            {"name": "halyrd", "type": "halyrd", "url": url, "agents": ["current"], "server_execution": "execute"},
            {"name": "tradeready", "type": "tradeready", "url": url, "orders": True, "server_execution": "execute"},
        ]
        rig.configure(**_serving(rig, sources=sources, logging={"level": "DEBUG", "format": "console"}))
        await rig.spawn(channels=3)
        await rig.until(
            lambda: any(GIVEN["accessToken"].partition("/")[0] in one for one in heard) and len(heard) >= 10, 120
        )  # all of them are one server, and share its pace: ten attempts a minute
        await rig.send(rig.trade("good", "LONG", 0.1))
        await rig.settled("good", within_s=20)
        for path in ("/readyz", "/metrics", "/api/events?limit=1000", "/api/accounts"):
            await watch.ask("GET", path)
        for words in (("journal", "--limit", "500"), ("export-frames",)):
            await watch.run(*words)
        watch.hear("while it runs", b"".join(path.read_bytes() for path in watch.files()))
        await rig.stop(within_s=20)
    told = {name for name, secret in watch.secrets.items() if found("".join(heard).encode(), {name: secret})}
    assert {
        "api key",
        "api secret",
        "user token",
        "NEXGENT_ACCESS_TOKEN",
        "TRADEREADY_API_KEY",
        "accessToken",
    } <= told, told
    assert len(watch.secrets | watch.signatures()) >= 12
    assert "Traceback" not in rig.log()
    assert watch.leaks() == []


MISPLACED = (
    "sources: [{name: a, type: fractrade, api_secret: '%s'}]",
    "sources: [{name: a, type: fractrade, api_key_env: '%s'}]",
    "sources: [{name: a, type: fractrade, user_token_env: X, user_token_file: Y, user_token: '%s'}]",
    "accounts: [{name: main, signer: '%s'}]",
    "accounts: [{name: main, signer_env: '%s'}]",
    "accounts: [{name: main, address: '%s0123456789abcdef0123456789'}]",
    "server: {token: '%s'}",
    "server: {token_env: '%s'}",
    "hyperliquid: {private_key: '%s'}",
    "'%s'",
    "a: '%s': 1\n  x",
    "api_secret: *%s",
    "api_secret: !%s x",
)


@pytest.mark.parametrize("block", MISPLACED)
@pytest.mark.parametrize("name", ["api key", "account key"])
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(tmp_path, block, name):
    text = f"version: 1\n{block % CANARIES[name]}\n" if ":" in block else block % CANARIES[name]
    with pytest.raises(ConfigError) as refused:
        config.load_text(text, tmp_path / "bad.yaml", [], {}, plugins)
    assert found(str(refused.value).encode(), CANARIES) == []
    assert refused.value.remedy


async def test_a_secret_in_the_file_is_repeated_by_no_command(rig, watch):
    text = f"version: 1\naccounts: [{{name: main, signer: '{CANARIES['account key']}'}}]\n"
    (rig.folder / "bad.yaml").write_text(text)
    for words in (("config", "validate", "--json"), ("config", "show"), ("doctor",), ("run",), ("status",)):
        await watch.run(*words, config="bad.yaml")
    (rig.folder / "bad.yaml").unlink()
    assert all(b"signer_env" in said for said in watch.said.values())
    assert watch.leaks() == []


@pytest.mark.parametrize("key", ["sources.fractrade.api_key", "accounts.main.signer", "server.token", "api_secret"])
async def test_a_secret_given_by_option_or_variable_is_refused_and_not_repeated(rig, watch, key):
    secret = CANARIES["account key"]
    await watch.run("config", "validate", "--set", f"{key}={secret}")
    rig.environ["EXECUTOR__" + key.upper().replace(".", "__")] = secret
    await watch.run("config", "show")
    said = {where.replace(secret, ""): data for where, data in watch.said.items()}
    assert all(b"error" in data and secret.encode() not in data for data in said.values())


async def test_dry_run_resolves_no_account_key_uses_no_proxy_and_sends_no_order_away(rig, watch):
    called, proxied = rig.folder / "key-was-read", []

    async def proxy(request: web.BaseRequest) -> web.Response:
        proxied.append(request.path)
        return web.Response(status=502)

    runner = web.ServerRunner(web.Server(proxy))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    rig.environ |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"), address)
    rig.environ["WS_PROXY"] = rig.environ["ws_proxy"] = address
    account = {"name": "main", "signer_cmd": f"touch {called}"}
    rig.configure(mode="dry_run", accounts=[account], paper={"feed": "tape", "state": str(rig.folder / "p" / "p.db")})
    rig.ledger_path.parent.mkdir(mode=0o700, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", 'umask 0; exec "$@"', "sh", Path(sys.executable).with_name("executor"), "run", "--duration", "6",
        "-c", str(rig.folder / "config.yaml"), env=rig.environ, cwd=rig.folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    await rig.sim.wait_connected(1, 20)
    await rig.send(rig.trade("a1", "LONG", 0.01))
    await rig.settled("a1")
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in _made(rig.folder)}
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    await runner.cleanup()
    watch.hear("run", said)
    (key,) = rig.folder.rglob("*.key")
    watch.secrets["throw-away key"] = key.read_text().strip()
    for words in (("doctor",), ("status",), ("explain", "a1"), ("config", "show")):
        await watch.run(*words)
    assert rig.outcome("a1") == "executed"
    assert not called.exists()
    assert rig.exchange.reached == []
    assert proxied == []
    assert process.returncode == 0, said.decode()
    assert {f"{path.name} {mode:o}" for path, mode in modes.items() if mode & 0o077} == set()
    assert any(path.suffix == ".sock" for path in modes)
    assert watch.leaks() == []


def _made(folder: Path) -> list[Path]:
    """What the worker made: files, sockets and folders, but not what the test wrote."""
    return [path for path in folder.rglob("*") if path.name not in ("config.yaml", "var", "worker-0.log")]


def test_the_strategy_of_this_test_is_python():
    compile(textwrap.dedent(STRATEGY), "mine.py", "exec")
