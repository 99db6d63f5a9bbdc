"""Calls a strategy by the plugin door, with a deadline: it can fail an entry, never an exit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from executor.core.intents import Intent, StopIntent, TargetIntent, TradeIntent
from executor.core.protocols import Strategy, StrategyView
from executor.core.source_events import Action

DEADLINE_S = 0.25
_INTENTS = (TradeIntent, StopIntent, TargetIntent)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a strategy returned, or why it gave nothing."""

    intents: tuple[Intent, ...] = ()
    failure: str = ""


@dataclass(slots=True)
class StrategyCaller:
    """One route's strategy. ``inline`` strategies are plain arithmetic and run in the loop; others in a thread.

    A call that overruns its deadline cannot be killed, only abandoned: its thread is given up, and the next call
    gets a new one.
    """

    name: str
    strategy: Strategy
    deadline_s: float = DEADLINE_S
    _threads: ThreadPoolExecutor | None = field(default=None, repr=False)

    @property
    def inline(self) -> bool:
        """Whether it may be called in the event loop."""
        return bool(getattr(self.strategy, "inline", False))

    def call(self, action: Action, view: StrategyView) -> Wanted:
        """Call it here and now."""
        try:
            return _checked(self.strategy.on_action(action, view))
        except Exception as error:  # noqa: BLE001  a stranger's code may raise anything; it fails closed
            return Wanted(failure=f"{self.name} raised {type(error).__name__}: {error}"[:300])

    async def call_in_thread(self, action: Action, view: StrategyView) -> Wanted:
        """Call it beside the loop and wait until the deadline."""
        threads = self._threads or ThreadPoolExecutor(1, thread_name_prefix=f"strategy-{self.name}")
        self._threads = threads
        future = asyncio.get_running_loop().run_in_executor(threads, self.call, action, view)
        try:
            return await asyncio.wait_for(future, self.deadline_s)
        except TimeoutError:
            self._threads = None
            threads.shutdown(wait=False, cancel_futures=True)
            return Wanted(failure=f"{self.name} did not answer within {self.deadline_s:g} s")


def _checked(intents: Sequence[Intent] | None) -> Wanted:
    found = tuple(intents or ())
    odd = [type(intent).__name__ for intent in found if type(intent) not in _INTENTS]
    return Wanted(failure=f"returned {odd[0]}, not an intent") if odd else Wanted(found)
