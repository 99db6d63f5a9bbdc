"""The one reconnecting connection against real sockets: it delivers, comes back at its own pace, and keeps secrets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.messages import MAX_FRAGMENTS
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from executor.backoff import Backoff
from executor.clock import SystemClock
from executor.sources.connection import (
    MAX_MESSAGE_BYTES,
    Closed,
    Connection,
    Endpoint,
    Item,
    Opened,
    Received,
    Stopped,
    Timing,
)

CANARIES = ("canary-key-1f", "canary secret/2e", "canary-token-3d")
ENCODED = "canary%20secret%2F2e"
QUERY = f"?api_key={CANARIES[0]}&api_secret={ENCODED}"

DEFAULT = Timing()
Handler = Callable[[ServerConnection], Awaitable[None]]


class Peer:
    """A scripted server: ``handler`` per connection, ``status`` for the handshake; counts handshakes."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.handshakes = 0
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.url = ""
        self.gate: asyncio.Event | None = None
        self.knocked = asyncio.Event()

    async def check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        self.knocked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.status is None:
            return None
        response = connection.respond(HTTPStatus(self.status), "no")
        for name, value in self.headers.items():
            response.headers[name] = value
        return response

    async def handle(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.handler(connection)


@contextlib.asynccontextmanager
async def peer(handler: Handler) -> AsyncIterator[Peer]:
    it = Peer(handler)
    quiet = logging.getLogger("test.peer")  # the peer is allowed to know the credentials, and to log them
    quiet.disabled = True
    async with serve(it.handle, "127.0.0.1", 0, process_request=it.check, logger=quiet, close_timeout=0.2) as server:
        it.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield it


class Listener:
    """A running connection and everything it delivered."""

    def __init__(self, url: str, timing: Timing, policy: Backoff | None = None, **endpoint: Any) -> None:
        self.items: list[Item] = []
        where = Endpoint("channel", url, **endpoint)
        self.connection = Connection(where, SystemClock(), lambda: 0.0, timing, policy=policy)
        self.news = asyncio.Event()
        self.task = asyncio.create_task(self.connection.run(self.take))

    def take(self, item: Item) -> None:
        self.items.append(item)
        self.news.set()

    async def until(self, fulfilled: Callable[[list[Item]], bool], timeout_s: float = 20) -> None:
        async with asyncio.timeout(timeout_s):
            while not fulfilled(self.items):
                self.news.clear()
                await self.news.wait()

    def of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.items if isinstance(item, kind)]


@contextlib.asynccontextmanager
async def listening(url: str, timing: Timing = DEFAULT, **endpoint: Any) -> AsyncIterator[Listener]:
    listener = Listener(url, timing, **endpoint)
    try:
        yield listener
    finally:
        listener.task.cancel()
        await asyncio.gather(listener.task, return_exceptions=True)


def seen(kind: type[Any], count: int = 1) -> Callable[[list[Item]], bool]:
    return lambda items: sum(isinstance(item, kind) for item in items) >= count


async def forever(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def accept_then_close(connection: ServerConnection) -> None:
    await connection.close(1011)


async def test_frames_arrive_in_order_as_text_or_as_the_bytes_that_are_none() -> None:
    async def speak(connection: ServerConnection) -> None:
        await connection.send("one")
        await connection.send(b"\xff\x00")
        async with connection.send_context():  # a text frame that is not UTF-8, which the library would not send
            connection.protocol.send_text(b"\xfe bad", fin=True)
        await connection.send("after")
        await forever(connection)

    async with peer(speak) as server, listening(server.url) as listener:
        await listener.until(seen(Received, 4))
        assert [item.raw for item in listener.of(Received)] == ["one", b"\xff\x00", b"\xfe bad", "after"]
        assert isinstance(listener.items[0], Opened)
        assert server.handshakes == 1


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
async def test_a_closed_connection_comes_back(code: int) -> None:
    async def close_first(connection: ServerConnection) -> None:
        if server.handshakes == 1:
            await connection.close(code)
        await forever(connection)

    async with peer(close_first) as server, listening(server.url) as listener:
        await listener.until(seen(Opened, 2))
        closed = listener.of(Closed)
        assert [item.verdict.code for item in closed] == [code]
        assert closed[0].retry_in_s < 1


async def test_a_policy_violation_ends_it_for_good() -> None:
    async def refuse(connection: ServerConnection) -> None:
        await connection.close(1008, f"key {CANARIES[0]} is bad")

    async with peer(refuse) as server, listening(server.url, secrets=CANARIES) as listener:
        verdict = await asyncio.wait_for(listener.task, 20)
        assert verdict is not None
        assert verdict.reason == "POLICY_VIOLATION"
        assert verdict.detail == "key *** is bad"
        assert isinstance(listener.items[-1], Stopped)
        assert server.handshakes == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_handshake_ends_it_for_good(status: int) -> None:
    async with peer(forever) as server:
        server.status = status
        async with listening(server.url) as listener:
            verdict = await asyncio.wait_for(listener.task, 20)
            assert verdict is not None
            assert verdict.code == status
            assert [type(item) for item in listener.items] == [Stopped]


async def test_a_server_that_accepts_and_closes_meets_our_pace_and_not_a_storm() -> None:
    async with peer(accept_then_close) as server, listening(server.url) as listener:
        await asyncio.sleep(1.5)
        assert 2 <= server.handshakes <= 4  # after 0, 0.35, 1.05 s; the library alone makes about 1,600
        pauses = [item.retry_in_s for item in listener.of(Closed)]
        assert pauses == sorted(pauses)
        assert listener.connection.attempts == len(pauses)


async def test_a_server_that_heals_is_found_again() -> None:
    async with peer(forever) as server:
        server.status = 503
        async with listening(server.url) as listener:
            await listener.until(seen(Closed, 2))
            server.status = None
            await listener.until(seen(Opened))
            assert listener.of(Closed)[0].verdict.reason == "SERVER_UNAVAILABLE"


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    async with peer(forever) as server:
        url = server.url
    async with listening(url) as listener:
        await listener.until(seen(Closed, 2))
        assert {item.verdict.reason for item in listener.of(Closed)} == {"UNREACHABLE"}


async def test_only_a_stable_connection_resets_the_pace() -> None:
    async def speak_and_close(connection: ServerConnection) -> None:
        await connection.send("hello")
        await connection.close(1011)

    async with peer(speak_and_close) as server:
        async with listening(server.url, Timing(stable_s=0)) as stable:
            await stable.until(seen(Closed, 3))
            assert len({item.retry_in_s for item in stable.of(Closed)}) == 1
        async with listening(server.url, Timing(stable_s=30)) as unstable:
            await unstable.until(seen(Closed, 3))
            assert len({item.retry_in_s for item in unstable.of(Closed)}) == 3


async def test_a_connection_that_never_spoke_is_not_stable_however_long_it_lasted() -> None:
    async with peer(accept_then_close) as server, listening(server.url, Timing(stable_s=0)) as listener:
        await listener.until(seen(Closed, 3))
        assert len({item.retry_in_s for item in listener.of(Closed)}) == 3


async def test_what_comes_with_the_handshake_in_one_and_in_pieces_arrives_whole_and_in_order() -> None:
    async def talk(connection: ServerConnection) -> None:
        for word in ("a", ["b", "c", "", "d"], b"\xff", ["é"[:0], "é"]):
            await connection.send(word)
        await connection.wait_closed()

    async with peer(talk) as server, listening(server.url) as listener:
        await listener.until(seen(Received, 4))
    assert isinstance(listener.items[0], Opened)
    assert [item.raw for item in listener.of(Received)] == ["a", "bcd", b"\xff", "é"]


async def test_a_message_in_endless_pieces_ends_the_connection() -> None:
    async def drip(connection: ServerConnection) -> None:
        await connection.send("x" for _ in range(MAX_FRAGMENTS + 10))
        await connection.wait_closed()

    async with peer(drip) as server, listening(server.url) as listener:
        await listener.until(seen(Closed))
    assert listener.of(Closed)[0].verdict.reason == "MESSAGE_TOO_BIG"
    assert listener.of(Received) == []


async def test_a_mistake_of_who_takes_the_frames_is_not_lost_in_the_loop() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send("a")
        await connection.wait_closed()

    def take(item: Item) -> None:
        if item != Opened(item.at_ms):
            raise LookupError("ours")

    async with peer(talk) as server:
        connection = Connection(Endpoint("channel", server.url), SystemClock(), lambda: 0.0)
        with pytest.raises(LookupError, match="ours"):
            await asyncio.wait_for(connection.run(take), 20)


async def test_silence_beyond_the_limit_is_a_dead_connection_though_pings_are_answered() -> None:
    timing = Timing(silence_s=0.2, ping_s=0.05)
    async with peer(forever) as server, listening(server.url, timing) as listener:
        await listener.until(seen(Opened, 2))
        assert listener.of(Closed)[0].verdict.reason == "SILENT"


async def test_what_we_send_does_not_hide_a_silent_peer() -> None:
    async with peer(forever) as server, listening(server.url, Timing(silence_s=0.3)) as listener:
        await listener.until(seen(Opened))
        async with asyncio.timeout(3):
            while not listener.of(Closed):
                await listener.connection.send("still there?")
                await asyncio.sleep(0.02)


async def test_a_peer_that_answers_no_ping_is_dead() -> None:
    release = asyncio.Event()

    async def deaf(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await release.wait()

    async with peer(deaf) as server:
        async with listening(server.url, Timing(ping_s=0.1, ping_timeout_s=0.2, close_s=0.1)) as listener:
            await listener.until(seen(Closed))
            assert listener.of(Closed)[0].verdict.code == 1011
        release.set()


async def test_silence_alone_is_no_fault_while_pings_are_answered() -> None:
    async with peer(forever) as server, listening(server.url, Timing(ping_s=0.05, ping_timeout_s=0.2)) as listener:
        await asyncio.sleep(0.6)
        assert [type(item) for item in listener.items] == [Opened]


async def test_an_oversized_message_ends_the_connection_and_is_not_fetched_at_once_again() -> None:
    async def flood(connection: ServerConnection) -> None:
        await connection.send("x" * (MAX_MESSAGE_BYTES + 1))
        await forever(connection)

    async with peer(flood) as server, listening(server.url) as listener:
        await listener.until(seen(Closed))
        closed = listener.of(Closed)[0]
        assert closed.verdict.reason == "MESSAGE_TOO_BIG"
        assert closed.retry_in_s >= 30


async def test_a_redirect_is_not_followed_with_our_credentials() -> None:
    async with peer(forever) as elsewhere, peer(forever) as server:
        server.status, server.headers = 302, {"Location": elsewhere.url + "/stolen"}
        async with listening(server.url + QUERY) as listener:
            await listener.until(seen(Closed))
            assert listener.of(Closed)[0].verdict.reason == "REDIRECTED"
            assert elsewhere.handshakes == 0


async def test_headers_are_sent() -> None:
    got: list[str | None] = []

    async def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        got.append(connection.request.headers.get("Authorization"))
        await forever(connection)

    async with (
        peer(note) as server,
        listening(server.url, headers={"Authorization": f"Token {CANARIES[2]}"}) as listener,
    ):
        await listener.until(seen(Opened))
    assert got == [f"Token {CANARIES[2]}"]


async def test_text_can_be_sent_while_open_only() -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with peer(echo) as server, listening(server.url) as listener:
        assert not await listener.connection.send("too early")
        await listener.until(seen(Opened))
        assert await listener.connection.send("hello")
        await listener.until(seen(Received))
        await listener.connection.close()
        assert not await listener.connection.send("too late")


async def test_close_ends_an_open_connection_cleanly() -> None:
    codes: list[int | None] = []

    async def note(connection: ServerConnection) -> None:
        await connection.wait_closed()
        codes.append(connection.close_code)

    async with peer(note) as server, listening(server.url) as listener:
        await listener.until(seen(Opened))
        await listener.connection.close()
        assert await asyncio.wait_for(listener.task, 20) is None
        await listener.connection.close()
    assert codes == [1000]


async def test_close_ends_a_pause() -> None:
    long = Backoff(first_s=600, early_cap_s=600)
    async with peer(accept_then_close) as server, listening(server.url, policy=long) as listener:
        await listener.until(seen(Closed))
        await listener.connection.close()
        assert await asyncio.wait_for(listener.task, 20) is None


async def test_close_while_connecting_opens_nothing() -> None:
    async def accept_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await started.wait()
        writer.close()

    started = asyncio.Event()
    server = await asyncio.start_server(accept_slowly, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with listening(f"ws://127.0.0.1:{port}", Timing(open_s=0.3)) as listener:
            await asyncio.sleep(0.05)
            await listener.connection.close()
            assert await asyncio.wait_for(listener.task, 20) is None
            assert listener.items == []
        started.set()


async def test_close_during_a_handshake_that_then_succeeds_opens_nothing() -> None:
    async with peer(forever) as server:
        server.gate = asyncio.Event()
        async with listening(server.url) as listener:
            await asyncio.wait_for(server.knocked.wait(), 2)
            await listener.connection.close()
            server.gate.set()
            assert await asyncio.wait_for(listener.task, 20) is None
            assert listener.items == []


async def test_cancelling_ends_it_at_once_and_frees_the_socket() -> None:
    gone = asyncio.Event()

    async def note(connection: ServerConnection) -> None:
        await connection.wait_closed()
        gone.set()

    async with peer(note) as server, listening(server.url) as listener:
        await listener.until(seen(Opened))
        listener.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(listener.task, 20)
        await asyncio.wait_for(gone.wait(), 2)


async def test_no_credential_appears_in_any_log_item_or_representation_at_debug(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every way a connection can end, with everything logging all it has."""
    caplog.set_level(logging.DEBUG)
    for name in ("websockets", "websockets.client", "asyncio", "executor.silenced"):
        caplog.set_level(logging.DEBUG, logger=name)  # and put back: logging is one per process
    shown: list[str] = []
    for status, close_code in ((None, 1011), (None, 1008), (401, 0), (403, 0), (500, 0), (302, 0), (429, 0)):
        shown += await _one_end(status, close_code)
    shown += await _unreachable()
    told = "\n".join([caplog.text, *capfd.readouterr(), *shown])
    assert "POLICY_VIOLATION" in told
    assert not [secret for secret in (*CANARIES, ENCODED, "canary") if secret in told]


async def _one_end(status: int | None, close_code: int) -> list[str]:
    async def end(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send("hello")
        await connection.close(close_code, f"{CANARIES[1]} {ENCODED} {CANARIES[2]}"[:100])

    async with peer(end) as server:
        server.status = status
        server.headers = {"Location": f"ws://127.0.0.1:1/{QUERY}"} if status == 302 else {}
        headers = {"Authorization": f"Token {CANARIES[2]}"}
        async with listening(f"{server.url}/ws{QUERY}", secrets=CANARIES, headers=headers) as listener:
            await listener.until(lambda items: bool(items) and isinstance(items[-1], (Closed, Stopped)))
            return [repr(listener.items), repr(listener.connection), str(listener.connection.__dict__)]


async def _unreachable() -> list[str]:
    async with listening(f"ws://127.0.0.1:1/ws{QUERY}", secrets=CANARIES) as listener:
        await listener.until(seen(Closed))
        return [repr(listener.items)]
