"""Item 3 of the third issue, a scenario each: an unknown order blocks new risk on its own coin, and exits end flat."""

from __future__ import annotations

from decimal import Decimal

import pytest
from story import T0, Story

from executor.core import events as ev
from executor.core.answers import absent_from_ms
from executor.core.facts import Fill, OpenOrder, OrderFact
from executor.core.lookups import lookup_events
from executor.core.settings import ABSENT_MARGIN_MS
from executor.core.types import Side

D = Decimal
EXPIRY = T0 + 10_000


def unknown_entry(size: str = "1", **more) -> Story:
    s = Story()
    s.set("entry", "unknown")
    s.long(size, **more)
    assert s.state.has_unknown("BTC")
    return s


def unknown_leg(s: Story):
    return next(leg for leg in s.state.legs.values() if leg.state == "unknown")


# -- what waits, and what does not ---


def test_new_risk_on_the_unresolved_coin_waits_and_leaves_when_it_resolves():
    s = unknown_entry()
    s.long(1)
    assert [batch.purpose for batch in s.sent].count("entry") == 1
    s.resolve("entry", "filled")
    assert s.held() == 2


def test_new_risk_waits_no_longer_than_its_own_time():
    s = unknown_entry()
    s.long(1)
    s.later(30_001)
    assert s.refusals() == ["STALE"]
    s.resolve("entry", "filled")
    assert s.held() == 1


def test_another_coin_leaves_at_once_beside_an_unresolved_order():
    s = unknown_entry()
    s.long(1, coin="ETH")
    s.stop(90, coin="ETH")
    s.short(1, coin="ETH")
    assert s.held("ETH") == 0
    assert [leg.coin for leg in s.planned("stop")] == ["ETH"]
    assert s.state.has_unknown("BTC")


def test_another_account_knows_nothing_of_it():
    mine, theirs = unknown_entry(), Story()
    theirs.long(1)
    theirs.long(1)
    assert theirs.held() == 2
    assert mine.state.has_unknown("BTC")


@pytest.mark.parametrize("kind", ["stop", "target", "exit"])
def test_whatever_order_is_unresolved_new_risk_on_its_coin_alone_waits(kind):
    s = Story()
    s.long(2)
    s.set(kind, "unknown")
    {"stop": lambda: s.stop(90), "target": lambda: s.target(120), "exit": lambda: s.short(1)}[kind]()
    s.long(1)
    s.long(1, coin="SOL")
    assert (s.state.position("BTC").size, s.held("SOL")) == (2, 1)


def test_a_reduction_leaves_at_once_beside_an_unresolved_add():
    s = Story()
    s.long(2)
    s.set("entry", "unknown")
    s.long(2)
    s.short(1)
    assert s.held() == D("1")
    assert s.state.has_unknown("BTC")


def test_a_stop_is_placed_at_once_beside_an_unresolved_add():
    s = Story()
    s.long(2)
    s.set("entry", "unknown")
    s.long(2)
    s.stop(90)
    assert s.live("stop") == [("2.000", "90.000")]


# -- how it is resolved ---


@pytest.mark.parametrize("at_ms", [0, 5_000, 10_000, 10_000 + ABSENT_MARGIN_MS])
def test_not_found_proves_nothing_before_expiry_and_margin(at_ms):
    s = unknown_entry()
    leg = unknown_leg(s)
    assert leg.deadline_ms == absent_from_ms(EXPIRY)
    assert lookup_events(s.state, leg, OrderFact(None, "", T0), [], T0 + at_ms, listed=False) == []


@pytest.mark.parametrize(
    ("listed", "filled", "ends"), [(False, False, "absent"), (True, False, "unknown"), (False, True, "done")]
)
def test_absent_takes_empty_reads_of_status_open_orders_and_fills(listed, filled, ends):
    s = unknown_entry()
    leg = unknown_leg(s)
    fills = [Fill(1, 5, leg.cloid, "BTC", Side.BUY, D(100), D(1), D(0), D(0), D(0), T0)] if filled else []
    late = EXPIRY + ABSENT_MARGIN_MS + 1
    s.note(lookup_events(s.state, leg, OrderFact(None, "", late), fills, late, listed=listed))
    assert leg.state == ends


@pytest.mark.parametrize("polls", range(11))
def test_status_lags_n_polls_the_position_never_flips(polls):
    """orderStatus says it knows nothing for k polls, then filled (hummingbot#7294)."""
    s = unknown_entry()
    s.short(1)  # the agent closes meanwhile
    leg = unknown_leg(s)
    for _ in range(polls):
        s.now += 300
        s.note(lookup_events(s.state, leg, OrderFact(None, "", s.now), [], s.now, listed=False))
        s.settle()
        assert s.venue.get("BTC", D(0)) == 0
    s.resolve("entry", "filled")
    s.later(2_000)
    assert s.held() == 0
    assert all(batch.legs[0].reduce_only for batch in s.sent if batch.purpose == "exit")
    assert len(s.planned("entry")) == 1


def test_ack_never_arrives_query_by_cloid():
    """No answer and no order id: the fills by cloid tell (nautilus#4958)."""
    s = unknown_entry()
    leg = unknown_leg(s)
    assert leg.oid is None
    fill = Fill(1, 5, leg.cloid, "BTC", Side.BUY, D(100), D(1), D(0), D(0), D(0), T0)
    s.note(lookup_events(s.state, leg, OrderFact(None, "", T0), [fill], T0 + 400, listed=False))
    s.venue["BTC"] = D(1)
    assert s.held() == 1


def test_cancel_loses_to_fill():
    """ "Never placed, already canceled, or filled" is three facts in one: looked up, never guessed (passivbot#514)."""
    s = Story()
    s.long(1)
    s.target(120)
    [leg] = s.state.legs_of("BTC", "target")
    s.set("cancel", "ORDER_GONE")
    s.note([ev.CancelWanted(at_ms=s.now, account="main", coin="BTC", oid=leg.oid, cloid=leg.cloid, why="test")])
    s.lists = False
    s.settle()
    assert (leg.state, leg.doubted) == ("resting", True)
    s.venue["BTC"] = D(0)
    order = OpenOrder(leg.oid or 0, leg.cloid, "BTC", Side.SELL, D(1), D(0), D(1), True, D(120), "", False, 0)
    fill = Fill(1, leg.oid or 0, leg.cloid, "BTC", Side.SELL, D(120), D(1), D(0), D(0), D(1), s.now)
    s.note(lookup_events(s.state, leg, OrderFact(order, "filled", s.now), [fill], s.now + 400, listed=False))
    s.settle()
    assert (s.held(), leg.state) == (0, "done")
    assert len(s.planned("target")) == 1
    assert s.planned("exit") == []


# -- exits end where they should ---


def test_a_missed_exit_goes_again_with_a_wider_cap():
    s = Story()
    s.long(1)
    s.set("exit", "IOC_NO_MATCH", "part", "fill")
    s.short(1)
    caps = [leg.limit_px for leg in s.planned("exit")]
    assert s.held() == 0
    assert caps == sorted(caps, reverse=True)
    assert len(set(caps)) == 3


@pytest.mark.parametrize("became", ["filled", "part", "absent", "rejected"])
def test_an_exit_against_an_unresolved_entry_is_not_consumed(became):
    s = unknown_entry()
    s.short(1)
    assert len(s.planned("exit")) == 1  # at once, for what may be there
    assert s.state.exits
    s.resolve("entry", became)
    s.later(2_000)
    assert s.held() == 0
    assert not s.state.exits


def test_a_batch_with_one_bad_entry_costs_no_exit():
    """Exits never share a request with entries; when their own batch is refused whole they go again one by one."""
    s = Story()
    for coin in ("BTC", "ETH"):
        s.long(1, coin=coin)
    s.auto = False
    s.long(1, coin="SOL")
    s.answer_all()  # its leverage
    s.settle()
    for coin in ("BTC", "ETH"):
        s.short(1, coin=coin)
    assert [{leg.kind for leg in batch.legs} for batch, _ in s.out] == [{"entry"}, {"exit"}, {"exit"}]
    s.set("entry", "reject")
    s.set("exit", "reject", "reject")
    s.auto = True
    s.settle()
    assert (s.held(), s.held("ETH"), s.held("SOL")) == (0, 0, 0)
    again = [batch for batch in s.sent if batch.purpose == "exit" and batch.legs[0].attempt == 2]
    assert [len(batch.legs) for batch in again] == [1, 1]


def test_two_agents_on_one_symbol_each_exit_takes_its_own_and_no_more():
    s = Story()
    s.long(1, agent="alice")
    s.long(1, agent="bob")
    assert s.held() == 2
    s.short(1, agent="bob")
    assert [(holding.agent.agent_id, holding.size) for holding in s.state.position("BTC").holdings] == [("alice", 1)]
    assert s.held() == 1
    s.short(1, agent="alice")
    assert s.held() == 0
    assert s.refusals() == []


def test_two_agents_on_one_symbol_an_unresolved_entry_of_one_is_not_closed_by_the_other():
    s = Story()
    s.set("entry", "unknown")
    s.long(1, agent="alice")
    s.short(1, agent="bob")
    s.resolve("entry", "filled")
    assert s.held() == 1


def test_an_out_of_order_close_that_comes_before_its_open_leaves_nothing_open():
    s = Story()
    s.short(1, at=T0 + 500, sender_id="close")
    s.long(1, at=T0, sender_id="open")
    s.later(1_000)
    assert s.held() == 0
    assert all(leg.side is not Side.BUY for leg in s.planned("entry"))


def test_an_old_close_after_a_newer_open_takes_nothing_the_agent_still_holds():
    s = Story()
    s.long(1, at=T0 - 5_000)
    s.short(1, at=T0 - 4_000)
    s.long(2, at=T0)
    s.short(1, at=T0 - 3_000)
    assert s.held() == 2
    assert s.refusals() == ["SUPERSEDED"]


def test_after_a_reconnect_gap_the_opposite_side_only_reduces_and_the_same_side_opens_nothing():
    s = Story()
    s.long(2)
    s.long(1, received={"gapped": True})
    assert (s.held(), s.refusals()) == (2, ["AFTER_GAP"])
    s.short(5, received={"gapped": True})
    assert s.held() == 0


@pytest.mark.parametrize("entry", ["fill", "part", "reject", "unknown"])
def test_a_plain_opposite_side_closes_and_never_opens_whatever_became_of_the_entry(entry):
    s = Story()
    s.set("entry", entry)
    s.long(1)
    s.short(1)
    if entry == "unknown":
        s.resolve("entry", "filled")
    s.later(2_000)
    assert s.held() == 0
    assert len(s.planned("entry")) == 1
    assert len(s.of(ev.ExitOwed)) <= 1
