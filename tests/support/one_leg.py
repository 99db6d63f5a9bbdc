"""One request and its leg as the venue's words find them: what tests of answers and of look-ups begin with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from executor.core import events as ev
from executor.core.answers import answer_events
from executor.core.evolve import evolve
from executor.core.facts import Answer, Fill, OpenOrder, OrderFact, Resting, Unknown
from executor.core.state import DeskState
from executor.core.types import Side

D = Decimal
EXPIRES = 10_000
LOST = Unknown("NO_ANSWER", "timed out")


def desk(*events: ev.Event) -> DeskState:
    state = DeskState(account="a")
    tell(state, events)
    return state


def tell(state: DeskState, events: Any) -> None:
    for event in events:
        evolve(state, event)


def planned(cloid: str, kind: ev.LegKind = "entry", size: str = "1", **more: Any) -> ev.LegPlanned:
    values: dict[str, Any] = {
        "at_ms": 1,
        "account": "a",
        "key": "k" + cloid,
        "cloid": cloid,
        "leg": kind,
        "attempt": 1,
        "coin": "BTC",
        "side": Side.BUY,
        "size": D(size),
        "limit_px": D(100),
        "reduce_only": kind != "entry",
        "trigger_px": D(90) if kind in ("stop", "target") else None,
    }
    return ev.LegPlanned(**(values | more))


def sent(*cloids: str, purpose: str = "entry", **more: Any) -> ev.SendStarted:
    values: dict[str, Any] = {
        "at_ms": 2,
        "request_id": "r",
        "purpose": purpose,
        "signer": "s",
        "nonce": 1,
        "expires_after_ms": EXPIRES,
        "vault": None,
        "action": {},
        "cloids": cloids,
    }
    return ev.SendStarted(**(values | more))


def out(kind: ev.LegKind = "entry", size: str = "1") -> DeskState:
    """One leg whose request is out."""
    return desk(planned("0x1", kind, size), sent("0x1"))


def answer(state: DeskState, *answers: Answer, resend: bool = False) -> list[ev.Event]:
    events = answer_events(state, state.requests["r"], answers, 50, resend=resend)
    tell(state, events)
    return events


def names(events: list[ev.Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def resting(kind: ev.LegKind = "stop", size: str = "1") -> DeskState:
    state = out(kind, size)
    answer(state, Resting(7))
    return state


def order(cloid: str | None = "0x1", oid: int = 7) -> OpenOrder:
    return OpenOrder(oid, cloid, "BTC", Side.SELL, D(90), D(1), D(1), True, D(90), "Stop Market", False, 0)


def told(status: str, oid: int = 7, cloid: str | None = "0x1") -> OrderFact:
    return OrderFact(order(cloid, oid), status, 60)


NOT_KNOWN = OrderFact(None, "", 60)


def fill(tid: int = 1, size: str = "1", cloid: str | None = "0x1", oid: int = 7, at_ms: int = 55) -> Fill:
    return Fill(tid, oid, cloid, "BTC", Side.BUY, D(100), D(size), D(0), D(0), D(0), at_ms)
