"""The websocket side: connections, subscriptions, posts, and the frames that go out (hyperliquid.md section 4)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from executor.handshake import is_handshake
from executor.hyperliquid import limits
from executor.paper import channels
from executor.paper.channels import CHANNELS, Cadence, UnknownCoin
from executor.paper.gate import Unprocessable
from executor.paper.ip_limits import IpLimits
from executor.paper.model import Json, Pushes
from executor.paper.service import Service

Post = Callable[[str, object, str], Awaitable[Json | None]]
"""Answers one ``post`` request by type, payload and IP; ``None`` means no answer will come."""

Want = Callable[[str], Awaitable[None]]

TOO_MANY_MESSAGES = "Too many websocket messages in a minute."
"""Our wording, as that about channels: the venue's are not known."""


MOST_WAITING = 10_000
"""So many frames may wait for a client. One that is behind that far reads nothing any more, and fills the memory."""


GOODBYE_S = 0.2
"""How long a closing frame may take to leave. Where it does not, the client reads nothing, and nobody waits for it."""


@dataclass(slots=True)
class Subscription:
    """One live subscription; ``due_ms`` is when its next periodic frame goes, ``last`` what was last sent (bbo)."""

    sub: Json
    due_ms: int
    last: Any = None


@dataclass(slots=True, eq=False)
class Connection:
    """One client. Frames leave in the order they were made."""

    socket: web.WebSocketResponse
    request: web.Request
    sent_ms: int
    subs: dict[str, Subscription] = field(default_factory=dict)
    outgoing: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    posts: int = 0

    @property
    def ip(self) -> str:
        """Whose limits it counts for."""
        return self.request.remote or ""

    def send(self, message: Json, now_ms: int) -> None:
        """Queues one frame; whoever does not read is let go."""
        if self.outgoing.qsize() >= MOST_WAITING:
            self.abort()
            return
        self.sent_ms = now_ms
        self.outgoing.put_nowait(orjson.dumps(message))

    def abort(self) -> None:
        """Cuts the connection without a closing handshake (the client sees 1006)."""
        if self.request.transport is not None:
            self.request.transport.abort()

    async def close(self, code: int) -> None:
        """Ends the connection with a closing frame, without it where the client does not read."""
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self.socket.close(code=code)
        except TimeoutError:
            self.abort()

    async def write(self) -> None:
        """Sends what is queued until the connection ends."""
        while True:
            text = (await self.outgoing.get()).decode()
            try:
                await self.socket.send_str(text)
            except (ConnectionError, RuntimeError):
                return


class Hub:
    """All connections. ``tell`` distributes one step's pushes, ``beat`` sends what is periodic."""

    def __init__(self, service: Service, post: Post, want: Want, cadence: Cadence, ip_limits: IpLimits) -> None:
        self.connections: dict[Connection, None] = {}
        self._service = service
        self._post = post
        self._want = want
        self._cadence = cadence
        self._limits = ip_limits
        self._opening: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One websocket from handshake to end; 429 where its IP has too many (how the venue refuses is not known)."""
        ip = request.remote or ""
        if not self._limits.may_open(ip, len(self._of(ip)) + self._opening[ip]):
            return web.Response(status=429, body=b"null", content_type="application/json")
        if not is_handshake(request):
            raise web.HTTPBadRequest(text="no WebSocket handshake")
        socket = web.WebSocketResponse(compress=False, autoping=True)
        self._opening[ip] += 1
        try:
            await socket.prepare(request)
        finally:
            self._opening[ip] -= 1
        return await self._serve(request, socket)

    def _of(self, ip: str) -> list[Connection]:
        return [connection for connection in self.connections if connection.ip == ip]

    async def _serve(self, request: web.Request, socket: web.WebSocketResponse) -> web.WebSocketResponse:
        connection = Connection(socket, request, self._service.now())
        writer = asyncio.create_task(connection.write())
        self.connections[connection] = None
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._receive(connection, message.data)
        finally:
            self.connections.pop(connection, None)
            writer.cancel()
        return socket

    def cut(self) -> None:
        """Cuts every connection, as an upgrade of the venue does."""
        for connection in list(self.connections):
            connection.abort()

    async def close(self) -> None:
        """Ends all connections and pending posts."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*(connection.close(1001) for connection in list(self.connections)))

    async def _receive(self, connection: Connection, text: str) -> None:
        if not self._limits.may_say(connection.ip):
            self._error(connection, TOO_MANY_MESSAGES)
            return
        try:
            message = json.loads(text)
            handler = {
                "subscribe": self._subscribe,
                "unsubscribe": self._unsubscribe,
                "ping": self._ping,
                "post": self._start_post,
            }[message["method"]]
            await handler(connection, message)
        except (ValueError, KeyError, TypeError, RecursionError):
            self._error(connection, f"Error parsing JSON into valid websocket request: {text}")

    def _error(self, connection: Connection, text: str) -> None:
        connection.send({"channel": "error", "data": text}, self._service.now())

    async def _ping(self, connection: Connection, _message: Json) -> None:
        connection.send({"channel": "pong"}, self._service.now())

    async def _subscribe(self, connection: Connection, message: Json) -> None:
        """The ack comes first, with defaults filled in, then the snapshot."""
        sub = await self._known(connection, message["subscription"])
        if sub is None:
            return
        key = json.dumps(sub)
        if key in connection.subs:
            self._error(connection, f"Already subscribed: {json.dumps(message['subscription'])}")
            return
        refused = self._refused(connection.ip, sub)
        if refused is not None:
            self._error(connection, refused)
            return
        now = self._service.now()
        period = channels.period_ms(sub, self._cadence)
        connection.subs[key] = Subscription(sub, now + (period or 0))
        self._ack(connection, "subscribe", sub)
        self._snapshot(connection, connection.subs[key])

    async def _known(self, connection: Connection, wanted: Json) -> Json | None:
        """The normalised subscription; its coin's book is there afterwards."""
        try:
            sub = channels.normalised(self._service, wanted)
        except Unprocessable:
            self._error(connection, f"Invalid subscription {json.dumps(wanted)}")
            return None
        except UnknownCoin:
            connection.abort()
            return None
        if "coin" in sub:
            await self._want(sub["coin"])
        return sub

    def _refused(self, ip: str, sub: Json) -> str | None:
        """Why this IP may not have one more subscription, if so."""
        held = [subscription.sub for connection in self._of(ip) for subscription in connection.subs.values()]
        if not self._limits.may_subscribe(len(held)):
            return f"Cannot subscribe to more than {limits.WS_SUBSCRIPTIONS} channels."
        users = {known["user"] for known in held if "user" in known}
        if "user" in sub and sub["user"] not in users and len(users) >= limits.WS_USERS:
            return f"Cannot track more than {limits.WS_USERS} total users."
        return None

    def _ack(self, connection: Connection, method: str, sub: Json) -> None:
        data = {"method": method, "subscription": sub}
        connection.send({"channel": "subscriptionResponse", "data": data}, self._service.now())

    def _snapshot(self, connection: Connection, subscription: Subscription) -> None:
        make = CHANNELS[subscription.sub["type"]].snapshot
        data = make(self._service, subscription.sub) if make is not None else None
        if data is not None:
            subscription.last = data.get("bbo") if isinstance(data, dict) else None
            connection.send(channels.frame(subscription.sub, data), self._service.now())

    async def _unsubscribe(self, connection: Connection, message: Json) -> None:
        sub = await self._known(connection, message["subscription"])
        if sub is None:
            return
        if connection.subs.pop(json.dumps(sub), None) is None:
            self._error(connection, f"Already unsubscribed: {json.dumps(message['subscription'])}")
            return
        self._ack(connection, "unsubscribe", sub)

    async def _start_post(self, connection: Connection, message: Json) -> None:
        number, request = message["id"], message["request"]
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**64:
            raise TypeError("id")
        kind, payload = request["type"], request["payload"]
        if sum(other.posts for other in self._of(connection.ip)) >= limits.WS_POSTS_IN_FLIGHT:
            self._error(connection, f"too many pending post requests id={number}")
            return
        connection.posts += 1
        work = self._answer_post(connection, number, kind, payload)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_post(self, connection: Connection, number: int, kind: str, payload: object) -> None:
        try:
            response = await self._post(kind, payload, connection.ip)
        finally:
            connection.posts -= 1
        if response is not None:
            data = {"id": number, "response": response}
            connection.send({"channel": "post", "data": data}, self._service.now())

    def tell(self, pushes: Pushes) -> None:
        """Sends one step's news to whoever subscribed to it."""
        for connection in self.connections:
            for subscription in connection.subs.values():
                self._tell_one(connection, subscription, pushes)

    def _tell_one(self, connection: Connection, subscription: Subscription, pushes: Pushes) -> None:
        sub = subscription.sub
        if sub["type"] == "bbo":
            self._tell_bbo(connection, subscription, pushes)
            return
        news = CHANNELS[sub["type"]].news
        for data in news(self._service, sub, pushes) if news is not None else ():
            connection.send(channels.frame(sub, data), self._service.now())

    def _tell_bbo(self, connection: Connection, subscription: Subscription, pushes: Pushes) -> None:
        """Only when it changed."""
        if subscription.sub["coin"] not in pushes.coins:
            return
        data = channels.bbo(self._service, subscription.sub)
        if data["bbo"] != subscription.last:
            subscription.last = data["bbo"]
            connection.send(channels.frame(subscription.sub, data), self._service.now())

    async def beat(self) -> None:
        """Sends periodic frames that are due, closes connections nothing was sent to for a minute."""
        now = self._service.now()
        for connection in list(self.connections):
            for subscription in connection.subs.values():
                period = channels.period_ms(subscription.sub, self._cadence)
                if period is not None and now >= subscription.due_ms:
                    subscription.due_ms = now + period
                    self._snapshot(connection, subscription)
            if now - connection.sent_ms >= limits.WS_SILENCE_CLOSE_S * 1000:
                await connection.close(1000)
