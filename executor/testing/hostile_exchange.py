"""The paper exchange behind a bad day: answers that lie, come twice, come broken, come late, or not at all.

The scripted faults of ``paper.faults`` stop at what one request can suffer; here are those that need the exchange's
own words changed (a fill it never made), or its pushes lost, doubled and put in another order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from executor.hyperliquid.error_strings import error_text
from executor.paper.faults import Fault
from executor.paper.model import Json, Pushes
from executor.paper.server import PaperExchange, Reply

SCRIPTED = (
    "drop_request", "drop_answer", "cut", "delay", "delay_answer",
    "http_429", "http_429_after", "http_502", "http_502_after", "garbage",
)  # fmt: skip
"""What ``paper.faults`` does."""

ODD_BODIES: dict[str, Reply] = {
    "odd_null": Reply(200, b"null"),
    "odd_list": Reply(200, b"[]"),
    "odd_ok": Reply(200, b'{"status":"ok"}'),
    "odd_counts": Reply(200, b'{"status":"ok","response":{"type":"order","data":{"statuses":[]}}}'),
    "odd_status": Reply(200, b'{"status":"ok","response":{"type":"order","data":{"statuses":[{"maybe":1}]}}}'),
    "odd_4xx": Reply(418, b'{"error":"teapot"}'),
    "http_500": Reply(500, b"Internal Server Error", "text/plain"),
    "http_503": Reply(503, b"", "text/html"),
}
"""Answers given after the request was carried out."""

TRICKS = (*ODD_BODIES, "truncate", "duplicate", "reject", "lie_filled")


@dataclass(slots=True)
class Trick:
    """Something done to the next ``times`` requests: ``on`` exchange or info, narrowed to a ``match``ing type."""

    kind: str
    on: str = "exchange"
    match: str | None = None
    times: int = 1


@dataclass(slots=True)
class Pushing:
    """What happens to news on its way out. Probabilities; ``delay_s`` is the longest a late one takes."""

    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    delay_s: float = 2.0


@dataclass(slots=True)
class Reached:
    """One signed request that came in."""

    at_ms: int
    nonce: int
    action: Json = field(default_factory=dict)


class HostileExchange(PaperExchange):
    """``arm`` scripts faults by name; ``pushing`` loses, doubles and delays news by ``chance``."""

    def __init__(self, *args: Any, chance: Callable[[], float], beat_s: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tricks: list[Trick] = []
        self.pushing = Pushing()
        self.reached: list[Reached] = []
        self.hits: list[str] = []
        self._chance = chance
        self._beat_s = beat_s

    def arm(
        self, kind: str, *, on: str = "exchange", match: str | None = None, times: int = 1, delay_ms: int = 0
    ) -> None:
        """One fault more; ``times`` 0 is for ever."""
        if kind in SCRIPTED:
            self.faults.arm(Fault(kind, on, match, delay_ms, times))  # type: ignore[arg-type]  # one of its words
        elif kind in TRICKS:
            self.tricks.append(Trick(kind, on, match, times))
        else:
            raise ValueError(f"no such fault: {kind}")

    def heal(self) -> None:
        """Every fault off."""
        self.faults.clear()
        self.tricks.clear()
        self.pushing = Pushing()

    def _draw(self, on: str, kind: str) -> str | None:
        for at, trick in enumerate(self.tricks):
            if trick.on == on and trick.match in (None, kind):
                trick.times -= 1
                if trick.times == 0:
                    del self.tricks[at]
                self.hits.append(f"{trick.kind} {kind}")
                return trick.kind
        return None

    async def _info(self, body: object, ip: str) -> Reply:
        kind = str(body.get("type")) if isinstance(body, dict) else ""
        trick = self._draw("info", kind)
        if trick in (None, "duplicate", "reject", "lie_filled"):
            return await super()._info(body, ip)
        return await self._spoiled(trick, super()._info(body, ip))

    async def _exchange(self, body: object, ip: str) -> Reply:
        action: Json = body.get("action", {}) if isinstance(body, dict) else {}
        if isinstance(body, dict):
            self.reached.append(Reached(self.service.now(), body.get("nonce", 0), action))
        trick = self._draw("exchange", str(action.get("type")))
        if trick is None:
            return await super()._exchange(body, ip)
        if trick == "reject":
            return _said(action, {"error": error_text("INSUFFICIENT_MARGIN", asset=0)})
        if trick == "lie_filled":
            return _said(action, None)
        if trick == "duplicate":
            return await self._twice(lambda: super(HostileExchange, self)._exchange(body, ip))
        return await self._spoiled(trick, super()._exchange(body, ip))

    async def _spoiled(self, trick: str | None, answer: Awaitable[Reply]) -> Reply:
        """The request is carried out, its answer is not what comes."""
        reply = await answer
        if trick == "truncate":
            return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.content_type)
        return ODD_BODIES[trick or ""]

    async def _twice(self, carry_out: Callable[[], Awaitable[Reply]]) -> Reply:
        """The network brought the request two times; one of the answers arrives."""
        first = asyncio.ensure_future(carry_out())
        second = asyncio.ensure_future(carry_out())
        answers = await asyncio.gather(first, second)
        return answers[0] if self._chance() < 0.5 else answers[1]

    async def _post(self, kind: str, payload: object, ip: str) -> Json | None:
        """As the server does, but what is no JSON reaches the client as the text it is."""
        try:
            return await super()._post(kind, payload, ip)
        except orjson.JSONDecodeError:
            return {"type": "error", "payload": "200 <not json>"}

    def _tell(self, pushes: Pushes) -> None:
        news = self.pushing
        if self._chance() < news.lost:
            return
        super()._tell(pushes)
        if self._chance() < news.doubled:
            super()._tell(pushes)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            self.service.tick()
            await self.hub.beat()


def _said(action: Json, status: Json | None) -> Reply:
    """An answer in the venue's form that nothing stands behind: an error, or (``None``) a fill never made."""
    if action.get("type") != "order":
        return Reply(200, b'{"status":"err","response":"Internal error."}')
    rows = [status or _filled(order) for order in action["orders"]]
    answer = {"status": "ok", "response": {"type": "order", "data": {"statuses": rows}}}
    return Reply(200, orjson.dumps(answer))


def _filled(order: Json) -> Json:
    return {"filled": {"totalSz": order["s"], "avgPx": order["p"], "oid": 77_777_777_777}}
