"""A Fractrade that runs on loopback: its three channels with their credentials, limits and close codes.

Facts: signal-protocols.md sections 1.1 and 1.4. What is only inferred there is done as inferred: a bad credential is
HTTP 403 at the handshake, a broken limit is a close with 1008. Used by tests, the demo and ``executor sim fractrade``.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import WSCloseCode, WSMsgType, hdrs, web
from aiohttp.typedefs import Handler

from executor.clock import Clock, SystemClock
from executor.hosts import is_foreign, is_loopback
from executor.sim.stamps import stamped

CHANNELS = ("agent", "user", "executor")
"""The kinds of channel a frame can be sent to."""

ABNORMAL = 1006
"""Not a code on the wire: the connection is dropped without a farewell."""

Frame = str | bytes | dict[str, object]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the simulator accepts; the defaults are no secrets. Any agent and user id is known."""

    api_key: str = "sim-key"
    api_secret: str = "sim-secret"  # noqa: S105  # a simulator's, printed at its start
    user_token: str = "sim-token"  # noqa: S105  # as above

    def query_fits(self, request: web.Request) -> bool:
        """Whether key and secret of the query are right."""
        query = request.query
        return _same(query.get("api_key"), self.api_key) and _same(query.get("api_secret"), self.api_secret)

    def token_fits(self, request: web.Request) -> bool:
        """Whether the ``Authorization: Token`` header is right."""
        return _same(request.headers.get("Authorization"), f"Token {self.user_token}")


def _same(given: str | None, wanted: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())


@dataclass(slots=True)
class Client:
    """One open connection. ``id`` is the agent's or user's, empty on the executor channel."""

    channel: str
    id: str
    socket: web.WebSocketResponse
    request: web.Request
    arrivals_s: deque[float] = field(default_factory=deque)


class FractradeSimulator:
    """The server. ``async with`` starts and ends it; ``url`` is what a client's config takes.

    ``refuse_with`` (an HTTP status) refuses every handshake while set; ``silent`` makes it deaf and mute, pings
    included, with its sockets open.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        credentials: Credentials = Credentials(),
        clock: Clock | None = None,
        max_connections: int = 10,
        max_messages_a_minute: int = 100,
    ) -> None:
        self.credentials = credentials
        self.refuse_with: int | None = None
        self.silent = False
        self.clients: list[Client] = []
        self.handshakes = 0
        self._host = host
        self._port = port
        self._clock = clock or SystemClock()
        self._max_connections = max_connections
        self._max_messages = max_messages_a_minute
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[_from_here] if is_loopback(self._host) else [])
        app.add_routes(
            [
                web.get("/ws/actions/{id}", self._agent),
                web.get("/ws/user/{id}", self._user),
                web.get("/ws/executor/", self._executor),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut(WSCloseCode.GOING_AWAY, "simulator ends")
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The base address, without a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"ws://{host}:{self._port}"

    async def publish(self, frame: Frame, channels: Collection[str] = CHANNELS, agent_id: str | None = None) -> int:
        """Send a frame to every client of these kinds of channel; the number of clients it went to.

        Of the agent channels only ``agent_id``'s gets it when given. In an object every value ``"now"`` or
        ``"now-5s"`` of a time field becomes that time; text and bytes go out as they are.
        """
        if self.silent:
            return 0
        raw = json.dumps(stamped(frame, self._clock.now_ms())) if isinstance(frame, dict) else frame
        chosen = [c for c in self.clients if _wanted(c, channels, agent_id)]
        for client in chosen:
            await _send(client.socket, raw)
        return len(chosen)

    async def cut(self, code: int = 1001, reason: str = "", channels: Collection[str] = CHANNELS) -> int:
        """Close the clients of these channels with a code (1006: drop them); how many there were."""
        chosen = [client for client in self.clients if client.channel in channels]
        await asyncio.gather(*(_end(client, code, reason) for client in chosen))
        return len(chosen)

    async def wait_connected(self, count: int, timeout_s: float | None = 10.0) -> None:
        """Return once at least ``count`` clients are connected; raises ``TimeoutError``."""
        await self._wait(lambda: len(self.clients) >= count, timeout_s)

    async def wait_disconnected(self, timeout_s: float | None = 10.0) -> None:
        """Return once no client is connected; raises ``TimeoutError``."""
        await self._wait(lambda: not self.clients, timeout_s)

    async def wait_handshakes(self, count: int, timeout_s: float | None = 10.0) -> None:
        """Return once at least ``count`` clients have knocked, welcome or not; raises ``TimeoutError``."""
        await self._wait(lambda: self.handshakes >= count, timeout_s)

    async def _wait(self, fulfilled: Callable[[], bool], timeout_s: float | None) -> None:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(fulfilled)

    async def _agent(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "agent", welcome=self.credentials.query_fits(request))

    async def _user(self, request: web.Request) -> web.StreamResponse:
        fits = self.credentials.token_fits(request) or self.credentials.query_fits(request)
        return await self._serve(request, "user", welcome=fits)

    async def _executor(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "executor", welcome=self.credentials.token_fits(request))

    async def _serve(self, request: web.Request, channel: str, *, welcome: bool) -> web.StreamResponse:
        async with self._changed:
            self.handshakes += 1
            self._changed.notify_all()
        if self.refuse_with is not None or not welcome:
            return web.Response(status=self.refuse_with or 403)
        socket = web.WebSocketResponse(autoping=False, compress=False, timeout=1.0)
        await socket.prepare(request)
        if len(self.clients) >= self._max_connections:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many connections")
            return socket
        client = Client(channel, request.match_info.get("id", ""), socket, request)
        await self._enter(client)
        try:
            await self._listen(client)
        finally:
            await self._leave(client)
        return socket

    async def _enter(self, client: Client) -> None:
        async with self._changed:
            self.clients.append(client)
            self._changed.notify_all()

    async def _leave(self, client: Client) -> None:
        async with self._changed:
            if client in self.clients:
                self.clients.remove(client)
            self._changed.notify_all()

    async def _listen(self, client: Client) -> None:
        async for message in client.socket:
            if message.type is WSMsgType.PING and not self.silent:
                await client.socket.pong(message.data)
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and self._too_many(client):
                await client.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many messages")

    def _too_many(self, client: Client) -> bool:
        """Whether this message is one too many within a minute."""
        now_s = self._clock.monotonic_s()
        client.arrivals_s.append(now_s)
        while client.arrivals_s[0] <= now_s - 60:
            client.arrivals_s.popleft()
        return len(client.arrivals_s) > self._max_messages


@web.middleware
async def _from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Programs of this machine, and pages it serves itself; no other page, under whatever name it comes."""
    if is_foreign(request.headers.getall(hdrs.HOST, ()), request.headers.getall(hdrs.ORIGIN, ())):
        return web.Response(status=403, text="this simulator is for programs on its own machine")
    return await handler(request)


def _wanted(client: Client, channels: Collection[str], agent_id: str | None) -> bool:
    if client.channel not in channels:
        return False
    return agent_id is None or client.channel != "agent" or client.id == agent_id


async def _send(socket: web.WebSocketResponse, raw: str | bytes) -> None:
    if socket.closed:
        return
    if isinstance(raw, str):
        await socket.send_str(raw)
    else:
        await socket.send_bytes(raw)


async def _end(client: Client, code: int, reason: str) -> None:
    if code != ABNORMAL:
        await client.socket.close(code=code, message=reason.encode())
    elif client.request.transport is not None:
        client.request.transport.abort()
