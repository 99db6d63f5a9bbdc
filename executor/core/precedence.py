"""Who has the word where the signal and the strategy both say something: leverage, size, stop, target.

It only chooses among what was said. Whatever comes of it is judged by the same rules as everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from executor.core.events import ActionReceived
from executor.core.intents import Intent, StopIntent, TradeIntent
from executor.core.source_events import SourceTrade

Word = Literal["inherit", "override", "only_if_missing"]
"""``inherit``: the signal's word; ``override``: the strategy's; ``only_if_missing``: the strategy's where the signal
says nothing."""


@dataclass(frozen=True, slots=True)
class Precedence:
    """A route's choice for each. What a strategy returns counts as it stands unless told otherwise."""

    leverage: Word = "override"
    size: Word = "override"
    stop: Word = "override"
    target: Word = "override"


def settled(
    intents: Sequence[Intent], received: ActionReceived, chosen: Precedence, *, stop: bool, target: bool
) -> tuple[Intent, ...]:
    """The intents with the chosen word in each; ``stop`` and ``target`` tell whether the coin has the signal's own."""
    return tuple(_settled(intent, received, chosen, stop, target) for intent in intents)


def _settled(intent: Intent, received: ActionReceived, chosen: Precedence, stop: bool, target: bool) -> Intent:
    if isinstance(intent, TradeIntent):
        return _trade(intent, received, chosen, stop, target)
    word = chosen.stop if isinstance(intent, StopIntent) else chosen.target
    told = received.trigger_px
    return intent if told is None or word == "override" else replace(intent, trigger_px=told)


def _trade(intent: TradeIntent, received: ActionReceived, chosen: Precedence, stop: bool, target: bool) -> TradeIntent:
    changed = intent
    if _signals(chosen.leverage, there=received.leverage is not None):
        changed = replace(changed, leverage=received.leverage)
    if says_size(received) and _signals(chosen.size, there=True):
        changed = replace(changed, size=received.size, notional_usd=None, equity_pct=None)
    if _signals(chosen.stop, there=stop):
        changed = replace(changed, stop_px=None)
    if _signals(chosen.target, there=target):
        changed = replace(changed, target_px=None)
    return changed


def says_size(received: ActionReceived) -> bool:
    """Whether the signal itself has a size: an action does, and of facts a reported trade in the coin's own units."""
    told = received.derived
    return told is None or (told.fact == SourceTrade.__name__ and _same_units(told.subject, received.coin or ""))


def _same_units(symbol: str, coin: str) -> bool:
    """The venue counts some coins in thousands: a million PEPE taken for so many kPEPE is a thousandfold."""
    thousands = coin[:1] == "k" and coin[1:2].isupper()
    return not thousands or symbol.upper().startswith(coin.upper())


def _signals(word: Word, *, there: bool) -> bool:
    """Whether the signal has the word."""
    return word == "inherit" or (word == "only_if_missing" and there)
