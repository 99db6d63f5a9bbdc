"""Events about signals say nothing they were not told: what is optional has the quiet default."""

from __future__ import annotations

from decimal import Decimal

from executor.core.signal_events import ActionRefused, DuplicateSeen, ExitOwed, IntentProposed, StopWanted, TargetWanted

D = Decimal


def test_a_refusal_concerns_the_whole_action_unless_it_says_otherwise() -> None:
    assert ActionRefused(at_ms=0, reason="R", detail="").part == "all"


def test_a_duplicate_is_certain_unless_it_says_otherwise() -> None:
    assert not DuplicateSeen(at_ms=0, frame_id=None, channel="agent:1").suspected


def test_a_strategy_that_answered_did_not_fail() -> None:
    assert IntentProposed(at_ms=0, strategy="follow", intents=()).failure == ""


def test_what_shall_go_or_be_protected_is_whatever_is_there_unless_a_side_is_named() -> None:
    assert ExitOwed(at_ms=0, coin="BTC", agent=None, size=D(1), why="flatten").side is None
    assert TargetWanted(at_ms=0, coin="BTC", trigger_px=D(1), fraction=D(1)).side is None
    stop = StopWanted(at_ms=0, coin="BTC", trigger_px=D(1), signal_at_ms=0)
    assert (stop.side, stop.default) == (None, False)
