"""derive: facts become actions with keys of their own, in the agent's units, and what the source closes is closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from executor.core.derive import (
    Derived,
    Held,
    Standing,
    Underivable,
    agent_of,
    content_of,
    derive,
    interval_ms,
    key_of,
    named,
    stamp_of,
)
from executor.core.facts import Fill
from executor.core.intents import Remember, StopIntent, TargetIntent, TargetPosition, TradeIntent, Wish
from executor.core.source_events import (
    AgentNotice,
    Candle,
    Origin,
    SetStop,
    SetTarget,
    SourcePosition,
    SourceTrade,
    Ticker,
    Trade,
)
from executor.core.types import Agent, Side
from executor.core.watched import Fact, OrderUpdate, Subject, TimerFired, VenueFill

D = Decimal
AGENT = Agent("halyrd", "a")
OWN = Agent("halyrd", "a", "mine")
WHERE = Origin("halyrd", "src", "agent:a", 5_000)
TRADE = SourceTrade(
    origin=WHERE, agent=AGENT, symbol="BTC", side=Side.BUY, size=D(2), quote_size=None, px=D(100), ref="t1", at_ms=4_000
)
POSITION = SourcePosition(
    origin=WHERE, agent=AGENT, position_id="p1", symbol="BTC", size=D(10), entry_px=D(1), mark_px=None, revision="r1"
)
TICKER = Ticker(origin=WHERE, symbol="BTC", px=D(50), at_ms=None)
CANDLE = Candle(
    origin=WHERE, symbol="BTC", interval="5m", open_at_ms=60_000, open_px=D(1), high_px=D(1), low_px=D(1),
    close_px=D(40), volume=D(1), closed=True,
)  # fmt: skip
FILL = VenueFill(
    account="main", agent=AGENT, action_key="k",
    fill=Fill(7, 8, None, "BTC", Side.BUY, D(1), D(1), D(0), D(0), D(0), 9_000),
)  # fmt: skip
ORDER = OrderUpdate(account="main", coin="BTC", cloid="0x1", leg="stop", state="triggered", action_key="k", at_ms=9_000)
TIMER = TimerFired(every_ms=1_000, at_ms=9_000)
NOTICE = AgentNotice(origin=WHERE, agent=AGENT, kind="risk_veto", rule="max", at_ms=4_000)
FACTS: tuple[Fact, ...] = (TRADE, POSITION, TICKER, CANDLE, FILL, ORDER, TIMER, NOTICE)


def resolve(symbol: str) -> tuple[str | None, str]:
    coin = symbol.split("/", maxsplit=1)[0]
    return (coin, "") if coin in ("BTC", "ETH") else (None, "UNKNOWN_SYMBOL")


def standing(**more: Any) -> Standing:
    return Standing(now_ms=6_000, resolve=resolve, **more)


def made(fact: Fact, *wishes: Wish, failure: str = "", **known: Any) -> Sequence[Derived]:
    return derive(fact, "mine", "src", wishes, standing(**known), failure)


def one(fact: Fact, *wishes: Wish, **known: Any) -> Derived:
    (found,) = made(fact, *wishes, **known)
    return found


def buy(coin: str = "BTC", **more: Any) -> TradeIntent:
    return TradeIntent(coin=coin, side=Side.BUY, **({"size": D(1)} | more))


# -- identity -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_the_same_fact_told_again_has_the_same_keys(fact: Any) -> None:
    again = replace(fact, origin=replace(WHERE, channel="other", source="two")) if hasattr(fact, "origin") else fact
    assert [key_of(again, "mine", n) for n in (0, 1)] == [key_of(fact, "mine", n) for n in (0, 1)]
    assert len({key_of(fact, via, n) for via in ("mine", "other") for n in (0, 1)}) == 4
    assert content_of(again) == content_of(fact)


def test_facts_that_differ_in_what_names_them_have_other_keys() -> None:
    others = [
        replace(TRADE, ref="t2"),
        replace(TRADE, ref=None),
        replace(TRADE, ref=None, size=None, quote_size=D(9)),
        replace(TRADE, agent=Agent("halyrd", "b")),
        replace(POSITION, revision="r2"),
        replace(POSITION, position_id="p2"),
        replace(POSITION, revision=""),
        replace(POSITION, revision="", size=D(9)),
        replace(TICKER, at_ms=1),
        replace(CANDLE, closed=False),
        replace(CANDLE, interval="1m"),
        replace(NOTICE, kind="demotion"),
        replace(FILL, account="two"),
        replace(ORDER, state="filled"),
        replace(TIMER, at_ms=10_000),
    ]
    keys = {key_of(fact, "mine", 0) for fact in (*FACTS, *others)}
    assert len(keys) == len(FACTS) + len(others)


def test_the_same_reference_with_another_size_is_another_content_and_the_price_is_none_of_it() -> None:
    assert content_of(replace(TRADE, size=D(3))) != content_of(TRADE)
    assert content_of(replace(TRADE, px=D(3))) == content_of(TRADE)
    assert named(TRADE) == "ref t1"


def test_books_are_the_agents_by_way_of_the_strategy_or_the_strategys_own() -> None:
    assert agent_of(TRADE, "mine") == agent_of(NOTICE, "mine") == OWN
    own = Agent("strategy", "mine", "mine")
    assert agent_of(TICKER, "mine") == agent_of(TIMER, "mine") == agent_of(FILL, "mine") == own


@pytest.mark.parametrize(
    ("fact", "stamp"),
    [(TRADE, 4_000), (POSITION, None), (TICKER, None), (CANDLE, 360_000), (replace(CANDLE, closed=False), None),
     (replace(CANDLE, interval="odd"), None), (FILL, 9_000), (ORDER, 9_000), (TIMER, None)],
)  # fmt: skip
def test_an_action_is_as_old_as_what_its_fact_speaks_of(fact: Fact, stamp: int | None) -> None:
    assert stamp_of(fact) == stamp


@pytest.mark.parametrize(
    ("text", "ms"), [("1m", 60_000), ("4h", 14_400_000), ("1d", 86_400_000), ("m", None), ("", None), ("x5m", None)]
)
def test_an_interval_is_a_number_and_a_unit(text: str, ms: int | None) -> None:
    assert interval_ms(text) == ms


# -- trades -------------------------------------------------------------------------------------------------------


def test_a_reported_trade_moves_the_book_by_its_own_size_and_the_intent_shapes_ours() -> None:
    found = one(TRADE, buy(size=D(7), leverage=D(3)))
    action = found.action
    assert isinstance(action, Trade)
    assert (action.agent, action.symbol, action.side, action.size) == (OWN, "BTC", Side.BUY, 2)
    assert (action.leverage, action.stamped_at_ms, action.server_execution) == (3, 4_000, False)
    assert (action.origin, action.event_id) == (WHERE, "ref t1")
    told = found.derivation
    assert (told.via, told.fact, told.identity, told.subject) == ("mine", "SourceTrade", "ref t1", "BTC")
    assert (told.intent, told.holds, told.against) == (buy(size=D(7), leverage=D(3)), False, False)


@pytest.mark.parametrize(
    ("fact", "intent", "size"),
    [
        (replace(TRADE, size=None, quote_size=D(50)), buy(), D("0.5")),
        (replace(TRADE, size=None), buy(), D(1)),
        (replace(TRADE, size=None, px=None, quote_size=D(1)), buy(), D(1)),
        (TICKER, buy(size=None, notional_usd=D(100)), D(2)),
        (CANDLE, buy(size=None, equity_pct=D(10)), D("2.5")),
        (CANDLE, buy("ETH", size=None, notional_usd=D(100)), D(5)),
        (TIMER, buy("BTC/USD", size=None, notional_usd=D(100)), D(10)),
    ],
)
def test_where_the_fact_has_no_size_the_intents_own_moves_the_book(fact: Fact, intent: Any, size: Decimal) -> None:
    found = one(fact, intent, equity_usd=D(1000), marks={"ETH": D(20), "BTC": D(10)})
    assert found.action.size == size


def test_without_a_price_a_notional_is_no_size() -> None:
    with pytest.raises(Underivable):
        made(TIMER, buy(size=None, notional_usd=D(100)))


def test_a_trade_the_source_can_only_close_with_only_reduces() -> None:
    sell = replace(buy(), side=Side.SELL)
    spot = replace(TRADE, side=Side.SELL, reduce_only=True)
    assert one(spot, sell, books={"BTC": D(1)}).action.reduce_only
    assert not one(replace(spot, reduce_only=False), sell).action.reduce_only
    against = one(spot, buy())
    assert not against.action.reduce_only
    assert against.derivation.against


def test_a_coin_nobody_lists_keeps_its_name_so_that_it_is_refused_by_it() -> None:
    assert one(TRADE, buy("NOSUCH")).action.symbol == "NOSUCH"


def test_two_trades_of_one_coin_for_one_fact_are_none() -> None:
    with pytest.raises(Underivable):
        made(TRADE, buy(), buy("BTC/USD"))
    assert [d.action.symbol for d in made(TRADE, buy(), buy("ETH"))] == ["BTC", "ETH"]


def test_what_happens_on_the_venue_or_by_the_clock_comes_from_the_strategy() -> None:
    action = one(TIMER, buy()).action
    assert (action.origin, action.agent.system) == (Origin("strategy", "src", "TimerFired", 6_000), "strategy")


# -- targets ------------------------------------------------------------------------------------------------------


def target(size: str, **more: Any) -> TargetPosition:
    return TargetPosition(coin="BTC", size=D(size), **more)


@pytest.mark.parametrize(
    ("book", "wanted", "side", "size", "ours"),
    [
        ("0", "2", Side.BUY, "2", "2"),
        ("2", "3", Side.BUY, "1", "1"),
        ("3", "1", Side.SELL, "2", None),
        ("3", "0", Side.SELL, "3", None),
        ("3", "-1", Side.SELL, "4", "4"),
        ("-1", "-2", Side.SELL, "1", "1"),
        ("-2", "0", Side.BUY, "2", None),
    ],
)
def test_the_difference_to_the_book_is_traded(book: str, wanted: str, side: Side, size: str, ours: str | None) -> None:
    found = one(POSITION, target(wanted), books={"BTC": D(book)})
    assert (found.action.side, found.action.size) == (side, D(size))
    intent = found.derivation.intent
    assert (intent and intent.size) == (ours and D(ours))
    assert found.derivation.holds
    assert (found.derivation.subject, found.derivation.subject_size) == ("p1", 10)


def test_what_is_held_already_is_not_traded() -> None:
    assert made(TIMER, target("2"), books={"BTC": D(2)}) == []


def test_a_size_of_our_own_speaks_of_the_whole_target() -> None:
    grown = one(POSITION, target("4", notional_usd=D(100)), books={"BTC": D(1)}).derivation.intent
    flipped = one(POSITION, target("-4", equity_pct=D(10)), books={"BTC": D(1)}).derivation.intent
    assert grown is not None
    assert flipped is not None
    assert (grown.notional_usd, flipped.equity_pct) == (75, 10)


def test_stop_and_target_go_with_a_fresh_entry_and_alone_for_what_is_held() -> None:
    wish = target("2", stop_px=D(9), target_px=D(20))
    fresh = one(POSITION, wish).derivation.intent
    assert fresh is not None
    assert (fresh.stop_px, fresh.target_px) == (9, 20)
    held = {"BTC": [Held(OWN, D(1))]}
    more, stop, out = made(POSITION, wish, books={"BTC": D(1)}, held=held)
    assert more.derivation.intent == TradeIntent(coin="BTC", side=Side.BUY, size=D(1))
    assert isinstance(stop.action, SetStop)
    assert isinstance(out.action, SetTarget)
    assert (stop.action.side, stop.action.trigger_px, stop.action.size) == (Side.SELL, 9, 2)
    assert (out.action.side, out.action.trigger_px, out.action.reduce_only) == (Side.SELL, 20, True)
    assert made(POSITION, target("0", stop_px=D(9)), held=held) == []


def test_triggers_that_stand_are_not_set_again() -> None:
    held = {"BTC": [Held(OWN, D(1), stop_px=D(9), target_pxs=(D(20),))]}
    assert made(POSITION, target("1", stop_px=D(9), target_px=D(20)), books={"BTC": D(1)}, held=held) == []
    two = {"BTC": [*held["BTC"], Held(OWN, D(1))]}
    assert len(made(POSITION, target("1", stop_px=D(9)), books={"BTC": D(1)}, held=two)) == 1


def test_a_target_takes_its_fraction_of_the_book() -> None:
    wish = TargetIntent(coin="BTC", trigger_px=D(9), fraction=D("0.25"))
    assert one(POSITION, wish, books={"BTC": D(-8)}).action.size == 2
    assert one(POSITION, wish, books={"BTC": D(-8)}).action.side is Side.BUY


def test_a_trigger_of_time_or_price_goes_to_every_agent_of_the_coin_that_lacks_it() -> None:
    other = replace(AGENT, agent_id="b")
    held = {"BTC": [Held(AGENT, D(1), stop_px=D(9)), Held(other, D(2), D(4), D(8)), Held(other, D(3), D(4))]}
    for fact in (TIMER, CANDLE):
        (only,) = made(fact, StopIntent(coin="BTC", trigger_px=D(9)), held=held)
        assert (only.action.agent, only.action.size) == (other, 4)
    both = made(TIMER, StopIntent(coin="BTC", trigger_px=D(7)), held=held)
    assert [(one.action.agent, one.action.size) for one in both] == [(AGENT, 1), (other, 4)]
    (own_fill,) = made(replace(FILL, agent=other), StopIntent(coin="BTC", trigger_px=D(7)), held=held)
    assert own_fill.action.agent == other


def test_what_others_hold_of_the_coin_says_nothing_of_our_own_entry_and_stop() -> None:
    others, wish = Held(AGENT, D(2), stop_px=D(8)), target("1", stop_px=D(9))
    (entry,) = made(POSITION, wish, held={"BTC": [others]})
    assert entry.derivation.intent is not None
    assert entry.derivation.intent.stop_px == 9
    ours = Held(OWN, D(1), stop_px=D(9))
    assert made(POSITION, wish, books={"BTC": D(1)}, held={"BTC": [ours, others]}) == []
    (stop,) = made(POSITION, wish, books={"BTC": D(1)}, held={"BTC": [replace(others, stop_px=D(9))]})
    assert stop.action.agent == OWN


def test_a_trigger_may_be_for_the_position_of_an_agent_whose_actions_the_route_brings() -> None:
    held = {"BTC": [Held(None, D(0)), Held(AGENT, D(-2), book=D(-8))]}
    action = one(FILL, StopIntent(coin="BTC", trigger_px=D(9)), held=held).action
    assert (action.agent, action.side, action.size) == (AGENT, Side.BUY, 8)
    with pytest.raises(Underivable):
        made(FILL, StopIntent(coin="BTC", trigger_px=D(9)))


def test_a_memory_is_no_action() -> None:
    assert made(TIMER, Remember(memory={})) == []


# -- what the source closes ---------------------------------------------------------------------------------------

KNOWN = {"p1": Subject("BTC", D(10))}


@pytest.mark.parametrize(("now", "size"), [("5", "2"), ("0", "4"), ("-3", "4"), ("10", None), ("12", None)])
def test_a_reported_position_that_shrank_takes_its_share_of_the_book(now: str, size: str | None) -> None:
    found = made(replace(POSITION, size=D(now)), failure="it hung", books={"BTC": D(4)}, subjects=KNOWN)
    assert [d.action.size for d in found] == ([] if size is None else [D(size)])
    for derived in found:
        assert (derived.action.side, derived.action.reduce_only) == (Side.SELL, True)
        assert (derived.derivation.failure, derived.derivation.intent) == ("it hung", None)


@pytest.mark.parametrize("known", [{}, {"p1": Subject("BTC", None)}, {"p1": Subject("ETH", D(10))}])
def test_what_we_never_followed_is_not_closed(known: dict[str, Subject]) -> None:
    assert made(replace(POSITION, size=D(0)), books={"BTC": D(4)}, subjects=known) == []


@pytest.mark.parametrize(
    ("side", "size", "book", "closed"),
    [
        (Side.SELL, "2", "3", "2"),
        (Side.SELL, "9", "3", "3"),
        (Side.BUY, "2", "3", None),
        (Side.BUY, "2", "-1", "1"),
        (Side.SELL, "2", "0", None),
    ],
)
def test_a_reported_trade_against_the_book_closes(side: Side, size: str, book: str, closed: str | None) -> None:
    found = made(replace(TRADE, side=side, size=D(size)), books={"BTC": D(book)})
    assert [d.action.size for d in found] == ([] if closed is None else [D(closed)])
    assert all(d.action.side is side and d.action.reduce_only for d in found)


def test_a_book_that_goes_against_the_source_is_closed_the_other_way() -> None:
    known = {"BTC": Subject("BTC", None, against=True)}
    found = one(replace(TRADE, side=Side.SELL), books={"BTC": D(-3)}, subjects=known)
    assert (found.action.side, found.action.size) == (Side.BUY, 2)
    assert found.derivation.against


def test_a_trade_without_a_size_closes_nothing_by_itself() -> None:
    assert made(replace(TRADE, side=Side.SELL, size=None), books={"BTC": D(3)}) == []


def test_a_close_told_in_dollars_without_a_price_is_measured_by_the_venues() -> None:
    sold = replace(TRADE, side=Side.SELL, size=None, px=None, quote_size=D(100), reduce_only=True)
    action = one(sold, books={"BTC": D(3)}, marks={"BTC": D(50)}).action
    assert (action.side, action.size, action.reduce_only) == (Side.SELL, 2, True)
    assert made(sold, books={"BTC": D(3)}) == []


def test_a_stop_beside_a_close_does_not_replace_it() -> None:
    found = made(
        replace(POSITION, size=D(5)),
        StopIntent(coin="BTC", trigger_px=D(9)),
        books={"BTC": D(4)},
        subjects=KNOWN,
    )
    assert [type(d.action) for d in found] == [SetStop, Trade]
    assert len({d.action.key for d in found}) == 2


def test_other_facts_close_nothing_by_themselves() -> None:
    assert made(NOTICE, failure="no", books={"BTC": D(4)}) == []
