"""Several agents on one coin of one account: each has its own part, stop, targets and exits."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from story import Story

from executor.core import events as ev
from executor.core.facts import Fill, Rejected
from executor.core.types import Side

D = Decimal


def shared(**settings: object) -> Story:
    """Alice holds 1, Bob 2."""
    s = Story()
    s.desk = replace(s.desk, **settings)
    s.long(1)
    s.long(2, agent="bob")
    assert s.held() == 3
    return s


def parts(s: Story) -> dict[str, Decimal]:
    return {one.agent.agent_id: one.size for one in s.state.position("BTC").holdings if one.agent}


def by_hand(s: Story, size: str, px: int = 100) -> None:
    held = s.held()
    fill = Fill(900 + len(s.of(ev.FillSeen)), 900, None, "BTC", Side.SELL, D(px), D(size), D(0), D(0), held, s.now)
    s.venue["BTC"] = held - D(size)
    s.note([ev.FillSeen(at_ms=s.now, account="main", fill=fill, cloid=None)])
    s.settle()


def test_each_has_a_stop_for_its_own_part_and_a_newer_one_replaces_its_own_alone():
    s = shared()
    s.stop(90)
    s.stop(85, agent="bob")
    assert s.live("stop") == [("1.000", "90.000"), ("2.000", "85.000")]
    s.now += 10
    s.stop(92)
    assert sorted(s.live("stop")) == [("1.000", "92.000"), ("2.000", "85.000")]


def test_a_stop_that_fires_takes_its_own_part_and_leaves_the_others_stop():
    s = shared()
    s.stop(90)
    s.stop(85, agent="bob")
    s.target(120)
    s.target(130, 2, agent="bob")
    s.fire(s.state.legs_of("BTC", "stop")[0])
    assert (s.held(), parts(s)) == (2, {"bob": 2})
    assert (s.live("stop"), s.live("target")) == ([("2.000", "85.000")], [("2.000", "130.00")])


def test_an_agents_exit_is_its_share_of_its_own_part():
    s = shared()
    s.short(1, agent="bob")
    assert (s.held(), parts(s)) == (2, {"alice": 1, "bob": 1})
    s.short(1)
    assert (s.held(), parts(s)) == (1, {"bob": 1})
    s.short(1, agent="bob")
    assert s.held() == 0


def test_an_agent_that_turns_gets_out_and_opens_nothing_against_another():
    s = shared()
    s.short(3)
    assert (s.held(), parts(s)) == (2, {"bob": 2})
    assert s.refusals() == ["OPPOSITE_HELD"]
    s.short(2, agent="bob")
    assert s.held() == 0


def test_the_opening_leg_of_a_flip_waits_for_its_own_part_alone_and_never_meets_another_side():
    s = Story()
    s.long(1)
    s.set("exit", "wait")
    s.short(3)
    assert s.refusals() == []
    [opening] = s.state.legs_of("BTC", "entry")
    assert opening.wait_flat
    s.long(1, agent="bob")
    assert s.refusals() == ["OPPOSITE_HELD"]
    s.set("exit")
    s.settle()
    assert (s.held(), parts(s)) == (-2, {"alice": -2})


def test_who_has_no_stop_is_naked_beside_one_that_has():
    s = shared(require="always", policy="place_default", after_ms=1_000)
    s.stop(90)
    s.later(2_000)
    assert sorted(s.live("stop")) == [("1.000", "90.000"), ("2.000", "95.000")]
    assert {event.agent.agent_id for event in s.of(ev.ProtectionActed)} == {"bob"}
    s.later(1_000)
    assert s.state.position("BTC").unprotected_since_ms is None


def test_the_policy_closes_the_naked_part_alone():
    s = shared(require="always", policy="flatten", after_ms=1_000)
    s.stop(90)
    s.later(2_000)
    assert (s.held(), parts(s), s.live("stop")) == (1, {"alice": 1}, [("1.000", "90.000")])


def test_both_parts_may_be_closed_by_the_policy_at_once():
    s = shared(require="always", policy="flatten", after_ms=1_000)
    s.later(2_000)
    assert s.held() == 0
    assert len({leg.cloid for leg in s.planned("exit")}) == 2


def test_what_the_policy_closes_of_one_never_waits_for_what_it_still_has_out_for_another():
    s = Story({"require": "always", "policy": "flatten", "after_ms": 1_000})
    s.long(1)
    s.set("exit", "wait")
    s.later(1_001)
    s.stop(90)
    s.fire(s.state.legs_of("BTC", "stop")[0])
    s.long(2, agent="bob")
    s.later(1_001)
    assert [(leg.agent.agent_id, leg.size) for leg in s.planned("exit") if leg.agent] == [("alice", 1), ("bob", 2)]
    s.set("exit", "REDUCE_ONLY")
    s.settle()
    assert (s.held(), s.state.exits) == (0, {})


def test_what_somebody_sells_by_hand_is_shared_in_proportion_and_the_stops_follow():
    s = shared()
    s.stop(90)
    s.stop(85, agent="bob")
    by_hand(s, "1.5")
    assert (parts(s), s.live("stop")) == ({"alice": 1, "bob": 2}, [("1.000", "90.000"), ("2.000", "85.000")])
    s.later(10_001)
    s.read()
    s.later(10)
    assert parts(s) == {"alice": D("0.5"), "bob": 1}
    assert sorted(s.live("stop")) == [("0.500", "90.000"), ("1.000", "85.000")]


def test_while_it_is_not_known_whose_a_loss_is_nothing_is_opened():
    s = shared()
    by_hand(s, "1.5")
    s.long(1)
    assert s.refusals() == ["SYMBOL_OWNED"]


def test_a_liquidation_ends_every_part_with_its_wishes():
    s = shared()
    s.stop(90)
    s.stop(85, agent="bob")
    by_hand(s, "3", 60)
    assert (s.held(), parts(s), s.state.stops, s.live("stop")) == (0, {}, {}, [])
    earned = {one.agent.agent_id: one.realized_usd for one in s.state.earned["BTC"] if one.agent}
    assert earned == {"alice": -40, "bob": -80}


def test_a_flatten_closes_every_part():
    s = shared()
    s.stop(90)
    s.stop(85, agent="bob")
    s.command(ev.FlattenStarted, by="x")
    for _ in range(3):
        s.later(10)
        s.read()
    assert (s.held(), parts(s), s.live("stop")) == (0, {}, [])
    assert s.of(ev.FlattenDone)


def test_who_joins_a_coin_joins_at_its_leverage_also_before_a_read_told_it():
    s = Story()
    s.long(1, leverage=3)
    s.long(1, leverage=10, agent="bob")
    assert [leg.leverage for leg in s.planned("entry")] == [3, 3]


def test_a_part_too_small_for_an_order_leaves_with_the_others():
    s = Story()
    s.long("0.2")
    s.long(2, agent="bob")
    s.price(20)
    s.set("exit", "reject", "fill")
    s.short("0.2")
    assert parts(s) == {"bob": D("2.2")}
    s.short(2, agent="bob")
    assert s.held() == 0


def test_a_part_too_small_for_an_order_leaves_with_an_exit_that_is_out_already():
    s = Story()
    s.long("0.2")
    s.long(2, agent="bob")
    s.price(20)
    s.set("exit", "wait")
    s.short(2, agent="bob")
    s.short("0.2")
    _, request = s.out.pop()
    s.reply(request, [Rejected("MIN_NOTIONAL", "")])
    s.settle()
    assert parts(s) == {"bob": D("2.2")}
    s.set("exit")
    s.settle()
    assert (s.held(), s.state.exits) == (0, {})


def test_a_part_handed_to_one_that_leaves_in_part_stays_with_what_stays():
    s = Story()
    s.long("0.2")
    s.long(2, agent="bob")
    s.price(20)
    s.set("exit", "wait")
    s.short(1, agent="bob")
    s.short("0.2")
    _, request = s.out.pop()
    s.reply(request, [Rejected("MIN_NOTIONAL", "")])
    s.set("exit")
    s.settle()
    assert (parts(s), s.state.exits) == ({"bob": D("1.2")}, {})


def test_a_rest_too_small_for_an_order_waits_for_its_agents_exit_that_is_out():
    """Given up before, it would be nobody's to close, and keep the coin's other side from everybody."""
    s = Story()
    s.long(2, agent="bob")
    s.long(1)
    s.price(20)
    s.set("exit", "wait")
    s.short("0.8")
    s.short("0.2")
    _, request = s.out.pop()
    s.reply(request, [Rejected("MIN_NOTIONAL", "")])
    s.set("exit")
    s.settle()
    assert (s.held(), parts(s), s.state.exits) == (D("2.2"), {"bob": D("2.2")}, {})


def test_an_exit_that_ends_hands_over_nothing_its_agent_opened_on_the_other_side():
    s = Story()
    s.long(1)
    s.stop(90)
    s.set("exit", "wait")
    s.short(1)
    s.fire(s.state.legs_of("BTC", "stop")[0])
    s.short(2, agent="bob")
    s.short(1)
    s.set("exit")
    s.settle()
    assert (s.held(), parts(s)) == (-3, {"alice": -1, "bob": -2})


def test_the_same_action_of_two_agents_opens_twice_and_each_is_its_own():
    s = Story()
    for agent in ("alice", "bob", "alice"):
        s.long(1, agent=agent)
    assert parts(s) == {"alice": 2, "bob": 1}
    s.short(2, agent="alice")
    assert parts(s) == {"bob": 1}
