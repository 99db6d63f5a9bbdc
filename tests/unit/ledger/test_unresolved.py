"""unresolved: an order nobody knows of is shown with its deadlines, and only while nobody knows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.clock import iso
from executor.core.lifecycle import LegState
from executor.core.settings import ABSENT_MARGIN_MS, LOOK_SLOWEST_MS, RESEND_EVERY_MS, RESEND_STOPS_MS
from executor.core.state import Leg
from executor.core.types import Outcome, Side
from executor.ledger.outcomes import LegOutcome
from executor.ledger.unresolved import resolution, unresolved_view

EXPIRES = 1_800_000_010_000
D = Decimal


def leg(state: LegState = LegState.UNKNOWN, deadline_ms: int | None = EXPIRES + ABSENT_MARGIN_MS) -> Leg:
    made = Leg("0x1", "entry", "k", 1, "BTC", Side.BUY, D(1), D(100), False, 0, state=state, deadline_ms=deadline_ms)
    made.last_change_ms = EXPIRES - 7_000
    return made


@pytest.mark.parametrize("state", [s for s in LegState if s is not LegState.UNKNOWN])
def test_what_is_known_needs_no_resolution(state):
    assert resolution(leg(state), EXPIRES) is None


@pytest.mark.parametrize(
    ("now_ms", "pause_ms"),
    [(EXPIRES - RESEND_STOPS_MS, RESEND_EVERY_MS), (EXPIRES - RESEND_STOPS_MS + 1, LOOK_SLOWEST_MS)],
)
def test_it_is_sent_again_until_shortly_before_its_expiry_and_looked_up_until_the_margin_after(now_ms, pause_ms):
    assert resolution(leg(), now_ms) == {
        "since": iso(EXPIRES - 7_000),
        "sent_again_until": iso(EXPIRES - RESEND_STOPS_MS),
        "absent_from": iso(EXPIRES + ABSENT_MARGIN_MS),
        "next_try_by": iso(now_ms + pause_ms),
    }


def test_an_order_that_never_expires_can_only_be_found():
    told = resolution(leg(deadline_ms=None), EXPIRES)
    assert told is not None
    assert (told["sent_again_until"], told["absent_from"]) == (None, None)
    assert told["next_try_by"] == iso(EXPIRES + LOOK_SLOWEST_MS)


def test_a_row_of_status_says_which_order_it_is_and_why():
    row = unresolved_view(LegOutcome(leg(), Outcome.UNKNOWN, "NO_ANSWER", None), "their-id", EXPIRES)
    assert {name: row[name] for name in ("action_id", "symbol", "leg", "cloid", "reason")} == {
        "action_id": "their-id",
        "symbol": "BTC",
        "leg": "entry",
        "cloid": "0x1",
        "reason": "NO_ANSWER",
    }
    assert row["absent_from"] == iso(EXPIRES + ABSENT_MARGIN_MS)
