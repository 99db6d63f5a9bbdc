"""A Nexgent that runs on loopback: its socket with the real server's habits and traps, and the REST side that matters.

Facts: signal-protocols.md sections 2.1 to 2.6, where the server does other than its pages say: as the server does. An
agent's second connection leaves the new one mute, as servers before March 2026 did, unless ``mute_trap`` is off.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import WSCloseCode, WSMsgType, web

from executor.clock import Clock, iso
from executor.sim.loopback import LoopbackServer, Peer
from executor.sim.nexgent_positions import Document, Market, nested, priced, raw_position
from executor.sim.nexgent_tokens import Tokens

LOGINS_A_MINUTE, REFRESHES_A_MINUTE = 5, 10


@dataclass(slots=True)
class Habits:
    """What can be set about the server, in seconds where it is time; the defaults are the real server's.

    ``fail_load`` makes the next snapshots fail with this text (None: they load), ``load_s`` is how long one takes;
    A mute socket stays open but is out of the server's map: it gets no events, prices or pings.
    """

    ping_s: float = 30.0
    load_s: float = 0.0
    mute_trap: bool = True
    fail_load: str | None = None


@dataclass(slots=True)
class Seen:
    """What clients did, for tests."""

    refused: int = 0
    logins: int = 0
    refreshes: int = 0
    snapshots_asked: int = 0
    messages: list[Document] = field(default_factory=list)


class NexgentSimulator(LoopbackServer):
    """The server. ``agents`` are the ids that exist; ``rest_url`` is what a client's config takes.

    Positions and prices are changed by the methods below, which send what the server would send.
    """

    def __init__(
        self,
        agents: tuple[str, ...] = ("sim-agent",),
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        habits: Habits | None = None,
    ) -> None:
        super().__init__(host, port, clock)
        self.agents = agents
        self.habits = habits or Habits()
        self.market = Market()
        self.seen = Seen()
        self.tokens = Tokens(self.clock)
        self._map: dict[str, Peer] = {}
        self._heard_s: dict[Peer, float] = {}
        self._positions: dict[str, dict[str, Document]] = {agent: {} for agent in agents}
        self._early: list[tuple[str, str, Document]] = []
        self._asked_s: dict[str, list[float]] = {"login": [], "refresh": []}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pinging: asyncio.Task[None] | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        """The socket, at its path to the letter, and the REST side."""
        return [
            web.get("/ws", self._socket),
            web.get("/ws/", _bad_path),
            web.post("/api/v1/auth/login", self._login),
            web.post("/api/v1/auth/refresh", self._refresh),
            web.get("/api/v1/agent-positions/{id}", self._list),
        ]

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._pinging = asyncio.create_task(self._ping(), name="nexgent simulator pings")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pinging is not None:
            self._pinging.cancel()
            await asyncio.wait([self._pinging])
        await self.cut(1000, "Server shutdown")
        await super().__aexit__(kind, error, trace)

    # -- what happens on the platform -----------------------------------------------------------------------------

    async def buy(self, agent_id: str, position_id: str, **fields: Any) -> Document:
        """A position is bought: ``fields`` by the server's names over usual ones. Told raw, without computed fields."""
        position = raw_position(agent_id, position_id, iso(self.clock.now_ms()), fields)
        self._positions[agent_id][position_id] = position
        await self._tell(agent_id, {"eventType": "position_created", "position": position})
        return position

    async def change(self, agent_id: str, position_id: str, *, partial: bool = False, **fields: Any) -> Document:
        """A position changes (DCA, take-profit, stop). Told in full as the server does, or ``partial`` as its pages."""
        position = self._positions[agent_id][position_id]
        position |= {"updatedAt": iso(self.clock.now_ms()), **fields}
        told = {"id": position_id, **fields} if partial else position
        await self._tell(agent_id, {"eventType": "position_updated", "position": told})
        return position

    async def sell(self, agent_id: str, position_id: str, *, told: bool = True) -> None:
        """A position is sold; without ``told``, while nobody was told."""
        del self._positions[agent_id][position_id]
        if told:
            await self._tell(agent_id, {"eventType": "position_closed", "positionId": position_id})

    def buy_early(self, agent_id: str, position_id: str, **fields: Any) -> None:
        """A purchase told to the agent's next socket before its snapshot, which was read earlier and lacks it."""
        self._early.append((agent_id, position_id, fields))

    def revoke(self) -> None:
        """The tokens of the open sockets are good for no further handshake; what is open stays open."""
        self.tokens.revoked.update(peer.request.query["token"] for peer in self.peers)

    async def price(self, token: str, sol: float, *, legacy: bool = False) -> None:
        """A token's price in SOL: a batch with the address in lower case, or the ``legacy`` single frame."""
        self.market.prices[token.lower()] = sol
        update = {"tokenAddress": token.lower(), "price": sol, "priceUsd": sol * self.market.sol_usd}
        stamp = iso(self.clock.now_ms())
        for agent_id, positions in self._positions.items():
            if any(one["tokenAddress"].lower() == token.lower() for one in positions.values()):
                data = {**update, "timestamp": stamp} if legacy else {"updates": [update], "timestamp": stamp}
                await self.publish(agent_id, {"type": "price_update" if legacy else "price_update_batch", "data": data})

    async def publish(self, agent_id: str, frame: Document | str | bytes) -> bool:
        """Any frame to the agent's socket in the server's map; false when there is none."""
        peer = self._map.get(agent_id)
        if peer is None or self.silent:
            return False
        await _send(peer, frame)
        return True

    async def _tell(self, agent_id: str, data: Document) -> None:
        await self.publish(agent_id, {"type": "position_update", "data": data})

    def forget(self) -> None:
        """No position is open, every token is good, and nobody is told: a script begins."""
        super().forget()
        self.habits.fail_load = None
        self.market = Market()
        self.tokens.revoked.clear()
        self._early.clear()
        for positions in self._positions.values():
            positions.clear()

    def mute(self, agent_id: str) -> None:
        """Leave the agent's socket open and out of the map, as a takeover or a half-open drop does."""
        self._map.pop(agent_id, None)

    # -- the socket -----------------------------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        """Authenticated at the handshake only; whose agent it is turns out after it."""
        refusal = await self.knock() or self._refusal(request)
        if refusal is not None:
            self.seen.refused += 1
            return refusal
        peer = await self.accept(request, request.query["agentId"])
        try:
            if peer.id in self.agents:
                await self._welcome(peer)
            else:
                await _send(peer, _error("Agent not found or access denied"))
                await peer.end(WSCloseCode.POLICY_VIOLATION, "Agent not found")
        finally:
            self._heard_s.pop(peer, None)
            if self._map.get(peer.id) is peer:
                del self._map[peer.id]
            await self.leave(peer)
        return peer.socket

    def _refusal(self, request: web.Request) -> web.Response | None:
        if not request.query.get("token") or not request.query.get("agentId"):
            return web.Response(status=401, text="Missing token or agentId")
        if not self.tokens.good(request.query["token"]):  # a refresh token is taken too, whatever the pages say
            return web.Response(status=401, text="Invalid or expired token")
        return None

    async def _welcome(self, peer: Peer) -> None:
        """One socket an agent: the older one is closed, and its late goodbye takes the newer one off the map."""
        older = self._map.get(peer.id)
        self._map[peer.id] = peer
        self._heard_s[peer] = self.clock.monotonic_s()
        if older is not None:
            self._begin_to_end(older, "New connection established")
            if self.habits.mute_trap:
                self.mute(peer.id)
        greeting = asyncio.create_task(self._greet(peer))
        try:
            await self._listen(peer)
        finally:
            greeting.cancel()
            await asyncio.wait([greeting])

    def _begin_to_end(self, peer: Peer, reason: str) -> None:
        """Close without waiting for the client's answer."""
        task = asyncio.create_task(peer.end(1000, reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _greet(self, peer: Peer) -> None:
        stamp = iso(self.clock.now_ms())
        await _send(peer, {"type": "connected", "data": {"agentId": peer.id, "timestamp": stamp}})
        rows = [priced(one, self.market) for one in self._positions[peer.id].values()]  # read now, sent later
        early, self._early = self._early, []
        for agent_id, position_id, fields in early:
            await self.buy(agent_id, position_id, **fields)
        await asyncio.sleep(self.habits.load_s)
        if self.habits.fail_load is not None:
            await _send(peer, _error(f"Failed to load initial data: {self.habits.fail_load}"))
            return
        data = {"positions": rows, "timestamp": iso(self.clock.now_ms())}
        await _send(peer, {"type": "initial_data", "data": data})

    async def _listen(self, peer: Peer) -> None:
        async for message in peer.socket:
            if message.type is WSMsgType.PING and not self.silent:
                await peer.socket.pong(message.data)
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and not self.silent:
                await self._answer(peer, message.data)

    async def _answer(self, peer: Peer, data: str | bytes) -> None:
        try:
            frame = json.loads(data)
            kind = frame["type"]
        except (ValueError, LookupError, TypeError):
            await _send(peer, _error("Invalid message format"))
            return
        self.seen.messages.append(frame)
        if kind in ("ping", "pong"):
            self._heard_s[peer] = self.clock.monotonic_s()
        if kind == "ping":
            await _send(peer, {"type": "pong", "timestamp": iso(self.clock.now_ms())})
        elif kind == "subscribe":
            await _send(peer, {"type": "subscribed", "data": {"agentId": peer.id}})
        await self.changed()

    async def _ping(self) -> None:
        """One timer for all sockets: the first ping comes at any moment of the interval."""
        while True:
            await asyncio.sleep(self.habits.ping_s)
            for peer in [] if self.silent else list(self._map.values()):
                if self.clock.monotonic_s() - self._heard_s[peer] > 2 * self.habits.ping_s:
                    self._begin_to_end(peer, "Connection timeout")
                else:
                    await _send(peer, {"type": "ping", "timestamp": iso(self.clock.now_ms())})

    # -- REST -----------------------------------------------------------------------------------------------------

    async def _login(self, request: web.Request) -> web.Response:
        self.seen.logins += 1
        if self._too_many("login", LOGINS_A_MINUTE):
            return web.json_response({"error": "Too many requests"}, status=429, headers={"Retry-After": "60"})
        body = await _body(request)
        if not (_same(body.get("email"), self.tokens.email) and _same(body.get("password"), self.tokens.password)):
            return web.json_response({"error": "Invalid email or password"}, status=401)
        pair = {"accessToken": self.tokens.access(), "refreshToken": self.tokens.refresh()}
        return web.json_response({**pair, "user": {"id": "sim-user", "email": self.tokens.email}})

    async def _refresh(self, request: web.Request) -> web.Response:
        self.seen.refreshes += 1
        if self._too_many("refresh", REFRESHES_A_MINUTE):
            return web.json_response({"error": "Too many requests"}, status=429, headers={"Retry-After": "60"})
        body = await _body(request)
        if not self.tokens.good(str(body.get("refreshToken")), kind="refresh"):
            return web.json_response({"error": "Invalid or expired refresh token"}, status=401)
        return web.json_response({"accessToken": self.tokens.access()})

    def _too_many(self, what: str, limit: int) -> bool:
        now_s = self.clock.monotonic_s()
        recent = [at_s for at_s in self._asked_s[what] if at_s > now_s - 60]
        self._asked_s[what] = [*recent, now_s]
        return len(recent) >= limit

    async def _list(self, request: web.Request) -> web.Response:
        self.seen.snapshots_asked += 1
        await self.changed()
        agent_id = request.match_info["id"]
        if not self.tokens.good(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return web.json_response({"error": "Unauthorized"}, status=401)
        if "walletAddress" in request.query:  # the server's own mistake
            return web.json_response({"error": "Invalid wallet ID format"}, status=400)
        if agent_id not in self.agents:
            return web.json_response({"error": "Agent not found"}, status=404)
        return web.json_response([nested(one, self.market) for one in self._positions[agent_id].values()])


async def _bad_path(_: web.Request) -> web.Response:
    """Only ``/ws`` to the letter."""
    return web.Response(status=400)


async def _body(request: web.Request) -> Document:
    try:
        found = await request.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _same(given: object, wanted: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())


def _error(message: str) -> Document:
    return {"type": "error", "data": {"message": message}}


async def _send(peer: Peer, frame: Document | str | bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it is just ending
        await peer.send(json.dumps(frame) if isinstance(frame, dict) else frame)
