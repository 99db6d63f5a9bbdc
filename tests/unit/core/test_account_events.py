"""Events about accounts: a read speaks of every coin, a latch stays, unless they say otherwise."""

from __future__ import annotations

from decimal import Decimal

from executor.core.account_events import AccountRead, BreakerLatched
from executor.core.facts import AccountFact

D = Decimal


def test_a_read_skips_nothing_unless_it_says_so() -> None:
    assert AccountRead(at_ms=0, fact=AccountFact((), D(0), D(0), D(0), 0)).skipped == ()


def test_a_latch_has_no_end_unless_it_names_one() -> None:
    assert BreakerLatched(at_ms=0, rule="r", value="1", limit="0").until_ms is None
