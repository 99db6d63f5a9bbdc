"""main: a run for a time ends also where it never began, and whoever ends it, it ends in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from executor.app.main import ENDING, started, stop_on_signals


class Runtime:
    """Starts at once, or never: a venue that cannot be read is waited for."""

    def __init__(self, *, never: bool) -> None:
        self.never = never
        self.cancelled = False

    async def start(self) -> None:
        try:
            await asyncio.sleep(3600 if self.never else 0)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def test_a_start_that_does_not_end_is_given_up_when_its_time_is_over() -> None:
    runtime: Any = Runtime(never=True)
    assert not await started(runtime, asyncio.Event(), 0)
    assert runtime.cancelled


async def test_a_start_that_does_not_end_is_given_up_when_told_to_stop() -> None:
    runtime: Any = Runtime(never=True)
    stop = asyncio.Event()
    stop.set()
    assert not await started(runtime, stop, None)
    assert runtime.cancelled


async def test_a_start_that_ends_is_one() -> None:
    assert await started(Runtime(never=False), asyncio.Event(), 30)  # type: ignore[arg-type]  # a fake


@pytest.fixture
def own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_closed_terminal_ends_in_order_like_sigterm(own_signals: None, number: signal.Signals) -> None:
    stop = stop_on_signals()
    handler: Any = signal.getsignal(number)
    handler(number, None)
    await asyncio.wait_for(stop.wait(), 20)


async def test_under_nohup_a_closed_terminal_ends_nothing(own_signals: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_on_signals()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
