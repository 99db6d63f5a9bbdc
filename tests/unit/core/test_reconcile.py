"""Every difference from the venue gets its class; a read that raced an order says nothing of its coin."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import AccountFact, Fill, OpenOrder, PositionFact
from executor.core.identity import CLOID_TAG
from executor.core.reconcile import (
    account_events,
    busy_coins,
    fill_cause,
    missing,
    order_list_events,
    told_fills,
    unconfirmed,
    with_causes,
)
from executor.core.settings import CLAIM_MS, SETTLE_MS
from executor.core.state import DeskState
from executor.core.types import Agent, Side

D = Decimal


def desk(*events: ev.Event) -> DeskState:
    state = DeskState(account="a")
    for event in events:
        evolve(state, event)
    return state


def planned(cloid: str = "0x1", kind: ev.LegKind = "entry", coin: str = "BTC") -> ev.LegPlanned:
    return ev.LegPlanned(
        at_ms=10,
        key="k",
        cloid=cloid,
        leg=kind,
        attempt=1,
        coin=coin,
        side=Side.BUY,
        size=D(1),
        limit_px=D(100),
        reduce_only=kind != "entry",
    )


def sent(*cloids: str, at_ms: int = 20) -> ev.SendStarted:
    return ev.SendStarted(
        at_ms=at_ms,
        request_id="r",
        purpose="entry",
        signer="s",
        nonce=1,
        expires_after_ms=9_999,
        vault=None,
        action={},
        cloids=cloids,
    )


def rested(cloid: str = "0x1", at_ms: int = 30) -> ev.LegRested:
    return ev.LegRested(at_ms=at_ms, cloid=cloid, oid=7)


def fact(at_ms: int = 1_000, **sizes: str) -> AccountFact:
    held = tuple(PositionFact(c, D(s), D(100), 1, False, None, D(0), D(0)) for c, s in sizes.items())
    return AccountFact(held, D(0), D(0), D(0), at_ms)


def fill(tid: int, size: str, at_ms: int, cloid: str | None = None, **more: Any) -> Fill:
    side = Side.BUY if D(size) > 0 else Side.SELL
    return Fill(tid, 1, cloid, "BTC", side, D(100), abs(D(size)), D(0), D(0), D("0.5"), at_ms, **more)


def order(cloid: str | None, oid: int = 7) -> OpenOrder:
    return OpenOrder(oid, cloid, "BTC", Side.BUY, D(1), D(1), D(1), False, None, "Limit", False, 0)


def differences(events: list[ev.Event]) -> list[tuple[str, str, str, str]]:
    return [(e.coin, e.cause, e.ours, e.venue) for e in events if isinstance(e, ev.DifferenceFound)]


# -- positions ---


def test_a_coin_is_busy_while_an_order_of_it_is_out_or_unknown() -> None:
    unknown = ev.LegUnknown(at_ms=30, cloid="0x1", reason="R", text="", deadline_ms=None)
    assert busy_coins(desk(planned()), 15) == ()
    assert busy_coins(desk(planned(), sent("0x1")), 1_000) == ("BTC",)
    assert busy_coins(desk(planned(), sent("0x1"), unknown), 1_000) == ("BTC",)


@pytest.mark.parametrize(("asked_ms", "busy"), [(29, ("BTC",)), (30, ("BTC",)), (31, ())])
def test_a_coin_is_busy_for_a_read_asked_before_its_order_was_answered(asked_ms: int, busy: tuple[str, ...]) -> None:
    assert busy_coins(desk(planned(), sent("0x1"), rested()), asked_ms) == busy


def test_a_leg_that_never_left_makes_no_coin_busy() -> None:
    assert busy_coins(desk(planned(), ev.LegDropped(at_ms=30, cloid="0x1", reason="STALE")), 0) == ()


@pytest.mark.parametrize(
    ("ours", "venue", "found"),
    [
        ({}, {"BTC": "1"}, [("BTC", "foreign position", "0", "1")]),
        ({"BTC": "1"}, {}, [("BTC", "closed elsewhere", "1", "0")]),
        ({"BTC": "1"}, {"BTC": "-2"}, [("BTC", "changed elsewhere", "1", "-2")]),
        ({"BTC": "1"}, {"BTC": "1.0"}, []),
        (
            {"BTC": "1", "ETH": "1"},
            {"SOL": "1", "BTC": "1"},
            [("ETH", "closed elsewhere", "1", "0"), ("SOL", "foreign position", "0", "1")],
        ),
    ],
)
def test_each_difference_gets_its_class_and_the_venues_word_stands(
    ours: dict[str, str], venue: dict[str, str], found: list[tuple[str, str, str, str]]
) -> None:
    state = desk(ev.AccountRead(at_ms=1, fact=fact(500, **ours)))
    events = account_events(state, fact(1_000, **venue), 900, 1_001)
    assert differences(events) == found
    for event in events:
        evolve(state, event)
    assert {c: p.size for c, p in state.positions.items() if p.size} == {c: D(s) for c, s in venue.items()}


def test_a_busy_coin_shows_no_difference_and_is_skipped() -> None:
    state = desk(planned(), sent("0x1"))
    (read,) = account_events(state, fact(BTC="1"), 900, 1_001)
    assert isinstance(read, ev.AccountRead)
    assert read.skipped == ("BTC",)


@pytest.mark.parametrize(("at_ms", "size"), [(1_999, "1"), (2_000, "5"), (2_001, "5")])
def test_a_read_overtaken_by_a_fill_or_a_newer_read_changes_nothing(at_ms: int, size: str) -> None:
    by_fill = desk(ev.FillSeen(at_ms=1, fill=fill(1, "1", 2_000), cloid=None))
    by_read = desk(ev.AccountRead(at_ms=1, fact=fact(2_000, BTC="1")))
    for state in (by_fill, by_read):
        for event in account_events(state, fact(at_ms, BTC="5"), 1, 2_500):
            evolve(state, event)
        assert state.position("BTC").size == D(size)


# -- fills ---


@pytest.mark.parametrize(
    ("kind", "cloid", "liquidation", "cause"),
    [
        ("entry", "0x1", False, None),
        ("stop", "0x1", False, "stop fired"),
        ("target", "0x1", False, "target fired"),
        ("stop", "0x1", True, "liquidation"),
        (None, "0x9", False, "manual trade"),
        (None, None, False, "manual trade"),
        (None, None, True, "liquidation"),
        (None, CLOID_TAG + "00", False, None),
    ],
)
def test_a_fill_nobody_asked_for_just_now_gets_its_class(
    kind: ev.LegKind | None, cloid: str | None, liquidation: bool, cause: str | None
) -> None:
    leg = None if kind is None else desk(planned("0x1", kind)).legs["0x1"]
    assert fill_cause(fill(1, "1", 5, cloid, liquidation=liquidation), leg) == cause


@pytest.mark.parametrize("read_ms", [1, 500])
def test_a_liquidation_is_an_alarm_once_for_all_its_fills_also_where_it_is_read_late(read_ms: int) -> None:
    state = desk(ev.AccountRead(at_ms=read_ms, fact=fact(read_ms, BTC="0.5")))
    fills = [fill(n, "-0.2", 200, liquidation=True) for n in (1, 2)]
    alarms = [e for e in told_fills(state, fills, 300) if isinstance(e, ev.AlarmRaised)]
    assert [(e.code, e.text) for e in alarms] == [("LIQUIDATED", "BTC: the venue liquidated 0.4 of a long position")]
    assert not any(isinstance(e, ev.AlarmRaised) for e in told_fills(state, [fill(3, "1", 400)], 400))


def test_what_a_stop_of_ours_did_is_told_with_its_order() -> None:
    state = desk(ev.AccountRead(at_ms=1, fact=fact(100, BTC="1")), planned(kind="stop"), sent("0x1"), rested())
    told = told_fills(state, [fill(1, "-1", 200, "0x1")], 300)
    assert [(e.cause, e.cloid) for e in told if isinstance(e, ev.DifferenceFound)] == [("stop fired", "0x1")]


def test_a_new_foreign_fill_is_told_with_its_difference_once() -> None:
    state = desk(ev.AccountRead(at_ms=1, fact=fact(100, BTC="0.5")))
    events = told_fills(state, [fill(1, "1", 200)], 300)
    assert differences(events) == [("BTC", "manual trade", "0.5", "1.5")]
    for event in events:
        evolve(state, event)
    assert told_fills(state, [fill(1, "1", 200)], 300) == []


@pytest.mark.parametrize(("read_ms", "told"), [(None, False), (200, False), (199, True)])
def test_a_fill_that_is_in_the_read_or_before_any_is_no_difference(read_ms: int | None, told: bool) -> None:
    state = desk() if read_ms is None else desk(ev.AccountRead(at_ms=1, fact=fact(read_ms, BTC="1")))
    assert bool(differences(told_fills(state, [fill(1, "1", 200)], 300))) is told


# -- open orders ---


def test_an_unknown_order_that_is_listed_rests() -> None:
    unknown = ev.LegUnknown(at_ms=30, cloid="0x1", reason="R", text="", deadline_ms=None)
    state = desk(planned(), planned("0x2"), sent("0x1", "0x2"), unknown)
    for event in order_list_events(state, [order("0x1"), order("0x2", 8), order(None, 9)], 40, 40):
        evolve(state, event)
    assert [leg.state for leg in state.legs.values()] == ["resting", "sent"]
    assert set(state.orders) == {7, 8, 9}


def test_a_list_that_says_nothing_new_is_not_recorded_again() -> None:
    state = desk()
    assert len(order_list_events(state, [], 40, 40)) == 1
    for orders in ([], [order(None, 9)]):
        for event in order_list_events(state, orders, 40, 40):
            evolve(state, event)
        assert order_list_events(state, orders, 41, 41) == []


def test_a_resting_or_triggered_order_that_a_later_list_lacks_is_missing() -> None:
    triggered = ev.LegTriggered(at_ms=30, cloid="0x2")
    state = desk(planned(), planned("0x2"), planned("0x3"), sent("0x1", "0x2", "0x3"), rested(), triggered)
    late = 31 + SETTLE_MS
    assert [leg.cloid for leg in missing(state, [], late)] == ["0x1", "0x2"]
    assert [leg.cloid for leg in missing(state, [order("0x1")], late)] == ["0x2"]
    assert missing(state, [], late - 1) == []


# -- an older copy of the ledger ---


def test_a_ledger_that_lacks_fills_of_ours_at_start_proves_nothing_by_its_silence() -> None:
    started = ev.ProcessStarted(at_ms=1, clean=True, version="1", mode="live")
    state = desk(started)
    told = told_fills(state, [fill(1, "1", 50, cloid=CLOID_TAG + "1" * 28)], 60)
    assert [e.code for e in told if isinstance(e, ev.AnomalyNoted | ev.AlarmRaised)] == ["LEDGER_BEHIND"] * 2
    for event in told:
        evolve(state, event)
    assert not state.continuous


@pytest.mark.parametrize("cloid", [None, "0x" + "1" * 32])
def test_fills_of_others_say_nothing_about_the_ledger(cloid: str | None) -> None:
    state = desk(ev.ProcessStarted(at_ms=1, clean=True, version="1", mode="live"))
    for event in told_fills(state, [fill(1, "1", 50, cloid=cloid)], 60):
        evolve(state, event)
    assert state.continuous


def test_other_anomalies_leave_the_ledger_trusted() -> None:
    state = desk(ev.ProcessStarted(at_ms=1, clean=True, version="1", mode="live"))
    evolve(state, ev.AnomalyNoted(at_ms=2, account="acc", code="RESTLESS", text=""))
    assert state.continuous


# -- orders of others, and endings nobody here asked for ---


def test_orders_of_others_are_told_once_by_coin_and_ours_without_a_leg_by_their_own_class() -> None:
    state = desk()
    ours = order(CLOID_TAG + "1" * 28, 11)
    listed = [order(None, 9), order("0x" + "3" * 32, 10), ours]
    events = order_list_events(state, listed, 40, 40)
    assert differences(events) == [("BTC", "foreign order", "0", "2"), ("BTC", "forgotten order", "0", "1")]
    for event in events:
        evolve(state, event)
    assert differences(order_list_events(state, listed, 50, 50)) == []
    assert differences(order_list_events(state, [order(None, 12)], 60, 60)) == [("BTC", "foreign order", "0", "1")]


def test_orders_of_our_own_on_the_list_are_no_difference() -> None:
    state = desk(planned(), sent("0x1"), rested())
    assert differences(order_list_events(state, [order("0x1")], 40, 40)) == []


def ended(status: str = "canceled", ending: Any = "canceled") -> ev.LegEnded:
    return ev.LegEnded(at_ms=50, cloid="0x1", oid=7, ending=ending, status=status)


@pytest.mark.parametrize(
    ("before", "told", "cause"),
    [
        ((), ev.LegAbsent(at_ms=50, cloid="0x1"), "expired"),
        ((rested(),), ended(), "canceled elsewhere"),
        ((rested(),), ended("scheduledCancel"), "canceled elsewhere"),
        ((rested(),), ended("liquidatedCanceled"), "liquidation"),
        ((rested(),), ended("siblingFilledCanceled"), None),
        ((rested(),), ended("reduceOnlyCanceled"), None),
        ((rested(),), ended("filled", "filled"), None),
        ((), ended(), None),  # an entry that found nobody is cancelled by the venue: that is its answer
        ((rested(), ev.CancelWanted(at_ms=40, coin="BTC", oid=7, cloid="0x1", why="t")), ended(), None),
        ((rested(),), ev.LegTriggered(at_ms=50, cloid="0x1"), None),
    ],
)
def test_an_ending_nobody_here_asked_for_gets_its_class(
    before: tuple[ev.Event, ...], told: ev.Event, cause: str | None
) -> None:
    state = desk(ev.AccountRead(at_ms=1, fact=fact(5, BTC="1")), planned(kind="stop"), sent("0x1"), *before)
    events = with_causes(state, [told])
    assert events[-1] is told
    assert differences(events) == ([("BTC", cause, "1", "0")] if cause else [])
    assert all((event.key, getattr(event, "cloid", None)) == ("k", "0x1") for event in events[:-1])


def test_what_protected_a_position_that_is_gone_may_go_with_it() -> None:
    assert with_causes(desk(planned(kind="stop"), sent("0x1"), rested()), [ended()]) == [ended()]


def test_an_ending_of_an_order_that_is_not_ours_has_no_class() -> None:
    assert with_causes(desk(), [ended()]) == [ended()]
    assert with_causes(desk(), [ev.LegAbsent(at_ms=1, cloid="0x9")]) == [ev.LegAbsent(at_ms=1, cloid="0x9")]


# -- what an answer claimed ---


ANSWERED = 2_000


def claims(*legs: ev.LegPlanned, size: str = "1", before: dict[str, str] | None = None) -> DeskState:
    """Orders the venue answered as filled, of which no fill was seen."""
    read = ev.AccountRead(at_ms=1, fact=fact(500, **(before or {})))
    told = [
        ev.LegFilled(at_ms=ANSWERED, cloid=leg.cloid, oid=i, size=D(size), avg_px=D(1)) for i, leg in enumerate(legs)
    ]
    return desk(read, *legs, sent(*[leg.cloid for leg in legs]), *told)


def read_at(state: DeskState, asked_ms: int, fills_read: bool = True, **sizes: str) -> list[ev.Event]:
    events = account_events(state, fact(asked_ms + 10, **sizes), asked_ms, asked_ms + 20, fills_read=fills_read)
    for event in events:
        evolve(state, event)
    return events


def test_a_read_that_lags_behind_an_answer_changes_nothing_for_a_while() -> None:
    state = claims(planned())
    assert differences(read_at(state, ANSWERED + CLAIM_MS - 1)) == []
    assert state.position("BTC").size == 1
    found = read_at(state, ANSWERED + CLAIM_MS)
    assert differences(found) == [("BTC", "unconfirmed fill", "1", "0")]
    assert [e.code for e in found if isinstance(e, ev.AlarmRaised)] == ["FILL_UNCONFIRMED"]
    assert state.position("BTC").size == 0
    assert state.legs["0x1"].filled == 0


@pytest.mark.parametrize(
    ("after_ms", "told"), [(SETTLE_MS - 1, False), (SETTLE_MS, True), (SETTLE_MS + 2 * CLAIM_MS, False)]
)
def test_an_answer_no_fill_has_shown_asks_for_a_read_for_a_while(after_ms: int, told: bool) -> None:
    assert unconfirmed(claims(planned()), ANSWERED + after_ms) is told
    assert not unconfirmed(desk(), ANSWERED + after_ms)


def test_without_its_fills_a_read_does_not_speak_against_an_answer() -> None:
    state = claims(planned())
    assert differences(read_at(state, ANSWERED + CLAIM_MS, fills_read=False)) == []
    assert state.position("BTC").size == 1


@pytest.mark.parametrize(("venue", "cause"), [("1.5", "changed elsewhere"), ("-1", "changed elsewhere")])
def test_a_read_that_no_lag_explains_stands_at_once(venue: str, cause: str) -> None:
    state = claims(planned())
    assert differences(read_at(state, ANSWERED + 100, BTC=venue)) == [("BTC", cause, "1", venue)]


def test_part_of_what_was_claimed_may_lag_too() -> None:
    state = claims(planned(), planned("0x2"))
    assert differences(read_at(state, ANSWERED + 100, BTC="1")) == []
    assert state.position("BTC").size == 2


def closing(cloid: str = "0x2", key: str = "x") -> ev.LegPlanned:
    leg = planned(cloid, "exit")
    return replace(leg, side=Side.SELL, key=key, agent=Agent("fractrade", "alice"))


def test_an_exit_that_was_only_claimed_is_owed_again_and_its_position_is_its_agents() -> None:
    state = claims(closing(), before={"BTC": "1"})
    assert state.position("BTC").size == 0
    assert differences(read_at(state, ANSWERED + 100, BTC="1")) == []
    read_at(state, ANSWERED + CLAIM_MS, BTC="1")
    position = state.position("BTC")
    assert (position.size, position.owned, position.owner) == (1, 1, Agent("fractrade", "alice"))
    assert [(o.owed, o.side, o.failed) for o in state.exits.values()] == [(1, Side.SELL, 1)]


def test_an_exit_that_still_owes_owes_what_was_only_claimed_on_top() -> None:
    owed = ev.ExitOwed(at_ms=1, key="x", coin="BTC", agent=None, size=D(2), why="signal", side=Side.SELL)
    state = claims(closing(), before={"BTC": "2"})
    evolve(state, owed)
    read_at(state, ANSWERED + CLAIM_MS, BTC="2")
    assert [(o.owed, o.failed) for o in state.exits.values()] == [(3, 1)]


@pytest.mark.parametrize("how", ["flatten", "nobody's"])
def test_of_a_flatten_and_of_nobodys_order_only_the_claim_is_taken_back(how: str) -> None:
    leg = closing() if how == "flatten" else replace(closing(), agent=None)
    state = claims(leg, before={"BTC": "1"})
    if how == "flatten":
        evolve(state, ev.FlattenStarted(at_ms=3, account="a", by="t"))
    read_at(state, ANSWERED + CLAIM_MS, BTC="1")
    assert (state.position("BTC").size, state.position("BTC").owned, state.exits) == (1, 0, {})


def test_a_stop_that_was_only_claimed_leaves_the_position_its_agents() -> None:
    stop = replace(closing(), leg="stop", trigger_px=D(90))
    state = claims(stop, before={"BTC": "1"})
    read_at(state, ANSWERED + CLAIM_MS, BTC="1")
    assert (state.position("BTC").owned, state.exits) == (1, {})


def test_a_claim_of_a_leg_that_is_forgotten_is_nothing() -> None:
    state = desk(ev.ClaimVoided(at_ms=1, cloid="0x9", coin="BTC", size=D(1)))
    assert state.positions == {}
