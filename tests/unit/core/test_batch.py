"""batch: what may leave now, in which company, and how many at once."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from story import Story

from executor.core import events as ev
from executor.core.answers import fill_events
from executor.core.batch import (
    CANCEL_RETRY_MS,
    CANCEL_SLOWEST,
    MAX_BATCH,
    Batch,
    entry_batches,
    halves,
    ready_entries,
    urgent,
)
from executor.core.facts import Fill, OpenOrder, OrderFact
from executor.core.lookups import lookup_events
from executor.core.position import Holding, Position
from executor.core.state import Cancel, Exit, Leg, Leverage
from executor.core.types import Agent, Side

D = Decimal
COINS = ("BTC", "ETH", "SOL")


def quiet(**settings) -> Story:
    """Nothing leaves by itself: the test looks at what would."""
    s = Story(settings)
    s.settle = s.steps
    return s


def ready(s: Story) -> list[str]:
    return [leg.coin for leg in ready_entries(s.desk, s.state, s.market)]


def confirmed(s: Story) -> Story:
    for coin in COINS:
        s.state.leverage[coin] = Leverage(3, False, "confirmed")
    return s


def test_ready_entries_go_together_oldest_first_39_at_a_time():
    s = confirmed(quiet())
    for i in range(100):
        s.long(1, coin=COINS[i % 3])
    batches = entry_batches(s.state, ready_entries(s.desk, s.state, s.market))
    assert [len(b.legs) for b in batches] == [MAX_BATCH, MAX_BATCH, 22]
    assert [leg.cloid for b in batches for leg in b.legs] == [leg.cloid for leg in s.planned("entry")]
    assert {leg.kind for b in batches for leg in b.legs} == {"entry"}
    assert {b.grouping for b in batches} == {"na"}


def test_an_entry_about_to_end_leaves_apart_from_those_that_outlive_the_request():
    s = confirmed(quiet())
    s.long(1)
    s.long(1, coin="ETH", at=s.now - 29_000)
    legs = ready_entries(s.desk, s.state, s.market)
    batches = entry_batches(s.state, legs, s.now + s.desk.order_expiry_ms)
    assert [[leg.coin for leg in b.legs] for b in batches] == [["BTC"], ["ETH"]]


def test_each_bracket_goes_alone():
    s = confirmed(quiet())
    s.long(1, stop_px="90")
    s.long(1)
    s.long(1, coin="ETH", target_px="120")
    batches = entry_batches(s.state, ready_entries(s.desk, s.state, s.market))
    assert [(b.grouping, [leg.kind for leg in b.legs]) for b in batches] == [
        ("na", ["entry"]),
        ("normalTpsl", ["entry", "stop"]),
        ("normalTpsl", ["entry", "target"]),
    ]


def test_a_bracket_that_lost_its_children_goes_as_a_plain_entry():
    s = confirmed(quiet())
    s.long(1, stop_px="90")
    entry, stop = s.state.live.values()
    s.note([ev.LegDropped(at_ms=s.now, account="main", key=stop.key, cloid=stop.cloid, reason="FLAT")])
    [batch] = entry_batches(s.state, ready_entries(s.desk, s.state, s.market))
    assert (batch.grouping, batch.legs) == ("na", (entry,))


def test_nothing_opens_before_the_account_is_reconciled_or_without_its_leverage():
    s = quiet()
    s.long(1)
    assert ready(s) == []
    confirmed(s)
    assert ready(s) == ["BTC"]
    s.state.reconciled = False
    assert ready(s) == []
    assert urgent(Story().state) == []


@pytest.mark.parametrize("other", [Leverage(3, True, "confirmed"), Leverage(4, False, "confirmed")])
def test_another_setting_than_the_entrys_keeps_it_waiting(other):
    s = confirmed(quiet())
    s.long(1)
    s.state.leverage["BTC"] = other
    assert ready(s) == []


def test_exits_protection_and_cancels_never_share_a_request_and_leave_at_once():
    s = Story()
    for coin in COINS:
        s.long(1, coin=coin)
        s.stop(90, coin=coin)
    s.settle = s.steps
    s.state.leverage["SOL"] = Leverage(9, False, "wanted")
    s.stop(95)
    s.short(1, coin="ETH")
    s.short(1, coin="SOL")
    s.state.cancels["9"] = Cancel("BTC", 9, None, "x")
    s.state.cancels["0x1"] = Cancel("BTC", None, "0x1", "x")
    batches = urgent(s.state, s.now)
    assert [(b.purpose, len(b.legs) or len(b.cancels) or b.coin) for b in batches] == [
        ("exit", 2),
        ("protect", 1),
        ("cancel", 1),
        ("cancel", 1),
        ("leverage", "SOL"),
    ]


def test_an_exit_that_missed_goes_again_on_its_own():
    s = Story()
    for coin in COINS:
        s.long(1, coin=coin)
    s.set("exit", *["reject"] * 100)
    for coin in COINS:
        s.short(1, coin=coin)
    later = [b for b in s.sent if b.purpose == "exit" and any(leg.attempt > 1 for leg in b.legs)]
    assert later
    assert {len(b.legs) for b in later} == {1}


def test_a_stop_that_was_refused_goes_again_on_its_own():
    s = Story()
    s.set("stop", *["reject"] * 12)
    for coin in COINS:
        s.long(1, coin=coin)
        s.stop(90, coin=coin)
        s.target(200, coin=coin)
    for _ in range(12):
        s.later(1_000)
    sent = [[(leg.coin, leg.kind, leg.attempt) for leg in b.legs] for b in s.sent if b.purpose == "protect"]
    assert any(attempt > 1 for legs in sent for *_, attempt in legs)
    assert {len(legs) for legs in sent if any(attempt > 1 for *_, attempt in legs)} == {1}


def test_a_cancel_whose_answer_nobody_knows_is_asked_again_ever_more_slowly():
    s = Story()
    s.state.cancels["0x1"] = Cancel("BTC", None, "0x1", "x")
    s.state.orders[9] = OpenOrder(9, "0x1", "BTC", Side.SELL, D(90), D(1), D(1), False, None, "Limit", False, 0)
    s.set("cancel", *["unknown"] * 20)
    s.settle()
    asked = [b for b in s.sent if b.purpose == "cancel"]
    assert len(asked) == 1
    assert urgent(s.state)
    times = []
    for _ in range(4 * 100):
        before = len(s.sent)
        s.later(250)
        times += [s.now] * (len(s.sent) - before)
    assert [b - a for a, b in pairwise(times)][:3] == [2_000, 3_000, 4_000]
    assert max(b - a for a, b in pairwise(times)) == CANCEL_RETRY_MS * CANCEL_SLOWEST


def test_a_cancel_or_a_setting_that_is_out_is_not_asked_again():
    s = Story()
    s.state.cancels["0x1"] = Cancel("BTC", None, "0x1", "x", asked=True)
    s.state.leverage["BTC"] = Leverage(3, False, "wanted", asked=True)
    s.state.leverage["ETH"] = Leverage(3, False, "confirmed")
    assert urgent(s.state, s.now) == []


def test_more_than_39_cancels_leave_39_first():
    s = quiet()
    for i in range(100):
        s.state.cancels[str(i)] = Cancel("BTC", i, None, "x")
    assert [len(b.cancels) for b in urgent(s.state, s.now)] == [MAX_BATCH]


def test_the_opening_leg_of_a_flip_waits_until_nothing_of_the_old_position_is_left():
    s = Story()
    s.long(1)
    s.set("exit", "wait")
    s.short(2)
    assert ready(s) == []
    s.set("exit", "part", "wait")
    s.settle()
    assert ready(s) == []
    s.set("exit")
    s.settle()
    assert s.held() == -1


ALICE, BOB = Agent("fractrade", "alice"), Agent("fractrade", "bob")


@pytest.mark.parametrize(
    ("held", "owes", "leaves"),
    [
        ({}, None, True),
        ({BOB: 1}, None, False),
        ({ALICE: 1, BOB: -2}, None, False),
        ({}, "what was there", False),
        ({}, "what this very leg brings", True),
    ],
)
def test_the_opening_leg_of_a_flip_waits_for_the_account_its_agent_and_every_exit_but_its_own(held, owes, leaves):
    s = confirmed(quiet())
    position = s.state.positions["BTC"] = Position("BTC", D(1), holdings=[Holding(ALICE, D(1))])
    s.short(2, received={"book_before": D(1), "book_after": D(-1)})
    [leg] = s.state.legs_of("BTC", "entry")
    assert leg.wait_flat
    position.holdings = [Holding(agent, D(size)) for agent, size in held.items()]
    s.state.exits.clear()
    if owes:
        against = (leg.cloid,) if owes == "what this very leg brings" else ()
        s.state.exits["x"] = Exit("x", "BTC", ALICE, D(1), "signal", s.now, against=against)
    assert ready(s) == (["BTC"] if leaves else [])


def test_a_planned_entry_the_venue_already_executed_in_part_is_not_sent_again_although_nobody_doubts_it():
    s = confirmed(quiet())
    s.long(1)
    [leg] = s.state.legs_of("BTC", "entry")
    assert ready(s) == ["BTC"]
    leg.seen_filled = D("0.4")
    assert not leg.doubted
    assert ready(s) == []


def test_the_legs_of_a_bracket_never_leave_without_it():
    s = quiet()
    s.long(1, stop_px="90", target_px="110")
    assert [b.purpose for b in urgent(s.state, s.now)] == ["leverage"]


def again(*, clean: bool = False, **more: str) -> Story:
    """A life that begins with an entry that was planned, and no word of its being sent."""
    s = Story()
    s.settle = lambda: None
    s.long(1, **more)
    s.note([ev.ProcessStarted(at_ms=s.now, clean=clean, version="", mode="live")])
    s.note([ev.Reconciled(at_ms=s.now, account="main", why="start")])
    s.state.leverage["BTC"] = Leverage(3, False, "confirmed")
    return s


def looked_up(s: Story, leg: Leg, status: str = "") -> None:
    """What the venue says of an order: nothing, or its status."""
    order = None
    if status:
        order = OpenOrder(7, leg.cloid, "BTC", leg.side, D(100), D(0), leg.size, False, None, "Limit", False, s.now)
    fact = OrderFact(order, status or "unknownOid", s.now)
    s.note(lookup_events(s.state, leg, fact, [], s.now, listed=False))


def test_after_an_unclean_stop_a_planned_entry_is_looked_up_before_it_leaves():
    s = again()
    [leg] = s.state.legs_of("BTC", "entry")
    assert ready_entries(s.desk, s.state, s.market) == []
    looked_up(s, leg)
    assert ready_entries(s.desk, s.state, s.market) == [leg]
    assert [event.cloid for event in s.of(ev.LegCleared)] == [leg.cloid]


def test_after_a_clean_stop_a_planned_entry_leaves_as_it_is():
    s = again(clean=True)
    assert len(ready_entries(s.desk, s.state, s.market)) == 1


@pytest.mark.parametrize("shown", ["by its fill", "on the list"])
def test_a_planned_entry_whose_status_lags_is_not_cleared_where_its_fill_or_the_list_shows_it(shown):
    s = again()
    [leg] = s.state.legs_of("BTC", "entry")
    fills = [Fill(1, 7, leg.cloid, "BTC", Side.BUY, D(100), leg.size, D(0), D(0), D(0), s.now)]
    listed = shown == "on the list"
    s.note(
        lookup_events(s.state, leg, OrderFact(None, "unknownOid", s.now), [] if listed else fills, s.now, listed=listed)
    )
    assert s.of(ev.LegCleared) == []
    assert ready_entries(s.desk, s.state, s.market) == []


def test_a_planned_entry_the_venue_knows_was_sent_and_does_not_leave_again():
    s = again()
    [leg] = s.state.legs_of("BTC", "entry")
    looked_up(s, leg, "canceled")
    assert (leg.state, ready_entries(s.desk, s.state, s.market)) == ("canceled", [])


def test_the_stop_and_target_that_leave_with_a_planned_entry_are_looked_up_too():
    s = again(stop_px="90")
    [entry], [stop] = s.state.legs_of("BTC", "entry"), s.state.legs_of("BTC", "stop")
    looked_up(s, entry)
    assert ready_entries(s.desk, s.state, s.market) == []
    looked_up(s, stop)
    assert ready_entries(s.desk, s.state, s.market) == [entry]


def test_an_older_copy_of_the_ledger_doubts_its_plans():
    s = again(clean=True)
    s.note([ev.AnomalyNoted(at_ms=s.now, account="main", code="LEDGER_BEHIND", text="")])
    assert ready_entries(s.desk, s.state, s.market) == []


def test_a_planned_entry_that_has_fills_was_sent_by_an_earlier_life_and_is_not_sent_again():
    s = Story()
    s.settle = lambda: None
    s.long(1)
    s.note([ev.ProcessStarted(at_ms=s.now, clean=False, version="", mode="live")])
    leg = s.planned("entry")[0]
    part = Fill(1, 7, leg.cloid, "BTC", Side.BUY, D(100), D("0.4"), D(0), D(0), D(0), s.now + 1)
    s.note(fill_events(s.state, [part], s.now))
    s.note([ev.Reconciled(at_ms=s.now, account="main", why="start")])
    s.state.leverage["BTC"] = Leverage(3, False, "confirmed")
    assert ready_entries(s.desk, s.state, s.market) == []
    s.now += 60_000
    s.steps()
    assert (s.state.legs[leg.cloid].state, s.state.position("BTC").owned) == ("dropped", D("0.4"))


def test_a_batch_comes_apart_into_halves_until_one_order_stands_alone():
    s = quiet()
    for _ in range(3):
        s.long(1)
    batch = Batch("entry", tuple(s.state.legs_of("BTC", "entry")))
    cancels = tuple(Cancel("BTC", i, None, "x") for i in range(3))
    assert [half.cancels for half in halves(Batch("cancel", cancels=cancels))] == [cancels[:1], cancels[1:]]
    first, second = halves(batch)
    assert (*first.legs, *second.legs) == batch.legs
    assert {first.purpose, second.purpose} == {"entry"}
    assert [len(half.legs) for half in halves(second)] == [1, 1]
    assert halves(first) == ()


def test_a_bracket_and_what_has_no_orders_stay_whole():
    s = quiet()
    s.long(1, stop_px=90)
    assert halves(Batch("entry", tuple(s.state.live.values()), grouping="normalTpsl")) == ()
    assert halves(Batch("leverage", coin="BTC")) == ()
