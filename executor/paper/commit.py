"""Lets a signed action take its time to a block, and orders a block as the venue does (hyperliquid.md section 6.3)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from itertools import count

from executor.paper.gate import Request
from executor.paper.model import Json
from executor.paper.service import CANCELS, Service

BLOCK_MS = 70

Sleep = Callable[[float], Awaitable[None]]
_Entry = tuple[int, int, int, Request, "asyncio.Future[Json]"]


class Committer:
    """Executes requests ``latency_ms`` after they came in, whole blocks at a time. Zero latency executes at once."""

    def __init__(self, service: Service, latency_ms: int, sleep: Sleep = asyncio.sleep) -> None:
        self.latency_ms = latency_ms
        self._service = service
        self._sleep = sleep
        self._waiting: list[_Entry] = []
        self._numbers = count()

    async def submit(self, request: Request) -> Json:
        """The venue's answer, after the block that holds the action was committed."""
        if not self.latency_ms:
            return self._service.execute(request)
        now_ms = self._service.clock.monotonic_s() * 1000
        block = int((now_ms + self.latency_ms) // BLOCK_MS) + 1
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (block, rank(request.action), next(self._numbers), request, answer))
        await self._sleep((block * BLOCK_MS - now_ms) / 1000)
        self._flush(block)
        return await answer

    def _flush(self, block: int) -> None:
        """Executes everything up to a block; whoever wakes first does it for all."""
        while self._waiting and self._waiting[0][0] <= block:
            *_, request, answer = heapq.heappop(self._waiting)
            self._execute(request, answer)

    def _execute(self, request: Request, answer: asyncio.Future[Json]) -> None:
        """A mistake belongs to whoever asked for it: the others of its block have their answers."""
        try:
            result = self._service.execute(request)
        except Exception as mistake:  # noqa: BLE001  # handed on, whatever it is
            if not answer.done():
                answer.set_exception(mistake)
            return
        if not answer.done():
            answer.set_result(result)


def rank(action: Json) -> int:
    """0: sends nothing that can take, 1: cancels, 2: holds an order that can."""
    if action["type"] in CANCELS:
        return 1
    wires = [*action.get("orders", ()), *(m["order"] for m in action.get("modifies", ()))]
    wires += [action["order"]] if action["type"] == "modify" else []
    taking = any(w["t"].get("limit", {}).get("tif") in ("Gtc", "Ioc", "FrontendMarket") for w in wires)
    return 2 if taking else 0
