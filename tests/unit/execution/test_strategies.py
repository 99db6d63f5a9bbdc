"""strategies: called by one door with a deadline; whatever goes wrong fails the entry and nothing else."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import pytest

from executor.core.intents import StopIntent, TradeIntent
from executor.core.types import Side
from executor.execution.strategies import MAX_HUNG, StrategyCaller, Wanted

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


async def test_a_call_that_waits_behind_a_hanging_one_is_answered_not_lost():
    slow = Waits()
    caller = StrategyCaller("s", slow, deadline_s=0.1)
    first = asyncio.create_task(caller.call_in_thread(None, None))
    await asyncio.sleep(0.05)
    second = await asyncio.wait_for(asyncio.shield(asyncio.create_task(caller.call_in_thread(None, None))), 1)
    assert (await first).failure == "s did not answer within 0.1 s"
    slow.free.set()
    assert second == Wanted((TRADE,))


async def test_calls_that_never_come_back_are_counted_and_bounded():
    class Hangs:
        free = threading.Event()

        def on_action(self, action: object, view: object) -> tuple[TradeIntent, ...]:
            self.free.wait(5)
            return (TRADE,)

    caller = StrategyCaller("s", Hangs(), deadline_s=0.005)
    before = threading.active_count()
    said = [(await caller.call_in_thread(None, None)).failure for _ in range(MAX_HUNG + 3)]
    assert said[-1] == f"s hangs: {MAX_HUNG} calls never came back"
    assert threading.active_count() - before <= MAX_HUNG
    Hangs.free.set()
    while caller.hung:
        await asyncio.sleep(0.01)
    caller.deadline_s = 1
    assert await caller.call_in_thread(None, None) == Wanted((TRADE,))


def test_what_a_strategy_says_when_it_breaks_is_kept_without_its_secrets():
    broken = StrategyCaller("s", Says(ValueError("options {'webhook_token': 's3cr3t-token'}"), inline=True))
    assert "s3cr3t" not in broken.call(None, None).failure
    assert "webhook_token" in broken.call(None, None).failure
