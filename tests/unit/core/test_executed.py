"""executed: what an agent closes is a share of what its own stops and targets left, which its book does not show."""

from __future__ import annotations

import pytest
from story import D, Story

from executor.core import events as ev
from executor.core.executed import note_executed
from executor.core.facts import Fill, Filled
from executor.core.intake import evolve_intake
from executor.core.intents import TradeIntent
from executor.core.state import Leg
from executor.core.types import Agent, Side
from executor.snapshots import desk_document, desk_of


def fires(s: Story, kind: str, size: str | None = None) -> None:
    """The agent's oldest order of a kind executes, whole unless told otherwise."""
    s.fire(s.state.legs_of("BTC", kind)[0], size)


def scaled(size: str) -> tuple[TradeIntent, ...]:
    """An intent of another size than the agent's."""
    return (TradeIntent(coin="BTC", side=Side.BUY, size=D(size)),)


def test_who_is_stopped_out_comes_again_and_closes_is_out():
    s = Story()
    s.long(5)
    s.stop(90, size=5)
    fires(s, "stop")
    s.long(1)
    assert s.held() == 1
    s.short(1)
    assert (s.held(), s.refusals()) == (0, [])


def test_what_a_target_left_is_closed_whole_by_what_closes_the_rest():
    s = Story()
    s.long(5, intents=scaled("2.5"))
    s.target(110, size=2)
    fires(s, "target")
    assert s.held() == D("1.5")
    s.short("1.5")
    assert s.held() == D("0.75")
    s.short("1.5")
    assert s.held() == 0


def test_what_executed_in_thirds_leaves_no_lot_behind():
    s = Story()
    s.long(3)
    s.target(110, size=1)
    s.target(120, size=1)
    for _ in range(2):
        fires(s, "target")
    s.short("0.3")
    assert s.held() == D("0.7")
    s.short("0.7")
    assert s.held() == 0


def test_a_target_takes_its_share_of_what_is_left():
    s = Story()
    s.long(1)
    s.stop(90)
    fires(s, "stop")
    s.long(2)
    s.target(110, size=2)
    assert s.live("target") == [("2.000", "110.00")]


@pytest.mark.parametrize("rest", ["90", "94"])
def test_a_stop_that_was_crossed_already_counts_as_well(rest: str):
    s = Story()
    s.long(1)
    s.price(85)
    s.stop(rest)
    assert s.held() == 0
    s.long(1)
    s.short(1)
    assert s.held() == 0


def test_an_agent_whose_book_is_flat_or_turned_begins_anew():
    for frames in ([Side.SELL], [Side.SELL, Side.BUY]):
        s = Story()
        s.long(1)
        s.stop(90)
        fires(s, "stop")
        s.trade(frames[0], 1 if len(frames) == 1 else 3)
        for side in frames[1:]:
            s.trade(side, 4)
        s.long(1)
        assert s.state.executed == {}
        before = s.held()
        s.short("0.5")
        book = D(1) if len(frames) == 1 else D(3)
        assert s.held() == before * (1 - D("0.5") / book)


def told(s: Story, leg: Leg, px: str) -> None:
    """The fill of a whole order, from a moment ago."""
    start, oid = s.state.position("BTC").size, int(leg.cloid[-8:], 16)
    fill = Fill(oid, oid, leg.cloid, "BTC", leg.side, D(px), leg.size, D(0), D(0), start, s.now - 5)
    s.command(ev.FillSeen, key=leg.key, fill=fill, cloid=leg.cloid)


def test_a_stop_that_is_told_only_after_the_position_was_read_counts_as_well():
    s = Story()
    s.long(1)
    told(s, next(iter(s.state.legs.values())), "100")
    s.stop(90)
    (leg,) = s.state.legs_of("BTC", "stop")
    s.venue["BTC"] = D(0)
    s.later(10)
    s.read()
    assert s.held() == 0
    told(s, leg, "90")
    s.long(1)
    s.short(1)
    assert s.held() == 0


def test_an_entrys_own_stop_and_the_policys_say_nothing_of_the_agents_book():
    s = Story({"policy": "place_default", "require": "always"})
    s.long(2, stop_px=D(90))
    fires(s, "stop")
    s.long(2)
    s.later(3_000)
    fires(s, "stop")
    assert s.state.executed == {}


def test_neither_does_an_exit_nor_what_a_strategy_made_of_a_fact():
    s = Story()
    s.long(2)
    s.stop(90)
    s.short(1)
    leg = s.state.legs_of("BTC", "stop")[0]
    leg.agent = Agent("nexgent", "alice", "copy")
    note_executed(s.state, leg, D(1))
    leg.agent = None
    note_executed(s.state, leg, D(1))
    assert s.state.executed == {}


def test_each_agent_of_a_coin_has_its_own_and_a_snapshot_keeps_it():
    s = Story()
    for name in ("alice", "bob"):
        s.long(1, agent=name)
        s.stop(90, agent=name)
        fires(s, "stop")
    assert len(s.state.executed["BTC"]) == 2
    s.long(1)
    s.state = desk_of(desk_document(s.state)) or s.state
    assert [(one.agent.agent_id, one.closed) for one in s.state.executed["BTC"]] == [("alice", 1), ("bob", 0)]
    s.short(1)
    assert s.held() == 0


def gap(s: Story) -> None:
    """No channel of alice's was open for a moment."""
    s.now += 1_000
    evolve_intake(s.intake, ev.GapNoted(at_ms=s.now, system="fractrade", agent_ids=("alice",)))


def test_a_gap_after_which_an_agents_stop_had_closed_all_keeps_it_out_no_longer():
    s = Story()
    s.long(1)
    s.stop(90)
    fires(s, "stop")
    gap(s)
    s.later(1_000)
    s.long(1)
    s.long(1)
    assert (s.held(), s.refusals()) == (2, [])
    gap(s)
    s.long(1)
    assert (s.held(), s.refusals()) == (2, ["AFTER_GAP"])
    s.short(3)
    s.later(1_000)
    s.long(1)
    assert (s.held(), s.refusals()) == (1, ["AFTER_GAP"])


def test_a_gap_with_something_left_is_one():
    s = Story()
    s.long(2)
    s.target(110)
    fires(s, "target")
    gap(s)
    s.long(1)
    assert (s.held(), s.refusals()) == (1, ["AFTER_GAP"])


def test_what_whole_lots_rounded_leaves_no_lot_behind():
    s = Story()
    s.long("4.275", intents=scaled("2.138"))
    s.target(110, size="2.7")
    fires(s, "target")
    assert s.held() == D("0.788")
    s.short("1.575")
    assert s.held() == 0


def test_what_a_target_takes_while_the_agents_close_is_out_is_a_share_of_what_that_leaves():
    s = Story()
    s.long(5)
    s.target(110, size=2)
    s.set("exit", "wait")
    s.short(3)
    fires(s, "target")
    s.answers.clear()
    s.settle()
    assert s.held() == 0
    s.long(1)
    s.short(1)
    assert s.held() == 0


def test_a_close_from_before_the_position_opened_is_judged_by_the_book():
    s = Story()
    s.long(5)
    s.stop(90, size=5)
    fires(s, "stop")
    s.now += 10_000
    s.long(1)
    s.short(5, at=s.now - 1_000)
    assert (s.held(), s.refusals()) == (1, ["SUPERSEDED"])


def test_a_stop_that_is_told_after_its_agent_turned_says_nothing_of_the_other_side():
    s = Story()
    s.long(5)
    told(s, next(iter(s.state.legs.values())), "100")
    s.stop(90, size=5)
    (leg,) = s.state.legs_of("BTC", "stop")
    s.venue["BTC"] = D(0)
    s.later(10)
    s.read()
    s.short(9)
    told(s, leg, "90")
    s.long(2)
    assert s.held() == -2


def test_a_fill_without_a_name_that_comes_before_its_answer_counts_as_well():
    s = Story()
    s.long(1)
    s.price(85)
    s.set("exit", "wait")
    s.stop(90)
    (leg,) = s.state.legs_of("BTC", "exit")
    fill = Fill(7, 3, None, "BTC", leg.side, D(85), D(1), D(0), D(0), D(1), s.now + 1)
    s.command(ev.FillSeen, key=None, fill=fill, cloid=None)
    s.venue["BTC"] = D(0)
    _, request_id = s.out.pop()
    s.reply(request_id, [Filled(3, D(1), D(85))])
    s.answers.clear()
    s.long(1)
    s.short(1)
    assert s.held() == 0
