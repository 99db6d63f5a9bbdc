"""restore: what the intake knew is known again, by its snapshot as by its events."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from story import Story

from executor.core.source_events import Trade
from executor.core.types import Side
from executor.execution.restore import restore, save
from executor.ledger.memory import MemoryLedger


@pytest.mark.parametrize("saved", [True, False])
def test_the_intake_comes_back_equal(*, saved: bool) -> None:
    story, ledger = Story(), MemoryLedger()
    action = story.action(Trade, Side.BUY, 1)
    story.admit(action)
    story.admit(replace(action, origin=replace(action.origin, source="second")))
    ledger.commit([], story.events)
    if saved:
        save(ledger, story.intake, [])
        assert ledger.load_snapshot("intake") is not None
    intake, _ = restore(ledger, [])
    assert intake == story.intake
    assert intake.heard == {action.agent: frozenset({"src", "second"})}


def test_what_a_snapshot_holds_is_not_folded_again_for_the_sake_of_an_account_that_has_none() -> None:
    story, ledger = Story(), MemoryLedger()
    story.long(2)
    story.stop(90)
    story.short("0.5")
    ledger.commit([], story.events)
    save(ledger, story.intake, [story.state])
    _, states = restore(ledger, ["main", "new"])
    assert states["main"] == story.state
    assert states["main"].position("BTC").owned == Decimal("1.5")
