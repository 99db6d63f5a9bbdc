"""A websocket that hands each message over while it is being read, and reads a signal, whole and alone, at a glance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.messages import MAX_FRAGMENTS
from websockets.frames import DATA_OPCODES, CloseCode, Frame
from websockets.protocol import Event, State

_NEVER = 1 << 62
"""More than is ever read: the count never gets to zero from there."""


def _drop(_: bytes) -> None:
    """What comes after the end."""


class Direct(ClientConnection):
    """Hands each message over while it is being read: a queue, and a task woken for it, would cost an order its start.

    What arrives before ``hand_to`` waits for it. A mistake of the taker's ends the connection and is kept.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.mistake: Exception | None = None
        self._early: list[bytes] = []
        self._parts: list[bytes] = []
        self._chunk = b""
        self._unread = 0
        """Bytes given to the library that are no frame yet; at zero the next byte begins one."""
        self._take: Callable[[bytes], None] = self._early.append

    def hand_to(self, take: Callable[[bytes], None]) -> None:
        """From now on every message goes here at once, those that waited first."""
        for raw in self._early:
            take(raw)
        self._take = take

    def data_received(self, data: bytes) -> None:
        """One text message whole and alone, as signals come, is taken at a glance; all else the library reads.

        It reads through four generators, which a cold order waits 60 µs for.
        """
        at_a_frame = self._unread == 0 and not self._parts and self.protocol.state is State.OPEN
        text = whole_text(data) if at_a_frame else None
        if text is not None:
            self._hand_over(text)
            return
        self._chunk = data
        self._unread += len(data)
        super().data_received(data)

    def process_event(self, event: Event) -> None:
        """The library's hook for what it has read: messages are ours, handshake and control frames its own."""
        if isinstance(event, Frame):
            self._unread -= _wire_length(len(event.data))
        else:  # the handshake's answer: unless it came in one piece, nobody knows where frames begin
            head, end, rest = self._chunk.partition(b"\r\n\r\n")
            self._unread = len(rest) if end and head.startswith(b"HTTP/") else _NEVER
        if not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            return
        self._parts.append(bytes(event.data))
        if len(self._parts) > MAX_FRAGMENTS:  # the library counts them where it keeps them, which is not here
            self._parts, self._take = [], _drop
            self.protocol.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.send_data()
        elif event.fin:
            raw, self._parts = b"".join(self._parts), []
            self._hand_over(raw)

    def _hand_over(self, raw: bytes) -> None:
        try:
            if self.mistake is None:
                self._take(raw)
        except Exception as mistake:  # noqa: BLE001  raised again by whoever listens; here it would only be logged
            self.mistake = mistake
            self.transport.abort()


def whole_text(data: bytes) -> bytes | None:
    """The payload where the bytes are one unmasked final text frame below 64 KiB and nothing else (RFC 6455, 5.2)."""
    if len(data) < 4 or data[0] != 0x81 or data[1] > 126:
        return None
    start, length = (4, int.from_bytes(data[2:4], "big")) if data[1] == 126 else (2, data[1])
    return data[start:] if len(data) == start + length else None


def _wire_length(payload: int) -> int:
    """How long an unmasked frame is at least: a sender may write its length in more bytes than it needs."""
    return payload + (2 if payload < 126 else 4 if payload < 1 << 16 else 10)
