"""The stream of events over real sockets: nothing lost, nothing twice, and nobody waits for a slow reader."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from executor.core.events import AlarmRaised
from executor.ledger.reader import LedgerReader
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp
from executor.server.model import Readiness
from executor.server.server import WorkerServer
from executor.server.settings import Limits, ServerSettings


class Record:
    """A read model of events that grows; ``padding`` makes each as large."""

    def __init__(self, padding=0):
        self.last_seq = 0
        self.padding = "x" * padding
        self.threads = set()

    def events(self, after=0, limit=1000):
        self.threads.add(threading.get_ident())
        last_seq = self.last_seq
        numbers = range(after + 1, min(after + limit, last_seq) + 1)
        return {"events": [self.row(number) for number in numbers], "last_seq": last_seq}

    def row(self, seq):
        data = {"padding": self.padding}
        return {"seq": seq, "at": "2026-01-01T00:00:00.000Z", "kind": "K", "account": None, "key": None, "data": data}

    def close(self):
        pass


@contextlib.asynccontextmanager
async def serving(record, **limits):
    server = WorkerServer(
        ServerSettings(port=0),
        lambda: record,
        readiness=lambda: Readiness(True, (), {}),
        command=lambda *_: {},
        budgets=dict,
        limits=Limits(**{"wake_s": 0.005, **limits}),
    )
    url = await server.start()
    try:
        yield server, url.replace("http", "ws") + "/api/events"
    finally:
        await server.close()


def grow(server, record, to):
    for seq in range(record.last_seq + 1, to + 1):
        record.last_seq = seq
        server.notify(seq)


async def raw_stream(url):
    """A subscriber that takes the handshake and nothing more."""
    host = url.removeprefix("ws://").split("/")[0]
    reader, writer = await asyncio.open_connection(*host.split(":"), limit=1024)
    writer.write(
        f"GET /api/events HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readline()
    return writer


async def read(url, after, until, session):
    """Every seq from ``after`` to ``until``."""
    seen = []
    async with session.ws_connect(f"{url}?after={after}") as socket:
        while not seen or seen[-1] < until:
            seen.append((await socket.receive_json(timeout=5))["seq"])
    return seen


async def test_a_reader_whose_connection_is_cut_again_and_again_sees_every_event_exactly_once():
    record = Record()
    async with serving(record, batch=7) as (server, url):

        async def write():
            while record.last_seq < 2000:
                grow(server, record, record.last_seq + 13)
                await asyncio.sleep(0.001)

        writing = asyncio.create_task(write())
        seen = []
        while not seen or seen[-1] < 2000:
            async with connect(f"{url}?after={seen[-1] if seen else 0}", proxy=None) as socket:
                for _ in range(97):
                    seen.append(json.loads(await asyncio.wait_for(socket.recv(), 5))["seq"])
                    if seen[-1] >= 2000:
                        break
                socket.transport.abort()
        await writing
    assert seen == list(range(1, seen[-1] + 1))


async def test_every_reader_gets_what_is_written_while_it_reads_and_waits():
    record = Record()
    async with serving(record) as (server, url), aiohttp.ClientSession() as session:
        readers = [asyncio.create_task(read(url, 0, 500, session)) for _ in range(20)]
        for to in range(50, 501, 50):
            await asyncio.sleep(0.01)
            grow(server, record, to)
        assert all(seen == list(range(1, 501)) for seen in await asyncio.gather(*readers))
    assert threading.get_ident() not in record.threads
    assert len(record.threads) == 1


async def test_a_reader_that_does_not_keep_up_is_cut_off_and_can_resume_while_others_go_on():
    record = Record(padding=10_000)
    async with serving(record, send_s=0.3) as (server, url), aiohttp.ClientSession() as session:
        deaf = await raw_stream(url)
        good = asyncio.create_task(read(url, 0, 3000, session))
        for to in range(100, 3001, 100):
            grow(server, record, to)
            await asyncio.sleep(0.01)
        assert await good == list(range(1, 3001))
        async with asyncio.timeout(20):
            while not server._streams.dropped or len(server._streams):
                await asyncio.sleep(0.02)
        assert len(server._streams) == 0
        assert (await read(url, 2990, 3000, session)) == list(range(2991, 3001))
        deaf.transport.abort()


async def test_telling_that_there_is_more_takes_the_worker_no_time():
    record = Record()
    async with serving(record) as (server, url):
        streams = [await raw_stream(url) for _ in range(30)]
        start = time.thread_time()
        grow(server, record, 10_000)
        assert time.thread_time() - start < 0.2  # of the processor: the same on a busy machine
        for stream in streams:
            stream.transport.abort()


async def test_the_worker_has_its_turns_while_streams_catch_up():
    record = Record(padding=1000)
    record.last_seq = 1000

    async def read_all(url):
        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(*(read(url, 0, 1000, session) for _ in range(3)))

    async with serving(record, batch=1000) as (_, url):
        readers = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(read_all(url))))
        longest = 0.0
        while not readers.done():
            start = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - start)
        assert await readers == [list(range(1, 1001))] * 3
    assert longest < 0.1


async def test_who_knows_more_than_the_record_is_told_so():
    async with serving(Record()) as (_, url), aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{url}?after=7") as socket:
            message = await socket.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4009)
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await session.ws_connect(f"{url}?after=x")
        assert raised.value.status == 400


async def test_a_stream_takes_no_messages():
    async with serving(Record()) as (_, url), aiohttp.ClientSession() as session:
        for send in ("send_str", "send_bytes"):
            async with session.ws_connect(url) as socket:
                await getattr(socket, send)(b"hello" if send == "send_bytes" else "hello")
                assert (await socket.receive(timeout=5)).data == 1008


async def test_streams_are_bounded_and_probes_stay_open():
    async with serving(Record(), streams=3) as (_, url), aiohttp.ClientSession() as session:
        sockets = [await session.ws_connect(url) for _ in range(3)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await session.ws_connect(url)
        assert raised.value.status == 503
        async with session.get(url.replace("ws", "http").replace("/api/events", "/healthz")) as answer:
            assert answer.status == 200
        await sockets[0].close()
        async with session.ws_connect(url):
            pass
        for socket in sockets:
            await socket.close()


async def test_a_reader_that_vanished_is_found_out():
    async with serving(Record(), ping_s=0.2) as (server, url):
        writer = await raw_stream(url)
        assert len(server._streams) == 1
        async with asyncio.timeout(5):
            while len(server._streams):
                await asyncio.sleep(0.02)
        writer.transport.abort()


async def test_closing_ends_every_stream_soon_and_says_so():
    record = Record()
    async with serving(record) as (server, url):
        async with connect(url, proxy=None) as socket:
            start = time.perf_counter()
            await server.close()
            with pytest.raises(ConnectionClosed) as raised:
                await socket.recv()
            assert raised.value.rcvd.code == 1001
        assert time.perf_counter() - start < 2


async def test_the_real_record_streams_what_is_committed(tmp_path):
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path, stamp=Stamp("dry_run", "mainnet", {"main": "0x" + "1" * 40}))
    server = WorkerServer(
        ServerSettings(port=0),
        lambda: LedgerReader(path),
        readiness=lambda: Readiness(True, (), {}),
        command=lambda *_: {},
        budgets=dict,
    )
    url = await server.start()
    async with aiohttp.ClientSession(url) as session, session.ws_connect("/api/events?after=0") as socket:
        for number in range(1, 4):
            alarm = AlarmRaised(at_ms=1000 * number, account="main", code="TEST", text="x")
            server.notify(ledger.commit([], [alarm]))
            message = await socket.receive_json(timeout=5)
            assert (message["seq"], message["kind"], message["at_ms"]) == (number, "AlarmRaised", 1000 * number)
            assert (message["account"], message["key"]) == ("main", None)
        for path_ in ("/api/actions", "/api/orders", "/api/positions", "/api/accounts", "/metrics", "/readyz"):
            async with session.get(path_) as answer:
                assert answer.status == 200, path_
        async with session.get("/api/actions/nobody") as answer:
            assert answer.status == 404
    await server.close()
    ledger.close()
