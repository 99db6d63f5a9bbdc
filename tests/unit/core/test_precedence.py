"""precedence: who has the word where signal and strategy both say something."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from story import RULES, T0, Story

from executor.core import events as ev
from executor.core.intake import IntakeState, Route, admit
from executor.core.intents import StopIntent, TargetIntent, TradeIntent
from executor.core.precedence import Precedence, Word, settled
from executor.core.source_events import Trade
from executor.core.types import Side
from executor.core.watched import Derivation

D = Decimal
ROUTES = (Route("all", "src", ("*",), "follow", ("acc",)),)
WANTED = TradeIntent(coin="BTC", side=Side.BUY, notional_usd=D(50), leverage=D(2), stop_px=D(90), target_px=D(110))


def received(**more: Any) -> ev.ActionReceived:
    event, *_ = admit(IntakeState(), Story().action(Trade, Side.BUY, 4), None, ROUTES, RULES, None, T0)
    assert isinstance(event, ev.ActionReceived)
    return replace(event, **more)


def word(words: Precedence, told: ev.ActionReceived, *, stop: bool = False, target: bool = False) -> Any:
    return settled((WANTED,), told, words, stop=stop, target=target)[0]


def test_unless_told_otherwise_the_strategy_has_the_word() -> None:
    assert word(Precedence(), received(leverage=D(9)), stop=True, target=True) == WANTED


@pytest.mark.parametrize(
    ("chosen", "told", "leverage"),
    [
        ("inherit", D(9), D(9)),
        ("inherit", None, None),
        ("only_if_missing", D(9), D(9)),
        ("only_if_missing", None, D(2)),
    ],
)
def test_leverage(chosen: Word, told: Decimal | None, leverage: Decimal | None) -> None:
    assert word(Precedence(leverage=chosen), received(leverage=told)).leverage == leverage


@pytest.mark.parametrize("chosen", ["inherit", "only_if_missing"])
def test_an_action_has_a_size_of_its_own_and_so_has_a_reported_trade(chosen: Word) -> None:
    fact = Derivation(via="mine", fact="SourceTrade", identity="1")
    for told in (received(), received(derived=fact)):
        intent = word(Precedence(size=chosen), told)
        assert (intent.size, intent.notional_usd) == (4, None)
    other = received(derived=replace(fact, fact="SourcePosition"))
    assert word(Precedence(size=chosen), other) == WANTED


@pytest.mark.parametrize(
    ("symbol", "coin", "inherits"),
    [("PEPE/USDT", "kPEPE", False), ("kPEPE", "kPEPE", True), ("KAVA/USDT", "KAVA", True), ("BTC/USDT", "BTC", True)],
)
def test_a_size_in_other_units_than_the_coins_is_nobodys_word(symbol: str, coin: str, inherits: bool) -> None:
    told = Derivation(via="copy", fact="SourceTrade", identity="ref 1", subject=symbol)
    (intent,) = settled(
        [replace(WANTED, coin=coin)],
        received(derived=told, coin=coin),
        Precedence(size="inherit"),
        stop=False,
        target=False,
    )
    assert (isinstance(intent, TradeIntent) and intent.size == 4) is inherits


@pytest.mark.parametrize(
    ("chosen", "there", "kept"),
    [("inherit", False, False), ("only_if_missing", True, False), ("only_if_missing", False, True)],
)
def test_a_stop_or_target_of_the_strategys_own_gives_way(chosen: Word, there: bool, kept: bool) -> None:
    intent = word(Precedence(stop=chosen, target=chosen), received(), stop=there, target=there)
    assert (intent.stop_px, intent.target_px) == ((90, 110) if kept else (None, None))


@pytest.mark.parametrize(("chosen", "px"), [("inherit", 95), ("only_if_missing", 95), ("override", 90)])
def test_a_stop_or_target_that_was_signalled_stands_where_the_chosen_word_says(chosen: Word, px: int) -> None:
    wanted = (StopIntent(coin="BTC", trigger_px=D(90)), TargetIntent(coin="BTC", trigger_px=D(90), fraction=D(1)))
    words = Precedence(stop=chosen, target=chosen)
    told = settled(wanted, received(trigger_px=D(95)), words, stop=True, target=True)
    assert [intent.trigger_px for intent in told] == [px, px]  # type: ignore[union-attr]  # both have one
    assert settled(wanted, received(), words, stop=True, target=True) == wanted
