"""The common part of every event: when, which account, which action."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import get_args

import pytest

from executor.core.event_base import Event, LegKind, Part


def test_an_event_needs_its_time_and_concerns_nobody_unless_it_says_so() -> None:
    event = Event(at_ms=5)
    assert (event.at_ms, event.account, event.key) == (5, None, None)
    with pytest.raises(TypeError):
        Event()  # type: ignore[call-arg]  # what must not work


def test_an_event_is_a_value() -> None:
    assert Event(at_ms=5, key="k") == Event(at_ms=5, key="k")
    with pytest.raises(FrozenInstanceError):
        Event(at_ms=5).at_ms = 6  # type: ignore[misc]  # what must not work


def test_the_kinds_of_legs_and_parts_are_those_the_ledger_keeps() -> None:
    assert get_args(LegKind) == ("entry", "exit", "stop", "target")
    assert get_args(Part) == ("all", "entry", "exit")
