"""runtime: after an unclean end every desk holds back until its first read."""

from __future__ import annotations

from pathlib import Path

import pytest
from coincurve import PrivateKey

from executor import config, plugins
from executor.app import compose
from executor.app.identity import Trader
from executor.app.runtime import Runtime
from executor.ledger.memory import MemoryLedger
from executor.testing import ManualClock
from executor.venue.adapter import HyperliquidVenue
from executor.venue.signer import Signer


@pytest.mark.parametrize(
    ("is_new", "was_clean", "held"), [(True, False, False), (False, True, False), (False, False, True)]
)
async def test_desks_hold_back_after_an_unclean_end_and_only_then(is_new, was_clean, held):
    loaded = config.load_text("version: 1\naccounts: [{name: a}, {name: b}]\n", Path("c.yaml"), [], {}, plugins)
    signer, clock, ledger = Signer(PrivateKey(b"\x01" * 32), mainnet=False), ManualClock(), MemoryLedger()
    ledger.is_new, ledger.was_clean = is_new, was_clean
    who = {one.name: Trader(one, f"0x{ord(one.name):040x}", signer) for one in loaded.config.accounts}
    runtime = Runtime(loaded, who, clock=clock)
    runtime.ledger, runtime.venue = ledger, HyperliquidVenue("custom", "http://127.0.0.1:9", clock)
    worker = runtime.worker = compose.worker(loaded, who, runtime.venue, ledger, clock)
    runtime._run_desks()
    assert [desk.held for desk in worker.desks.values()] == [held, held]
    await worker.cancel_tasks()
