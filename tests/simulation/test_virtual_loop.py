"""The floor of the simulated world: time that jumps, processes that end between two steps, a network in memory."""

from __future__ import annotations

import asyncio

import pytest

from executor.testing.network import Network, Weather
from executor.testing.virtual_loop import Stalled, VirtualLoop, start_in_life


class Echo(asyncio.Protocol):
    def __init__(self, heard):
        self.heard = heard

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard.append(data)
        self.transport.write(b"echo " + data)

    def connection_lost(self, error):
        self.heard.append(type(error).__name__)


def test_waiting_a_day_takes_no_time_and_waiting_for_nothing_is_told():
    async def a_day():
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time() - began

    assert VirtualLoop().run(a_day()) == pytest.approx(86_400)
    with pytest.raises(Stalled):
        VirtualLoop().run(asyncio.Event().wait())


def test_a_killed_process_does_nothing_more_not_even_its_finally():
    did = []

    async def process():
        try:
            while True:
                did.append("tick")
                await asyncio.sleep(1)
        finally:
            did.append("finally")

    async def world():
        loop = asyncio.get_running_loop()
        start_in_life(loop, 1, process)
        await asyncio.sleep(2.5)
        loop.kill(1)
        await asyncio.sleep(100)
        return list(did)

    assert VirtualLoop().run(world()) == ["tick"] * 3


@pytest.mark.parametrize(("trouble", "heard"), [("", [b"one", b"two"]), ("dark", [b"one"]), ("reset", [b"one"])])
def test_bytes_arrive_in_order_and_neither_through_the_dark_nor_after_a_reset(trouble, heard):
    server, client = [], []

    async def world():
        loop = asyncio.get_running_loop()
        network = Network(loop, Weather(lambda: 0.5))
        await loop.create_server(lambda: Echo(server), "127.0.0.1", 80)
        transport, _ = await loop.create_connection(lambda: Echo([]), "127.0.0.1", 80)
        transport.get_protocol().data_received = client.append
        transport.write(b"one")
        await asyncio.sleep(1)
        if trouble == "dark":
            network.weather.dark.add(80)
        elif trouble == "reset":
            network.reset(80)
            await asyncio.sleep(1)
        transport.write(b"two")
        await asyncio.sleep(1)

    VirtualLoop().run(world())
    assert [data for data in server if isinstance(data, bytes)] == heard
    assert client == [b"echo " + data for data in heard]


def test_nobody_listens_is_a_refusal():
    async def world():
        loop = asyncio.get_running_loop()
        Network(loop, Weather(lambda: 0.5))
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(lambda: Echo([]), "127.0.0.1", 81)

    VirtualLoop().run(world())
