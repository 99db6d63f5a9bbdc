"""Every way a server can turn us away, on real sockets, for signals and venue alike: no storm, and back when it heals.

The long run is played on a virtual clock (tests/unit/test_backoff.py, tests/simulation/test_storms.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from executor.backoff import Server
from executor.clock import SystemClock
from executor.sources.connection import MAX_MESSAGE_BYTES, Connection, Endpoint
from executor.testing import until
from executor.venue.budgets import Budgets
from executor.venue.clock_offset import VenueClock
from executor.venue.socket import MAX_FRAME, SocketSettings, VenueSocket

CLOSES = (1000, 1001, 1006, 1008, 1009, 1011, 1012)
STATUSES = (401, 403, 429, 503)
KINDS = (*CLOSES, *STATUSES, "reset", "poison", "rubbish")
STORM_S = 2.0
MOST = 8
"""Attempts within the storm: five, and more on a machine that is late; the library alone makes 2,000."""


class Unfriendly:
    """A server that does one thing to whoever comes, until it ``heals``."""

    def __init__(self, kind: int | str) -> None:
        self.kind = kind
        self.attempts = 0
        self.healed = False
        self.url = ""

    async def check(self, connection: ServerConnection, _: Request) -> Response | None:
        self.attempts += 1
        if not self.healed and self.kind in STATUSES:
            return connection.respond(HTTPStatus(self.kind), "no")
        return None

    async def handle(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            if not self.healed:
                await self._misbehave(connection)
            await connection.wait_closed()

    async def _misbehave(self, connection: ServerConnection) -> None:
        if self.kind == "reset" or self.kind == 1006:
            connection.transport.abort()
        elif self.kind == "poison":
            await connection.send("x" * (max(MAX_MESSAGE_BYTES, MAX_FRAME) + 1))
        elif self.kind == "rubbish":
            connection.transport.write(b"\xff\xff\xff\xff not a frame")
        else:
            await connection.close(int(self.kind))


@contextlib.asynccontextmanager
async def unfriendly(kind: int | str) -> AsyncIterator[Unfriendly]:
    it = Unfriendly(kind)
    async with serve(
        it.handle, "127.0.0.1", 0, process_request=it.check, compression=None, close_timeout=0.1
    ) as server:
        it.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield it


@contextlib.asynccontextmanager
async def source_on(url: str) -> AsyncIterator[Connection]:
    connection = Connection(Endpoint("channel", url), SystemClock(), lambda: 0.0)
    task = asyncio.create_task(connection.run(lambda _item: None))
    yield connection
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def venue_on(url: str) -> AsyncIterator[VenueSocket]:
    socket = VenueSocket(url, VenueClock(SystemClock()), Budgets(), SocketSettings())
    task = asyncio.create_task(socket.run())
    yield socket
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def source_meets(kind: int | str) -> tuple[int | str, int]:
    async with unfriendly(kind) as server, source_on(server.url):
        await asyncio.sleep(STORM_S)
        return kind, server.attempts


async def venue_meets(kind: int | str) -> tuple[int | str, int]:
    async with unfriendly(kind) as server, venue_on(server.url) as socket:
        await until(lambda: server.attempts >= 1, 20)
        await asyncio.sleep(STORM_S)
        stormed = server.attempts
        server.healed = True
        await until(lambda: socket.is_open, 20)
        return kind, stormed


@pytest.mark.parametrize("meets", [source_meets, venue_meets])
async def test_no_way_of_being_turned_away_makes_a_storm(meets) -> None:
    """All at once: they wait beside each other. The venue's socket never gives up, whatever it was told."""
    attempts = dict(await asyncio.gather(*(meets(kind) for kind in KINDS)))
    assert {kind: count for kind, count in attempts.items() if not 1 <= count <= MOST} == {}


async def test_a_source_that_was_not_refused_for_good_is_back_when_its_server_heals() -> None:
    async def comes_back(kind: int | str) -> None:
        async with unfriendly(kind) as server, source_on(server.url) as connection:
            await until(lambda: server.attempts >= 2, 20)
            server.healed = True
            await until(lambda: connection._socket is not None, 20)

    await asyncio.gather(*(comes_back(kind) for kind in (1000, 1001, 1006, 1011, 1012, 503, "reset")))


async def test_ten_channels_of_one_source_do_not_storm_together() -> None:
    async with unfriendly(1011) as server:
        shared = Server()
        connections = [
            Connection(Endpoint(f"c{n}", server.url), SystemClock(), lambda: 0.5, server=shared) for n in range(10)
        ]
        tasks = [asyncio.create_task(one.run(lambda _item: None)) for one in connections]
        await asyncio.sleep(STORM_S + 1)
        assert 10 <= server.attempts <= 20  # ten at once, then together what one alone would
        server.healed = True
        await until(lambda: sum(one._socket is not None for one in connections) == 10, 30)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
