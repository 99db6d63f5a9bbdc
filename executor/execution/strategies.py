"""Calls a strategy by the plugin door, with a deadline: it can fail an entry, never an exit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from executor.core.intents import Intent, StopIntent, TargetIntent, TradeIntent
from executor.core.protocols import Strategy, StrategyView
from executor.core.source_events import Action
from executor.logs import redact

DEADLINE_S = 0.25
MAX_HUNG = 32
"""How many calls that never came back are borne; after them the strategy is not called until one does."""

_INTENTS = (TradeIntent, StopIntent, TargetIntent)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a strategy returned, or why it gave nothing."""

    intents: tuple[Intent, ...] = ()
    failure: str = ""


@dataclass(slots=True)
class StrategyCaller:
    """One route's strategy. ``inline`` strategies are plain arithmetic and run in the loop; others in a thread.

    One call at a time, whatever symbol and account it is for. A call that overruns its deadline cannot be killed, only
    abandoned: the next one gets a thread of its own, and no thread keeps the process from ending.
    """

    name: str
    strategy: Strategy
    deadline_s: float = DEADLINE_S
    hung: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def inline(self) -> bool:
        """Whether it may be called in the event loop."""
        return bool(getattr(self.strategy, "inline", False))

    def call(self, action: Action, view: StrategyView) -> Wanted:
        """Call it here and now."""
        try:
            return _checked(self.strategy.on_action(action, view))
        except Exception as error:  # noqa: BLE001  a stranger's code may raise anything; it fails closed
            return Wanted(failure=f"{self.name} raised {type(error).__name__}: {redact(str(error))}"[:300])

    async def call_in_thread(self, action: Action, view: StrategyView) -> Wanted:
        """Call it beside the loop and wait until the deadline, its turn after others' calls included."""
        if self.hung >= MAX_HUNG:
            return Wanted(failure=f"{self.name} hangs: {self.hung} calls never came back")
        try:
            async with asyncio.timeout(self.deadline_s):
                async with self._turn:
                    return await self._in_thread(action, view)
        except TimeoutError:
            return Wanted(failure=f"{self.name} did not answer within {self.deadline_s:g} s")

    def _in_thread(self, action: Action, view: StrategyView) -> asyncio.Future[Wanted]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Wanted] = loop.create_future()

        def settle(wanted: Wanted) -> None:
            self.hung -= 1
            if not answer.done():
                answer.set_result(wanted)

        def run() -> None:
            wanted = self.call(action, view)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, wanted)

        self.hung += 1
        threading.Thread(target=run, name=f"strategy-{self.name}", daemon=True).start()
        return answer


def _checked(intents: Sequence[Intent] | None) -> Wanted:
    found = tuple(intents or ())
    odd = [type(intent).__name__ for intent in found if type(intent) not in _INTENTS]
    return Wanted(failure=f"returned {odd[0]}, not an intent") if odd else Wanted(found)
