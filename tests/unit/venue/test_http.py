"""The HTTP door before it is open; with sockets it is tested in tests/integration."""

from __future__ import annotations

from executor.venue.http import HttpDoor


async def test_before_the_start_nothing_is_sent() -> None:
    reply = await HttpDoor("http://127.0.0.1:9").post("/exchange", b"{}", 1.0)
    assert (reply.sent, reply.status) == (False, None)
