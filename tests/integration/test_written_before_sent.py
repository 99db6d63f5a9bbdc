"""What leaves has been written down before, and what came before is known from the file: with nobody to repair it."""

from __future__ import annotations

import json

import pytest
from fake_venue import FakeVenue
from little_worker import T0, settle, working

from executor.core import events as ev
from executor.core.source_events import Origin
from executor.errors import LedgerError
from executor.ledger.memory import MemoryLedger
from executor.ledger.reader import LedgerReader
from executor.sources.fractrade_wire import decode


def frame(side: str, name: str, size: int = 1) -> str:
    position = {"asset": "BTC", "size": size, "side": side, "exchange": "hyperliquid"}
    action = {"action_id": name, "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE", "agent_id": "agent-uuid"}
    return json.dumps({**action, "config": {"position": position}, "created_at": "2027-01-15T08:00:00Z"})


def feed(worker, raw: str) -> None:
    worker.emit(raw, decode(raw, Origin("fractrade", "src", "agent:agent-uuid", T0)))


class Watching(FakeVenue):
    """Reads the file, as a stranger would, at the moment a request is handed over."""

    def __init__(self, path) -> None:
        super().__init__()
        self.path = path
        self.written: list[bool] = []

    def submit(self, request, lane, timeout_s):
        with LedgerReader(self.path) as reader:
            rows = reader.events(limit=10_000)["events"]
        nonces = {row["data"]["nonce"] for row in rows if row["kind"] == "SendStarted"}
        self.written.append(request.nonce in nonces)
        return super().submit(request, lane, timeout_s)


async def test_at_the_moment_a_request_is_handed_over_the_file_holds_it(tmp_path):
    async with working(tmp_path) as worker:
        venue = worker.venue = Watching(tmp_path / "l.db")
        for number, side in enumerate(("LONG", "LONG", "SHORT", "SHORT", "SHORT")):
            feed(worker, frame(side, f"a{number}"))
            await settle(worker)
    assert len(venue.written) >= 5
    assert all(venue.written)


class Unreadable(MemoryLedger):
    """A file that is neither written nor read any more."""

    def known(self, key):
        raise LedgerError("the disk is gone", "bring it back")


@pytest.mark.parametrize("written", [True, False])
async def test_an_exit_told_twice_closes_once_also_where_the_ledger_can_be_asked_no_more(tmp_path, written):
    exit_frame = frame("SHORT", "out", 1)
    async with working(tmp_path) as worker:
        feed(worker, frame("LONG", "in", 3))
        await settle(worker)
        if written:
            feed(worker, exit_frame)
            await settle(worker)
        worker.ledger = Unreadable(fail_at=0)
        for _ in range(2):
            feed(worker, exit_frame)
            await settle(worker)
        assert worker.failed is not None
        assert [order["r"] for order in worker.venue.placed] == [False, True]
        assert worker.desks["main"].state.position("BTC").owned == 2


async def test_the_next_life_knows_from_the_file_what_came_before(tmp_path):
    raw = frame("LONG", "once")
    async with working(tmp_path) as worker:
        feed(worker, raw)
        await settle(worker)
        assert len(worker.venue.placed) == 1
    async with working(tmp_path) as worker:
        feed(worker, raw)
        await settle(worker)
        assert worker.failed is None
        told = [stored.event for stored in worker.ledger.read() if isinstance(stored.event, ev.DuplicateSeen)]
        assert len(told) == 1
        assert worker.venue.placed == []
