"""WebSocket handshakes as no client writes them: raw bytes, for every server of ours."""

from __future__ import annotations

import asyncio

from yarl import URL

GOOD = {
    b"Connection": b"Upgrade",
    b"Upgrade": b"websocket",
    b"Sec-WebSocket-Version": b"13",
    b"Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==",
}
GARBLED = [GOOD | {name: value[:-1] + odd} for name, value in GOOD.items() for odd in (b"\x94", b"\xc3\xa9", b"")]


async def handshake(url: str, headers: dict[bytes, bytes]) -> int:
    """The status such a handshake gets; 0 where the connection was cut without one."""
    where = URL(url)
    reader, writer = await asyncio.open_connection(where.host, where.port)
    head = b"".join(b"%s: %s\r\n" % header for header in headers.items())
    writer.write(f"GET {where.raw_path_qs} HTTP/1.1\r\nHost: {where.host}:{where.port}\r\n".encode() + head + b"\r\n")
    try:
        line = await asyncio.wait_for(reader.readline(), 20)
    except ConnectionError:
        line = b""
    writer.transport.abort()
    return int(line.split()[1]) if line else 0
