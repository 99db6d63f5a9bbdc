"""What every simulator's server has in common: its port, its open sockets, and the faults a script can make."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import WSCloseCode, hdrs, web
from aiohttp.typedefs import Handler

from executor.clock import Clock, SystemClock
from executor.errors import CannotListen
from executor.handshake import is_handshake
from executor.hosts import is_foreign, is_loopback

ABNORMAL = 1006
"""Not a code on the wire: the connection is dropped without a farewell."""


@dataclass(slots=True, eq=False)
class Peer:
    """One open socket. ``id`` is what its path or key named."""

    id: str
    socket: web.WebSocketResponse
    request: web.Request

    async def send(self, raw: str | bytes) -> None:
        """Send one frame, if the socket is still open."""
        if self.socket.closed:
            return
        if isinstance(raw, str):
            await self.socket.send_str(raw)
        else:
            await self.socket.send_bytes(raw)

    async def end(self, code: int, reason: str = "") -> None:
        """Close it with this code; 1006 drops it."""
        if code != ABNORMAL:
            await self.socket.close(code=code, message=reason.encode())
        elif self.request.transport is not None:
            self.request.transport.abort()


class LoopbackServer:
    """A base for simulators: ``routes`` says what is served; ``async with`` starts and ends it.

    ``refuse_with`` (an HTTP status) refuses every handshake while set; ``silent`` makes it deaf and mute, pings
    included, with its sockets open; ``rest_refuse_with`` answers every other request with this status.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, clock: Clock | None = None) -> None:
        self.refuse_with: int | None = None
        self.rest_refuse_with: int | None = None
        self.silent = False
        self.peers: list[Peer] = []
        self.handshakes = 0
        self.requests: list[str] = []
        self.clock = clock or SystemClock()
        self._host = host
        self._port = port
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        """The paths served; a simulator's own."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        guards = [_from_here] if is_loopback(self._host) else []
        app = web.Application(middlewares=[*guards, self._refusing])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            raise CannotListen(self._host, self._port, error) from error
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut(WSCloseCode.GOING_AWAY, "simulator ends")
        if self._runner is not None:
            await self._runner.cleanup()

    def forget(self) -> None:
        """As it was at first, told to nobody: a script begins."""
        self.refuse_with = self.rest_refuse_with = None
        self.silent = False

    @property
    def url(self) -> str:
        """The base address of the sockets, without a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"ws://{host}:{self._port}"

    @property
    def rest_url(self) -> str:
        """The same of the REST requests."""
        return "http" + self.url.removeprefix("ws")

    async def broadcast(self, raw: str | bytes) -> int:
        """Send one frame to every socket; to how many it went."""
        if self.silent:
            return 0
        chosen = list(self.peers)
        for peer in chosen:
            await peer.send(raw)
        return len(chosen)

    async def cut(self, code: int = 1001, reason: str = "") -> int:
        """Close every socket with a code (1006: drop it); how many there were."""
        return await ended(list(self.peers), code, reason)

    async def wait_connected(self, count: int = 1, timeout_s: float | None = 20.0) -> None:
        """Return once at least ``count`` sockets are open; raises ``TimeoutError``."""
        await self.wait(lambda: len(self.peers) >= count, timeout_s)

    async def wait_disconnected(self, timeout_s: float | None = 20.0) -> None:
        """Return once no socket is open; raises ``TimeoutError``."""
        await self.wait(lambda: not self.peers, timeout_s)

    async def wait_handshakes(self, count: int, timeout_s: float | None = 20.0) -> None:
        """Return once at least ``count`` clients have knocked, welcome or not; raises ``TimeoutError``."""
        await self.wait(lambda: self.handshakes >= count, timeout_s)

    async def wait(self, fulfilled: Callable[[], bool], timeout_s: float | None = 20.0) -> None:
        """Return once this holds; looked at whenever a socket or a request comes, goes or says something."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(fulfilled)

    async def changed(self) -> None:
        """Wake whoever waits."""
        async with self._changed:
            self._changed.notify_all()

    async def knock(self) -> web.Response | None:
        """Count a handshake; the refusal where all are refused now."""
        self.handshakes += 1
        await self.changed()
        return None if self.refuse_with is None else web.Response(status=self.refuse_with)

    async def accept(self, request: web.Request, name: str) -> Peer:
        """Open a socket, and count it among the open ones."""
        peer = Peer(name, await opened(request), request)
        await self.join(peer)
        return peer

    async def join(self, peer: Peer) -> None:
        """The socket is one of the open ones from now on."""
        self.peers.append(peer)
        await self.changed()

    async def leave(self, peer: Peer) -> None:
        """The socket ended."""
        if peer in self.peers:
            self.peers.remove(peer)
        await self.changed()

    @web.middleware
    async def _refusing(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
            return await handler(request)
        self.requests.append(request.path)
        await self.changed()
        if self.rest_refuse_with is not None:
            return web.Response(status=self.rest_refuse_with)
        return await handler(request)


async def ended(peers: Collection[Peer], code: int, reason: str) -> int:
    """Close these sockets, all at once; how many they were."""
    await asyncio.gather(*(peer.end(code, reason) for peer in peers))
    return len(peers)


async def opened(request: web.Request) -> web.WebSocketResponse:
    """The request's socket; pings are left to whoever listens, so that a silent server answers none."""
    if not is_handshake(request):
        raise web.HTTPBadRequest(text="no WebSocket handshake")
    socket = web.WebSocketResponse(autoping=False, compress=False, timeout=1.0)
    await socket.prepare(request)
    return socket


@web.middleware
async def _from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Programs of this machine, and pages it serves itself; no other page, under whatever name it comes."""
    if is_foreign(request.headers.getall(hdrs.HOST, ()), request.headers.getall(hdrs.ORIGIN, ())):
        return web.Response(status=403, text="this simulator is for programs on its own machine")
    return await handler(request)
