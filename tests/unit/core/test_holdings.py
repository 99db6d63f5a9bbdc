"""Positions follow the venue: reads, answers and fills in any order end where the venue's own chain ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import AccountFact, Fill, OpenOrder, PositionFact
from executor.core.holdings import fill_id
from executor.core.spent import DAY_MS
from executor.core.state import KEEP_FILLS, KEEP_STRANGE, DeskState
from executor.core.types import Agent, Side

D = Decimal
AGENT = Agent("fractrade", "7")
OTHER = Agent("fractrade", "8")


def fill(tid: int, size: str, cloid: str | None = None, at_ms: int = 500, px: str = "100", **more: Any) -> ev.FillSeen:
    """A fill of this signed size; ``cloid`` names the leg it belongs to."""
    side = Side.BUY if D(size) > 0 else Side.SELL
    values: dict[str, Any] = {"fee_usd": D(0), "closed_pnl_usd": D(0), "start_position": D(0)}
    oid = more.pop("oid", 1)
    fact = Fill(tid, oid, cloid, "BTC", side, D(px), abs(D(size)), at_ms=at_ms, **(values | more))
    return ev.FillSeen(at_ms=at_ms, fill=fact, cloid=cloid)


def planned(
    cloid: str, kind: ev.LegKind = "entry", size: str = "1", key: str = "k", agent: Agent | None = AGENT
) -> ev.LegPlanned:
    """A leg of this signed size."""
    return ev.LegPlanned(
        at_ms=100,
        key=key,
        cloid=cloid,
        leg=kind,
        attempt=1,
        coin="BTC",
        side=Side.BUY if D(size) > 0 else Side.SELL,
        size=abs(D(size)),
        limit_px=D(100),
        reduce_only=kind != "entry",
        agent=agent,
        signal_at_ms=90,
    )


def sent(*cloids: str) -> ev.SendStarted:
    return ev.SendStarted(
        at_ms=200,
        request_id="r" + cloids[0],
        purpose="entry",
        signer="s",
        nonce=1,
        expires_after_ms=10_000,
        vault=None,
        action={},
        cloids=cloids,
    )


def answered(cloid: str, size: str, px: str = "100") -> ev.LegFilled:
    return ev.LegFilled(at_ms=400, cloid=cloid, oid=1, size=D(size), avg_px=D(px))


def read(size: str | None, at_ms: int = 1_000, *skipped: str, **more: Any) -> ev.AccountRead:
    values: dict[str, Any] = {
        "leverage": 5,
        "is_cross": True,
        "liquidation_px": D(50),
        "margin_used_usd": D(20),
        "unrealized_pnl_usd": D(3),
    }
    held = () if size is None else (PositionFact("BTC", D(size), D(101), **(values | more)),)
    return ev.AccountRead(at_ms=at_ms, fact=AccountFact(held, D(1000), D(1), D(1), at_ms), skipped=skipped)


def stop() -> ev.StopWanted:
    return ev.StopWanted(at_ms=300, key="s", coin="BTC", trigger_px=D(90), signal_at_ms=300)


def target(key: str = "t") -> ev.TargetWanted:
    return ev.TargetWanted(at_ms=300, key=key, coin="BTC", trigger_px=D(110), fraction=D(1))


def owes(size: str = "1", key: str = "x") -> ev.ExitOwed:
    return ev.ExitOwed(at_ms=300, key=key, coin="BTC", agent=AGENT, size=D(size), why="signal")


def desk(*events: ev.Event) -> DeskState:
    state = DeskState(account="a")
    for event in events:
        evolve(state, event)
    return state


def held(state: DeskState) -> tuple[Decimal, Decimal, Agent | None]:
    position = state.position("BTC")
    return position.size, position.owned, position.owner


ENTERED = (planned("0xe"), sent("0xe"), answered("0xe", "1"))

# -- each execution once ---


@pytest.mark.parametrize(
    "facts",
    [
        [answered("0xe", "1")],
        [fill(1, "1", "0xe")],
        [answered("0xe", "1"), fill(1, "1", "0xe")],
        [fill(1, "1", "0xe"), answered("0xe", "1")],
        [fill(1, "0.4", "0xe"), answered("0xe", "1"), fill(2, "0.6", "0xe")],
        [answered("0xe", "1"), fill(1, "1", "0xe"), fill(1, "1", "0xe"), answered("0xe", "1")],
    ],
)
def test_an_execution_counts_once_whether_answer_or_fills_come_first(facts: list[ev.Event]) -> None:
    state = desk(planned("0xe"), sent("0xe"), *facts)
    assert held(state) == (D(1), D(1), AGENT)
    assert (state.position("BTC").holdings[0].opened_at_ms, state.legs["0xe"].state) == (90, "done")


def test_a_partial_answer_owns_what_executed() -> None:
    assert held(desk(planned("0xe"), sent("0xe"), answered("0xe", "0.3"))) == (D("0.3"), D("0.3"), AGENT)


def test_an_answer_without_a_price_counts_at_the_legs_own() -> None:
    state = desk(planned("0xe"), sent("0xe"), ev.LegFilled(at_ms=1, cloid="0xe", oid=1, size=D(1), avg_px=None))
    assert state.position("BTC").entry_px == 100


def test_a_fill_is_known_by_tid_and_oid() -> None:
    assert fill_id(5, 7) == "5:7"


def test_no_more_fill_identities_are_kept_than_twice_the_bound() -> None:
    state = DeskState(account="a", seen_fills={f"{n}:0": 0 for n in range(2 * KEEP_FILLS)})
    evolve(state, fill(1, "1"))
    assert len(state.seen_fills) == KEEP_FILLS
    assert "1:1" in state.seen_fills


def test_a_fill_without_our_cloid_that_comes_before_the_answer_counts_once() -> None:
    assert held(desk(planned("0xe"), sent("0xe"), fill(1, "1", None), answered("0xe", "1"))) == (D(1), D(1), AGENT)


# -- the price ---


def test_the_entry_price_is_the_average_of_what_grew_it_and_stays_when_it_shrinks() -> None:
    state = desk(fill(1, "1", px="100"), fill(2, "3", px="200"), fill(3, "-2", px="999"))
    assert state.position("BTC").entry_px == D(175)


def test_a_turned_position_was_entered_at_the_price_that_turned_it() -> None:
    state = desk(fill(1, "1", px="100"), fill(2, "-3", px="80"))
    assert (state.position("BTC").size, state.position("BTC").entry_px) == (D(-2), D(80))


# -- reads ---


def test_a_read_is_taken_over_whole() -> None:
    position = desk(read("2")).position("BTC")
    assert (position.size, position.owned, position.owner, position.entry_px) == (D(2), D(0), None, D(101))
    assert (position.leverage, position.is_cross, position.liquidation_px) == (5, True, D(50))
    assert (position.unrealized_pnl_usd, position.read_at_ms) == (D(3), 1_000)


@pytest.mark.parametrize(("at_ms", "size"), [(999, "2"), (1_000, "2"), (1_001, "3")])
def test_a_foreign_fill_no_later_than_the_read_is_in_it(at_ms: int, size: str) -> None:
    assert desk(read("2"), fill(1, "1", at_ms=at_ms)).position("BTC").size == D(size)


def test_an_answer_and_its_fill_count_once_also_with_a_read_between() -> None:
    state = desk(*ENTERED, read("1"), fill(1, "1", "0xe", at_ms=500))
    assert held(state) == (D(1), D(1), AGENT)


def test_a_coin_the_read_cannot_speak_of_keeps_what_we_knew() -> None:
    assert held(desk(*ENTERED, read(None, 1_000, "BTC"))) == (D(1), D(1), AGENT)


def test_a_fill_is_not_part_of_a_read_that_skipped_its_coin() -> None:
    """First order of the coin: out while the read was made, so the read knows nothing of it."""
    state = desk(planned("0xe"), sent("0xe"), read(None, 1_000, "BTC"), fill(1, "1", "0xe", at_ms=990))
    assert held(state) == (D(1), D(1), AGENT)


def test_an_entry_found_by_its_fill_after_the_read_is_its_agents() -> None:
    state = desk(planned("0xe"), sent("0xe"), read("1"), fill(1, "1", "0xe", at_ms=500))
    assert held(state) == (D(1), D(1), AGENT)


def test_of_a_read_position_only_what_our_entry_brought_is_ours() -> None:
    state = desk(read("3"), planned("0xe"), sent("0xe"), fill(1, "1", "0xe", at_ms=500))
    assert held(state) == (D(3), D(1), AGENT)


def test_an_entry_that_was_closed_again_before_the_read_leaves_nothing() -> None:
    state = desk(planned("0xe"), sent("0xe"), read(None), fill(1, "1", "0xe", at_ms=500))
    assert held(state) == (D(0), D(0), None)


def test_an_exit_in_the_read_pays_what_it_owed_and_moves_nothing() -> None:
    state = desk(*ENTERED, owes(), planned("0xx", "exit", "-1", "x"), sent("0xx"), read("0.4"))
    evolve(state, fill(2, "-0.6", "0xx", at_ms=500))
    assert held(state) == (D("0.4"), D("0.4"), AGENT)
    assert state.exits["x"].owed == D("0.4")


def test_what_we_own_is_never_more_than_is_there() -> None:
    assert held(desk(*ENTERED, read("0.25"))) == (D("0.25"), D("0.25"), AGENT)


def test_a_read_of_the_other_side_is_nobodys() -> None:
    assert held(desk(*ENTERED, read("-1"))) == (D(-1), D(0), None)


def test_a_read_without_the_coin_is_flat_and_remembers_when() -> None:
    state = desk(*ENTERED, read(None))
    assert held(state) == (D(0), D(0), None)
    assert state.position("BTC").read_at_ms == 1_000
    assert held(desk(read("1"), read(None), read(None, 2_000))) == (D(0), D(0), None)


def test_flat_reads_are_counted_in_a_row() -> None:
    assert [desk(*(read(size) for size in sizes)).flat_reads for sizes in ([None, None], [None, "1"], ["1", None])] == [
        2,
        0,
        1,
    ]


# -- ours and foreign ---


def test_a_foreign_position_is_nobodys() -> None:
    assert held(desk(fill(1, "2"))) == (D(2), D(0), None)


def test_foreign_growth_leaves_our_share_and_foreign_shrinking_cuts_it() -> None:
    assert held(desk(*ENTERED, fill(9, "2"))) == (D(3), D(1), AGENT)
    assert held(desk(*ENTERED, fill(9, "-0.75"))) == (D("0.25"), D("0.25"), AGENT)


def test_a_foreign_trade_that_turns_the_position_leaves_nothing_of_ours() -> None:
    state = desk(*ENTERED, stop(), target(), fill(9, "-3"))
    assert held(state) == (D(-2), D(0), None)
    assert (state.stops, state.targets) == ({}, {})


def test_our_exit_from_a_shared_position_leaves_the_foreign_part_and_no_wishes() -> None:
    state = desk(*ENTERED, fill(9, "2", oid=77), stop(), owes(), planned("0xx", "exit", "-1", "x"), sent("0xx"))
    evolve(state, answered("0xx", "1"))
    assert held(state) == (D(2), D(0), None)
    assert (state.stops, state.exits["x"].owed) == ({}, D(0))


def test_closing_more_than_ours_takes_nothing_negative() -> None:
    state = desk(*ENTERED, fill(9, "2", oid=77), planned("0xx", "exit", "-2", "x"), sent("0xx"), answered("0xx", "2"))
    assert held(state) == (D(1), D(0), None)


def test_an_exit_answered_before_its_entry_leaves_the_rest_with_its_agent() -> None:
    """Both requests are out; the exit's answer comes first (design.md section 5, exits against unresolved entries)."""
    state = desk(planned("0xe"), planned("0xx", "exit", "-0.5", "x"), sent("0xe"), sent("0xx"), owes("0.5"))
    evolve(state, answered("0xx", "0.5"))
    assert held(state) == (D("-0.5"), D(0), None)
    evolve(state, answered("0xe", "1"))
    assert held(state) == (D("0.5"), D("0.5"), AGENT)
    assert state.exits["x"].owed == 0


def test_a_second_entry_adds_and_the_first_action_still_opened_it() -> None:
    more = (planned("0xf", key="k2", agent=OTHER), sent("0xf"), answered("0xf", "1"))
    state = desk(*ENTERED, *more)
    assert held(state) == (D(2), D(2), None)
    assert [(one.agent, one.size, one.opened_at_ms) for one in state.position("BTC").holdings] == [
        (AGENT, 1, 90),
        (OTHER, 1, 90),
    ]
    more = (planned("0xf", key="k2"), sent("0xf"), answered("0xf", "1"))
    assert held(desk(*ENTERED, *more)) == (D(2), D(2), AGENT)


def test_a_found_position_is_adopted_but_never_more_than_is_there() -> None:
    adopted = ev.PositionAdopted(at_ms=2_000, coin="BTC", agent=AGENT, size=D(2), opened_at_ms=70)
    state = desk(read("1"), adopted)
    assert held(state) == (D(1), D(1), AGENT)
    assert state.position("BTC").holdings[0].opened_at_ms == 70


# -- one life ---


def test_stops_and_targets_go_with_the_life_they_saw_and_wait_for_one_they_did_not() -> None:
    seen = desk(*ENTERED, stop(), target(), fill(9, "-1"))
    assert (seen.stops, seen.targets, held(seen)) == ({}, {}, (D(0), D(0), None))
    early = desk(stop(), target())
    assert (early.stops["BTC"][0].seen, early.targets["BTC"][0].seen) == (False, False)
    for event in ENTERED:
        evolve(early, event)
    assert (early.stops["BTC"][0].seen, early.targets["BTC"][0].seen) == (True, True)


def test_a_stop_for_the_other_side_of_a_flip_survives_the_close() -> None:
    flip = ev.StopWanted(at_ms=300, key="s", coin="BTC", trigger_px=D(110), signal_at_ms=300, side=Side.BUY)
    aim = ev.TargetWanted(at_ms=300, key="t", coin="BTC", trigger_px=D(80), fraction=D(1), side=Side.BUY)
    state = desk(*ENTERED, flip, aim, fill(9, "-1"))
    assert ("BTC" in state.stops, [wish.key for wish in state.targets["BTC"]]) == (True, ["t"])


# -- money and lists ---


def test_what_a_fill_realised_counts_for_the_day_it_belongs_to() -> None:
    today = 3 * DAY_MS
    state = desk(read(None, today), fill(1, "1", at_ms=today + 1, closed_pnl_usd=D(7), fee_usd=D(2)))
    evolve(state, fill(2, "1", at_ms=today - 1, closed_pnl_usd=D(100)))
    assert (state.day.start_ms, state.day.start_equity_usd, state.day.realized_usd) == (today, D(1000), D(5))


def test_a_fill_the_days_first_equity_already_has_is_not_counted_again() -> None:
    state = desk(read(None, DAY_MS + 5), fill(1, "-1", at_ms=DAY_MS + 4, closed_pnl_usd=D(7)))
    assert state.day.realized_usd == 0


def test_a_new_day_starts_from_its_first_read() -> None:
    state = desk(read("1", DAY_MS + 5), fill(1, "1", at_ms=DAY_MS + 6, closed_pnl_usd=D(7)), read("1", DAY_MS + 9))
    assert state.day.realized_usd == 7
    evolve(state, read("1", 2 * DAY_MS))
    assert (state.day.start_ms, state.day.realized_usd, state.day.start_unrealized_usd) == (2 * DAY_MS, D(0), D(3))


def test_a_read_of_the_day_before_that_comes_late_does_not_begin_the_days_losses_anew() -> None:
    state = desk(read("1", 2 * DAY_MS), fill(1, "1", at_ms=2 * DAY_MS + 1, closed_pnl_usd=D(-7)))
    evolve(state, read("1", 2 * DAY_MS - 1))
    assert (state.day.start_ms, state.day.realized_usd) == (2 * DAY_MS, D(-7))


def test_the_list_of_open_orders_teaches_the_oids_of_open_legs() -> None:
    def order(oid: int, cloid: str | None) -> OpenOrder:
        return OpenOrder(oid, cloid, "BTC", Side.SELL, D(1), D(1), D(1), True, D(1), "Stop Market", False, 0)

    orders = (order(5, "0xs"), order(6, "0xe"), order(7, None), order(8, "0xforeign"))
    state = desk(*ENTERED, planned("0xs", "stop", "-1", "s"), ev.OrdersRead(at_ms=700, orders=orders))
    assert (state.legs["0xs"].oid, state.legs["0xe"].oid) == (5, 1)
    assert (set(state.orders), state.orders_read_ms) == ({5, 6, 7, 8}, 700)


def test_only_the_newest_fills_without_a_cloid_are_remembered() -> None:
    state = desk(*(fill(n, "1", oid=n) for n in range(1, KEEP_STRANGE + 3)))
    assert next(iter(state.strange_fills)) == 3
    assert len(state.strange_fills) == KEEP_STRANGE


def test_positions_stand_in_one_order_whatever_process_read_them() -> None:
    names = [f"C{n:02}" for n in range(40)]
    facts = tuple(PositionFact(coin, D(1), D(100), 3, False, None, D(0), D(0)) for coin in reversed(names))
    state = desk(ev.AccountRead(at_ms=700, fact=AccountFact(facts, D(1), D(1), D(0), 700)))
    assert list(state.positions) == names
