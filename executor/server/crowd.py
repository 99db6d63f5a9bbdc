"""A bounded number of connections: when it is reached, whoever has been silent longest goes first.

So neither many sockets nor slow ones (slowloris) keep others out. How long one may be silent is the keep-alive limit
of the HTTP library; connections with a request being answered, and streams, are never put out.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from executor.server.answers import answer


class Crowd:
    """Who is connected, and of them, in order, who has no request being answered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._all: set[Visitor] = set()
        self._idle: dict[Visitor, asyncio.Transport] = {}

    def __len__(self) -> int:
        return len(self._all)

    def joined(self, visitor: Visitor, transport: asyncio.Transport) -> None:
        """A connection came; one may have to go for it, or it itself."""
        self._all.add(visitor)
        self._idle[visitor] = transport
        if len(self._all) > self._most:
            self._turn_away(next(iter(self._idle)))

    def left(self, visitor: Visitor) -> None:
        """A connection ended."""
        self._all.discard(visitor)
        self._idle.pop(visitor, None)

    def busy(self, visitor: Visitor) -> None:
        """A request came whole and is being answered."""
        self._idle.pop(visitor, None)

    def idle(self, visitor: Visitor) -> None:
        """Its answer is out."""
        if visitor in self._all and isinstance(visitor.transport, asyncio.Transport):
            self._idle[visitor] = visitor.transport

    def _turn_away(self, visitor: Visitor) -> None:
        transport = self._idle[visitor]
        self.left(visitor)
        transport.abort()


class Visitor(web.RequestHandler):
    """One connection: the library's, which also tells the crowd and keeps bad requests out of the log."""

    __slots__ = ("_crowd",)

    def __init__(self, crowd: Crowd, manager: web.Server, **limits: Any) -> None:
        super().__init__(manager, loop=asyncio.get_running_loop(), **limits)
        self._crowd = crowd

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the crowd."""
        super().connection_made(transport)
        if isinstance(transport, asyncio.Transport):
            self._crowd.joined(self, transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave the crowd."""
        self._crowd.left(self)
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What is not HTTP gets a short answer: neither its bytes nor a traceback belong into answer or log."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        refused = answer({"error": "this is no HTTP request we can read"}, status)
        refused.force_close()
        return refused

    def log_exception(self, *args: Any, **more: Any) -> None:
        """A body that is not encoded as its headers say, found out behind the answer, is the client's business."""
        if not isinstance(more.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **more)
