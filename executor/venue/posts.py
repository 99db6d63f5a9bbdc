"""Requests that are out on the websocket, by their id, until each has its answer or its socket is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import count
from typing import Any

from websockets.exceptions import WebSocketException

from executor import faults
from executor.core.facts import RawReply
from executor.hyperliquid import reading
from executor.venue import envelope
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock
from executor.venue.socket import VenueSocket

TOO_MANY_POSTS = "too many pending post requests id="


class Posts:
    """The table of futures. Ids never repeat in a process, so no late answer meets another request."""

    def __init__(self, socket: VenueSocket, clock: VenueClock, budgets: Budgets) -> None:
        self._socket = socket
        self._clock = clock
        self._budgets = budgets
        self._numbers = count(1)
        self._out: dict[int, asyncio.Future[RawReply]] = {}
        socket.routes["post"] = self._on_answer
        socket.routes["error"] = self._on_error
        socket.listeners.append(self._on_state)

    def post(self, body: bytes, timeout_s: float) -> Coroutine[Any, Any, RawReply]:
        """Send one body, at once where the socket is clear; await the answer, which never raises.

        Only to be called while the socket is open, for it counts as sent; and always to be awaited.
        """
        number = next(self._numbers)
        answer: asyncio.Future[RawReply] = asyncio.get_running_loop().create_future()
        self._out[number] = answer
        self._budgets.posts_in_flight = len(self._out)
        frame = envelope.post_frame(number, body)
        if not self._socket.is_clear:
            return self._answered(number, frame, timeout_s)
        try:
            self._socket.write(frame)
        except (OSError, RuntimeError, WebSocketException) as problem:
            answer.set_result(envelope.no_answer(f"socket lost while sending: {problem}"))
        return self._answered(number, None, timeout_s)

    async def _answered(self, number: int, frame: bytes | None, timeout_s: float) -> RawReply:
        """Send the frame if it is not out yet, and wait."""
        began_ms = self._clock.mono_ms()
        try:
            async with asyncio.timeout(timeout_s):
                if frame is not None:
                    await self._socket.send(frame)
                return await self._out[number]
        except TimeoutError:
            self._doubt(began_ms)
            return envelope.no_answer(f"no answer in {timeout_s} s")
        except (OSError, WebSocketException) as problem:
            return envelope.no_answer(f"socket lost while sending: {problem}")
        finally:
            del self._out[number]
            self._budgets.posts_in_flight = len(self._out)

    def _doubt(self, began_ms: int) -> None:
        """A socket that said nothing at all since an unanswered request was sent is not worth another."""
        if self._socket.silent_ms() >= self._clock.mono_ms() - began_ms:
            self._socket.drop("a request had no answer, and nothing else arrived since")

    def _on_answer(self, data: object) -> None:
        faults.point("answer_first_byte")
        row = reading.mapping(data, "post")
        self._settle(reading.integer(row, "id"), envelope.post_reply(row.get("response")))

    def _on_error(self, data: object) -> None:
        """The ``error`` channel: the one text that names a post is that post's answer, the rest is news for people."""
        text = data if isinstance(data, str) else ""
        head, found, number = text.partition(TOO_MANY_POSTS)
        if not found or head or not number.isdecimal():
            self._socket.complained(data)
        self._settle(int(number), RawReply(sent=True, status=429, error=text))

    def _settle(self, number: int, reply: RawReply) -> None:
        answer = self._out.get(number)
        if answer is not None and not answer.done():
            answer.set_result(reply)

    def _on_state(self, up: bool) -> None:
        if up:
            return
        for number in self._out:
            self._settle(number, envelope.no_answer("socket lost before the answer"))
