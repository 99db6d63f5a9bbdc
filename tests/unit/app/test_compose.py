"""compose: the parts of a worker as the configuration and the ledger have them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from coincurve import PrivateKey

from executor import config, plugins
from executor.app import compose
from executor.app.identity import Trader
from executor.core import events as ev
from executor.core.intake import IntakeState
from executor.core.position import Holding, Position
from executor.core.state import DeskState
from executor.core.types import Agent
from executor.errors import PluginError
from executor.execution.restore import save
from executor.ledger.memory import MemoryLedger
from executor.testing import ManualClock
from executor.venue.adapter import HyperliquidVenue
from executor.venue.signer import Signer

LAST = 9_000_000_000_000


def sent(signer: str, nonce: int) -> ev.SendStarted:
    """A request an earlier life wrote down."""
    more = {"request_id": f"r{nonce}", "purpose": "exit", "expires_after_ms": 2, "vault": None, "action": {}}
    return ev.SendStarted(at_ms=1, account="a", signer=signer, nonce=nonce, cloids=("0x1",), **more)


async def test_nonces_go_on_above_the_ledgers_and_are_one_row_for_all_accounts_of_a_signer() -> None:
    text = "version: 1\naccounts: [{name: a}, {name: b}, {name: c}]\n"
    loaded = config.load_text(text, Path("config.yaml"), [], {}, plugins)
    shared, other = (Signer(PrivateKey(bytes([n]) * 32), mainnet=False) for n in (1, 2))
    signers = {"a": shared, "b": Signer(PrivateKey(b"\x01" * 32), mainnet=False), "c": other}
    accounts = {account.name: account for account in loaded.config.accounts}
    who = {name: Trader(accounts[name], f"0x{ord(name):040x}", signer) for name, signer in signers.items()}
    ledger, clock = MemoryLedger(), ManualClock()
    ledger.commit([], [sent(shared.address, LAST)])
    worker = compose.worker(loaded, who, HyperliquidVenue("custom", "http://127.0.0.1:9", clock), ledger, clock)
    nonces = {name: desk.nonces for name, desk in worker.desks.items()}
    assert [nonces["a"].take(1), nonces["b"].take(1), nonces["a"].take(1)] == [LAST + 1, LAST + 2, LAST + 3]
    assert nonces["c"].take(1) == 1


async def test_what_a_route_holds_keeps_its_owner_when_the_route_before_it_is_taken_away() -> None:
    text = """version: 1
accounts: [{name: second}]
sources: [{name: mirror, type: nexgent, agents: [alice]}]
routes: [{source: mirror, strategy: nexgent_mirror, with: {symbols: {B: kB}, notional_usd: 50}, accounts: [second]}]
"""
    loaded = config.load_text(text, Path("config.yaml"), [], {}, plugins)
    (account,) = loaded.config.accounts
    who = {"second": Trader(account, "0x" + "b" * 40, Signer(PrivateKey(b"\x01" * 32), mainnet=False))}
    owner = Agent("nexgent", "alice", "nexgent_mirror on second")  # a route to another account was the first then
    held = Position("BTC", Decimal(1), holdings=[Holding(owner, Decimal(1))])
    ledger, clock = MemoryLedger(), ManualClock()
    save(ledger, IntakeState(), [DeskState("second", {"BTC": held})])
    worker = compose.worker(loaded, who, HyperliquidVenue("custom", "http://127.0.0.1:9", clock), ledger, clock)
    assert [route.via for route in worker.routes] == [owner.via]


NAMELESS = """
from executor.api import Options, Verdict

class Nameless:
    Options = Options

    @classmethod
    def from_options(cls, options):
        return cls()

    def check(self, proposal, exposure):
        return Verdict("x", "pass")
"""


def test_a_risk_rule_whose_verdicts_could_not_be_told_from_others_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(NAMELESS)
    text = 'version: 1\nrisk: [{rule: "odd.py:Nameless"}]\n'
    loaded = config.load_text(text, tmp_path / "config.yaml", [], {}, plugins)
    with pytest.raises(PluginError, match="no text as its name"):
        compose.rules(loaded)


BROKEN = """
class Strategy:
    def __init__(self):
        raise RuntimeError("half saved")

    def on_action(self, action, view):
        return []

class Rule:
    @classmethod
    def from_options(cls, options):
        raise RuntimeError("half saved")
"""


def test_what_cannot_be_made_keeps_no_worker_from_closing_and_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(BROKEN)
    text = (
        "version: 1\naccounts: [{name: main}]\nsources: [{name: f, type: fractrade, agents: [a]}]\n"
        "routes: [{source: f, strategy: 'odd.py:Strategy', accounts: [main]}]\nrisk: [{rule: 'odd.py:Rule'}]\n"
    )
    loaded = config.load_text(text, tmp_path / "config.yaml", [], {}, plugins)
    with pytest.raises(PluginError, match="half saved"):
        compose.strategies(loaded)
    with pytest.raises(PluginError, match="half saved"):
        compose.rules(loaded)
    (rule,) = compose.rules(loaded, stopping=True)
    with pytest.raises(PluginError, match="half saved"):  # which refuses the entry: RULE_FAILED
        rule.check(None, None)  # type: ignore[arg-type]  # it looks at neither
    (strategy,) = compose.strategies(loaded, stopping=True).values()
    assert "half saved" in strategy.call(None, None).failure  # type: ignore[arg-type]  # as above
