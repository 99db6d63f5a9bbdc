"""What a strategy promises: handlers that answer in time, with intents, the same for the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from executor.api import Side, StrategyView, Trade, TradeIntent
from executor.core.derive import Standing, Underivable, derive
from executor.core.intents import Remember
from executor.core.strategy import Handler, Hook, action_handler
from executor.core.watched import Fact
from executor.execution.strategies import StrategyCaller
from executor.testing.conformance import inputs
from executor.testing.conformance.results import Results

DEADLINE_S = 2.0
"""Longer than a worker waits (a quarter of a second): the machine of the test may be busy."""

Question = tuple[str, Any, StrategyView, tuple[Handler, ...]]
"""What is asked, the action or fact, the moment, and the handlers of a fact (none for an action)."""


async def check_strategy(kind: type[Any], options: Any, results: Results) -> None:
    """Build it and call every handler it has."""
    caller = _built(kind, options, results)
    if caller is None:
        return
    handled = action_handler(caller.strategy) is not None
    results.judge("handlers", bool(caller.hooks) or handled, _handlers(caller, handled=handled), "it has none")
    ordinary = list(_questions(caller, handled=handled, odd=False))
    answers = [await _ask(caller, question) for question in ordinary]
    _ordinary(ordinary, answers, results)
    _same(kind, options, ordinary, answers, results)
    _trades(ordinary, answers, results)
    _derivable(ordinary, answers, results)
    await _hostile(caller, handled=handled, results=results)


def _built(kind: type[Any], options: Any, results: Results) -> StrategyCaller | None:
    try:
        strategy = kind(options) if hasattr(kind, "Options") else kind()
    except Exception as error:  # noqa: BLE001 a stranger's constructor may raise anything
        results.fail("construction", f"{type(error).__name__}: {error}")
        return None
    results.passed("construction", "with its options")
    return StrategyCaller(kind.__name__, strategy, deadline_s=DEADLINE_S)


def _handlers(caller: StrategyCaller, *, handled: bool) -> str:
    kinds = sorted({hook.kind.__name__ for hook in caller.hooks})
    return ", ".join([*(["actions"] if handled else []), *kinds])


def _questions(caller: StrategyCaller, *, handled: bool, odd: bool) -> Iterator[Question]:
    if handled:
        for action in inputs.odd_actions() if odd else inputs.actions():
            yield type(action).__name__, action, inputs.view(), ()
    for fact in inputs.odd_facts() if odd else inputs.facts():
        for asked in _fitted(fact, caller.hooks):
            handlers = tuple(hook.handler for hook in caller.hooks if _hears(hook, asked))
            if handlers:
                yield type(asked).__name__, asked, inputs.view(), handlers


def _hears(hook: Hook, fact: Fact) -> bool:
    return hook.kind is type(fact) and hook.wants(fact)


def _fitted(fact: Fact, hooks: Iterable[Hook]) -> Sequence[Any]:
    """The fact as each hook wants it: of its symbol, interval and time."""
    found = []
    for hook in (one for one in hooks if one.kind is type(fact)):
        given = {"symbol": hook.symbol, "interval": hook.interval, "every_ms": hook.every_ms or None}
        changed: Any = {name: value for name, value in given.items() if value is not None and hasattr(fact, name)}
        found.append(replace(fact, **changed))
    return list(dict.fromkeys(found))


async def _ask(caller: StrategyCaller, question: Question) -> tuple[tuple[Any, ...], str]:
    """What it wants, or why it gave nothing."""
    _, asked, view, handlers = question
    if handlers:
        wished = await caller.call_hooks_in_thread(handlers, asked, view)
        return wished.wishes, wished.failure
    wanted = await caller.call_in_thread(asked, view)
    memory = () if wanted.memory is None else (Remember(memory=wanted.memory),)
    return (*wanted.intents, *memory), wanted.failure


def _ordinary(questions: Sequence[Question], answers: Sequence[tuple[Any, str]], results: Results) -> None:
    for (name, *_), (wishes, failure) in zip(questions, answers, strict=True):
        words = ", ".join(type(wish).__name__ for wish in wishes) or "nothing"
        results.judge(f"an ordinary {name}", not failure, f"wants {words}", failure)


def _same(
    kind: type[Any], options: Any, questions: Sequence[Question], answers: Sequence[tuple[Any, str]], results: Results
) -> None:
    """Two that are built alike say the same to the same: no chance, no clock, no network decides."""
    again = StrategyCaller(kind.__name__, kind(options) if hasattr(kind, "Options") else kind())
    handled = action_handler(again.strategy) is not None
    told = []
    for _, asked, view, handlers in _questions(again, handled=handled, odd=False):
        given = again.call_hooks(handlers, asked, view) if handlers else again.call(asked, view)
        told.append(given.failure or (given.wishes if hasattr(given, "wishes") else given.intents))
    first = [failure or tuple(w for w in wishes if handlers or not isinstance(w, Remember))
             for (_, _, _, handlers), (wishes, failure) in zip(questions, answers, strict=True)]  # fmt: skip
    results.judge("same in, same out", told == first, "as it should be", "another one built alike answered otherwise")


def _trades(questions: Sequence[Question], answers: Sequence[tuple[Any, str]], results: Results) -> None:
    """For an action: one trade at most, in its own coin and direction; all else is refused STRATEGY_ODD."""
    for (_, asked, view, handlers), (wishes, _) in zip(questions, answers, strict=True):
        trades = [wish for wish in wishes if isinstance(wish, TradeIntent)]
        if handlers or not isinstance(asked, Trade) or not trades:
            continue
        fits = len(trades) == 1 and (trades[0].coin, trades[0].side) == (view.coin, asked.side)
        word = "buy" if asked.side is Side.BUY else "sell"
        results.judge(f"its trade for a {word}", fits, "in the action's coin and direction", "would be STRATEGY_ODD")


def _derivable(questions: Sequence[Question], answers: Sequence[tuple[Any, str]], results: Results) -> None:
    """For a fact: what can be made an action."""
    for (name, asked, view, handlers), (wishes, failure) in zip(questions, answers, strict=True):
        if not handlers or failure or not wishes:
            continue
        known = Standing(
            now_ms=view.now_ms, resolve=inputs.resolve, marks={inputs.COIN: inputs.D(100)}, equity_usd=view.equity_usd
        )
        try:
            made = derive(asked, "kit", "kit", wishes, known)
        except (Underivable, ArithmeticError) as error:
            results.fail(f"actions of a {name}", str(error))
        else:
            results.passed(f"actions of a {name}", ", ".join(type(one.action).__name__ for one in made) or "none")


async def _hostile(caller: StrategyCaller, *, handled: bool, results: Results) -> None:
    """It may raise (that opens nothing), and must neither hang nor answer nonsense."""
    questions = list(_questions(caller, handled=handled, odd=True))
    for _, asked, _, handlers in list(_questions(caller, handled=handled, odd=False)):
        questions += [("odd moment", asked, odd, handlers) for odd in inputs.odd_views()]
    raised = 0
    for name, asked, view, handlers in questions:
        _, failure = await _ask(caller, (name, asked, view, handlers))
        if failure and " raised " not in failure:
            results.fail(f"a hostile {name}", failure)
            return
        raised += bool(failure)
    results.passed("hostile inputs", f"{len(questions)} survived; to {raised} it raised, which opens nothing")
