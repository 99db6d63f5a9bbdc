"""Orders whose outcome nobody knows yet, with the deadlines by which somebody will."""

from __future__ import annotations

from executor.clock import iso
from executor.core.lifecycle import LegState
from executor.core.settings import ABSENT_MARGIN_MS, LOOK_SLOWEST_MS, RESEND_EVERY_MS, RESEND_STOPS_MS
from executor.core.state import Leg
from executor.ledger.outcomes import LegOutcome
from executor.ledger.views import Document


def resolution(leg: Leg, now_ms: int) -> Document | None:
    """How an unknown order is being resolved; ``None`` for one that is not unknown.

    ``absent_from`` is the venue's time from which on it can be told that the order never happened, ``sent_again_until``
    how long the same bytes still go out, ``next_try_by`` when a running worker tries next at the latest. An order that
    never expires can only be found.
    """
    if leg.state is not LegState.UNKNOWN:
        return None
    resent_until_ms = None if leg.deadline_ms is None else leg.deadline_ms - ABSENT_MARGIN_MS - RESEND_STOPS_MS
    resent = resent_until_ms is not None and now_ms <= resent_until_ms
    return {
        "since": iso(leg.last_change_ms),
        "sent_again_until": iso(resent_until_ms) if resent_until_ms is not None else None,
        "absent_from": iso(leg.deadline_ms) if leg.deadline_ms is not None else None,
        "next_try_by": iso(now_ms + (RESEND_EVERY_MS if resent else LOOK_SLOWEST_MS)),
    }


def unresolved_view(item: LegOutcome, action_id: str, now_ms: int) -> Document:
    """One row of ``status``: which order it is, why nobody knows, and until when."""
    leg = item.leg
    return {
        "action_id": action_id,
        "symbol": leg.coin,
        "leg": leg.kind,
        "cloid": leg.cloid,
        "reason": item.reason or None,
        **(resolution(leg, now_ms) or {}),
    }
