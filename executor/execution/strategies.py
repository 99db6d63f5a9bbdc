"""Calls a strategy by the plugin door, with a deadline: it can fail an entry, never an exit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from executor.core.intents import Intent, Remember, StopIntent, TargetIntent, TargetPosition, TradeIntent, Wish
from executor.core.precedence import Precedence
from executor.core.protocols import StrategyView
from executor.core.strategy import Handler, Hook, action_handler, hooks_of
from executor.logs import redact

DEADLINE_S = 0.25
MAX_HUNG = 32
"""How many calls that never came back are borne; after them the strategy is not called until one does."""

MEMORY_MAX = 65_536
"""How many bytes a strategy may remember."""

_INTENTS = (TradeIntent, StopIntent, TargetIntent)
_WISHES = (*_INTENTS, TargetPosition, Remember)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a strategy returned, or why it gave nothing."""

    intents: tuple[Intent, ...] = ()
    failure: str = ""
    memory: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Wished:
    """What a strategy's handlers returned for a fact, or why they gave nothing."""

    wishes: tuple[Wish, ...] = ()
    failure: str = ""


Answer = TypeVar("Answer", Wanted, Wished)


@dataclass(slots=True)
class StrategyCaller:
    """One route's strategy. ``inline`` strategies are plain arithmetic and run in the loop; others in a thread.

    One call at a time, whatever symbol and account it is for. A call that overruns its deadline cannot be killed, only
    abandoned: the next one gets a thread of its own, and no thread keeps the process from ending.
    """

    name: str
    strategy: Any
    deadline_s: float = DEADLINE_S
    hung: int = 0
    precedence: Precedence | None = None
    """Who has the word where the signal says something too; ``None`` where the strategy always has."""
    inline: bool = field(init=False)
    """Whether it may be called in the event loop."""
    opposite: bool = field(init=False)
    """Whether it trades the mirror image of what the agent does."""
    hooks: tuple[Hook, ...] = field(init=False, repr=False)
    _on_action: Handler | None = field(init=False, repr=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    def __post_init__(self) -> None:
        self.inline = bool(getattr(self.strategy, "inline", False))
        self.opposite = bool(getattr(self.strategy, "opposite", False))
        self.hooks = hooks_of(self.strategy)
        self._on_action = action_handler(self.strategy)

    def call(self, action: Any, view: StrategyView) -> Wanted:
        """Call it here and now, for one action; a strategy without ``on_action`` wants nothing of actions."""
        if self._on_action is None:
            return Wanted()
        try:
            return _checked(self._on_action(action, view))
        except Exception as error:  # noqa: BLE001  a stranger's code may raise anything; it fails closed
            return Wanted(failure=self._raised(error))

    def call_hooks(self, handlers: Sequence[Handler], fact: object, view: StrategyView) -> Wished:
        """Call these handlers here and now, in order, for one fact; where one fails, none of them wants anything."""
        wishes: list[Wish] = []
        try:
            for handler in handlers:
                wishes += handler(fact, view) or ()
            return _wished(wishes)
        except Exception as error:  # noqa: BLE001  a stranger's code may raise anything; it fails closed
            return Wished(failure=self._raised(error))

    def _raised(self, error: Exception) -> str:
        return f"{self.name} raised {type(error).__name__}: {redact(str(error))}"[:300]

    async def call_in_thread(self, action: Any, view: StrategyView) -> Wanted:
        """Call it beside the loop and wait until the deadline, its turn after others' calls included."""
        answer = await self._beside(lambda: self.call(action, view))
        return Wanted(failure=answer) if isinstance(answer, str) else answer

    async def call_hooks_in_thread(self, handlers: Sequence[Handler], fact: object, view: StrategyView) -> Wished:
        """The same for the handlers of a fact."""
        answer = await self._beside(lambda: self.call_hooks(handlers, fact, view))
        return Wished(failure=answer) if isinstance(answer, str) else answer

    async def _beside(self, call: Callable[[], Answer]) -> Answer | str:
        """The answer, or why there is none."""
        if self.hung >= MAX_HUNG:
            return f"{self.name} hangs: {self.hung} calls never came back"
        try:
            async with asyncio.timeout(self.deadline_s):
                async with self._turn:
                    return await self._in_thread(call)
        except TimeoutError:
            return f"{self.name} did not answer within {self.deadline_s:g} s"

    def _in_thread(self, call: Callable[[], Answer]) -> asyncio.Future[Answer]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()

        def settle(given: Answer) -> None:
            self.hung -= 1
            if not answer.done():
                answer.set_result(given)

        def run() -> None:
            given = call()
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, given)

        self.hung += 1
        threading.Thread(target=run, name=f"strategy-{self.name}", daemon=True).start()
        return answer


def _checked(given: Sequence[Wish] | None) -> Wanted:
    """The answer to an action: intents, and what to remember."""
    if given is None:
        return Wanted()
    found = tuple(given)
    for one in found:
        if type(one) not in _INTENTS:
            return _with_memory(found)
    return Wanted(found)  # type: ignore[arg-type]  # checked just now


def _with_memory(found: tuple[Wish, ...]) -> Wanted:
    odd = [type(one).__name__ for one in found if type(one) not in (*_INTENTS, Remember)]
    if odd:
        return Wanted(failure=f"returned {odd[0]}, not an intent")
    memories = [_kept(one) for one in found if isinstance(one, Remember)]
    return Wanted(tuple(one for one in found if isinstance(one, _INTENTS)), memory=memories[-1].memory)


def _wished(found: Sequence[Wish]) -> Wished:
    """The answer to a fact."""
    odd = [type(one).__name__ for one in found if type(one) not in _WISHES]
    if odd:
        return Wished(failure=f"returned {odd[0]}, not an intent")
    return Wished(tuple(_kept(one) if isinstance(one, Remember) else one for one in found))


def _kept(asked: Remember) -> Remember:
    """A memory as the ledger will have it: a copy, of JSON values only; raises for what is none."""
    text = orjson.dumps(asked.memory)
    if len(text) > MEMORY_MAX or not isinstance(asked.memory, dict):
        raise ValueError(f"a memory is a dictionary of at most {MEMORY_MAX} bytes of JSON")
    return Remember(memory=orjson.loads(text))
