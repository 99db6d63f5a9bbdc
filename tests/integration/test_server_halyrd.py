"""The Halyrd-compatible lists and stream, on a real record over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal

import aiohttp
import pytest

from executor.core import events as ev
from executor.core.facts import AccountFact, Fill
from executor.core.types import Side
from executor.ledger.reader import LedgerReader
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp
from executor.server.model import Readiness
from executor.server.server import WorkerServer
from executor.server.settings import Limits, ServerSettings

D = Decimal
HOUR_MS = 3_600_000
START_MS = 480_000 * HOUR_MS


class Worker:
    """A ledger somebody writes, and its server."""

    def __init__(self, folder, limits=None):
        stamp = Stamp("live", "mainnet", {"main": "0x" + "1" * 40, "other": "0x" + "2" * 40})
        self.ledger = SqliteLedger(folder / "ledger.db", stamp=stamp, durability="normal")
        self.fills = 0
        self.server = WorkerServer(
            ServerSettings(port=0),
            lambda: LedgerReader(folder / "ledger.db"),
            readiness=lambda: Readiness(True, (), {"main": True, "other": True}),
            command=lambda *_: {},
            budgets=dict,
            objectives=lambda account: [{"rule": "daily_drawdown", "account": account}],
            limits=limits,
        )

    def write(self, *events):
        self.server.notify(self.ledger.commit([], list(events)))

    def fill(self, side, size, start, pnl="0", account="main", coin="BTC"):
        self.fills += 1
        at_ms = START_MS + self.fills * 1000
        one = Fill(self.fills, 2, None, coin, side, D(100), D(size), D("0.1"), D(pnl), D(start), at_ms)
        self.write(ev.FillSeen(at_ms=at_ms, account=account, key=None, fill=one, cloid=None))

    def read(self, equity, hour):
        at_ms = START_MS + hour * HOUR_MS
        self.write(ev.AccountRead(at_ms=at_ms, account="main", fact=AccountFact((), D(equity), D(0), D(0), at_ms)))


@contextlib.asynccontextmanager
async def serving(folder, limits=None):
    worker = Worker(folder, limits)
    url = await worker.server.start()
    try:
        async with aiohttp.ClientSession(url) as session:
            yield worker, session
    finally:
        await worker.server.close()
        worker.ledger.close()


async def ask(session, path, status=200):
    async with session.get(path) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def test_the_lists_tell_what_was_recorded_before_anybody_asked(tmp_path):
    async with serving(tmp_path) as (worker, session):
        for equity, hour in (("1000", 0), ("900", 1), ("950", 5)):
            worker.read(equity, hour)
        worker.fill(Side.BUY, "2", "0")
        worker.fill(Side.SELL, "2", "2", pnl="5")
        worker.fill(Side.BUY, "1", "0", account="other")
        agents = await ask(session, "/agents")
        assert [(row["id"], row["status"], row["phase"]) for row in agents] == [
            ("main", "LIVE", "live"),
            ("other", "LIVE", "live"),
        ]
        assert (await ask(session, "/agents/current"))["id"] == "main"
        rows = await ask(session, "/agents/main/equity")
        assert [(row["equity"], row["dd_from_peak"]) for row in rows] == [(1000.0, 0.0), (900.0, 0.1), (950.0, 0.05)]
        assert len(await ask(session, "/agents/main/equity?interval=4h")) == 2
        assert (
            len(await ask(session, f"/agents/main/equity?from={START_MS + HOUR_MS}&to={START_MS + 2 * HOUR_MS}")) == 1
        )
        assert len(await ask(session, "/agents/main/equity?from=2099-01-01T00:00:00Z")) == 0
        (closed,) = await ask(session, "/agents/main/trades?phase=live")
        assert (closed["pnl"], closed["side"], closed["hold_time_s"]) == (5.0, "sell", 1.0)
        assert await ask(session, "/agents/main/trades?phase=paper") == []
        executed = await ask(session, "/agents/main/journal?kind=EXECUTED")
        assert [row["trade"]["side"] for row in executed] == ["buy", "sell"]
        assert await ask(session, "/journal?tag=BTC&limit=1") == executed[1:]
        alone = await ask(session, f"/agents/main/journal/{closed['journal_ref']}")
        assert alone["trade"].pop("hold_time_s") is None, "the opening was not looked for"
        assert alone["trade"].items() < executed[1]["trade"].items()
        assert await ask(session, "/agents/main/risk/objectives") == [{"rule": "daily_drawdown", "account": "main"}]


async def test_blocks_of_every_layer_are_listed_and_their_references_resolve(tmp_path):
    async with serving(tmp_path) as (worker, session):
        no = ev.SignerRefused(
            at_ms=START_MS, account="main", purpose="entry", rule="allowlist", reason="SIGNER_ALLOWLIST",
            text="not HYPE", cloids=("0x1",), coin="HYPE",
        )  # fmt: skip
        worker.write(no)
        (row,) = await ask(session, "/agents/main/risk/blocks")
        assert (row["layer"], row["rule"], row["reason"], row["order_ref"]) == (
            "physics",
            "allowlist",
            "not HYPE",
            "0x1",
        )
        assert (await ask(session, f"/agents/main/journal/{row['journal_ref']}"))["kind"] == "TWAK_BLOCK"


@pytest.mark.parametrize(
    "path",
    ["/agents/nobody", "/agents/nobody/trades", "/agents/main/journal/jrn_999", "/agents/main/journal/x",
     "/agents/main/orders/x", "/ws/agents/nobody"],
)  # fmt: skip
async def test_what_there_is_not_is_not_found(tmp_path, path):
    async with serving(tmp_path) as (_, session):
        await ask(session, path, 404)


@pytest.mark.parametrize("query", ["equity?interval=1m", "equity?from=yesterday", "trades?phase=x", "journal?limit=-1"])
async def test_a_question_that_makes_no_sense_is_refused(tmp_path, query):
    async with serving(tmp_path) as (_, session):
        await ask(session, f"/agents/main/{query}", 400)


async def test_the_stream_tells_what_happens_from_now_on_to_each_account_its_own(tmp_path):
    async with serving(tmp_path) as (worker, session):
        worker.fill(Side.BUY, "1", "0")
        async with session.ws_connect("/ws/agents/current") as socket, session.ws_connect("/ws/agents/other") as other:
            worker.fill(Side.BUY, "1", "0", account="other")
            worker.fill(Side.SELL, "1", "1", pnl="5")
            worker.write(ev.FlattenStarted(at_ms=START_MS, account="main", by="cli"))
            names = [(await socket.receive_json(timeout=20))["event"] for _ in range(4)]
            assert names == ["trade", "journal_entry", "status_change", "journal_entry"]
            trade = await other.receive_json(timeout=20)
            assert (trade["side"], trade["journal_ref"]) == ("buy", "jrn_2")
        assert (await ask(session, "/agents/main"))["status"] == "DEMOTED"


async def test_a_reader_that_does_not_keep_up_is_told_so_and_others_go_on(tmp_path):
    async with serving(tmp_path, Limits(queue=8, send_s=2)) as (worker, session):
        await ask(session, "/agents")
        halyrd = worker.server._halyrd
        async with session.ws_connect("/ws/agents/main") as slow:
            while not len(halyrd):
                await asyncio.sleep(0.01)
            (reader,) = halyrd._readers
            for _ in range(20):
                reader.put(b"{}")
            codes = []
            while not slow.closed:
                message = await slow.receive(timeout=20)
                codes.append(message.data if message.type is aiohttp.WSMsgType.CLOSE else None)
            assert slow.close_code == 4008
        assert halyrd.dropped == 1
        async with session.ws_connect("/ws/agents/main") as again:
            worker.fill(Side.BUY, "1", "0")
            assert (await again.receive_json(timeout=20))["event"] == "trade"


async def test_a_reader_that_never_reads_is_dropped_and_holds_up_nobody(tmp_path):
    async with serving(tmp_path, Limits(queue=64, send_s=0.3)) as (worker, session):
        host = str(session._base_url).removeprefix("http://").rstrip("/")
        reader, writer = await asyncio.open_connection(*host.split(":"), limit=1024)
        writer.write(
            f"GET /ws/agents/main HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert b" 101 " in await reader.readline()
        async with session.ws_connect("/ws/agents/main") as good:
            alarm = ev.AlarmRaised(at_ms=START_MS, account="main", code="TEST", text="x" * 100_000)
            async with asyncio.timeout(60):
                while not worker.server._halyrd.dropped:
                    worker.write(alarm)
                    assert (await good.receive_json())["kind"] == "ALARM"
        writer.transport.abort()
