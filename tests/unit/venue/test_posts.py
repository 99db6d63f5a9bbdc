"""Requests on the socket: each future has its own answer or none, and no request counts as not sent."""

from __future__ import annotations

import asyncio

import pytest

from executor.core.facts import RawReply
from executor.errors import VenueAnswerOdd
from executor.testing import ManualClock
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock
from executor.venue.posts import Posts
from executor.venue.socket import SocketSettings, VenueSocket

OK = {"type": "action", "payload": {"status": "ok"}}


class RecordingSocket(VenueSocket):
    """Writes into a list, or fails as a lost connection does."""

    def __init__(self, clock: VenueClock) -> None:
        super().__init__("ws://nowhere", clock, Budgets(), SocketSettings())
        self.sent: list[bytes] = []
        self.dropped: list[str] = []
        self.broken = False
        self.clear = False

    @property
    def is_clear(self) -> bool:
        return self.clear

    def write(self, frame: bytes) -> None:
        if self.broken:
            raise ConnectionResetError("reset")
        self.sent.append(frame)

    async def send(self, frame: bytes) -> None:
        if self.broken:
            raise ConnectionResetError("reset")
        self.sent.append(frame)

    def drop(self, reason: str) -> None:
        self.dropped.append(reason)


class Stage:
    def __init__(self) -> None:
        self.clock = ManualClock()
        venue_clock = VenueClock(self.clock)
        self.budgets = Budgets()
        self.socket = RecordingSocket(venue_clock)
        self.posts = Posts(self.socket, venue_clock, self.budgets)

    async def out(self, count: int) -> list[asyncio.Task[RawReply]]:
        tasks = [asyncio.create_task(self.posts.post(b"{}", 60)) for _ in range(count)]
        await asyncio.sleep(0)
        return tasks

    def answer(self, number: object, response: object = OK) -> None:
        self.socket.routes["post"]({"id": number, "response": response})

    def error(self, text: object) -> None:
        self.socket.routes["error"](text)


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_answers_find_their_requests_in_any_order(stage: Stage) -> None:
    first, second, third = await stage.out(3)
    assert stage.budgets.posts_in_flight == 3
    stage.answer(3, {"type": "error", "payload": "429 Too Many Requests"})
    stage.answer(1)
    stage.answer(2, {"type": "nonsense"})
    replies = await asyncio.gather(first, second, third)
    assert [(reply.sent, reply.status) for reply in replies] == [(True, 200), (True, None), (True, 429)]
    assert stage.budgets.posts_in_flight == 0


async def test_numbers_are_never_used_again_not_even_after_a_reconnect(stage: Stage) -> None:
    await stage.out(2)
    for up in (False, True):
        for listener in stage.socket.listeners:
            listener(up)
    await stage.out(1)
    assert [b'"id":%d,' % n in frame for n, frame in enumerate(stage.socket.sent, 1)] == [True] * 3
    for listener in stage.socket.listeners:
        listener(False)


async def test_a_lost_socket_leaves_every_request_sent_and_unanswered(stage: Stage) -> None:
    tasks = await stage.out(3)
    stage.answer(2)
    for listener in stage.socket.listeners:
        listener(False)
    assert [((await task).sent, (await task).status) for task in tasks] == [(True, None), (True, 200), (True, None)]


@pytest.mark.parametrize("clear", [False, True])
async def test_a_write_that_fails_may_have_left(stage: Stage, clear: bool) -> None:
    stage.socket.broken, stage.socket.clear = True, clear
    reply = await stage.posts.post(b"{}", 60)
    assert (reply.sent, reply.status) == (True, None)
    assert stage.budgets.posts_in_flight == 0


async def test_a_socket_that_said_nothing_since_an_unanswered_request_is_dropped(stage: Stage) -> None:
    stage.clock.advance(100)
    reply = await stage.posts.post(b"{}", 0)
    assert (reply.sent, reply.status) == (True, None)
    assert len(stage.socket.dropped) == 1


@pytest.mark.parametrize("number", [7, 0, -1])
async def test_answers_nobody_waits_for_are_nothing(stage: Stage, number: int) -> None:
    (task,) = await stage.out(1)
    stage.answer(number)
    stage.answer(1)
    stage.answer(1, {"type": "action", "payload": {"status": "another"}})
    assert (await task).body == {"status": "ok"}


@pytest.mark.parametrize("data", [None, [], {}, {"id": "1"}])
async def test_answers_without_a_number_are_odd(stage: Stage, data: object) -> None:
    with pytest.raises(VenueAnswerOdd):
        stage.socket.routes["post"](data)


async def test_one_too_many_is_that_requests_429(stage: Stage) -> None:
    (task,) = await stage.out(1)
    stage.error("too many pending post requests id=1")
    assert (await task).status == 429


@pytest.mark.parametrize("text", ["Invalid subscription {…}", None, "x too many pending post requests id=1"])
async def test_other_errors_are_odd(stage: Stage, text: object) -> None:
    with pytest.raises(VenueAnswerOdd):
        stage.error(text)


async def test_an_echoed_request_is_not_repeated_in_our_words(stage: Stage) -> None:
    with pytest.raises(VenueAnswerOdd) as told:
        stage.error('Error parsing JSON into valid websocket request: {"signature":{"r":"0xsecret"}}')
    assert "secret" not in str(told.value)
