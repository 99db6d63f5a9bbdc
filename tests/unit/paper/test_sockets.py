"""One client of the paper exchange's websocket side, without a network."""

from __future__ import annotations

from typing import Any, cast

from executor.paper.sockets import MOST_WAITING, Connection


class Transport:
    aborted = False

    def abort(self) -> None:
        self.aborted = True


class Request:
    remote = "127.0.0.1"

    def __init__(self) -> None:
        self.transport = Transport()


async def test_a_client_that_does_not_read_is_let_go_before_it_fills_the_memory() -> None:
    request, socket = cast("Any", Request()), cast("Any", None)
    connection = Connection(socket, request, 0)
    for number in range(MOST_WAITING):
        connection.send({"channel": "bbo", "data": number}, number)
    assert not request.transport.aborted
    for number in range(3):
        connection.send({"channel": "bbo", "data": number}, MOST_WAITING + number)
    assert request.transport.aborted
    assert connection.outgoing.qsize() == MOST_WAITING
