"""What became of an action, by its events."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from executor.core import events as ev
from executor.core.facts import Fill
from executor.core.types import Outcome, Side
from executor.ledger.outcomes import ActionOutcome, outcome_of

KEY = "1" * 32


def plan(cloid: str, leg: ev.LegKind = "entry", size: str = "1", **changes: Any) -> ev.Event:
    fields: dict[str, Any] = {
        "attempt": 1,
        "coin": "BTC",
        "side": Side.BUY,
        "limit_px": Decimal(10),
        "reduce_only": False,
    }
    return ev.LegPlanned(
        at_ms=1, account="main", key=KEY, cloid=cloid, leg=leg, size=Decimal(size), **{**fields, **changes}
    )


def send(*cloids: str) -> ev.Event:
    return ev.SendStarted(
        at_ms=2,
        account="main",
        key=KEY,
        request_id=cloids[0],
        purpose="entry",
        signer="0xs",
        nonce=1,
        expires_after_ms=9,
        vault=None,
        action={},
        cloids=cloids,
    )


def fill(cloid: str, size: str, px: str = "10", tid: int = 1) -> ev.Event:
    told = Fill(tid, 7, cloid, "BTC", Side.BUY, Decimal(px), Decimal(size), Decimal(0), Decimal(0), Decimal(0), at_ms=3)
    return ev.FillSeen(at_ms=3, account="main", key=KEY, fill=told, cloid=cloid)


def leg(kind: Callable[..., ev.Event], cloid: str, **fields: Any) -> ev.Event:
    return kind(at_ms=3, account="main", key=KEY, cloid=cloid, **fields)


def filled(cloid: str, size: str, px: str = "10") -> ev.Event:
    return leg(ev.LegFilled, cloid, oid=7, size=Decimal(size), avg_px=Decimal(px))


def rested(cloid: str) -> ev.Event:
    return leg(ev.LegRested, cloid, oid=7)


def rejected(cloid: str, reason: str = "NO_LIQUIDITY") -> ev.Event:
    return leg(ev.LegRejected, cloid, reason=reason, text="no")


def unknown(cloid: str) -> ev.Event:
    return leg(ev.LegUnknown, cloid, reason="NO_ANSWER", text="", deadline_ms=9)


def ended(cloid: str, ending: str, status: str = "x") -> ev.Event:
    return leg(ev.LegEnded, cloid, oid=7, ending=ending, status=status)


def refused(reason: str, part: Any = "all") -> ev.Event:
    return ev.ActionRefused(at_ms=3, account="main", key=KEY, reason=reason, detail="", part=part)


def settled(left: str = "0") -> ev.Event:
    return ev.ExitSettled(at_ms=3, account="main", key=KEY, coin="BTC", left=Decimal(left))


def fold(*events: ev.Event) -> ActionOutcome:
    return outcome_of("main", events)


STORIES: dict[str, tuple[list[ev.Event], str, str]] = {
    "nothing yet": ([], "pending", ""),
    "planned": ([plan("a")], "pending", ""),
    "sent": ([plan("a"), send("a")], "pending", ""),
    "filled by the answer": ([plan("a"), send("a"), filled("a", "1")], "executed", ""),
    "filled by its fills": (
        [plan("a"), send("a"), rested("a"), fill("a", "0.4"), fill("a", "0.6", tid=2)],
        "executed",
        "",
    ),
    "filled in part": ([plan("a"), send("a"), filled("a", "0.4")], "partial", ""),
    "the answer and its fill count once": ([plan("a"), send("a"), filled("a", "0.5"), fill("a", "0.5")], "partial", ""),
    "looked up as filled before its fills": (
        [plan("a"), send("a"), unknown("a"), ended("a", "filled")],
        "executed",
        "",
    ),
    "resting": ([plan("a", "stop"), send("a"), rested("a")], "resting", ""),
    "fired and filled": (
        [plan("a", "stop"), send("a"), rested("a"), leg(ev.LegTriggered, "a"), fill("a", "1")],
        "executed",
        "",
    ),
    "fired, not yet filled": ([plan("a", "stop"), send("a"), rested("a"), leg(ev.LegTriggered, "a")], "pending", ""),
    "refused": ([refused("SIDES")], "refused", "SIDES"),
    "dropped before it was sent": ([plan("a"), leg(ev.LegDropped, "a", reason="TOO_OLD")], "refused", "TOO_OLD"),
    "rejected": ([plan("a"), send("a"), rejected("a")], "rejected", "NO_LIQUIDITY"),
    "unknown": ([plan("a"), send("a"), unknown("a")], "unknown", "NO_ANSWER"),
    "unknown, then absent": ([plan("a"), send("a"), unknown("a"), leg(ev.LegAbsent, "a")], "absent", "ABSENT"),
    "cancelled unfilled": ([plan("a"), send("a"), rested("a"), ended("a", "canceled")], "absent", "CANCELED"),
    "the second attempt succeeds": (
        [plan("a", "exit"), send("a"), rejected("a"), plan("b", "exit", attempt=2), send("b"), filled("b", "1")],
        "executed",
        "",
    ),
    "the rest by a second attempt": (
        [plan("a", "exit"), send("a"), filled("a", "0.3"), plan("b", "exit", "0.7"), send("b"), filled("b", "0.7")],
        "executed",
        "",
    ),
    "an exit of less because no more was there": (
        [plan("a", "exit"), send("a"), filled("a", "0.3"), settled()],
        "executed",
        "",
    ),
    "an exit given up": ([plan("a", "exit"), send("a"), filled("a", "0.3"), settled("0.7")], "partial", ""),
    "an exit with nothing to close": ([settled()], "executed", ""),
    "closed, its opening part refused": (
        [plan("a", "exit"), refused("MAX_ORDER_NOTIONAL", "entry"), send("a"), filled("a", "1")],
        "executed",
        "MAX_ORDER_NOTIONAL",
    ),
    "a flip whose entry is rejected": (
        [plan("a", "exit"), plan("b"), send("a"), filled("a", "1"), send("b"), rejected("b")],
        "partial",
        "NO_LIQUIDITY",
    ),
    "a flip whose entry is still planned": ([plan("a", "exit"), plan("b"), send("a"), filled("a", "1")], "pending", ""),
    "a flip of which nothing happened": (
        [plan("a", "exit"), plan("b"), send("a"), rejected("a", "X"), leg(ev.LegDropped, "b", reason="NOT_FLAT")],
        "refused",
        "NOT_FLAT",
    ),
    "an entry with its stop": (
        [plan("a"), plan("s", "stop"), send("a", "s"), filled("a", "1"), rested("s")],
        "executed",
        "",
    ),
    "a stop that follows the position's size": (
        [
            plan("a", "stop", "1"),
            send("a"),
            rested("a"),
            plan("b", "stop", "2"),
            send("b"),
            rested("b"),
            ended("a", "canceled"),
        ],
        "resting",
        "",
    ),
    "a resized stop that fired": (
        [plan("a", "stop"), rested("a"), ended("a", "canceled"), plan("b", "stop", "2"), rested("b"), fill("b", "2")],
        "executed",
        "",
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_the_outcome_of(story: str) -> None:
    events, outcome, reason = STORIES[story]
    told = fold(*events)
    assert (told.outcome, told.reason) == (Outcome(outcome), reason)


def test_other_accounts_do_not_matter() -> None:
    other = ev.ActionRefused(at_ms=3, account="second", key=KEY, reason="SIDES", detail="")
    assert fold(other, plan("a")).outcome is Outcome.PENDING
    assert outcome_of("second", [other, plan("a")]).reason == "SIDES"


def test_what_no_account_took_up_is_folded_without_one() -> None:
    nobody = ev.ActionRefused(at_ms=3, key=KEY, reason="NO_ROUTE", detail="")
    assert outcome_of(None, [nobody]).reason == "NO_ROUTE"


def test_a_restart_makes_what_was_out_unknown() -> None:
    start = ev.ProcessStarted(at_ms=4, clean=False, version="1", mode="live")
    assert fold(plan("a"), send("a"), start).outcome is Outcome.UNKNOWN
    assert fold(plan("a"), start).outcome is Outcome.PENDING
    assert fold(plan("a"), send("a"), filled("a", "1"), start).outcome is Outcome.EXECUTED


def test_the_average_price_is_that_of_the_fills_each_counted_once() -> None:
    told = fold(plan("a"), send("a"), filled("a", "1", "99"), fill("a", "0.5", "10"), fill("a", "0.5", "10"))
    assert told.legs[0].avg_px == 10
    told = fold(plan("a"), send("a"), fill("a", "0.25", "10"), fill("a", "0.75", "20", tid=2))
    assert told.legs[0].avg_px == Decimal("17.5")
    assert fold(plan("a"), send("a"), filled("a", "1", "99")).legs[0].avg_px == 99
    assert fold(plan("a")).legs[0].avg_px is None
