"""The thinnest server that stamps the moment bytes are read: HTTP POST and websockets on one loopback port.

Web frameworks would add their own parsing before a handler runs; here the stamp is taken as the first thing.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol
from urllib.parse import urlsplit

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol


class App(Protocol):
    """What is served. ``read_ns`` is when the last byte of the message was read."""

    def opened(self, connection: Connection, path: str) -> None: ...

    def closed(self, connection: Connection) -> None: ...

    def received(self, connection: Connection, text: bytes, read_ns: int) -> None: ...

    def posted(self, connection: Connection, path: str, body: bytes, read_ns: int) -> None: ...


class Connection(asyncio.Protocol):
    """One client: a websocket if it begins with GET, else kept-alive HTTP POSTs."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._ws: ServerProtocol | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _exc: Exception | None) -> None:
        self._app.closed(self)

    def data_received(self, data: bytes) -> None:
        read_ns = time.perf_counter_ns()
        if self._ws is None and not self._buffer and data.startswith(b"GET"):
            self._ws = ServerProtocol()
        if self._ws is None:
            self._buffer += data
            self._read_posts(read_ns)
        else:
            self._read_frames(self._ws, data, read_ns)

    def _read_frames(self, ws: ServerProtocol, data: bytes, read_ns: int) -> None:
        ws.receive_data(data)
        for event in ws.events_received():
            if isinstance(event, Request):
                ws.send_response(ws.accept(event))
                self._flush(ws)
                self._app.opened(self, urlsplit(event.path).path)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._app.received(self, bytes(event.data), read_ns)
        self._flush(ws)
        if ws.close_expected():
            self._transport.close()

    def _flush(self, ws: ServerProtocol) -> None:
        for chunk in ws.data_to_send():
            if chunk:
                self._transport.write(chunk)

    def _read_posts(self, read_ns: int) -> None:
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].decode("latin-1").split("\r\n")
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            whole = end + 4 + int(fields.get("content-length", "0"))
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self._app.posted(self, head[0].split()[1], body, read_ns)

    def send_text(self, text: bytes) -> None:
        """Write one websocket text frame at once."""
        if self._ws is not None and not self._transport.is_closing():
            self._ws.send_text(text)
            self._flush(self._ws)

    def answer(self, body: bytes, status: str = "200 OK") -> None:
        """Write the answer to a POST."""
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def serve(app: App) -> tuple[asyncio.Server, int]:
    """The running server and its free loopback port."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(app), "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]
