"""What the copying strategies make of a reported trade: sizes, maps, stops, and when a sell is the last one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from executor.api import Agent, Origin, Quote, Side, SourceTrade, StrategyView, TargetPosition, TradeIntent
from strategies.copied import CopiedTrades
from strategies.tradeready_copy import TradeReadyCopy

D = Decimal
BUY = SourceTrade(
    origin=Origin("tradeready", "tr", "rest:account", 0),
    agent=Agent("tradeready", "account"),
    symbol="BTCUSDT",
    side=Side.BUY,
    size=D("0.5"),
    quote_size=None,
    px=D(100),
    ref="o1",
    at_ms=0,
)
QUOTED = replace(BUY, symbol="BTC/USDT", size=None, quote_size=D(50))


def view(coin: str = "BTC", book: str = "0", quote: Quote | None = None) -> StrategyView:
    books = {coin: D(book)} if D(book) else {}
    quotes = {} if quote is None else {coin: quote}
    return StrategyView(0, "main", coin, D(book), D(book), D(0), D(1000), quote, books=books, quotes=quotes)


def wishes(fact: SourceTrade, seen: StrategyView | None = None, **options: Any) -> Any:
    return TradeReadyCopy(TradeReadyCopy.Options(**options)).on_trade(fact, seen or view())


@pytest.mark.parametrize(
    ("fact", "options", "sized"),
    [
        (BUY, {}, {"size": D("0.5")}),
        (BUY, {"multiplier": "0.1"}, {"size": D("0.05")}),
        (QUOTED, {}, {"notional_usd": D(50)}),
        (QUOTED, {"multiplier": 2}, {"notional_usd": D(100)}),
        (BUY, {"notional_usd": 20}, {"notional_usd": D(20)}),
        (QUOTED, {"equity_pct": 5}, {"equity_pct": D(5)}),
    ],
)
def test_a_buy_is_an_entry_in_the_size_that_was_asked_for(fact: SourceTrade, options: Any, sized: Any) -> None:
    assert wishes(fact, **options) == (TradeIntent(coin="BTC", side=Side.BUY, **sized),)


def test_a_leverage_of_our_own() -> None:
    assert wishes(BUY, leverage=2)[0].leverage == 2


def test_a_buy_that_says_no_size_at_all_is_not_copied() -> None:
    assert wishes(replace(BUY, size=None)) == ()


def test_a_mapped_symbol_counts_in_the_venues_units() -> None:
    pepe = replace(BUY, symbol="PEPEUSDT", size=D(5_000_000), px=D("0.00001"))
    (intent,) = wishes(pepe, view(coin=""), symbols={"PEPEUSDT": "kPEPE"}, stop_pct=10)
    assert (intent.coin, intent.size, intent.stop_px) == ("kPEPE", D(5000), D("0.009"))


def test_a_symbol_nobody_knows_keeps_its_name_so_that_the_refusal_can_tell_it() -> None:
    assert wishes(replace(BUY, symbol="NOSUCH"), view(coin=""))[0].coin == "NOSUCH"


@pytest.mark.parametrize(
    ("quote", "stop"),
    [
        (Quote(D(99), D(101), D(100), 0), "95.95"),
        (Quote(None, None, D(102), 0), "96.90"),
        (None, "95"),
    ],
)
def test_a_stop_stands_below_the_venues_price_or_the_systems_while_that_is_unknown(
    quote: Quote | None, stop: str
) -> None:
    assert wishes(BUY, view(quote=quote), stop_pct=5)[0].stop_px == D(stop)


def test_without_any_price_to_put_the_stop_by_there_is_no_entry() -> None:
    with pytest.raises(ValueError, match="no price of BTC"):
        wishes(replace(BUY, px=None), stop_pct=5)


@pytest.mark.parametrize(
    ("sold", "book", "ends"),
    [("0.5", "0.5", True), ("0.6", "0.5", True), ("0.496", "0.5", True), ("0.49", "0.5", False), ("0.5", "0", False)],
)
def test_a_sell_that_leaves_next_to_nothing_closes_all_of_it(sold: str, book: str, *, ends: bool) -> None:
    sell = replace(BUY, side=Side.SELL, size=D(sold), reduce_only=True)
    assert wishes(sell, view(book=book)) == ((TargetPosition(coin="BTC", size=D(0)),) if ends else ())
    value = replace(QUOTED, side=Side.SELL, quote_size=D(sold) * 100, reduce_only=True)
    assert wishes(value, view(book=book)) == wishes(sell, view(book=book))


def test_how_little_is_next_to_nothing_can_be_set() -> None:
    sell = replace(BUY, side=Side.SELL, size=D("0.496"), reduce_only=True)
    assert wishes(sell, view(book="0.5"), flat_within_pct=0) == ()


def test_a_sell_that_cannot_be_sized_is_left_to_the_core() -> None:
    assert wishes(replace(QUOTED, side=Side.SELL, px=None, reduce_only=True), view(book="1")) == ()
    assert wishes(replace(QUOTED, side=Side.SELL, px=None), view(book="1")) == ()


def test_shorts_of_perps_are_copied_and_their_covers_open_nothing() -> None:
    short = replace(BUY, side=Side.SELL)
    assert wishes(short) == (TradeIntent(coin="BTC", side=Side.SELL, size=D("0.5")),)
    assert wishes(replace(BUY, reduce_only=True)) == ()
    assert wishes(replace(BUY, reduce_only=True), view(book="-0.5")) == (TargetPosition(coin="BTC", size=D(0)),)


def test_of_a_flip_only_what_goes_beyond_the_book_is_opened() -> None:
    """A size speaks of the whole trade, and is cut to what opens by core; dollars speak of what opens."""
    flip, valued = replace(BUY, side=Side.SELL), replace(QUOTED, side=Side.SELL)
    assert wishes(flip, view(book="0.4"))[0].size == D("0.5")
    assert wishes(valued, view(book="0.4"))[0].notional_usd == D(10)
    assert wishes(flip, view(book="0.4"), notional_usd=20)[0].notional_usd == D(20)
    assert wishes(flip, view(book="0.6")) == ()


def test_a_stop_of_our_own_is_above_a_short() -> None:
    seen = view(quote=Quote(D(100), D(100), D(100), 0))
    assert wishes(replace(BUY, side=Side.SELL), seen, stop_pct=5)[0].stop_px == D(105)


@pytest.mark.parametrize(
    "options", [{"multiplier": 1, "notional_usd": 5}, {"multiplier": 0}, {"stop_pct": 100}, {"leverage": "1.5"}]
)
def test_options_that_contradict_or_make_no_sense_are_refused(options: Any) -> None:
    with pytest.raises(ValidationError):
        CopiedTrades.Options(**options)
