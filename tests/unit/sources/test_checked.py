"""checked: a stranger's event is of its types, or a refused frame; ours are handed on as they are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from executor import logs
from executor.core.source_events import (
    AgentNotice,
    Candle,
    Malformed,
    Origin,
    SetStop,
    SetTarget,
    SourcePortfolio,
    SourcePosition,
    SourceTrade,
    Status,
    Ticker,
    Trade,
)
from executor.core.types import Agent, Side
from executor.sources.checked import KINDS, emitter, sound
from executor.sources.replay import ReplaySource
from executor.testing import ManualClock

D = Decimal
ORIGIN, FALLBACK = Origin("mine", "one", "c", 5), Origin("one", "one", "unknown", 9)
AGENT = Agent("mine", "a")
ACTION: dict[str, Any] = {
    "origin": ORIGIN, "agent": AGENT, "key": "k", "fingerprint": "f", "shape": "flat", "symbol": "BTC",
    "side": Side.BUY, "size": D("0.10"), "reduce_only": False, "sender_id": "mine-1", "stamped_at_ms": 4,
}  # fmt: skip
TRADE = Trade(**ACTION)
STOP = SetStop(**ACTION, trigger_px=D(5))


def checked(event: object) -> Any:
    return sound(event, lambda: FALLBACK)


GOOD = [
    TRADE,
    STOP,
    SetTarget(**ACTION, trigger_px=D("1e-9")),
    Status(origin=ORIGIN, state="open", agent_ids=("a",)),
    Malformed(origin=ORIGIN, reason="INVALID_JSON", field="", detail="what"),
    SourceTrade(
        origin=ORIGIN, agent=AGENT, symbol="BTC", side=Side.SELL, size=D(1), quote_size=None, px=D(2), ref="r", at_ms=1
    ),
    SourcePosition(
        origin=ORIGIN, agent=AGENT, position_id="p", symbol="BTC", size=D(-1), entry_px=None, mark_px=D("1.50")
    ),
    SourcePortfolio(origin=ORIGIN, agent=AGENT, equity_usd=D("0.00")),
    Ticker(origin=ORIGIN, symbol="BTC", px=D("1E+3"), at_ms=None),
    Candle(
        origin=ORIGIN,
        symbol="BTC",
        interval="1m",
        open_at_ms=0,
        open_px=D(1),
        high_px=D(2),
        low_px=D(1),
        close_px=D(2),
        volume=D(0),
        closed=True,
    ),
    AgentNotice(origin=ORIGIN, agent=AGENT, kind="risk_veto", tags=("a", "b")),
]


@pytest.mark.parametrize("event", GOOD, ids=lambda event: type(event).__name__)
def test_an_event_of_its_types_is_handed_on_unchanged(event: Any) -> None:
    assert checked(event) == event


def test_every_kind_of_event_can_be_checked() -> None:
    assert {type(event) for event in GOOD} == set(KINDS)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"stamped_at_ms": 4.5}, "stamped_at_ms"),
        ({"sender_id": 5}, "sender_id"),
        ({"symbol": None}, "symbol"),
        ({"side": "long"}, "side"),
        ({"size": D("NaN")}, ""),
        ({"size": object()}, ""),
        ({"agent": Agent("mine", 7)}, "agent.agent_id"),  # type: ignore[arg-type]  # rubbish on purpose
        ({"key": "\ud800"}, ""),
    ],
)
def test_what_the_ledger_could_not_hold_is_a_refused_frame(wrong: dict[str, Any], field: str) -> None:
    refused = checked(replace(TRADE, **wrong))
    assert isinstance(refused, Malformed)
    assert (refused.origin, refused.reason, refused.field) == (ORIGIN, "WRONG_TYPE", field)
    assert refused.action_id == (None if "sender_id" in wrong else "mine-1")


def test_what_means_the_same_becomes_the_type_it_must_be() -> None:
    assert checked(replace(TRADE, size=0.1, side="buy", leverage=3)) == replace(TRADE, size=D("0.1"), leverage=D(3))


@pytest.mark.parametrize(
    "event", [replace(TRADE, size=D(-1)), replace(STOP, size=D(0)), replace(STOP, trigger_px=None)]
)
def test_an_action_of_no_size_or_trigger_is_refused(event: Any) -> None:
    assert checked(event).reason == "BAD_NUMBER"


@pytest.mark.parametrize("event", [None, {"symbol": "BTC"}, replace(TRADE, origin=replace(ORIGIN, channel=7))])
def test_without_an_origin_it_is_the_sources(event: Any) -> None:
    refused = checked(event)
    assert (refused.origin, refused.reason) == (FALLBACK, "WRONG_TYPE")


class Stranger:
    name = "one"


def test_only_a_strangers_events_are_checked() -> None:
    told: list[Any] = []

    def emit(raw: str | bytes, event: Any) -> None:
        told.append(event)

    emitter(Stranger(), emit, ManualClock())(b"x", replace(TRADE, sender_id=5))  # type: ignore[arg-type]  # a fake
    assert isinstance(told[0], Malformed)
    ours = object.__new__(ReplaySource)
    assert emitter(ours, emit, ManualClock()) is emit


CANARY = 'canary-checked-"1"'


@pytest.mark.parametrize(
    "event",
    [
        Status(origin=ORIGIN, state="open", agent_ids=("a",), detail=f"https://h/?k={CANARY}", remedy=CANARY),
        Malformed(origin=ORIGIN, reason="X", field="f", detail=CANARY, action_id=CANARY),
        AgentNotice(origin=replace(ORIGIN, channel=CANARY), agent=AGENT, kind="k", reason=f"why {CANARY}"),
        replace(TRADE, size=f"{CANARY}", sender_id=CANARY),
        {"what": CANARY},
        Ticker(origin=replace(ORIGIN, channel=CANARY), symbol="BTC", px=D("NaN"), at_ms=None),
    ],
)
def test_a_secret_that_a_strangers_event_quotes_is_hidden(event: object) -> None:
    logs.register_secret(CANARY)
    assert "canary" not in repr(checked(event))
