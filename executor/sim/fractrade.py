"""A Fractrade that runs on loopback: its three channels with their credentials, limits and close codes.

Facts: signal-protocols.md sections 1.1 and 1.4. What is only inferred there is done as inferred: a bad credential is
HTTP 403 at the handshake, a broken limit is a close with 1008. Used by tests, the demo and ``executor sim fractrade``.
"""

from __future__ import annotations

import hmac
import json
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web

from executor.clock import Clock
from executor.sim.loopback import LoopbackServer, Peer, ended, opened
from executor.sim.stamps import stamped

CHANNELS = ("agent", "user", "executor")
"""The kinds of channel a frame can be sent to."""

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


@dataclass(slots=True, eq=False)
class Client(Peer):
    """One open connection. ``id`` is the agent's or user's, empty on the executor channel."""

    channel: str
    arrivals_s: deque[float] = field(default_factory=deque)


class FractradeSimulator(LoopbackServer):
    """The server. ``async with`` starts and ends it; ``url`` is what a client's config takes."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        credentials: Credentials = Credentials(),
        clock: Clock | None = None,
        max_connections: int = 10,
        max_messages_a_minute: int = 100,
    ) -> None:
        super().__init__(host, port, clock)
        self.credentials = credentials
        self._max_connections = max_connections
        self._max_messages = max_messages_a_minute

    def routes(self) -> Iterable[web.RouteDef]:
        """The three channels."""
        return [
            web.get("/ws/actions/{id}", self._agent),
            web.get("/ws/user/{id}", self._user),
            web.get("/ws/executor/", self._executor),
        ]

    @property
    def clients(self) -> list[Client]:
        """Who is connected."""
        return [peer for peer in self.peers if isinstance(peer, Client)]

    async def publish(self, frame: Frame, channels: Collection[str] = CHANNELS, agent_id: str | None = None) -> int:
        """Send a frame to every client of these kinds of channel; the number of clients it went to.

        Of the agent channels only ``agent_id``'s gets it when given. In an object every value ``"now"`` or
        ``"now-5s"`` of a time field becomes that time; text and bytes go out as they are.
        """
        if self.silent:
            return 0
        raw = json.dumps(stamped(frame, self.clock.now_ms())) if isinstance(frame, dict) else frame
        chosen = [c for c in self.clients if _wanted(c, channels, agent_id)]
        for client in chosen:
            await client.send(raw)
        return len(chosen)

    async def cut(self, code: int = 1001, reason: str = "", channels: Collection[str] = CHANNELS) -> int:
        """Close the clients of these channels with a code (1006: drop them); how many there were."""
        return await ended([client for client in self.clients if client.channel in channels], code, reason)

    async def _agent(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "agent", welcome=self.credentials.query_fits(request))

    async def _user(self, request: web.Request) -> web.StreamResponse:
        fits = self.credentials.token_fits(request) or self.credentials.query_fits(request)
        return await self._serve(request, "user", welcome=fits)

    async def _executor(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "executor", welcome=self.credentials.token_fits(request))

    async def _serve(self, request: web.Request, channel: str, *, welcome: bool) -> web.StreamResponse:
        refusal = await self.knock()
        if refusal is not None or not welcome:
            return refusal or web.Response(status=403)
        socket = await opened(request)
        if len(self.peers) >= self._max_connections:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many connections")
            return socket
        client = Client(request.match_info.get("id", ""), socket, request, channel)
        await self.join(client)
        try:
            await self._listen(client)
        finally:
            await self.leave(client)
        return socket

    async def _listen(self, client: Client) -> None:
        async for message in client.socket:
            if message.type is WSMsgType.PING and not self.silent:
                await client.socket.pong(message.data)
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and self._too_many(client):
                await client.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many messages")

    def _too_many(self, client: Client) -> bool:
        """Whether this message is one too many within a minute."""
        now_s = self.clock.monotonic_s()
        client.arrivals_s.append(now_s)
        while client.arrivals_s[0] <= now_s - 60:
            client.arrivals_s.popleft()
        return len(client.arrivals_s) > self._max_messages


def _wanted(client: Client, channels: Collection[str], agent_id: str | None) -> bool:
    if client.channel not in channels:
        return False
    return agent_id is None or client.channel != "agent" or client.id == agent_id
