"""Virtual positions: who gains and loses what. That they add up in any order is in tests/properties."""

from __future__ import annotations

from decimal import Decimal

import pytest
from story import Story

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import AccountFact, Fill, Funding
from executor.core.position import Earned, Holding, Position
from executor.core.state import DeskState
from executor.core.types import Agent, Side
from executor.core.virtual import (
    HOUR_MS,
    KEEP_HOURS,
    earned_of,
    fill_charged,
    fit,
    funding_shared,
    hand_over,
    in_proportion,
    moved_by_others,
    note_hour,
    opened,
    priced_late,
    taken_back,
)

D = Decimal
A, B, C = (Agent("fractrade", name) for name in ("alice", "bob", "carol"))


def desk(size: int | str, *parts: tuple[Agent, int | str]) -> tuple[DeskState, Position]:
    """A coin held at 100 by everybody."""
    state = DeskState(account="a")
    holdings = [Holding(agent, D(part), D(100)) for agent, part in parts]
    position = state.positions["BTC"] = Position("BTC", D(size), D(100), holdings=holdings)
    return state, position


def sizes(position: Position) -> dict[str, Decimal]:
    return {holding.agent.agent_id: holding.size for holding in position.holdings}


def fill(side: Side, size: int, px: int = 110, *, fee: int = 0, liquidation: bool = False) -> Fill:
    return Fill(1, 1, None, "BTC", side, D(px), D(size), D(fee), D(0), D(0), 5, True, liquidation)


# -- shares ---


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        ("1", ["3"], ["1"]),
        ("3", ["3", "3"], ["2", "1"]),
        ("1", ["3", "1"], ["1", "0"]),
        ("0.5", ["1", "1"], ["0.3", "0.2"]),
        ("2", ["5", "5", "5"], ["1", "1", "0"]),
        ("6", ["1", "2", "3"], ["1", "2", "3"]),
        ("0.1", ["1.00", "2.00", "0.01"], ["0.03", "0.07", "0.00"]),
    ],
)
def test_a_loss_is_shared_in_whole_steps_and_adds_up(total: str, weights: list[str], parts: list[str]) -> None:
    shared = in_proportion(D(total), [D(one) for one in weights])
    assert shared == [D(part) for part in parts]
    assert sum(shared) == D(total)


# -- sizes ---


def test_what_one_agent_held_alone_is_lost_at_once() -> None:
    state, position = desk(1, (A, 3))
    fit(state, position, 50)
    assert sizes(position) == {"alice": 1}
    assert earned_of(state, "BTC", A).unpriced == 2


def test_what_several_held_is_shared_out_after_ten_seconds_at_its_price_where_that_is_known() -> None:
    state, position = desk(2, (A, 3), (B, 1))
    moved_by_others(position, D(1), D(90))
    fit(state, position, 1_000)
    assert sizes(position) == {"alice": 3, "bob": 1}
    fit(state, position, 10_999)
    assert sizes(position) == {"alice": 3, "bob": 1}
    fit(state, position, 11_000)
    assert sizes(position) == {"alice": 1, "bob": 1}
    alice = earned_of(state, "BTC", A)
    assert (alice.realized_usd, alice.unpriced, position.excess_since_ms) == (D(-10), 1, 0)


def test_the_price_at_which_others_took_it_is_the_average() -> None:
    _, position = desk(1, (A, 3), (B, 1))
    moved_by_others(position, D(1), D(90))
    moved_by_others(position, D(1), D(96))
    moved_by_others(position, D(5), D(99))
    assert (position.strange, position.strange_px) == (3, D(95))
    moved_by_others(position, D(5), D(1))
    assert position.strange_px == 95


@pytest.mark.parametrize("size", [0, -2])
def test_what_is_flat_or_turned_is_nobodys_at_once(size: int) -> None:
    state, position = desk(size, (A, 3), (B, 1))
    fit(state, position, 1)
    assert position.holdings == []


def test_an_entry_against_another_agents_part_cancels_out_with_it() -> None:
    state, position = desk(1, (A, 3))
    opened(state, position, B, D(-2), D(110), 7)
    assert sizes(position) == {"alice": 1}
    assert earned_of(state, "BTC", A).realized_usd == 20
    position.size = D(-1)
    opened(state, position, B, D(-2), D(110), 7)
    assert sizes(position) == {"bob": -1}
    assert position.holdings[0].opened_at_ms == 7


def test_an_entry_that_never_was_is_taken_back_from_its_agent_alone() -> None:
    state, position = desk(2, (A, 2), (B, 2))
    taken_back(state, position, A, D(-2), D(100), 7)
    assert (sizes(position), position.ahead) == ({"bob": 2}, [])
    state, position = desk(-1, (A, 2))
    taken_back(state, position, A, D(-3), D(100), 7)
    assert (sizes(position), position.ahead) == ({"alice": -1}, [])


def test_an_exit_that_never_was_meets_the_other_side_that_was_opened_meanwhile() -> None:
    """It seemed flat, so another agent could go short; the venue netted that against what was still held."""
    state, position = desk("0.6", (B, "-0.4"))
    opened(state, position, A, D(1), D(100), 0)
    fit(state, position, 7)
    assert (sizes(position), position.ahead, position.excess) == ({"alice": D("0.6")}, [], 0)


def test_an_exit_and_the_entry_it_closed_that_both_never_were_leave_others_alone() -> None:
    state, position = desk(1, (B, 1))
    position.size = D(0)
    taken_back(state, position, A, D(-1), D(100), 7)  # the entry: closed already, as it seemed
    fit(state, position, 7)
    position.size = D(1)
    opened(state, position, A, D(1), D(100), 0)  # and so did the exit never happen
    fit(state, position, 8)
    assert (sizes(position), position.ahead) == ({"bob": 1}, [])


def test_where_only_the_entry_never_was_its_exit_took_it_from_another() -> None:
    state, position = desk(0, (B, 1))
    taken_back(state, position, A, D(-1), D(100), 7)
    fit(state, position, 7)
    assert sizes(position) == {"bob": 1}
    fit(state, position, 8)
    assert (sizes(position), position.ahead) == ({}, [])


def test_a_rest_too_small_for_an_order_goes_to_whoever_holds_most() -> None:
    _, position = desk(6, (A, 1), (B, 2), (C, 3))
    position.holdings[0].entry_px = D(60)
    assert hand_over(position, A)
    assert sizes(position) == {"bob": 2, "carol": 4}
    assert position.holdings[1].entry_px == 90
    assert not hand_over(position, A)
    _, alone = desk(1, (A, 1))
    assert not hand_over(alone, A)


# -- money ---


def test_a_late_price_is_its_own_agents_first_and_then_the_others() -> None:
    state, _ = desk(0)
    state.earned["BTC"] = [Earned(agent, unpriced=D(size), unpriced_px=D(100)) for agent, size in ((A, 2), (B, 1))]
    priced_late(state, fill(Side.SELL, 2), B, D(2))
    alice, bob = state.earned["BTC"]
    assert (alice.realized_usd, alice.unpriced, bob.realized_usd, bob.unpriced) == (10, 1, 10, 0)
    priced_late(state, fill(Side.BUY, 2), A, D(2))
    assert alice.unpriced == 1


def test_a_fee_is_paid_by_who_ordered_a_liquidations_by_those_it_hit_else_by_nobody() -> None:
    state, _ = desk(3, (A, 1), (B, 2))
    fill_charged(state, fill(Side.BUY, 1, fee=5), A)
    fill_charged(state, fill(Side.SELL, 3, fee=6, liquidation=True), None)
    fill_charged(state, fill(Side.SELL, 1, fee=7), None)
    fees = {one.agent: (one.fees_usd, one.fills, one.volume_usd) for one in state.earned["BTC"]}
    assert fees == {A: (7, 2, 220), B: (4, 1, 220), None: (7, 1, 110)}
    nobody, _ = desk(0)
    fill_charged(nobody, fill(Side.SELL, 3, fee=6, liquidation=True), None)
    assert [(one.agent, one.fees_usd) for one in nobody.earned["BTC"]] == [(None, 6)]


def test_funding_is_of_those_who_held_when_its_hour_began() -> None:
    state, position = desk(4, (A, 1), (B, 2))
    note_hour(state, "BTC", 5 * HOUR_MS + 10)
    position.holdings.clear()
    note_hour(state, "BTC", 5 * HOUR_MS + 20)
    funding_shared(state, Funding("BTC", D(-8), 5 * HOUR_MS))
    assert {one.agent: one.funding_usd for one in state.earned["BTC"]} == {A: -2, B: -4, None: -2}
    funding_shared(state, Funding("BTC", D(-8), 6 * HOUR_MS))
    assert earned_of(state, "BTC", None).funding_usd == -10
    funding_shared(state, Funding("ETH", D(1), 6 * HOUR_MS))
    assert earned_of(state, "ETH", None).funding_usd == 1


def test_funding_that_is_read_late_is_of_those_who_held_then() -> None:
    state, position = desk(2, (A, 2))
    note_hour(state, "BTC", 9 * HOUR_MS + 30)
    position.holdings.clear()
    position.size = D(0)
    note_hour(state, "BTC", 10 * HOUR_MS + 5)
    for hour in (8, 9, 10):
        funding_shared(state, Funding("BTC", D(-4), hour * HOUR_MS))
    assert {one.agent: one.funding_usd for one in state.earned["BTC"]} == {A: -8, None: -4}


def test_of_how_long_ago_it_is_kept_who_held_has_an_end() -> None:
    state, _ = desk(2, (A, 2))
    for hour in range(KEEP_HOURS + 5):
        note_hour(state, "BTC", hour * HOUR_MS)
    assert [one.number for one in state.hours["BTC"]] == list(range(5, KEEP_HOURS + 5))


def test_a_fill_told_hours_later_moves_nobodys_funding_of_the_hours_between() -> None:
    state, _ = desk(2, (A, 2))
    sold = Fill(1, 1, None, "BTC", Side.SELL, D(100), D(2), D(0), D(0), D(2), 5 * HOUR_MS + 10)
    evolve(state, ev.FillSeen(at_ms=9 * HOUR_MS + 10, account="a", fill=sold, cloid=None))
    for hour, usd in ((5, -3), (6, -5)):
        evolve(state, ev.FundingSeen(at_ms=9 * HOUR_MS, account="a", funding=Funding("BTC", D(usd), hour * HOUR_MS)))
    assert {one.agent: one.funding_usd for one in state.earned["BTC"]} == {A: -3, None: -5}


# -- an exit told before its entry ---


def ahead_of_its_entry() -> Story:
    """Alice holds 1; Bob's entry of 1 is out and nobody knows of it; his exit, against it, is answered as filled."""
    s = Story()
    s.long(1)
    s.set("entry", "unknown")
    s.long(1, agent="bob")
    s.venue["BTC"] = D(2)
    s.short(1, agent="bob")
    assert s.state.position("BTC").ahead[0].size == -1
    assert sizes(s.state.position("BTC")) == {"alice": 1}
    return s


def test_an_exit_that_closes_an_entry_nobody_has_told_of_yet_takes_nothing_from_another_agent() -> None:
    s = ahead_of_its_entry()
    s.resolve("entry", "filled")
    position = s.state.position("BTC")
    assert (position.size, sizes(position), position.ahead) == (1, {"alice": 1}, [])


def test_where_the_entry_brought_nothing_the_exit_took_it_from_another_after_all() -> None:
    s = ahead_of_its_entry()
    s.resolve("entry", "absent")
    position = s.state.position("BTC")
    assert (position.holdings, position.ahead) == ([], [])
    assert earned_of(s.state, "BTC", A).unpriced == 0


def test_a_read_settles_what_nobody_told_more_of() -> None:
    state, position = desk(0)
    position.ahead.append(Holding(A, D(-1), D(100), 7))
    evolve(state, ev.AccountRead(at_ms=9, account="a", fact=AccountFact((), D(1), D(1), D(0), 9)))
    assert (state.position("BTC").ahead, state.position("BTC").size) == ([], 0)


def test_an_entry_that_brings_less_than_was_closed_ahead_of_it_lets_the_rest_be_others() -> None:
    state, position = desk(0, (A, 3))
    position.ahead.append(Holding(B, D(-3), D(100)))
    opened(state, position, B, D(1), D(90), 1)
    assert [(one.size, one.entry_px) for one in position.ahead] == [(-2, 100)]
    assert earned_of(state, "BTC", B).realized_usd == 10
    position.size = D(1)
    fit(state, position, 5)
    assert (sizes(position), position.ahead) == ({"alice": 1}, [])


def test_an_entry_of_the_exits_own_side_is_not_what_was_closed_ahead() -> None:
    state, position = desk(-2)
    position.ahead.append(Holding(A, D(-1), D(100)))
    opened(state, position, A, D(-1), D(90), 1)
    assert (sizes(position), [one.size for one in position.ahead]) == ({"alice": -1}, [-1])


def test_what_a_read_closed_waits_for_its_price_on_average_and_not_across_sides() -> None:
    state, position = desk(1, (A, 3))
    fit(state, position, 1)
    position.size, position.holdings[0].entry_px = D(0), D(130)
    fit(state, position, 2)
    alice = earned_of(state, "BTC", A)
    assert (alice.unpriced, alice.unpriced_px) == (3, 110)
    opened(state, position, A, D(-1), D(90), 1)
    fit(state, position, 3)
    assert (alice.unpriced, alice.unpriced_px) == (-1, 90)


def test_funding_counts_once_also_when_told_twice() -> None:
    state, _ = desk(1, (A, 1))
    for _ in range(2):
        evolve(state, ev.FundingSeen(at_ms=9, account="a", funding=Funding("BTC", D(3), 9)))
    assert earned_of(state, "BTC", A).funding_usd == 3
