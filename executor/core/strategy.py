"""What a strategy is: a class whose methods are called for what they are named after, or decorated with.

``Strategy`` is the base for people who write one; any class with an ``on_action`` or another ``on_...`` method will do.
Which method is called for what is read once, when the strategy is built (``hooks_of``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from executor.core.source_events import (
    AgentNotice,
    Candle,
    SourcePortfolio,
    SourcePosition,
    SourceTrade,
    Ticker,
)
from executor.core.watched import Fact, OrderUpdate, TimerFired, VenueFill

Method = TypeVar("Method", bound=Callable[..., Any])
Handler = Callable[[Any, Any], Any]

_MARK = "_executor_hooks"


class Strategy:
    """The base of a strategy: options in, intents out. ``inline`` and ``opposite`` are set in the class.

    ``inline = True`` marks plain arithmetic that is called in the event loop, without a thread. ``opposite = True``
    shows the strategy the mirror image of each action (sides, books, stops as targets) and trades that: see
    ``strategies/inverse.py``. Handlers take what happened and a view (``StrategyView``), and return intents.
    """

    inline: ClassVar[bool] = False
    opposite: ClassVar[bool] = False

    def __init__(self, options: Any = None) -> None:
        self.options = options


@dataclass(frozen=True, slots=True)
class Hook:
    """One handler and what it is called for; ``None`` stands for every symbol or interval."""

    kind: type
    handler: Handler
    symbol: str | None = None
    interval: str | None = None
    closed_only: bool = True
    every_ms: int = 0

    def wants(self, fact: Fact) -> bool:
        """Whether a fact of this kind is for the handler."""
        if self.symbol is not None and getattr(fact, "symbol", None) != self.symbol:
            return False
        if isinstance(fact, Candle):
            return self.interval in (None, fact.interval) and (fact.closed or not self.closed_only)
        return not isinstance(fact, TimerFired) or fact.every_ms == self.every_ms


@dataclass(frozen=True, slots=True)
class _Mark:
    kind: type
    symbol: str | None = None
    interval: str | None = None
    closed_only: bool = True
    every_ms: int = 0


class Actions:
    """The kind that stands for a sender's own actions, which are not facts."""


_PLAIN: dict[str, type] = {
    "on_trade": SourceTrade,
    "on_position": SourcePosition,
    "on_ticker": Ticker,
    "on_candles": Candle,
    "on_notice": AgentNotice,
    "on_portfolio": SourcePortfolio,
    "on_fill": VenueFill,
    "on_order_update": OrderUpdate,
}
"""Methods that are handlers by their name alone."""


def _marked(mark: _Mark) -> Callable[[Method], Method]:
    def mark_it(method: Method) -> Method:
        setattr(method, _MARK, (*getattr(method, _MARK, ()), mark))
        return method

    return mark_it


def on_action(method: Method) -> Method:
    """For each action of the route's agents: shapes what opens, and where stops and targets stand."""
    return _marked(_Mark(Actions))(method)


def on_trade(method: Method) -> Method:
    """For each trade another system reports (``SourceTrade``)."""
    return _marked(_Mark(SourceTrade))(method)


def on_position(method: Method) -> Method:
    """For each state of a position another system reports (``SourcePosition``); size zero means closed."""
    return _marked(_Mark(SourcePosition))(method)


def on_notice(method: Method) -> Method:
    """For what a system says of an agent beside its trades (``AgentNotice``)."""
    return _marked(_Mark(AgentNotice))(method)


def on_portfolio(method: Method) -> Method:
    """For what an agent is worth by its own system's books (``SourcePortfolio``)."""
    return _marked(_Mark(SourcePortfolio))(method)


def on_fill(method: Method) -> Method:
    """For each execution on an account of the route (``VenueFill``), ours or not."""
    return _marked(_Mark(VenueFill))(method)


def on_order_update(method: Method) -> Method:
    """For what becomes of each of our orders on an account of the route (``OrderUpdate``)."""
    return _marked(_Mark(OrderUpdate))(method)


def on_ticker(symbol: str | None = None) -> Callable[[Method], Method]:
    """For the source's prices of one symbol, as the source writes it, or of all (``Ticker``)."""
    return _marked(_Mark(Ticker, symbol=symbol))


def on_candles(
    symbol: str | None = None, interval: str | None = None, *, closed_only: bool = True
) -> Callable[[Method], Method]:
    """For the source's candles (``Candle``): those that are complete, unless ``closed_only`` is false."""
    return _marked(_Mark(Candle, symbol=symbol, interval=interval, closed_only=closed_only))


def on_timer(every_s: float) -> Callable[[Method], Method]:
    """Every so many seconds (at least one): at whole multiples of it since the epoch (``TimerFired``)."""
    every_ms = int(Decimal(str(every_s)) * 1000)
    if every_ms < 1000:
        raise ValueError("a timer fires once a second at most")
    return _marked(_Mark(TimerFired, every_ms=every_ms))


def hooks_of(strategy: object) -> tuple[Hook, ...]:
    """The handlers of a strategy for facts, decorated ones in the order they are written."""
    return tuple(_hooks(strategy))


def action_handler(strategy: object) -> Handler | None:
    """The method for actions, ``None`` for a strategy that takes none."""
    for method, mark in _decorated(strategy):
        if mark.kind is Actions:
            return method
    plain = getattr(strategy, "on_action", None)
    return plain if callable(plain) else None


def _hooks(strategy: object) -> Iterator[Hook]:
    for method, mark in _decorated(strategy):
        if mark.kind is not Actions:
            yield Hook(mark.kind, method, mark.symbol, mark.interval, mark.closed_only, mark.every_ms)
    for name, kind in _PLAIN.items():
        plain = getattr(strategy, name, None)
        if callable(plain) and not getattr(plain, _MARK, ()):
            yield Hook(kind, plain)


def _decorated(strategy: object) -> Iterable[tuple[Handler, _Mark]]:
    """Each decorated method once, as the most derived class has it."""
    names = dict.fromkeys(name for cls in reversed(type(strategy).__mro__) for name in vars(cls))
    for name in names:
        for mark in getattr(getattr(type(strategy), name, None), _MARK, ()):
            yield getattr(strategy, name), mark
