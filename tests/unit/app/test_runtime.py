"""runtime: after an unclean end every desk holds back until its first read; what nobody would close is told."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from coincurve import PrivateKey
from story import RULES

from executor import config, plugins
from executor.app import compose
from executor.app.identity import Trader
from executor.app.runtime import Runtime
from executor.core.events import AlarmRaised
from executor.core.intake import IntakeState
from executor.core.position import Holding, Position
from executor.core.state import DeskState
from executor.core.types import Agent
from executor.execution.restore import save
from executor.ledger.memory import MemoryLedger
from executor.testing import ManualClock
from executor.venue.adapter import HyperliquidVenue
from executor.venue.signer import Signer


class Readable(HyperliquidVenue):
    """A venue whose coins are known."""

    rules = RULES  # type: ignore[assignment]  # read at its start otherwise


def started(ledger: MemoryLedger, text: str, folder: Path = Path()) -> Runtime:
    loaded = config.load_text(text, folder / "c.yaml", [], {}, plugins)
    signer, clock = Signer(PrivateKey(b"\x01" * 32), mainnet=False), ManualClock()
    who = {one.name: Trader(one, f"0x{ord(one.name):040x}", signer) for one in loaded.config.accounts}
    runtime = Runtime(loaded, who, clock=clock)
    runtime.ledger, runtime.venue = ledger, Readable("custom", "http://127.0.0.1:9", clock)
    runtime.worker = compose.worker(loaded, who, runtime.venue, ledger, clock)
    return runtime


@pytest.mark.parametrize(
    ("is_new", "was_clean", "held"), [(True, False, False), (False, True, False), (False, False, True)]
)
async def test_desks_hold_back_after_an_unclean_end_and_only_then(is_new, was_clean, held):
    ledger = MemoryLedger()
    ledger.is_new, ledger.was_clean = is_new, was_clean
    runtime = started(ledger, "version: 1\naccounts: [{name: a}, {name: b}]\n")
    worker = runtime.worker
    runtime._run_desks()
    assert [desk.held for desk in worker.desks.values()] == [held, held]
    await worker.cancel_tasks()


async def test_a_start_tells_of_what_is_held_and_no_route_brings_any_more():
    ledger, alice = MemoryLedger(), Agent("fractrade", "alice")
    held = Position("BTC", Decimal(1), holdings=[Holding(alice, Decimal(1))])
    save(ledger, IntakeState(), [DeskState("a", {"BTC": held}), DeskState("b")])
    runtime = started(ledger, "version: 1\naccounts: [{name: a}, {name: b}]\n")
    runtime._take_over()
    told = [one.event for one in ledger.read() if isinstance(one.event, AlarmRaised)]
    assert [(one.account, one.code) for one in told] == [("a", "UNROUTED")]


async def test_a_start_tells_of_what_is_held_on_an_account_that_is_not_configured_any_more():
    ledger, alice = MemoryLedger(), Agent("fractrade", "alice")
    held = Position("BTC", Decimal(1), holdings=[Holding(alice, Decimal(1))])
    ledger.accounts = ("a", "gone", "flat")
    save(ledger, IntakeState(), [DeskState("a"), DeskState("gone", {"BTC": held})])
    runtime = started(ledger, "version: 1\naccounts: [{name: a}, {name: b}]\n")
    runtime._take_over()
    told = [one.event for one in ledger.read() if isinstance(one.event, AlarmRaised)]
    assert [(one.account, one.code) for one in told] == [("gone", "UNROUTED")]
    assert "1 was held for fractrade alice on account gone" in told[0].text
    assert runtime.worker.failed is None


EAR = """
class Ear:
    def __init__(self):
        self.heard = []

    def notify(self, level, title, body):
        self.heard.append(title)

    def close(self):
        self.heard.append("closed")
"""


async def test_who_is_told_of_stops_hears_of_this_one_before_it_is_closed(tmp_path):
    (tmp_path / "ear.py").write_text(EAR)
    text = "version: 1\naccounts: [{name: a}]\nnotify: [{type: 'ear.py:Ear', level: info}]\n"
    runtime = started(MemoryLedger(), text, tmp_path)
    runtime.worker.notifiers = runtime._tell()
    runtime._stack.callback(runtime._close_ledger)
    await runtime._stack.aclose()
    assert runtime.worker.notifiers[1]._notifier.heard == ["worker stopped", "closed"]
