"""A whole worker without readers and timers, over a venue that fills whatever it is sent, and a ledger on disk."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from pathlib import Path

from coincurve import PrivateKey
from fake_venue import FakeVenue
from story import T0, Story

from executor.cli.reasons import MEANINGS
from executor.core import events as ev
from executor.core.intake import IntakeState, Route
from executor.core.state import DeskState
from executor.execution.desk import Desk
from executor.execution.nonces import Nonces
from executor.execution.strategies import StrategyCaller
from executor.execution.worker import Worker
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp
from executor.testing import ManualClock
from executor.venue.signer import Signer
from strategies.follow import Follow

ADDRESS = "0x" + "ab" * 20
TAKEN_IN = (ev.FrameRefused, ev.ActionReceived, ev.DuplicateSeen, ev.ConflictSeen)


@contextlib.asynccontextmanager
async def working(folder: Path):
    """A worker with one account and a ledger on disk; no readers, no timers."""
    known = {"equity_usd": Decimal(10**9), "account_read_ms": T0, "reconciled": True, "continuous": True}
    signer = Signer(PrivateKey(b"\x01" * 32), mainnet=False)
    desk = Desk(Story().desk, DeskState("main", started_ms=T0, **known), signer, Nonces(0))
    ledger = SqliteLedger(folder / "l.db", stamp=Stamp("dry_run", "testnet", {"main": ADDRESS}), durability="normal")
    worker = Worker(
        clock=ManualClock(T0), venue=FakeVenue(), ledger=ledger, intake=IntakeState(), desks={"main": desk},
        routes=[Route("r", "src", ("*",), "follow", ("main",))],
        strategies={"r": StrategyCaller("follow", Follow(Follow.Options()))},
        unstated={"src": "execute"}, after_gap={"src": "reduce_only"},
    )  # fmt: skip
    yield worker
    await worker.cancel_tasks()
    ledger.close()


async def settle(worker: Worker) -> None:
    """Let everything that was started come to its end."""
    async with asyncio.timeout(30):
        while True:
            await asyncio.sleep(0)
            if worker.idle() and not worker._tasks:
                return


def judged(worker: Worker, fed: int) -> None:
    """Every frame has its record, every refusal its reason, every action its end; and nothing went wrong inside."""
    events = [stored.event for stored in worker.ledger.read()]
    assert sum(isinstance(event, TAKEN_IN) for event in events) == fed
    reasons = {event.reason for event in events if isinstance(event, ev.FrameRefused | ev.ActionRefused)}
    assert reasons <= set(MEANINGS), reasons - set(MEANINGS)
    assert [event for event in events if isinstance(event, ev.AlarmRaised) and event.code == "TASK_FAILED"] == []
    ended = {e.key for e in events if isinstance(e, ev.ActionRefused | ev.ActionTaken)}
    assert {event.key for event in events if isinstance(event, ev.ActionReceived)} <= ended
    assert worker.failed is None
