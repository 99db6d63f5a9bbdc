"""worker: whoever else signs with our key signs for every account of that key, and for no other."""

from __future__ import annotations

from decimal import Decimal

import pytest
from coincurve import PrivateKey
from fake_venue import FakeVenue
from story import T0, Story

from executor.core.facts import RawReply
from executor.core.intake import IntakeState, Route
from executor.core.source_events import Trade
from executor.core.state import DeskState
from executor.core.types import Side
from executor.execution.desk import Desk
from executor.execution.nonces import Nonces
from executor.execution.strategies import StrategyCaller
from executor.execution.worker import Worker
from executor.ledger.memory import MemoryLedger
from executor.testing import ManualClock, until
from executor.venue.signer import Signer
from strategies.follow import Follow

KEYS = {"first": b"\x01" * 32, "second": b"\x01" * 32, "apart": b"\x02" * 32}


class TakenNonce(FakeVenue):
    """Somebody else used the nonce of every order before us."""

    async def submit(self, request, lane, timeout_s):
        reply = await super().submit(request, lane, timeout_s)
        if "orders" not in request.action:
            return reply
        text = f"Invalid nonce: duplicate nonce {request.nonce}"
        return RawReply(True, 200, {"status": "err", "response": text})


def desk(account: str) -> Desk:
    state = DeskState(account, equity_usd=Decimal(100_000), account_read_ms=T0, started_ms=T0, reconciled=True)
    return Desk(Story({"account": account}).desk, state, Signer(PrivateKey(KEYS[account]), mainnet=False), Nonces(0))


@pytest.fixture
async def worker():
    made = Worker(
        clock=ManualClock(T0),
        venue=TakenNonce(),
        ledger=MemoryLedger(),
        intake=IntakeState(),
        desks={account: desk(account) for account in KEYS},
        routes=[Route("r", "src", ("*",), "follow", ("first",))],
        strategies={"r": StrategyCaller("follow", Follow(Follow.Options()))},
        unstated={"src": "execute"},
        after_gap={"src": "continue"},
    )
    yield made
    await made.cancel_tasks()


def latched(worker: Worker) -> set[str]:
    """Whose entries have ended."""
    return {name for name, one in worker.desks.items() if "signer_conflict" in one.state.breakers}


async def test_a_nonce_somebody_else_used_stops_entries_of_every_account_of_that_key_and_of_no_other(worker):
    worker.emit("", Story().action(Trade, Side.BUY, 1))
    await until(lambda: latched(worker))
    assert latched(worker) == {"first", "second"}
    told = [stored.event.account for stored in worker.ledger.read() if type(stored.event).__name__ == "BreakerLatched"]
    assert sorted(told) == ["first", "second"]
