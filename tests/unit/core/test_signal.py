"""A signal's time is the sender's; its agent is known by system and id."""

from __future__ import annotations

from decimal import Decimal

import pytest
from received import received
from story import T0, Story

from executor.core.events import ActionReceived
from executor.core.facts import OrderFact
from executor.core.signal import Found, Signal
from executor.core.types import Agent

D = Decimal


def heard(key: str | None = "k", stamped_at_ms: int | None = 1000) -> ActionReceived:
    return received(at_ms=3000, key=key, stamped_at_ms=stamped_at_ms, received_at_ms=2000)


@pytest.mark.parametrize(("stamp", "expected"), [(1000, 1000), (None, 2000), (0, 0), (7000, 7000), (7001, 7000)])
def test_its_time_is_the_senders_stamp_and_without_one_that_of_receipt(stamp: int | None, expected: int) -> None:
    assert Signal(received=heard(stamped_at_ms=stamp), route="r", strategy="s").signal_at_ms == expected


def test_its_agent_is_the_systems_not_the_configured_sources() -> None:
    assert Signal(received=heard(), route="r", strategy="s").agent == Agent("fractrade", "7")


@pytest.mark.parametrize(("key", "expected"), [("k", "k"), (None, "")])
def test_its_key_is_the_actions(key: str | None, expected: str) -> None:
    assert Signal(received=heard(key=key), route="r", strategy="s").key == expected


def test_nothing_is_proved_and_entries_are_open_unless_somebody_says_otherwise() -> None:
    signal = Signal(received=heard(), route="r", strategy="s")
    assert (signal.prior, signal.looked_up, signal.unproven, signal.entries_open) == ({}, False, False, True)
    assert (signal.unstated, signal.after_gap) == ("execute", "reduce_only")
    assert Found(OrderFact(None, "", 0), ()).fills == ()


DAY_MS = 86_400_000


def test_an_entry_stamped_far_ahead_is_refused_and_costs_none_of_those_after_it() -> None:
    s = Story()
    s.long(1, at=T0 + DAY_MS)
    s.later(5_001)
    s.long(1)
    assert (s.refusals(), s.held()) == (["STAMP_IN_FUTURE"], D(1))


def test_a_stop_stamped_far_ahead_is_taken_and_makes_way_for_a_newer_one() -> None:
    s = Story()
    s.long(1)
    s.later(1_000)
    s.stop(91, at=T0 + 10 * 365 * DAY_MS)
    s.later(5_001)
    s.stop(95)
    assert (s.refusals(), s.live("stop")) == ([], [("1.000", "95.000")])
    s.later(1_000)
    s.long(1)
    assert (s.refusals(), s.held()) == ([], D(2))
