"""What the socket does without a network: subscriptions wanted, frames read. Its life is in tests/integration."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from executor.errors import VenueAnswerOdd
from executor.testing import ManualClock
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock
from executor.venue.socket import COMPLAINTS, SocketSettings, VenueSocket, text_frame


@pytest.fixture
def socket() -> VenueSocket:
    return VenueSocket("ws://nowhere", VenueClock(ManualClock()), Budgets(), SocketSettings())


async def test_before_it_is_open_nothing_can_be_sent(socket: VenueSocket) -> None:
    assert not socket.is_open
    assert not socket.is_healthy
    with pytest.raises(ConnectionError):
        await socket.send(b"{}")
    socket.drop("nothing to drop")


def test_frames_go_to_their_channel_and_odd_ones_are_counted(socket: VenueSocket) -> None:
    seen: list[Any] = []

    def odd(_: Any) -> None:
        raise VenueAnswerOdd("not readable")

    socket.routes |= {"a": seen.append, "b": odd}
    for raw in (b'{"channel":"a","data":1}', b'{"channel":"a"}', b'{"channel":"nobody","data":2}'):
        socket.on_raw(raw)
    assert (seen, socket.odd_frames) == ([1, None], 0)
    odd_ones = (
        b"",
        b"\xff",
        b"hello",
        b"[]",
        b"null",
        b'{"channel":7}',
        b'{"data":1}',
        b"[" * 9999,
        b'{"channel":"b"}',
    )
    for raw in odd_ones:
        socket.on_raw(raw)
    assert socket.odd_frames == len(odd_ones)


def test_what_the_venue_refuses_on_the_socket_is_told_once_and_without_what_was_signed(
    socket: VenueSocket, caplog: pytest.LogCaptureFixture
) -> None:
    for text in (b"Cannot track more than 15 total users.", b"Invalid subscription {'r': '0x1'}") * 2:
        socket.on_raw(b'{"channel":"error","data":"%b"}' % text)
    for data in (b"null", b'{"a":1}', b'""'):
        socket.on_raw(b'{"channel":"error","data":%b}' % data)
    told = [record.message.partition("asked for: ")[2] for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["Cannot track more than 15 total users.", "Invalid subscription "]
    assert socket.odd_frames == 7


class Heard(VenueSocket):
    """Keeps what it was to send."""

    def __init__(self) -> None:
        super().__init__("ws://nowhere", VenueClock(ManualClock()), Budgets(), SocketSettings())
        self.sent: list[bytes] = []

    async def send(self, frame: bytes) -> None:
        self.sent.append(frame)


async def test_a_user_the_venue_cannot_track_now_is_asked_for_again() -> None:
    socket = Heard()
    for wanted in ({"type": "userFills", "user": "0xab"}, {"type": "bbo", "coin": "BTC"}):
        socket.want(wanted)
    await socket._bring_up()
    await socket._bring_up()
    assert len(socket.sent) == 2
    socket.on_raw(b'{"channel":"error","data":"Invalid subscription {}"}')
    await socket._bring_up()
    assert len(socket.sent) == 2, "what is wrong in itself stays so"
    socket.on_raw(b'{"channel":"error","data":"Cannot track more than 15 total users."}')
    await socket._bring_up()
    assert socket.sent[2:] == [b'{"method":"subscribe","subscription":{"type":"userFills","user":"0xab"}}']


def test_only_so_many_refusals_are_told(socket: VenueSocket, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(50):
        socket.on_raw(b'{"channel":"error","data":"no. %d"}' % number)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == COMPLAINTS


def test_a_mistake_of_ours_in_a_handler_is_not_hidden(socket: VenueSocket) -> None:
    def mistaken(_: Any) -> None:
        raise KeyError("ours")

    socket.routes["a"] = mistaken
    with pytest.raises(KeyError):
        socket.on_raw(b'{"channel":"a"}')


class Swallowing(VenueSocket):
    """Its connection ends by an error in the moment of the cancel, which a task group then swallows."""

    async def _connection(self) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "reset by the venue"
        return "never"


async def test_a_cancel_that_was_swallowed_with_a_connections_end_still_ends_it() -> None:
    run = asyncio.ensure_future(Swallowing("ws://x", VenueClock(ManualClock()), Budgets(), SocketSettings()).run())
    await asyncio.sleep(0)
    run.cancel()
    await asyncio.wait([run], timeout=20)
    assert run.cancelled()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 480, 65_535, 65_536, 300_001])
def test_a_frame_written_in_one_step_is_what_the_library_reads(size: int) -> None:
    payload = bytes(n % 251 for n in range(size))
    server = ServerProtocol(state=State.OPEN)
    server.receive_data(text_frame(payload) + text_frame(b"next"))
    first, second = server.events_received()
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert (first.opcode, first.fin, bytes(first.data)) == (Opcode.TEXT, True, payload)
    assert bytes(second.data) == b"next"


def test_no_two_frames_are_masked_alike() -> None:
    assert len({text_frame(b"the same") for _ in range(50)}) == 50
