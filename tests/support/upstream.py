"""A venue's public data on loopback, as slow as a real one: what the paper exchange's market feed follows.

The books are those of ``executor.testing``'s little exchange. ``answer`` may be replaced to spoil an answer, ``say``
sends any frame, ``cut`` ends every connection; while ``shut`` no new one is let in.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from types import TracebackType
from typing import Any

from aiohttp import web

from executor.clock import SystemClock
from executor.testing.little_exchange import COINS, META, LittleExchange

Json = dict[str, Any]


class Upstream:
    """``async with`` starts and stops it; every answer takes ``latency_s``."""

    def __init__(self, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s
        self.exchange = LittleExchange(SystemClock().now_ms)
        self.asked: Counter[str] = Counter()
        self.marks = {coin: self.exchange.mark(coin)["ctx"]["markPx"] for coin in self.exchange.books}
        self.sockets: list[web.WebSocketResponse] = []
        self.subscribed: list[Json] = []
        self._late: set[asyncio.Task[None]] = set()
        self.answer = self.usual
        self.streams = True
        self.shut = False

    async def __aenter__(self) -> Upstream:
        app = web.Application()
        app.router.add_post("/info", self._info)
        app.router.add_get("/ws", self._ws)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()
        await self._runner.cleanup()

    async def _info(self, request: web.Request) -> web.Response:
        payload = await request.json()
        self.asked[payload["type"] + payload.get("coin", "")] += 1
        await asyncio.sleep(self.latency_s)
        return web.json_response(self.answer(payload))

    def usual(self, payload: Json) -> Any:
        """What it says when nothing is spoiled."""
        if payload["type"] == "metaAndAssetCtxs":
            return [META, [self.context(coin) for coin in COINS]]
        return self.exchange.read(payload)

    def context(self, coin: str) -> Json:
        """A coin's mark, oracle and rate."""
        px = self.marks.get(coin, "1")
        return {"markPx": px, "oraclePx": px, "midPx": px, "funding": "0.0001"}

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        if self.shut:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            wanted = message.json()
            if wanted.get("method") == "subscribe":
                self.subscribed.append(wanted["subscription"])
                self._begin(socket, wanted["subscription"])
        return socket

    def _begin(self, socket: web.WebSocketResponse, wanted: Json) -> None:
        if self.streams:
            task = asyncio.create_task(self._snapshot(socket, wanted))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _snapshot(self, socket: web.WebSocketResponse, wanted: Json) -> None:
        await asyncio.sleep(self.latency_s)
        await self._send(socket, self.frame(wanted["type"], wanted["coin"]))

    def frame(self, kind: str, coin: str) -> Json:
        """The newest frame of one subscription."""
        if kind == "activeAssetCtx":
            return {"channel": kind, "data": {"coin": coin, "ctx": self.context(coin)}}
        data = self.exchange.bbo(coin) if kind == "bbo" else self.exchange.book({"coin": coin})
        return {"channel": kind, "data": data}

    async def _send(self, socket: web.WebSocketResponse, frame: Any) -> None:
        if not socket.closed:
            await socket.send_json(frame)

    async def say(self, frame: Any) -> None:
        """One frame to everybody."""
        for socket in self.sockets:
            await self._send(socket, frame)

    async def cut(self) -> None:
        """Ends every connection."""
        sockets, self.sockets = self.sockets, []
        for socket in sockets:
            await socket.close(code=1001)
