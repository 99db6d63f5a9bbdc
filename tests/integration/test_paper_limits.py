"""The paper exchange counts per IP, as the venue does: HTTP and all sockets of one machine together."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from executor.hyperliquid import limits
from executor.paper.feeds import ManualMarket
from executor.paper.server import Options, PaperExchange

USER = "0x" + "a1" * 20


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as one:
        yield one


def exchange(**options: Any) -> PaperExchange:
    return PaperExchange(ManualMarket(), fund={USER: 10_000}, options=Options(latency_ms=0, **options))


async def heard(socket: Any, channel: str) -> dict[str, Any]:
    """The next frame of a channel."""
    async with asyncio.timeout(20):
        while (frame := await socket.receive_json())["channel"] != channel:
            pass
    return frame


async def test_a_post_and_a_request_over_http_share_one_budget(session):
    async with exchange() as paper, session.ws_connect(paper.url + "/ws") as socket:
        for number in range(60):
            request = {"type": "info", "payload": {"type": "meta"}}
            await socket.send_json({"method": "post", "id": number, "request": request})
            assert (await heard(socket, "post"))["data"]["response"]["type"] == "info"
        async with session.post(paper.url + "/info", json={"type": "meta"}) as response:
            assert response.status == 429


async def test_ten_connections_are_enough_for_one_machine(session):
    async with exchange() as paper:
        held = [await session.ws_connect(paper.url + "/ws") for _ in range(limits.WS_CONNECTIONS)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(paper.url + "/ws")
        assert refused.value.status == 429
        await held.pop().close()
        await _until(lambda: len(paper.hub.connections) == len(held))
        held.append(await session.ws_connect(paper.url + "/ws"))
        for socket in held:
            await socket.close()


async def _until(done: Any) -> None:
    async with asyncio.timeout(20):
        while not done():
            await asyncio.sleep(0.01)


async def test_connections_opened_at_once_are_counted_before_they_stand(session):
    async with exchange() as paper:
        tries = (session.ws_connect(paper.url + "/ws") for _ in range(limits.WS_CONNECTIONS + 5))
        found = await asyncio.gather(*tries, return_exceptions=True)
        sockets = [one for one in found if isinstance(one, aiohttp.ClientWebSocketResponse)]
        assert len(sockets) == limits.WS_CONNECTIONS
        for socket in sockets:
            await socket.close()


async def test_a_connection_a_second_is_too_many_for_a_minute(session):
    async with exchange() as paper:
        for _ in range(limits.WS_NEW_CONNECTIONS_PER_MINUTE):
            await (await session.ws_connect(paper.url + "/ws")).close()
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(paper.url + "/ws")


async def test_switched_off_connections_are_free(session):
    async with exchange(ip_limit=False) as paper:
        for _ in range(limits.WS_NEW_CONNECTIONS_PER_MINUTE + 1):
            await (await session.ws_connect(paper.url + "/ws")).close()


async def test_messages_beyond_two_thousand_are_refused_and_do_nothing(session):
    async with exchange() as paper, session.ws_connect(paper.url + "/ws") as socket:
        for _ in range(limits.WS_MESSAGES_PER_MINUTE):
            await socket.send_json({"method": "ping"})
        await socket.send_json({"method": "subscribe", "subscription": {"type": "allMids"}})
        error = await heard(socket, "error")
        assert "messages" in error["data"]
        assert not any(connection.subs for connection in paper.hub.connections)


async def test_subscriptions_and_users_add_up_over_the_sockets(session):
    async with (
        exchange() as paper,
        session.ws_connect(paper.url + "/ws") as one,
        session.ws_connect(paper.url + "/ws") as other,
    ):
        await one.send_json({"method": "subscribe", "subscription": {"type": "allMids"}})
        await heard(one, "subscriptionResponse")
        [first, _] = paper.hub.connections
        first.subs |= {str(number): first.subs[next(iter(first.subs))] for number in range(limits.WS_SUBSCRIPTIONS - 1)}
        await other.send_json({"method": "subscribe", "subscription": {"type": "allMids"}})
        assert "1000" in (await heard(other, "error"))["data"]


async def test_posts_in_flight_add_up_over_the_sockets(session):
    async with (
        exchange(ip_limit=False) as paper,
        session.ws_connect(paper.url + "/ws") as one,
        session.ws_connect(paper.url + "/ws") as other,
    ):
        held = asyncio.Event()

        async def post(*_: object) -> None:
            await held.wait()

        paper.hub._post = post
        request = {"type": "info", "payload": {"type": "meta"}}
        for number in range(limits.WS_POSTS_IN_FLIGHT):
            await (one, other)[number % 2].send_json({"method": "post", "id": number, "request": request})
        await _until(lambda: sum(c.posts for c in paper.hub.connections) == limits.WS_POSTS_IN_FLIGHT)
        await one.send_json({"method": "post", "id": 1000, "request": request})
        assert (await heard(one, "error"))["data"] == "too many pending post requests id=1000"
        held.set()
