"""The way out: signed requests over the open socket, else over HTTP; reads over HTTP; both within the rate budgets.

``submit`` never raises and never sends twice: what may have left on the socket is not sent again here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

import orjson

from executor.core.facts import RawReply
from executor.errors import KeptBack, VenueAnswerOdd, VenueUnavailable
from executor.hyperliquid import limits
from executor.ports import Lane, SignedRequest
from executor.venue import envelope
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock
from executor.venue.http import HttpDoor
from executor.venue.posts import Posts
from executor.venue.socket import VenueSocket

READ_TIMEOUT_S = 10.0
READ_PATIENCE_S = 10.0
"""How long a read waits for its share of the rate budget before it gives up."""

LOOK_AGAIN_S = 0.5
LATELY = 1_000
"""So many requests are remembered, to tell the same bytes sent again; they go again within their ten seconds only."""


class Transport:
    """One socket, one HTTP session, one set of budgets."""

    def __init__(self, http: HttpDoor, socket: VenueSocket, clock: VenueClock, budgets: Budgets) -> None:
        self.http_fallbacks = 0
        self._http = http
        self._socket = socket
        self._posts = Posts(socket, clock, budgets)
        self._clock = clock
        self._budgets = budgets
        self._lately: dict[tuple[int, str], None] = {}

    def submit(self, request: SignedRequest, lane: Lane, timeout_s: float) -> Coroutine[Any, Any, RawReply]:
        """Send one signed request, within this call if budgets and socket allow; await its answer.

        Where the budget is short its share is waited for, at most ``timeout_s``.
        """
        weight = limits.action_weight(envelope.action_length(request.action))
        now_ms, again = self._clock.mono_ms(), self._went_before(request)
        if self._budgets.wait_ms(lane, weight, now_ms, again=again):
            return self._submit_later(request, lane, weight, timeout_s, again=again)
        self._budgets.spend(weight, now_ms, lane)
        return self._noted(self._send(envelope.exchange_body(request), lane, timeout_s))

    def _went_before(self, request: SignedRequest) -> bool:
        """Whether the same bytes were submitted lately: a nonce is used once by one signer."""
        mark = (request.nonce, str(request.signature.get("r")))
        if mark in self._lately:
            return True
        self._lately[mark] = None
        if len(self._lately) > LATELY:
            del self._lately[next(iter(self._lately))]
        return False

    async def _submit_later(
        self, request: SignedRequest, lane: Lane, weight: int, timeout_s: float, *, again: bool
    ) -> RawReply:
        if not await self._admitted(lane, weight, timeout_s, again=again):
            return envelope.not_sent("our own rate budget is short, nothing was sent")
        return await self._noted(self._send(envelope.exchange_body(request), lane, timeout_s))

    def _send(self, body: bytes, lane: Lane, timeout_s: float) -> Awaitable[RawReply]:
        if self._socket.is_open and self._budgets.may_post(lane, self._clock.mono_ms()):
            return self._posts.post(body, timeout_s)
        self.http_fallbacks += 1
        return self._http.post("/exchange", body, timeout_s)

    async def _noted(self, answer: Awaitable[RawReply]) -> RawReply:
        reply = await answer
        self._note(reply)
        return reply

    async def info(self, kind: str, lane: Lane, fields: dict[str, object]) -> object:
        """One ``/info`` read; ``VenueUnavailable`` if it may work later, ``VenueAnswerOdd`` if it will not."""
        if not await self._admitted(lane, limits.info_weight(kind), READ_PATIENCE_S):
            raise self._kept_back(kind)
        reply = await self._http.post("/info", orjson.dumps({"type": kind, **fields}), READ_TIMEOUT_S)
        self._note(reply)
        return self._answer(kind, reply)

    def _kept_back(self, kind: str) -> VenueUnavailable:
        failures = self._budgets.failures
        if failures:
            return VenueUnavailable(f"{kind}: kept back, the venue failed {failures} times in a row")
        return KeptBack(f"{kind}: kept back, our own rate budget is short")

    def _answer(self, kind: str, reply: RawReply) -> object:
        if reply.status is None or reply.status == 429 or reply.status >= 500:
            raise VenueUnavailable(f"{kind}: {reply.error}")
        if reply.error:
            raise VenueAnswerOdd(f"{kind}: {reply.error}")
        if isinstance(reply.body, list):
            extra = limits.info_weight(kind, len(reply.body)) - limits.info_weight(kind)
            self._budgets.spend(extra, self._clock.mono_ms())
        return reply.body

    def _note(self, reply: RawReply) -> None:
        """What an answer says about the venue itself: trouble, or that it is over."""
        if reply.status == 429:
            self._budgets.throttled(self._clock.mono_ms())
        elif reply.status is None or reply.status >= 500:
            self._budgets.failed(self._clock.mono_ms())
        else:
            self._budgets.answered()

    async def _admitted(self, lane: Lane, weight: int, patience_s: float, *, again: bool = False) -> bool:
        """Wait for the budget, at most so long; counts the weight when it may go.

        In steps: a venue that answers again lets everybody go who waited for its trouble to end.
        """
        deadline_ms = self._clock.mono_ms() + int(patience_s * 1000)
        while wait := self._budgets.wait_ms(lane, weight, self._clock.mono_ms(), again=again):
            if self._clock.mono_ms() + wait > deadline_ms:
                return False
            await asyncio.sleep(min(wait / 1000, LOOK_AGAIN_S))
        self._budgets.spend(weight, self._clock.mono_ms(), lane)
        return True
