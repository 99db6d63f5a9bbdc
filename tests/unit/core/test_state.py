"""What a leg and a desk say of themselves, asked all over core."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.lifecycle import IN_FLIGHT_STATES, OPEN_STATES, LegState, step
from executor.core.position import Holding, Position
from executor.core.state import DeskState, Leg, StopWish, TargetWish, speaks_of
from executor.core.types import Agent, Side

D = Decimal


def leg(name: str = "0x1", **more: Any) -> Leg:
    values: dict[str, Any] = {
        "cloid": name,
        "kind": "entry",
        "key": "k",
        "attempt": 1,
        "coin": "BTC",
        "side": Side.BUY,
        "size": D(2),
        "limit_px": D(100),
        "reduce_only": False,
        "planned_at_ms": 0,
    }
    return Leg(**(values | more))


def planned(name: str, kind: ev.LegKind = "entry", coin: str = "BTC", size: str = "2") -> ev.LegPlanned:
    return ev.LegPlanned(
        at_ms=1,
        key=name,
        cloid=name,
        leg=kind,
        attempt=1,
        coin=coin,
        side=Side.BUY,
        size=D(size),
        limit_px=D(100),
        reduce_only=kind != "entry",
    )


def desk(*events: ev.Event) -> DeskState:
    state = DeskState(account="a")
    for event in events:
        evolve(state, event)
    return state


def test_what_was_told_and_what_was_seen_count_once_whichever_is_more() -> None:
    assert leg(told_filled=D(1), seen_filled=D("0.4")).filled == D(1)
    assert leg(told_filled=D(1), seen_filled=D("1.5")).filled == D("1.5")


@pytest.mark.parametrize("state", LegState)
def test_a_leg_may_still_execute_what_is_left_of_it_while_it_is_open(state: LegState) -> None:
    one = leg(state=state, seen_filled=D("0.5"))
    assert one.open is (state in OPEN_STATES)
    assert one.in_flight is (state in IN_FLIGHT_STATES)
    assert one.remaining == (D("1.5") if state in OPEN_STATES else D(0))


@pytest.mark.parametrize("state", LegState)
@pytest.mark.parametrize("verb", ["sent", "filled", "unknown", "absent", "rested", "nonsense"])
def test_a_leg_follows_the_table_and_an_illegal_word_changes_nothing_at_all(state: LegState, verb: str) -> None:
    one = leg(state=state, last_change_ms=3, doubted=True)
    legal = step(state, verb)
    assert one.turn(verb, 9) is (legal is not None)
    assert (one.state, one.last_change_ms, one.doubted) == ((state, 3, True) if legal is None else (legal, 9, False))


def test_a_coin_nobody_traded_is_flat_and_asking_for_it_leaves_no_trace() -> None:
    state = DeskState(account="a")
    assert state.position("BTC") == Position(coin="BTC")
    assert state.positions == {}


def test_legs_of_a_coin_are_the_open_ones_by_kind_oldest_first() -> None:
    state = desk(
        planned("0x1"),
        planned("0x2", "exit"),
        planned("0x3", coin="ETH"),
        planned("0x4"),
        planned("0x5"),
        ev.LegDropped(at_ms=2, cloid="0x4", reason="STALE"),
    )
    assert [one.cloid for one in state.legs_of("BTC")] == ["0x1", "0x2", "0x5"]
    assert [one.cloid for one in state.legs_of("BTC", "entry")] == ["0x1", "0x5"]
    assert state.legs_of("SOL") == []


def test_owed_is_what_an_agents_exits_and_everybodys_still_have_to_close() -> None:
    bob = Agent("fractrade", "bob")
    owed = [
        ev.ExitOwed(at_ms=1, key=key, coin=coin, agent=agent, size=D(size), why="signal")
        for key, coin, size, agent in (("x", "BTC", "1", None), ("y", "BTC", "2", bob), ("z", "ETH", "4", None))
    ]
    state = desk(*owed)
    assert (state.owed("BTC", bob), state.owed("ETH", bob), state.owed("SOL", bob)) == (D(3), D(4), D(0))
    assert state.owed("BTC", Agent("fractrade", "carol")) == 1
    assert [one.key for one in state.exits_of("BTC")] == ["x", "y"]


def test_an_unknown_leg_is_told_of_its_coin_alone() -> None:
    sent = ev.SendStarted(
        at_ms=2,
        request_id="r",
        purpose="entry",
        signer="s",
        nonce=1,
        expires_after_ms=None,
        vault=None,
        action={},
        cloids=("0x1",),
    )
    unknown = ev.LegUnknown(at_ms=3, cloid="0x1", reason="R", text="", deadline_ms=None)
    assert not desk(planned("0x1"), sent).has_unknown("BTC")
    assert desk(planned("0x1"), sent, unknown).has_unknown("BTC")
    assert not desk(planned("0x1"), sent, unknown).has_unknown("ETH")


def test_the_coins_that_need_looking_after_are_sorted_and_complete() -> None:
    state = desk(
        planned("0x1", coin="LEG"),
        ev.ExitOwed(at_ms=1, key="x", coin="EXIT", agent=None, size=D(1), why="signal"),
        ev.StopWanted(at_ms=1, key="s", coin="STOP", trigger_px=D(1), signal_at_ms=1),
        ev.TargetWanted(at_ms=1, key="t", coin="AIM", trigger_px=D(1), fraction=D(1)),
        planned("0x2", coin="GONE"),
        ev.LegDropped(at_ms=2, cloid="0x2", reason="STALE"),
    )
    state.positions["POS"] = Position(coin="POS", size=D(1))
    state.positions["FLAT"] = Position(coin="FLAT")
    assert state.coins() == ["AIM", "EXIT", "LEG", "POS", "STOP"]


@pytest.mark.parametrize(
    ("side", "size", "speaks"),
    [
        (None, "1", True),
        (None, "-1", True),
        (None, "0", False),
        (Side.SELL, "1", True),
        (Side.SELL, "-1", False),
        (Side.BUY, "-1", True),
        (Side.BUY, "1", False),
        (Side.BUY, "0", False),
    ],
)
def test_a_wish_speaks_of_a_position_its_side_closes(side: Side | None, size: str, speaks: bool) -> None:
    stop = StopWish(key="k", trigger_px=D(1), at_ms=0, side=side)
    target = TargetWish(key="k", trigger_px=D(1), fraction=D(1), at_ms=0, side=side)
    assert speaks_of(stop, D(size)) is speaks
    assert speaks_of(target, D(size)) is speaks


def test_targets_are_of_their_agent_and_what_names_nobody_goes_with_the_first_holding() -> None:
    alice, bob = Agent("fractrade", "alice"), Agent("fractrade", "bob")
    wishes = [TargetWish(key=k, trigger_px=D(1), fraction=D(1), at_ms=0, agent=a) for k, a in (("a", None), ("b", bob))]
    state = DeskState("main", targets={"BTC": wishes})
    state.positions["BTC"] = Position("BTC", size=D(2), holdings=[Holding(alice, D(1)), Holding(bob, D(1))])
    assert [[wish.key for wish in state.targets_for("BTC", agent)] for agent in (alice, bob)] == [["a"], ["b"]]
