"""decide: what an action means for one account, told as stories from the signal to the settled position."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from story import RULES, T0, Story

from executor.core import events as ev
from executor.core.decide import LEAD_MS
from executor.core.facts import Fill, OpenOrder, OrderFact
from executor.core.identity import cloid
from executor.core.intents import StopIntent, TargetIntent
from executor.core.protocols import Proposal, Verdict
from executor.core.signal import Found
from executor.core.types import Agent, Side

D = Decimal
ALICE = Agent("fractrade", "alice")


class AtMost:
    """Shrinks every order to a size."""

    name, watches = "at_most", ()

    def __init__(self, size: str) -> None:
        self.size = D(size)

    def check(self, proposal: Proposal, exposure: object) -> Verdict:
        if proposal.size <= self.size:
            return Verdict(self.name, "pass")
        return Verdict(self.name, "shrink", reason="AT_MOST", allowed_size=self.size)


# -- LONG 1, SHORT 1 ends flat --------------------------------------------------------------------------------------


def whole(s: Story) -> None:
    s.long(1)


def smaller(s: Story) -> None:
    s.desk = replace(s.desk, rules=(AtMost("0.3"),))
    s.long(1)


def in_part(s: Story) -> None:
    s.set("entry", "part")
    s.long(1)


def refused(s: Story) -> None:
    s.long(1, signal={"failure": "boom"})


def rejected(s: Story) -> None:
    s.set("entry", "reject")
    s.long(1)


@pytest.mark.parametrize("entry", [whole, smaller, in_part, refused, rejected])
def test_long_then_short_of_the_same_size_ends_flat_however_the_entry_went(entry):
    s = Story()
    entry(s)
    s.short(1)
    assert s.held() == 0
    assert not s.state.exits
    assert not [leg for leg in s.planned("entry") if leg.side is Side.SELL]


@pytest.mark.parametrize("what", ["filled", "part", "absent", "rejected"])
def test_an_exit_against_an_unknown_entry_goes_out_once_and_stays_until_the_entry_resolves(what):
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    s.short(1)
    assert len(s.planned("exit")) == 1
    assert s.state.exits
    s.later(5_000)
    assert len(s.planned("exit")) == 1
    s.resolve("entry", what)
    assert s.held() == 0
    assert not s.state.exits


def test_an_exit_drops_an_entry_that_has_not_left_yet():
    s = Story()
    s.state.reconciled = False
    s.long(1)
    s.short(1)
    s.state.reconciled = True
    s.settle()
    assert s.held() == 0
    assert [e.reason for e in s.of(ev.LegDropped)] == ["CLOSED_BEFORE_SENT"]
    assert not s.planned("exit")


def test_an_exit_drops_what_waits_and_closes_what_is_there():
    s = Story()
    s.long(1)
    s.state.reconciled = False
    s.long(1)
    s.short(2)
    assert s.held() == 0
    assert [leg.size for leg in s.planned("exit")] == [1]


def test_a_reduce_before_the_entry_left_waits_for_it_and_takes_its_share():
    s = Story()
    s.state.reconciled = False
    s.long(2)
    s.short(1)
    assert s.state.exits
    assert not s.planned("exit")
    s.state.reconciled = True
    s.settle()
    assert s.held() == 1


@pytest.mark.parametrize(
    ("ours", "close", "left"), [("whole", "0.5", "1.5"), ("part", "0.5", "0.6"), ("part", "2", "0")]
)
def test_reduces_are_scaled_to_our_share(ours, close, left):
    s = Story()
    s.set("entry", "part" if ours == "part" else "fill")
    s.long(2)
    s.short(close)
    assert s.held() == D(left)


def test_an_add_adds_what_the_agent_added():
    s = Story()
    s.long(1)
    s.long("0.5")
    assert s.held() == D("1.5")


def test_a_flip_is_a_reduce_only_close_and_then_the_opening_leg():
    s = Story()
    s.long(1)
    s.set("exit", "wait")
    s.short(3)
    [close], [_, opening] = s.planned("exit"), s.planned("entry")
    assert (close.size, close.reduce_only, opening.size, opening.wait_flat) == (1, True, 2, True)
    assert s.held() == 1
    s.set("exit")
    s.settle()
    assert s.held() == -2


def test_a_flip_whose_close_comes_too_late_does_not_open_and_still_closes():
    s = Story()
    s.long(1)
    s.set("exit", "wait")
    s.short(3)
    s.later(30_001)
    s.set("exit")
    s.settle()
    assert s.held() == 0
    assert s.refusals() == ["STALE"]


def test_a_flip_against_an_unknown_entry_opens_only_when_that_is_resolved_and_closed():
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    s.short(2)
    assert s.held() == 0
    s.resolve("entry", "filled")
    assert s.held() == -1


def test_a_flip_against_an_entry_that_is_not_answered_yet_opens_only_when_that_is_closed():
    s = Story()
    s.set("entry", "wait")
    s.set("exit", "wait")
    s.long(1)
    s.short(2)
    opening = s.planned("entry")[-1]
    assert (opening.wait_flat, s.state.legs[opening.cloid].state) == (True, "planned")
    s.set("entry")
    s.set("exit")
    s.settle()
    assert s.held() == -1


def test_an_agent_that_closes_and_opens_the_other_side_in_two_actions_is_followed():
    s = Story()
    s.long(1)
    s.set("exit", "wait")
    s.short(1)
    s.short(1)
    assert s.planned("entry")[-1].wait_flat
    s.set("exit")
    s.settle()
    assert s.held() == -1


def test_a_reduce_while_a_flip_waits_takes_its_share_of_the_opening_and_none_of_the_old_position():
    s = Story()
    s.long(1)
    s.set("exit", "wait")
    s.short(3)
    s.long(1)
    s.set("exit")
    s.settle()
    assert s.held() == -1


def test_a_close_while_a_flip_waits_drops_the_opening():
    s = Story()
    s.long(1)
    s.set("exit", "wait")
    s.short(3)
    s.long(2)
    s.set("exit")
    s.settle()
    assert s.held() == 0


def test_an_entry_of_the_same_millisecond_as_an_exit_before_it_is_not_closed_by_it():
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    s.short(1)
    s.long(1)
    s.resolve("entry", "rejected")
    assert s.held() == 1


# -- exits are never refused ------------------------------------------------------------


def paused(s: Story) -> None:
    s.command(ev.Paused, by="x")


def latched(s: Story) -> None:
    s.state.latched = True


def broken(s: Story) -> None:
    s.command(ev.BreakerLatched, rule="signer_conflict", value="", limit="")


def nothing(s: Story) -> None:
    return


@pytest.mark.parametrize("trouble", [paused, latched, broken, nothing])
@pytest.mark.parametrize("age_ms", [0, 3_600_000, -60_000])
@pytest.mark.parametrize("flags", [{}, {"unproven": True}, {"failure": "boom"}, {"entries_open": False}])
def test_exits_are_not_refused_for_age_pause_latch_breaker_proof_or_strategy(trouble, age_ms, flags):
    s = Story()
    s.long(1)
    trouble(s)
    s.now += max(age_ms, 0)
    s.short(1, at=s.now - age_ms, signal=flags)
    assert s.held() == 0
    assert s.refusals() == []


@pytest.mark.parametrize("received", [{"gapped": True}, {"superseded": True}])
def test_exits_are_not_refused_for_a_gap_or_a_late_frame(received):
    s = Story()
    s.long(1)
    s.short(1, received=received)
    assert s.held() == 0


def test_an_exit_that_would_reduce_a_position_opened_after_it_is_superseded():
    s = Story()
    s.long(2, at=T0)
    s.short(1, at=T0 - 10, received={"book_before": D(2), "book_after": D(1)})
    assert s.held() == 2
    assert s.refusals() == ["SUPERSEDED"]


def test_a_late_exit_after_which_the_agent_is_flat_closes_all_the_same():
    s = Story()
    s.long(1, at=T0)
    s.short(1, at=T0 - 10)
    assert s.held() == 0


def test_a_late_exit_after_which_the_agent_stands_on_the_other_side_closes_too():
    s = Story()
    s.long(1, at=T0)
    s.short(3, at=T0 - 10)
    assert s.held() == 0
    assert s.refusals() == ["SUPERSEDED"]  # its opening part alone


def test_an_exit_without_anything_to_close_says_so():
    s = Story()
    s.long(1, signal={"failure": "boom"})
    s.short(1)
    assert s.refusals() == ["STRATEGY_FAILED", "NO_POSITION"]


def test_a_second_exit_while_the_first_takes_everything_has_nothing_left():
    s = Story()
    s.long(2)
    s.set("exit", "wait")
    s.short(1, received={"book_before": D(2), "book_after": D(0)})
    s.short(1)
    assert s.refusals() == ["NO_POSITION"]


def test_a_reduce_only_action_without_a_book_is_refused():
    s = Story()
    s.short(1, reduce_only=True)
    assert s.refusals() == ["NO_POSITION"]
    assert not s.planned()


def test_when_the_book_is_lost_the_opposite_side_reduces_the_position_of_that_agent():
    s = Story()
    s.long(2)
    s.intake.books.clear()
    s.short(1)
    assert s.held() == 1


def test_when_the_book_is_lost_the_same_side_adds():
    s = Story()
    s.long(2)
    s.intake.books.clear()
    s.long(1)
    assert s.held() == 3


def test_a_partial_exit_below_the_venues_minimum_is_refused_with_its_size():
    s = Story()
    s.long(1)
    s.short("0.01")
    assert s.refusals() == ["EXIT_BELOW_MINIMUM"]
    assert s.held() == 1


def test_a_partial_sell_that_only_the_mark_lifts_to_the_minimum_is_refused_and_leaves_with_the_last():
    """The venue goes by the limit, and no sell finds more than the bid: it hung for ever, and the close with it."""
    s = Story()
    s.quotes["BTC"] = replace(s.quotes["BTC"], bid=D("99.99"))
    for opens, closes, left in ((Side.BUY, Side.SELL, "1"), (Side.SELL, Side.BUY, "-0.9")):
        s.trade(opens, 1)
        s.trade(closes, "0.1")
        assert s.held() == D(left)
        s.trade(closes, "0.9")
        assert s.held() == 0
    assert s.refusals() == ["EXIT_BELOW_MINIMUM"]


def test_without_a_mark_a_small_exit_is_tried():
    s = Story()
    s.long(1)
    s.quotes.clear()
    s.short("0.01")
    assert len(s.planned("exit")) == 1


# -- ownership ------------------------------------------------------------


def test_another_agents_exit_takes_its_own_part_alone():
    s = Story()
    s.long(1)
    s.long(1, agent="bob")
    s.short(1, agent="bob")
    assert s.held() == 1
    assert s.state.position("BTC").owner == ALICE
    assert s.refusals() == []


def test_an_agent_that_holds_nothing_closes_nothing_of_anothers():
    s = Story()
    s.long(1)
    s.long(1, agent="bob", signal={"failure": "boom"})
    s.short(1, agent="bob")
    assert s.held() == 1
    assert s.refusals() == ["STRATEGY_FAILED", "NO_POSITION"]


def test_a_foreign_position_is_not_closed_by_an_agent():
    s = Story()
    s.long(1, signal={"failure": "boom"})
    s.read(BTC="1")
    s.short(1)
    assert s.held() == 1
    assert s.refusals() == ["STRATEGY_FAILED", "SYMBOL_OWNED"]


def test_of_a_mixed_position_only_our_part_is_closed():
    s = Story()
    s.long(1)
    s.later(10)
    s.read(BTC="2")
    s.short(1)
    assert s.held() == 2
    assert s.state.position("BTC").owned == 0


# -- not for us ------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"status": "EXECUTED"}, "NOT_PENDING"),
        ({"server_execution": True}, "SERVER_EXECUTION"),
        ({"server_execution": None, "signal": {"unstated": "skip"}}, "SERVER_EXECUTION_UNSTATED"),
        ({"coin": "NOPE"}, "UNKNOWN_SYMBOL"),
    ],
)
def test_what_is_not_for_us_is_refused_outright(more, reason):
    s = Story()
    s.long(1, **more)
    [refusal] = s.of(ev.ActionRefused)
    assert refusal.part == "all"
    assert refusal.reason == reason if reason != "UNKNOWN_SYMBOL" else refusal.reason
    assert not s.of(ev.ActionTaken)


def test_a_frame_that_does_not_say_who_executes_is_executed_where_that_is_configured():
    s = Story()
    s.long(1, server_execution=None)
    assert s.held() == 1


def test_the_first_step_of_every_explanation_tells_what_the_action_meant():
    s = Story()
    s.long(1)
    s.short(3)
    taken = s.of(ev.ActionTaken)
    assert [(t.exit_fraction, t.entry_size) for t in taken] == [(0, 1), (1, 2)]


# -- orders of an earlier life ------------------------------------------------------------


def found(s: Story, key: str, leg: str, status: str, *, filled: str = "0", trigger: str | None = None) -> dict:
    name = cloid(s.desk.network, s.desk.address, key, leg, 1)
    order = OpenOrder(
        7, name, "BTC", Side.SELL if trigger else Side.BUY, D(100), D(1), D(1), bool(trigger),
        D(trigger) if trigger else None, "Limit", False, T0,
    )  # fmt: skip
    fills = [Fill(1, 7, name, "BTC", Side.BUY, D(100), D(filled), D(0), D(0), D(0), T0)] if D(filled) else []
    return {name: Found(OrderFact(order, status, T0), tuple(fills))}


def test_an_entry_that_was_executed_in_an_earlier_life_is_recorded_and_not_sent_again():
    s = Story()
    key = s.action_key("again")
    s.read(BTC="1")
    s.long(1, sender_id="again", signal={"prior": found(s, key, "entry", "filled", filled="1"), "looked_up": True})
    assert s.held() == 1
    assert not s.sent
    assert s.state.position("BTC").owner == ALICE
    s.short(1)
    assert s.held() == 0


def test_an_exit_an_earlier_life_did_in_part_is_not_guessed_to_its_end():
    """What it owed cannot be told from what it did: later actions may have done the rest, and opened anew."""
    s = Story()
    s.long(1)
    [(name, one)] = found(s, s.action_key("close"), "exit", "canceled", filled="0.4").items()
    prior = {name: Found(one.fact, (replace(one.fills[0], side=Side.SELL),))}
    s.short(1, sender_id="close", signal={"prior": prior, "looked_up": True})
    assert not s.of(ev.ExitOwed)


def test_a_stop_of_an_earlier_life_that_still_rests_is_kept():
    s = Story()
    s.long(1)
    key = s.action_key("stop")
    s.stop(90, sender_id="stop", signal={"prior": found(s, key, "stop", "open", trigger="90")})
    assert [b.purpose for b in s.sent] == ["leverage", "entry"]
    assert s.live("stop") == [("1", "90")]


# -- stops and targets ------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({}, {"side": Side.BUY}, "WRONG_SIDE"),
        ({}, {"at": T0 - LEAD_MS - 1}, "SUPERSEDED"),
    ],
)
@pytest.mark.parametrize("kind", ["stop", "target"])
def test_a_protective_order_that_does_not_fit_is_refused_and_a_person_told(first, second, reason, kind):
    s = Story()
    s.long(1, **first)
    getattr(s, kind)(90 if kind == "stop" else 110, **second)
    assert s.refusals() == [reason]
    assert s.alarms() == [reason]
    assert not s.planned(kind)


@pytest.mark.parametrize(("kind", "px"), [("stop", 90), ("target", 110)])
def test_what_was_stamped_just_before_its_entry_and_came_after_it_is_placed(kind, px):
    s = Story()
    s.long(1)
    getattr(s, kind)(px, at=T0 - 1)
    assert s.refusals() == []
    assert len(s.live(kind)) == 1


def test_several_targets_and_a_newer_stop_may_come_early_together():
    s = Story()
    s.long(2)
    s.target(110, at=T0 - 3)
    s.target(120, at=T0 - 2)
    s.stop(90, at=T0 - 2)
    s.stop(95, at=T0 - 1)
    assert s.refusals() == []
    assert (s.live("stop"), len(s.live("target"))) == ([("2.000", "95.000")], 2)


def test_an_early_stop_does_not_replace_one_that_came_in_order():
    s = Story()
    s.long(1)
    s.now += 10
    s.stop(90)
    s.stop(95, at=T0 - 1)
    assert (s.refusals(), s.live("stop")) == (["SUPERSEDED"], [("1.000", "90.000")])


def test_a_late_stop_of_the_position_before_is_not_the_next_ones():
    s = Story()
    s.long(1)
    s.now += 1_000
    s.short(1)
    s.now += 500
    s.long(1)
    s.stop(90, at=T0 + 800)
    assert (s.refusals(), s.live("stop"), s.held()) == (["SUPERSEDED"], [], 1)


def test_the_early_stop_of_a_flip_is_the_new_sides():
    s = Story()
    s.long(1)
    s.now += 1_000
    s.short(2)
    s.stop(110, Side.BUY, at=s.now - 1)
    assert (s.refusals(), s.live("stop"), s.held()) == ([], [("1.000", "110.00")], -1)


def test_a_stop_on_a_position_we_did_not_open_is_refused():
    s = Story()
    s.read(BTC="1")
    s.stop(90)
    assert s.refusals() == ["SYMBOL_OWNED"]


def test_a_stop_older_than_the_one_that_stands_is_superseded():
    s = Story()
    s.long(1)
    s.now += 10
    s.stop(90)
    s.stop(80, at=s.now - 5)
    assert s.refusals() == ["SUPERSEDED"]
    assert s.live("stop") == [("1.000", "90.000")]


def test_stop_and_target_of_a_flip_wait_for_the_new_position():
    s = Story()
    s.long(1)
    s.stop(90)
    s.set("exit", "wait")
    s.short(3)
    s.stop(110, Side.BUY)
    s.target(80, 2, Side.BUY)
    assert s.refusals() == []
    assert s.live("stop") == [("1.000", "90.000")]
    s.set("exit")
    s.settle()
    assert s.held() == -2
    assert s.live("stop") == [("2.000", "110.00")]
    assert s.live("target") == [("2.000", "80.000")]
    assert s.alarms() == []


def test_a_strategy_may_move_the_stop_and_the_target():
    s = Story()
    s.long(1)
    s.stop(90, intents=(StopIntent(coin="BTC", trigger_px=D(95)),))
    s.target(110, intents=(TargetIntent(coin="BTC", trigger_px=D(120), fraction=D("0.5")),))
    assert s.live("stop") == [("1.000", "95.000")]
    assert s.live("target") == [("0.500", "120.00")]


def test_a_target_takes_its_fraction_of_the_agents_book_from_our_position():
    s = Story()
    s.set("entry", "part")
    s.long(2)
    s.target(110, "0.5")
    assert s.live("target") == [("0.200", "110.00")]
    assert RULES.min_notional_usd == 10


def test_a_stop_before_its_entry_is_of_no_side_yet():
    s = Story()
    s.stop(110, Side.BUY)
    s.short(1)
    assert s.live("stop") == [("1.000", "110.00")]


def test_a_stop_that_waits_is_not_taken_away_by_another_agents():
    s = Story()
    s.stop(90)
    s.stop(91, agent="bob")
    s.long(1)
    assert s.live("stop") == [("1.000", "90.000")]
    s.long("0.5", agent="bob")
    assert s.live("stop") == [("1.000", "90.000"), ("0.500", "91.000")]


def test_a_stop_of_an_agent_that_holds_nothing_waits_for_its_own_position_and_lapses():
    s = Story()
    s.long(1)
    s.stop(90, agent="bob")
    s.target(110, agent="bob")
    assert (s.live("stop"), s.live("target"), s.refusals()) == ([], [], [])
    s.later(30_001)
    assert s.refusals() == ["NO_POSITION", "NO_POSITION"]


def test_a_share_below_one_lot_is_too_small_and_not_nothing():
    s = Story()
    s.long("0.11", coin="SOL")
    s.short("0.001", coin="SOL")
    [refusal] = s.of(ev.ActionRefused)
    assert (refusal.reason, refusal.part) == ("EXIT_BELOW_MINIMUM", "exit")
    assert "0 SOL is less than the venue takes" in refusal.detail
