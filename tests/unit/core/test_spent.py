"""spent: what was signed since 00:00 UTC, folded from the record of each send."""

from __future__ import annotations

from decimal import Decimal

from story import T0

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.spent import DAY_MS, midnight_ms
from executor.core.state import DeskState, SignedDay

D = Decimal
TODAY = midnight_ms(T0)


def sent(at_ms: int, *orders: tuple[str, str, bool], kind: str = "order") -> ev.SendStarted:
    action = {"type": kind, "orders": [{"p": px, "s": size, "r": reduces} for px, size, reduces in orders]}
    return ev.SendStarted(
        at_ms=at_ms, account="main", request_id=f"r{at_ms}", purpose="entry", signer="0x1", nonce=at_ms,
        expires_after_ms=None, vault=None, action=action if orders else {"type": "cancel"}, cloids=(),
    )  # fmt: skip


def test_a_day_begins_at_midnight_utc():
    assert midnight_ms(1_767_225_599_999) == 1_767_139_200_000
    assert midnight_ms(1_767_225_600_000) == 1_767_225_600_000


def test_orders_that_may_add_risk_count_at_their_limit_whatever_becomes_of_them():
    state = DeskState("main")
    evolve(state, sent(T0, ("100", "2", False), ("90", "1", True)))
    evolve(state, sent(T0 + 1, ("50.5", "2", False)))
    evolve(state, sent(T0 + 2))
    assert state.signed == SignedDay(TODAY, D(301))


def test_the_next_day_begins_anew_and_no_day_comes_back():
    state = DeskState("main")
    evolve(state, sent(T0, ("100", "2", False)))
    evolve(state, sent(TODAY + DAY_MS, ("7", "1", False)))
    assert state.signed == SignedDay(TODAY + DAY_MS, D(7))
    evolve(state, sent(T0, ("1", "1", False)))
    assert state.signed == SignedDay(TODAY + DAY_MS, D(8))
