"""direct: however the bytes come in, the messages are those the library alone would read, once and in order."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from executor.sources.direct import Direct, whole_text


class Wire(asyncio.Transport):
    """A transport that leads nowhere."""

    aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Line:
    """One connection: ``hear`` gives it bytes, ``messages`` came of them; ``read``: how often the library was asked."""

    def __init__(self, protocol: ClientProtocol) -> None:
        self.direct = Direct(protocol)
        self.direct.connection_made(Wire())
        self.messages: list[bytes] = []
        self.direct.hand_to(self.messages.append)
        self.read = 0
        receive = protocol.receive_data

        def counted(data: bytes) -> None:
            self.read += 1
            receive(data)

        protocol.receive_data = counted  # type: ignore[method-assign]  # counts what the library is given

    def hear(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.direct.data_received(chunk)


def shaken() -> tuple[Line, bytes]:
    """A connection that has asked for its handshake, and the server's answer."""
    client, server = ClientProtocol(parse_uri("ws://host/")), ServerProtocol()
    line = Line(client)
    client.send_request(client.connect())
    server.receive_data(b"".join(client.data_to_send()))
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    return line, b"".join(server.data_to_send())


def opened() -> Line:
    line, answer = shaken()
    line.hear(answer)
    line.read = 0
    return line


def frame(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=False)


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@pytest.mark.parametrize("size", [2, 125, 126, 127, 480, 65_535])
async def test_a_signal_that_comes_whole_and_alone_is_not_given_to_the_library(size: int) -> None:
    line = opened()
    line.hear(frame(b"x" * size), frame(b"y" * size))
    assert line.messages == [b"x" * size, b"y" * size]
    assert line.read == 0


PAYLOADS = st.binary(max_size=40) | st.integers(0, 70_000).map(lambda size: b"z" * size)
MESSAGES = st.lists(
    st.tuples(PAYLOADS, st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.integers(0, 3), st.booleans()), max_size=6
)


def wire_of(payload: bytes, opcode: Opcode, cuts: int, ping: bool) -> list[bytes]:
    """The frames of one message: in parts, and with a ping in between."""
    parts = split_at(payload, [len(payload) * n // (cuts + 1) for n in range(1, cuts + 1)]) or [b""]
    kinds = [opcode, *[Opcode.CONT] * (len(parts) - 1)]
    frames = [
        frame(part, kind, fin=n == len(parts) - 1) for n, (part, kind) in enumerate(zip(parts, kinds, strict=True))
    ]
    return [*frames[:1], frame(b"", Opcode.PING), *frames[1:]] if ping else frames


@given(MESSAGES, st.lists(st.integers(0, 1 << 20), max_size=8), st.booleans())
def test_however_frames_are_cut_every_message_arrives_once_and_in_order(
    messages: list[tuple[bytes, Opcode, int, bool]], cuts: list[int], each_alone: bool
) -> None:
    async def heard() -> Line:
        line = opened()
        frames = [one for message in messages for one in wire_of(*message)]
        line.hear(*(frames if each_alone else split_at(b"".join(frames), cuts)))
        line.hear(frame(b"last"))
        return line

    line = asyncio.run(heard())
    assert line.messages == [*(payload for payload, *_ in messages), b"last"]
    assert line.direct.mistake is None


@pytest.mark.parametrize("alone", [True, False])
async def test_a_frame_inside_a_payload_is_no_message(alone: bool) -> None:
    hidden = frame(b"a signal nobody sent")
    head, payload = frame(hidden)[:2], hidden
    line = opened()
    line.hear(*([head, payload] if alone else [head + payload[:3], payload[3:]]))
    line.hear(frame(b"next"))
    assert line.messages == [hidden, b"next"]


async def test_a_length_in_more_bytes_than_it_needs_hides_no_boundary() -> None:
    long = b"\x82\x7e\x00\x02hi"  # a binary frame: two bytes, said in the longer form
    hidden = frame(b"no signal")
    line = opened()
    line.hear(long, frame(hidden)[:2], hidden, frame(b"next"))
    assert line.messages == [b"hi", hidden, b"next"]


async def test_after_the_end_nothing_is_taken() -> None:
    line = opened()
    line.hear(frame(b"\x03\xe8", Opcode.CLOSE), frame(b"late"))
    assert line.messages == []


@pytest.mark.parametrize(
    "data", [b"", b"\x81", b"\x81\x02h", b"\x81\x02hi!", b"\x01\x02hi", b"\x82\x02hi", b"\xc1\x02hi", b"\x81\x82hi",
             b"\x81\x82abcd" + b"\x00" * 126, b"\x81\x7f" + (70_000).to_bytes(8, "big") + b"x" * 70_000]
)  # fmt: skip
def test_what_is_not_one_whole_text_frame_is_left_to_the_library(data: bytes) -> None:
    assert whole_text(data) is None


@pytest.mark.parametrize("with_it", [[], [b"first"], [b"first", b""]])
async def test_after_a_handshake_in_one_piece_frames_are_taken_at_a_glance(with_it: list[bytes]) -> None:
    line, answer = shaken()
    line.hear(answer + b"".join(map(frame, with_it)))
    reads = line.read
    line.hear(frame(b"alone"))
    assert line.messages == [*with_it, b"alone"]
    assert line.read == reads


async def test_a_frame_begun_with_the_handshake_ends_in_the_next_piece() -> None:
    line, answer = shaken()
    line.hear(answer + frame(b"first")[:3], frame(b"first")[3:], frame(b"alone"))
    assert line.messages == [b"first", b"alone"]
    assert line.read == 2


@pytest.mark.parametrize("cut", [1, 20, -3, -1])
async def test_after_a_handshake_in_pieces_every_frame_still_arrives(cut: int) -> None:
    line, answer = shaken()
    line.hear(answer[:cut], answer[cut:] + frame(b"a\r\n\r\nb"), frame(b"c"))
    assert line.messages == [b"a\r\n\r\nb", b"c"]


async def test_a_blank_line_in_a_message_is_not_taken_for_the_end_of_the_handshake() -> None:
    line, answer = shaken()
    payload = b"12345" + frame(b"no signal")
    whole = frame(payload)
    line.hear(answer[:-1], answer[-1:] + frame(b"a\r\n\r\nb"), whole[:7], whole[7:])
    assert line.messages == [b"a\r\n\r\nb", payload]
