"""The table "Naked positions and stops" of reliability.md section A3: a named test for each of its rows."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story import Story, listed, quote

from executor.core import events as ev
from executor.core.facts import AccountFact, Fill, OrderFact
from executor.core.lookups import lookup_events
from executor.core.protect import TRIGGERED_MS
from executor.core.reconcile import account_events, order_list_events, told_fills, with_causes
from executor.core.stopcheck import liquidation_px
from executor.core.types import Side

D = Decimal


def covered_by(s: Story, coin: str = "BTC") -> Decimal:
    """What the stops that rest on the venue's list would close."""
    return sum((leg.listed for leg in s.state.legs_of(coin, "stop") if leg.state == "resting"), D(0))


def causes(s: Story) -> list[str]:
    return [e.cause for e in s.of(ev.DifferenceFound)]


def protected(size: str = "1", **settings) -> Story:
    s = Story(settings)
    s.long(size)
    s.stop(90)
    s.later(10)
    return s


def test_sl_rejected_in_batch():
    """Entry filled, its stop refused: never taken for placed; tried again, and a person told (trading-agent#6)."""
    s = Story()
    s.set("stop", "reject")
    s.long(1, stop_px=90)
    assert s.state.position("BTC").unprotected_since_ms == s.now
    s.later(999)
    assert covered_by(s) == 0
    s.later(1)
    assert covered_by(s) == 1
    assert s.alarms() == ["PROTECTION_REJECTED"]


@pytest.mark.parametrize(("policy", "held"), [("alert", 1), ("place_default", 1), ("flatten", 0)])
def test_sl_rejected_for_ever_ends_by_the_policy_in_its_time(policy, held):
    s = Story({"policy": policy})
    s.set("stop", *["reject"] * 50)
    s.long(1, stop_px=90)
    s.later(2_999)
    assert "UNPROTECTED" not in s.alarms()
    s.later(1)
    assert s.alarms().count("UNPROTECTED") == 1
    assert s.held() == held


@pytest.mark.parametrize("percent", [1, 37, 99])
@pytest.mark.parametrize("bracket", [True, False])
def test_ioc_partial_percent_is_protected_for_what_filled(percent, bracket):
    """The venue places no child of an entry that filled in part (hyperliquid.md section 6.4): we do, for its size."""
    s = Story()
    s.auto = False
    s.long(1, **({"stop_px": 90} if bracket else {}))
    if not bracket:
        s.stop(90)
    s.answer_all()  # leverage
    s.settle()
    [entry] = [leg for leg in s.state.legs.values() if leg.kind == "entry"]
    answer = s.execute(entry, D(percent) / 100)
    done = [answer] if not bracket else [answer, s.answer("stop", None) and _waits()]
    [(_, request)] = s.out
    s.out.clear()
    s.auto = True
    s.reply(request, done)
    s.settle()
    assert s.held() == D(percent) / 100
    assert covered_by(s) == D(percent) / 100


def test_the_children_of_an_entry_that_filled_whole_are_not_placed_twice_though_they_were_to_wait():
    """Both were taken for dead and placed anew: the first two rested for ever, and fired into the next position."""
    s = Story()
    s.set("stop", "waiting")
    s.set("target", "waiting")
    s.long(1, stop_px=90, target_px=120)
    assert [leg.attempt for leg in s.planned() if leg.leg != "entry"] == [1, 1]
    assert covered_by(s) == 1
    s.later(1_000)
    s.short(1)
    assert {e.cloid for e in s.of(ev.CancelWanted)} == {
        leg.cloid for leg in s.planned() if leg.leg in ("stop", "target")
    }


@pytest.mark.parametrize("live", [True, False])
def test_the_children_of_an_entry_that_was_cut_give_way_to_a_stop_of_its_size(live):
    """Cut for margin they are placed as if it had filled whole (hyperliquid.md section 6.4), else they die with it."""
    s = Story()
    s.set("entry", "part")
    s.set("stop", "waiting")
    s.set("target", "waiting")
    s.set("cancel", *([] if live else ["ORDER_GONE"] * 2))
    s.long(1, stop_px=90, target_px=120)
    children = [leg for leg in s.state.legs.values() if leg.kind != "entry" and leg.attempt == 1]
    assert covered_by(s) == D("0.4")
    assert {e.cloid for e in s.of(ev.CancelWanted)} == {leg.cloid for leg in children}
    assert [leg.doubted for leg in children] == [not live] * 2
    for leg in children if not live else ():
        fact = OrderFact(listed(leg), "canceled", s.now)
        s.note(lookup_events(s.state, leg, fact, [], s.now, listed=False))
    s.later(3_000)
    assert [size for size, _ in s.live("stop") + s.live("target")] == ["0.400", "0.400"]


def _waits():
    from executor.core.facts import Waiting

    return Waiting(for_trigger=False)


@pytest.mark.parametrize("how", ["reject", "unknown"])
def test_new_sl_refused_the_old_one_is_still_live(how):
    """Placed before the old is cancelled; the target stays (nofx PR#660)."""
    s = protected()
    s.target(120)
    s.set("stop", how)
    s.stop(95)
    assert ("1.000", "90.000") in s.live("stop")
    assert covered_by(s) >= 1
    assert s.live("target") == [("1.000", "120.00")]
    s.later(60_000)
    if how == "unknown":
        s.resolve("stop", "rejected")
        s.later(60_000)
    assert s.live("stop") == [("1.000", "95.000")]
    assert s.live("target") == [("1.000", "120.00")]


def test_replacing_a_stop_never_leaves_a_gap_not_even_by_the_venues_list():
    s = protected()
    for px in (91, 92, 89, 93):
        seen = len(s.events)
        s.stop(px)
        covering = None
        for event in s.events[seen:]:
            if isinstance(event, ev.CancelWanted):
                covering = covered_by(s)
        assert covering is not None
        assert covered_by(s) == 1
    assert [e.state for e in s.of(ev.ProtectionChanged)] == ["unprotected", "protected"]


def test_kill9_then_price_gap_the_stop_is_the_venues_and_its_fill_is_found():
    """Nothing of the stop is in our memory: after the gap the restart reads that it fired (go-trader#601)."""
    s = protected()
    [leg] = s.state.legs_of("BTC", "stop")
    s.note([ev.ProcessStarted(at_ms=s.now, clean=False, version="1", mode="live")])
    s.now += 60_000
    fill = Fill(9, leg.oid or 0, leg.cloid, "BTC", Side.SELL, D(70), D(1), D(0), D(-30), D(1), s.now - 30_000)
    s.venue["BTC"] = D(0)
    s.note(told_fills(s.state, [fill], s.now))
    s.note(account_events(s.state, AccountFact((), D(1), D(0), D(0), s.now), s.now, s.now + 5))
    s.note(order_list_events(s.state, [], s.now, s.now + 5))
    s.settle()
    assert causes(s) == ["stop fired"]
    assert (s.held(), s.live("stop"), s.state.stops) == (0, [], {})


def test_stop_fills_while_down_position_is_truth_and_the_order_is_evidence():
    """The stop executed and the venue forgot its order: the read says flat, the leg is over (freqtrade#6392)."""
    s = protected()
    [leg] = s.state.legs_of("BTC", "stop")
    [entry] = [leg for leg in s.state.legs.values() if leg.kind == "entry"]
    s.note(told_fills(s.state, [Fill(1, 0, entry.cloid, "BTC", Side.BUY, D(1), D(1), D(0), D(0), D(0), s.now)], s.now))
    s.now += 60_000
    s.lists = False
    s.venue["BTC"] = D(0)
    s.note(account_events(s.state, AccountFact((), D(1), D(0), D(0), s.now), s.now, s.now + 5))
    s.note(order_list_events(s.state, [], s.now, s.now + 5))
    assert leg.doubted
    s.note(with_causes(s.state, lookup_events(s.state, leg, OrderFact(None, "", s.now), [], s.now, listed=False)))
    s.settle()
    assert s.held() == 0
    assert not leg.open
    assert causes(s) == ["closed elsewhere"]
    s.long(1)  # and the next life starts without it
    assert s.live("stop") == []


def test_triggered_not_filled_goes_to_market_wider():
    """freqtrade#12984: fired, but its order found nobody."""
    s = protected()
    [leg] = s.state.legs_of("BTC", "stop")
    s.note([ev.LegTriggered(at_ms=s.now, account="main", key=leg.key, cloid=leg.cloid)])
    s.later(TRIGGERED_MS)
    assert s.held() == 0
    assert "STOP_NOT_FILLED" in s.alarms()


def test_fill_px_missing_the_stop_is_armed_by_the_position():
    """Forven PR#13: no fill price, no skipped stop."""
    s = Story()
    s.auto = False
    s.long(1)
    s.stop(90)
    s.answer_all()
    s.settle()
    [entry] = [leg for leg in s.state.legs.values() if leg.kind == "entry"]
    s.execute(entry, entry.size)
    s.auto = True
    s.out.clear()
    base = {"at_ms": s.now, "account": "main", "key": entry.key, "cloid": entry.cloid}
    s.note([ev.LegFilled(**base, oid=5, size=entry.size, avg_px=None)])
    s.settle()
    assert (s.held(), covered_by(s)) == (1, 1)


def test_foreign_position_then_kill_the_flatten_reads_the_account_and_not_our_ledger():
    """go-trader#1454: what we do not own is closed too."""
    s = Story()
    s.long(1)
    s.later(10)
    s.read(ETH="2", BTC="3")
    s.command(ev.FlattenStarted, by="kill switch")
    assert (s.held("BTC"), s.held("ETH")) == (0, 0)


@pytest.mark.parametrize("fires", ["stop", "target"])
def test_orphan_sibling_goes_when_the_other_fires_and_never_meets_the_next_position(fires):
    s = protected()
    s.target(120)
    [leg] = s.state.legs_of("BTC", fires)
    s.fire(leg)
    assert s.held() == 0
    assert s.live("stop") == s.live("target") == []
    s.long(1)
    assert s.live("stop") == s.live("target") == []


def test_orphan_sibling_goes_on_a_flip_and_only_ours_do():
    s = protected()
    s.target(120)
    theirs = [order for order in s.state.orders.values() if order.cloid not in s.state.legs]
    s.short(3)
    assert s.held() == -2
    assert s.live("stop") == s.live("target") == []
    assert theirs == []
    assert all(cancel.cloid is not None for cancel in s.of(ev.CancelWanted))


def test_the_sweep_leaves_the_triggers_of_others_alone():
    s = protected()
    [ours] = s.state.orders.values()
    theirs = type(ours)(99, None, "BTC", Side.SELL, D(1), D(1), D(1), True, D(80), "Stop Market", False, 0)
    s.note(order_list_events(s.state, [ours, theirs], s.now, s.now))
    s.short(1)
    s.later(60_000)
    assert s.held() == 0
    assert [cancel.oid for cancel in s.of(ev.CancelWanted) if cancel.oid == 99] == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "reduce", "move", "by hand", "target", "time"]), st.integers(1, 3)),
        max_size=8,
    )
)
def test_at_rest_the_reduce_only_stops_add_up_to_the_position(steps):
    """crypto-trading-bot#84: a stop that kept its first, partial size."""
    s = protected("4")
    for what, n in steps:
        s.now += 5
        if what == "add":
            s.long(n)
        elif what == "reduce" and s.state.position("BTC").owned > n:
            s.short(n)
        elif what == "move":
            s.stop(90 + n)
        elif what == "by hand" and s.state.position("BTC").owned > n:
            s.later(10_000)
            s.read(BTC=str(-n))
        elif what == "target":
            s.target(110 + n, n)
        else:
            s.later(1_000)
    s.later(5_000)
    assert covered_by(s) == abs(s.state.position("BTC").owned)


@given(
    st.sampled_from(Side),
    st.integers(1, 40),
    st.decimals("0.5", "1.5", places=3, allow_nan=False),
    st.booleans(),
)
def test_a_stop_lies_between_entry_and_liquidation_or_the_entry_is_refused_or_a_person_is_told(
    side, lev, at, signalled
):
    """nautilus#3611, go-trader#1450: at random prices and leverage."""
    s = Story({"default_leverage": D(lev)})
    px = s.market.rules.trigger_px("BTC", 100 * at)
    if signalled:
        s.stop(str(px), side.opposite)
        s.trade(side, 1)
    else:
        s.trade(side, 1, stop_px=str(px))
    entry = s.planned("entry")
    if not entry:
        assert s.refusals() in (["STRATEGY_ODD"], ["STOP_WOULD_FIRE"])
        assert (100 - px) * side.sign <= 0
        return
    assert (100 - px) * side.sign > 0
    gone = liquidation_px(Story().state, "BTC", side, entry[0].limit_px, D(lev), 40, isolated=True)
    beyond = gone is not None and (px - gone) * side.sign <= 0
    assert ("STOP_BEYOND_LIQUIDATION" in s.alarms()) is beyond
    assert len(s.live("stop")) == 1


def test_a_crossed_stop_on_a_held_position_closes_now():
    s = protected()
    s.quotes["BTC"] = quote(94)
    s.stop(95)
    assert s.held() == 0
    assert "STOP_CROSSED" in s.alarms()


def test_a_stop_on_the_wrong_side_is_refused_and_leaves_the_one_that_stands():
    s = protected()
    s.stop(95, Side.BUY)
    assert s.refusals() == ["WRONG_SIDE"]
    assert s.live("stop") == [("1.000", "90.000")]


@pytest.mark.parametrize("bracket", [True, False])
def test_the_old_stop_stays_while_the_exit_of_a_flip_goes_on_missing(bracket):
    s = protected()
    s.set("exit", *["reject"] * 200)
    if bracket:
        s.short(2, stop_px="110")
    else:
        s.short(2)
        s.stop(110, Side.BUY)
    for _ in range(120):  # the flip's entry and its stop lapse meanwhile
        s.later(1_000)
    assert (s.held(), covered_by(s)) == (1, 1)
    s.set("exit")
    s.later(10_000)
    assert (s.held(), s.live("stop")) == (0, [])
