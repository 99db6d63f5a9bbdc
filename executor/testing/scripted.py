"""An exchange on loopback that goes wrong on command: HTTP and websocket in front of a ``LittleExchange``."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import orjson
from aiohttp import WSMsgType, web

from executor.testing.clock import START_MS
from executor.testing.little_exchange import COINS, Json, LittleExchange


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in: over ``http`` or ``ws``, the read's or action's type, the body and its very bytes."""

    via: str
    kind: str
    payload: Json
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request is answered instead of normally.

    ``body`` replaces the answer: bytes go out as they are, else as JSON; ``...`` keeps the normal one. With ``act``
    false an action is not carried out. ``drop`` cuts the connection instead of answering, ``hang`` never answers.
    """

    status: int = 200
    body: object = ...
    act: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False
    hang: bool = False


RATE_LIMITED = Reply(429, None, act=False)
BAD_GATEWAY = Reply(502, b"<html><body>502 Bad Gateway</body></html>", act=False)
BOOKED_BUT_BAD_GATEWAY = Reply(502, b"<html><body>502 Bad Gateway</body></html>")
TRUNCATED = Reply(200, b'{"status":"ok","response":{"type":"order","da')
DROPPED_BEFORE = Reply(drop=True, act=False)
DROPPED_AFTER = Reply(drop=True)
HANGS = Reply(hang=True)


@dataclass(slots=True, eq=False)
class _Client:
    """One open websocket."""

    socket: web.WebSocketResponse
    request: web.Request
    wanted: list[Json] = field(default_factory=list)
    jobs: set[asyncio.Task[None]] = field(default_factory=set)

    def cut(self) -> None:
        """Reset the connection."""
        _abort(self.request)


class ScriptedExchange:
    """``async with ScriptedExchange() as exchange`` serves on ``exchange.url``, also after ``stop`` and ``start``.

    ``received`` records every request. ``script(kind, *replies)`` queues what happens to the next requests of a kind
    (``order``, ``l2Book``, …; ``*`` is any); ``reads[kind]`` replaces a read's answer for good. While ``silent`` the
    sockets stay open and say nothing. ``on_connect`` meets each new socket: an HTTP status, or a close code from 1000.
    """

    def __init__(self, now_ms: Callable[[], int] = lambda: START_MS) -> None:
        self.state = LittleExchange(now_ms)
        self.received: list[Received] = []
        self.reads: dict[str, Callable[[Json], object]] = {}
        self.silent = False
        self.on_connect = 0
        self.handshakes = 0
        self._scripts: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self._clients: list[_Client] = []
        self._runner: web.AppRunner | None = None
        self._port = 0

    # -- what tests call ----------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Serve; the second time on the same port."""
        app = web.Application(client_max_size=2**24)
        app.add_routes([web.post("/info", self._http), web.post("/exchange", self._http), web.get("/ws", self._ws)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Cut every connection and stop listening."""
        self.drop_sockets()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def script(self, kind: str, *replies: Reply) -> None:
        """Queue what happens to the next requests of this kind, one each."""
        self._scripts[kind].extend(replies)

    def requests(self, kind: str, via: str | None = None) -> list[Received]:
        """What came in of one kind."""
        return [one for one in self.received if one.kind == kind and via in (None, one.via)]

    def subscriptions(self) -> list[list[Json]]:
        """What each open socket is subscribed to."""
        return [client.wanted for client in self._clients]

    def drop_sockets(self) -> None:
        """Reset every websocket."""
        for client in self._clients:
            client.cut()
        self._clients.clear()

    async def push(self, channel: str, data: object, **match: object) -> None:
        """Send a frame to every socket with a subscription of this type and these values."""
        for client in list(self._clients):
            if any(one["type"] == channel and match.items() <= one.items() for one in client.wanted):
                await self._say(client, {"channel": channel, "data": data})

    async def say(self, text: str) -> None:
        """Send any text to every socket."""
        for client in list(self._clients):
            await client.socket.send_str(text)

    async def quote(self, coin: str, bid: str, ask: str) -> None:
        """Move a coin's touch, and push it."""
        self.state.books[coin] = (bid, ask)
        await self.push("bbo", self.state.bbo(coin), coin=coin)
        await self.push("activeAssetCtx", self.state.mark(coin), coin=coin)

    # -- requests -----------------------------------------------------------------------------------------------

    async def _http(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        reply, answer = await self._handle("http", orjson.loads(raw), raw)
        if reply.drop:
            _abort(request)
        data = answer if isinstance(answer, bytes) else orjson.dumps(answer)
        return web.Response(
            status=reply.status, body=data, headers={"Content-Type": "application/json", **reply.headers}
        )

    async def _handle(self, via: str, payload: Json, raw: bytes) -> tuple[Reply, object]:
        """Record a request, act on it as scripted, and say what to answer."""
        kind = str(payload.get("action", payload)["type"])
        self.received.append(Received(via, kind, payload, raw))
        script = self._scripts[kind] or self._scripts["*"]
        reply = script.popleft() if script else Reply()
        normal = await self._normal(kind, payload) if reply.act else None
        await asyncio.sleep(reply.delay_s)
        if reply.hang:
            await asyncio.Event().wait()
        return reply, normal if reply.body is ... else reply.body

    async def _normal(self, kind: str, payload: Json) -> object:
        if "action" not in payload:
            return self.reads.get(kind, self.state.read)(payload)
        answer = self.state.act(payload)
        await self._push_news()
        return answer

    async def _push_news(self) -> None:
        news, self.state.news = self.state.news, []
        for channel, data in news:
            for user in self._users():
                told = {"user": user, "fills": [data]} if channel == "userFills" else data
                await self.push(channel, told, user=user)

    def _users(self) -> set[str]:
        return {one["user"] for client in self._clients for one in client.wanted if "user" in one}

    # -- sockets ------------------------------------------------------------------------------------------------

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        if 0 < self.on_connect < 1000:
            return web.Response(status=self.on_connect)
        socket = web.WebSocketResponse(compress=False, max_msg_size=2**24, timeout=0.05)
        await socket.prepare(request)
        if self.on_connect:
            await socket.close(code=self.on_connect)
        else:
            await self._serve(_Client(socket, request))
        return socket

    async def _serve(self, client: _Client) -> None:
        """Answer frames, each in a task of its own: a request that hangs holds nobody up."""
        self._clients.append(client)
        try:
            async for message in client.socket:
                if message.type is WSMsgType.TEXT and not self.silent:
                    client.jobs.add(asyncio.create_task(self._frame(client, message.data)))
        finally:
            if client in self._clients:
                self._clients.remove(client)
            for job in client.jobs:
                job.cancel()

    async def _frame(self, client: _Client, text: str) -> None:
        frame = orjson.loads(text)
        if frame["method"] == "ping":
            await self._say(client, {"channel": "pong"})
        elif frame["method"] == "post":
            await self._post(client, frame, text)
        else:
            await self._subscribe(client, frame["method"], frame["subscription"])

    async def _post(self, client: _Client, frame: Json, text: str) -> None:
        request = frame["request"]
        body = text.encode().partition(b'"payload":')[2][:-2]
        reply, answer = await self._handle("ws", request["payload"], body)
        if reply.drop:
            client.cut()
        elif isinstance(answer, bytes) and reply.status == 200:
            await client.socket.send_str(answer.decode())
        else:
            good = reply.status == 200
            response = {"type": request["type"] if good else "error", "payload": answer if good else _failure(reply)}
            await self._say(client, {"channel": "post", "data": {"id": frame["id"], "response": response}})

    async def _subscribe(self, client: _Client, method: str, wanted: Json) -> None:
        if wanted.get("coin", COINS[0]) not in COINS:
            client.cut()  # as the venue does, without a word (hyperliquid.md section 4.1)
            return
        if method == "subscribe":
            client.wanted.append(wanted)
        elif wanted in client.wanted:
            client.wanted.remove(wanted)
        echo = {"method": method, "subscription": wanted | {"aDefaultOfTheVenue": None}}
        await self._say(client, {"channel": "subscriptionResponse", "data": echo})
        snapshot = self._snapshot(wanted) if method == "subscribe" else None
        if snapshot is not None:
            await self._say(client, {"channel": wanted["type"], "data": snapshot})

    def _snapshot(self, wanted: Json) -> object:
        kind, coin = wanted["type"], wanted.get("coin")
        if kind == "userFills":
            return {"user": wanted["user"], "fills": self.state.fills, "isSnapshot": True}
        if coin not in self.state.books:
            return None
        return self.state.bbo(coin) if kind == "bbo" else self.state.mark(coin)

    async def _say(self, client: _Client, frame: Json) -> None:
        if not self.silent and not client.socket.closed:
            await client.socket.send_str(orjson.dumps(frame).decode())


def _failure(reply: Reply) -> str:
    """The payload of a ``post`` error: a status and a text (hyperliquid.md section 4.6)."""
    return {429: "429 Too Many Requests: null"}.get(reply.status, f"{reply.status} scripted")


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
