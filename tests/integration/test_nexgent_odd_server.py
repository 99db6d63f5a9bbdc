"""The Nexgent source against servers that do what the real one should never do."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from executor import logs
from executor.clock import SystemClock
from executor.core.source_events import Malformed, SourceEvent, SourcePosition
from executor.sources.nexgent import PATIENCE, NexgentOptions, NexgentSource
from executor.sources.nexgent_session import Session
from executor.testing import until

SOON_S = 20.0
CONNECTED = '{"type":"connected","data":{}}'
TOKEN = "an-access-token-to-hide"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def snapshot(*rows: dict[str, Any]) -> str:
    return json.dumps({"type": "initial_data", "data": {"positions": rows}})


def says(*frames: str) -> Answer:
    """A socket that says this and then nothing more."""

    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for frame in frames:
            await socket.send_str(frame.replace("{token}", request.query["token"]))
        async for _ in socket:
            pass
        return socket

    return answer


class Server:
    """``socket`` answers the socket's path, ``rest`` the positions'; ``tokens`` are those it gave, newest last."""

    def __init__(self, socket: Answer, rest: Answer | None = None) -> None:
        self.handshakes = self.asked = 0
        self.socket, self.rest = socket, rest
        self.tokens: list[str] = []
        self.url = ""

    async def open(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        return await self.socket(request)

    async def list(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return web.json_response([], status=503) if self.rest is None else await self.rest(request)

    async def refresh(self, _: web.Request) -> web.StreamResponse:
        self.tokens.append(f"renewed-token-{len(self.tokens)}-of-{id(self)}")
        return web.json_response({"accessToken": self.tokens[-1]})


@contextlib.asynccontextmanager
async def serving(socket: Answer, rest: Answer | None = None) -> AsyncIterator[Server]:
    server = Server(socket, rest)
    application = web.Application()
    application.add_routes(
        [
            web.get("/ws", server.open),
            web.get("/api/v1/agent-positions/{id}", server.list),
            web.post("/api/v1/auth/refresh", server.refresh),
        ]
    )
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


class Listening:
    """A running source and what it emitted."""

    def __init__(self, server: Server, secrets: dict[str, str], keys: dict[str, Any]) -> None:
        self.events: list[SourceEvent | Malformed] = []
        self.notes: list[str] = []
        options = NexgentOptions(url=server.url, agents=("x",), **{"reconnect_interval_s": "0.05", **keys})
        hidden = {name: SecretStr(value) for name, value in secrets.items()}
        self.source = NexgentSource(
            "nex", options, hidden, SystemClock(), lambda: 0.0, lambda _, text: self.notes.append(text)
        )
        self.task = asyncio.create_task(self.source.run(lambda raw, event: self.events.append(event)))

    def malformed(self) -> list[Malformed]:
        return [event for event in self.events if isinstance(event, Malformed)]

    def sizes(self) -> list[Decimal]:
        return [event.size for event in self.events if isinstance(event, SourcePosition)]


@contextlib.asynccontextmanager
async def listening(server: Server, secrets: dict[str, str] | None = None, **keys: Any) -> AsyncIterator[Listening]:
    one = Listening(server, secrets or {"access_token": TOKEN}, keys)
    try:
        yield one
    finally:
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)


async def test_a_snapshot_with_many_unreadable_rows_is_told_once() -> None:
    rows = [{"id": f"p{n}", "currentStopLossPercentage": "soon"} for n in range(400)]
    async with serving(says(CONNECTED, snapshot(*rows))) as server, listening(server) as worker:
        await until(lambda: worker.source.channels()[0].state == "open", SOON_S)
        (told,) = worker.malformed()
        assert told.field == "position.currentStopLossPercentage"
        assert told.detail.endswith("400 rows could not be read")


async def test_what_cannot_be_read_by_rest_again_and_again_is_told_when_it_changes() -> None:
    bodies = itertools.chain(["[{}]"] * 4, ['"no list"'] * 4, itertools.repeat("[]"))

    async def rest(_: web.Request) -> web.StreamResponse:
        return web.Response(text=next(bodies), content_type="application/json")

    async def closed(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    async with serving(closed, rest) as server, listening(server, rest_poll_s="0.01") as worker:
        await until(lambda: server.asked > 9, SOON_S)
        assert [one.reason for one in worker.malformed()] == ["MISSING_FIELD", "WRONG_TYPE"]


async def test_a_socket_that_never_says_connected_is_let_go() -> None:
    async with serving(says()) as server, listening(server, ping_silence_s="0.1") as worker:
        await until(lambda: server.handshakes > 1, SOON_S)
        await until(lambda: "MUTE" in worker.source.channels()[0].detail, SOON_S)


async def test_what_the_server_says_is_shown_without_secrets_or_control_characters() -> None:
    words = json.dumps({"type": "error", "data": {"message": "bad \x1b[2J token {token}" + "y" * 500}})
    async with serving(says(CONNECTED, words)) as server, listening(server) as worker:
        await until(lambda: worker.notes, SOON_S)
        for told in (worker.source.channels()[0].detail, worker.notes[0]):
            assert told.startswith("the server says: bad ?[2J token ***yyy")
            assert len(told) < 200


async def test_a_rest_side_that_refuses_every_token_gets_one_new_one_until_a_token_was_taken() -> None:
    refusing = True

    async def rest(_: web.Request) -> web.StreamResponse:
        return web.Response(status=401) if refusing else web.json_response([])

    async def closed(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    secrets = {"access_token": TOKEN, "refresh_token": "a-refresh-token"}
    async with serving(closed, rest) as server, listening(server, secrets, rest_poll_s="0.01"):
        await until(lambda: server.asked > 5, SOON_S)
        assert len(server.tokens) == 1
        refusing = False
        asked = server.asked
        await until(lambda: server.asked > asked + 2, SOON_S)
        refusing = True
        await until(lambda: len(server.tokens) == 2, SOON_S)


async def test_a_refused_request_spoils_the_token_it_was_made_with_and_no_newer_one() -> None:
    """Two channels share the tokens: one may renew while the other's request is out."""
    session: Session

    async def rest(request: web.Request) -> web.StreamResponse:
        used = request.headers["Authorization"].removeprefix("Bearer ")
        if used == TOKEN:  # meanwhile another channel was refused, and renewed
            session.spoiled(TOKEN)
            await session.token()
            return web.Response(status=401)
        return web.json_response([])

    async with serving(says(), rest) as server:
        secrets = {"access_token": SecretStr(TOKEN), "refresh_token": SecretStr("a-refresh-token")}
        session = Session(server.url, secrets, SystemClock())
        await session.snapshot("x", frozenset())
        assert await session.token() == server.tokens[0]
        await session.close()
        assert len(server.tokens) == 1


async def test_only_the_newest_tokens_of_a_session_are_kept_as_secrets() -> None:
    async with serving(says()) as server:
        session = Session(server.url, {"refresh_token": SecretStr("a-refresh-token")}, SystemClock())
        known = len(logs._registry.forms)
        for _ in range(30):
            session.spoiled(await session.token())
        await session.close()
        hidden = [token for token in server.tokens if logs.without_secrets(token) != token]
        assert hidden == server.tokens[-8:]
        assert len(logs._registry.forms) - known < 8 * 8


@pytest.mark.parametrize(
    "closed",
    [
        {"type": "position_update", "data": {"eventType": "position_closed"}},
        {"type": "position_update", "data": {"event": "position_closed", "positionId": "p"}},
    ],
)
async def test_a_change_nobody_can_read_has_the_positions_read_by_rest(closed: dict[str, Any]) -> None:
    async def nothing_left(_: web.Request) -> web.StreamResponse:
        return web.json_response([])

    row = {"id": "p", "tokenAddress": "Mint", "tokenSymbol": "BONK", "purchaseAmount": 5}
    said = says(CONNECTED, snapshot(row), json.dumps(closed))
    async with serving(said, nothing_left) as server, listening(server) as one:
        await until(lambda: one.sizes()[-1:] == [0], SOON_S)
        assert one.sizes() == [5, 0]


async def test_a_price_nobody_can_read_asks_for_nothing() -> None:
    price = json.dumps({"type": "price_update_batch", "data": {"updates": [{"tokenAddress": "m", "price": -1}]}})
    async with serving(says(CONNECTED, snapshot(), price)) as server, listening(server) as one:
        await until(one.malformed, SOON_S)
        assert not one.source._channels[0].wants_snapshot


ROW = {"id": "p", "tokenAddress": "Mint", "tokenSymbol": "BONK", "purchaseAmount": 5}
LACKING = says(CONNECTED, snapshot(ROW, {**ROW, "id": "q"}), snapshot({**ROW, "id": "q"}))


def answers(*rows: dict[str, Any], status: int = 200, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(rows, status=status, headers=headers)

    return answer


async def test_what_a_snapshot_lacks_and_rest_still_has_is_not_closed() -> None:
    nested = [{**ROW, "id": name, "purchase": {"amount": 5}} for name in ("p", "q")]
    async with serving(LACKING, answers(*nested)) as server, listening(server) as one:
        await until(lambda: server.asked and one.source.channels()[0].state == "open", SOON_S)
        await until(lambda: not one.source._channels[0].wants_snapshot, SOON_S)
        assert set(one.source._channels[0].mirror.positions) == {"p", "q"}
        assert 0 not in one.sizes()


@pytest.mark.parametrize("rest", [answers({**ROW, "id": "q"}), answers(status=404), answers(status=401)])
async def test_what_rest_lacks_too_or_cannot_tell_of_is_closed(rest: Answer) -> None:
    async with serving(LACKING, rest) as server, listening(server) as one:
        await until(lambda: 0 in one.sizes(), SOON_S)
        assert server.asked == 1


@pytest.mark.full
async def test_a_snapshot_that_lacks_something_is_forgotten_when_a_newer_one_has_it() -> None:
    both, odd = snapshot(ROW, {**ROW, "id": "q"}), json.dumps({"type": "position_update", "data": {}})
    said = says(CONNECTED, both, snapshot({**ROW, "id": "q"}), both, odd)  # the odd one has REST asked, which fails
    async with serving(said, answers(status=404)) as server, listening(server) as one:
        await until(lambda: any("by REST" in note for note in one.notes), SOON_S)
        assert set(one.source._channels[0].mirror.positions) == {"p", "q"}
        assert 0 not in one.sizes()


@pytest.mark.full
@pytest.mark.parametrize("asked_to_wait", [{}, {"Retry-After": "300"}])
async def test_a_server_in_trouble_is_asked_a_few_times_before_a_snapshot_that_lacks_something_is_believed(
    asked_to_wait: dict[str, str],
) -> None:
    async with (
        serving(LACKING, answers(status=503, **asked_to_wait)) as server,
        listening(server, rest_poll_s="0.01") as one,
    ):
        await until(lambda: 0 in one.sizes(), SOON_S)
        assert server.asked >= PATIENCE
