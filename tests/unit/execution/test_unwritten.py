"""unwritten: without a ledger, what came before is still known, also what came as a suspected duplicate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from story import T0, Story

from executor.core import events as ev
from executor.core.source_events import Trade
from executor.core.types import Side
from executor.errors import LedgerError
from executor.execution.turn import Turn
from executor.execution.unwritten import Unwritten
from executor.ledger.memory import MemoryLedger
from executor.ports import KnownKey

RECEIVED = Story().admit(Story().action(Trade, Side.BUY, 1))
TWIN = ev.DuplicateSeen(at_ms=T0, key="twin", frame_id=1, channel="c", suspected=True, fingerprint="f")


@pytest.fixture
def unwritten() -> Unwritten:
    worker: Any = SimpleNamespace(ledger=MemoryLedger(), desks={})
    made = Unwritten(worker)
    made.since = LedgerError("the disk is full", "make room")
    return made


def test_a_repeat_of_what_came_unwritten_is_known(unwritten: Unwritten) -> None:
    assert RECEIVED is not None
    unwritten.remember(Turn(T0, events=[RECEIVED, TWIN]))
    assert unwritten.known(RECEIVED.key or "", "x") == KnownKey(RECEIVED.fingerprint, T0)
    assert unwritten.known("twin", "x") == KnownKey("f", T0)
    assert unwritten.known("another", "x") is None
