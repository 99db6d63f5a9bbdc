"""One client of the paper exchange's websocket side, without a network."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from executor.hyperliquid.limits import WS_SILENCE_CLOSE_S
from executor.paper.channels import Cadence
from executor.paper.sockets import MOST_WAITING, Connection, Hub


class Transport:
    aborted = False

    def abort(self) -> None:
        self.aborted = True


class Request:
    remote = "127.0.0.1"

    def __init__(self) -> None:
        self.transport = Transport()


class Stuck:
    """A socket to a client that does not read: a closing frame never leaves."""

    async def close(self, code: int) -> None:
        await asyncio.Event().wait()


class Clock:
    """A venue whose time is a second after a silent socket's last."""

    def now(self) -> int:
        return WS_SILENCE_CLOSE_S * 1000 + 1000


def connected() -> tuple[Any, Connection]:
    request: Any = Request()
    return request.transport, Connection(cast("Any", Stuck()), request, 0)


async def test_a_client_that_does_not_read_is_let_go_before_it_fills_the_memory() -> None:
    transport, connection = connected()
    for number in range(MOST_WAITING):
        connection.send({"channel": "bbo", "data": number}, number)
    assert not transport.aborted
    for number in range(3):
        connection.send({"channel": "bbo", "data": number}, MOST_WAITING + number)
    assert transport.aborted
    assert connection.outgoing.qsize() == MOST_WAITING


async def test_neither_the_beat_nor_an_end_waits_for_a_client_that_does_not_read() -> None:
    never: Any = None
    for end in (Hub.beat, Hub.close):
        hub = Hub(cast("Any", Clock()), never, never, Cadence(), never)
        transport, connection = connected()
        hub.connections[connection] = None
        async with asyncio.timeout(20):
            await end(hub)
        assert transport.aborted
