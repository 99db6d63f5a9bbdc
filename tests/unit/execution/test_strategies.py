"""strategies: called by one door with a deadline; whatever goes wrong fails the entry and nothing else."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import pytest

from executor.core.intents import StopIntent, TradeIntent
from executor.core.types import Side
from executor.execution.strategies import StrategyCaller, Wanted

D = Decimal
TRADE = TradeIntent(coin="BTC", side=Side.BUY, size=D(1))


class Says:
    """Returns, or raises, what it was told to."""

    def __init__(self, word: object, *, inline: bool = False) -> None:
        self.word, self.inline = word, inline

    def on_action(self, action: object, view: object) -> object:
        if isinstance(self.word, BaseException):
            raise self.word
        return self.word


class Waits:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.free, self.calls = threading.Event(), 0

    def on_action(self, action: object, view: object) -> tuple[TradeIntent, ...]:
        self.calls += 1
        if self.calls == 1:
            self.free.wait(5)
        return (TRADE,)


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ((TRADE,), Wanted((TRADE,))),
        ([TRADE, StopIntent(coin="BTC", trigger_px=D(1))], Wanted((TRADE, StopIntent(coin="BTC", trigger_px=D(1))))),
        (None, Wanted()),
        ((), Wanted()),
        (("buy!",), Wanted(failure="returned str, not an intent")),
        (ValueError("no"), Wanted(failure="s raised ValueError: no")),
    ],
)
async def test_what_a_strategy_says_is_the_same_here_and_in_a_thread(word, wanted):
    caller = StrategyCaller("s", Says(word))
    assert caller.call(None, None) == wanted
    assert await caller.call_in_thread(None, None) == wanted


def test_what_is_no_sequence_fails_the_entry():
    assert StrategyCaller("s", Says(7)).call(None, None).failure.startswith("s raised TypeError")


def test_only_a_strategy_that_says_so_runs_in_the_loop():
    assert StrategyCaller("s", Says((), inline=True)).inline
    assert not StrategyCaller("s", Waits()).inline


async def test_a_strategy_that_overruns_is_given_up_and_the_next_call_gets_a_new_thread():
    slow = Waits()
    caller = StrategyCaller("s", slow, deadline_s=0.05)
    assert (await caller.call_in_thread(None, None)).failure == "s did not answer within 0.05 s"
    again = await asyncio.wait_for(caller.call_in_thread(None, None), 1)
    slow.free.set()
    assert again == Wanted((TRADE,))
