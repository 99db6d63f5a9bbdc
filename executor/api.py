"""All that a plugin imports: the words of the program, the protocols to implement, and a base for its options.

A plugin is a class, registered by an entry point or named in the configuration as ``path/to/file.py:Class``:

- a **strategy** (group ``executor.strategies``) is a ``Strategy``, or any class with an ``on_action`` or another
  handler by its name, and is built with its options: ``Class(options)``. ``inline: ClassVar[bool] = True`` marks plain
  arithmetic that may be called in the event loop;
  without it, the call is made in a thread. Either way it has a deadline.
- a **risk rule** (``executor.risk_rules``) implements ``Rule`` and has a class method ``from_options(options)``;
  ``inline`` is for it what it is for a strategy.
- a **source** (``executor.sources``) implements ``Source``, a **notifier** (``executor.notifiers``) ``Notifier``.

Its class attribute ``Options``, a subclass of ``api.Options``, names the keys it takes in the configuration.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from executor.core.identity import plain
from executor.core.intents import Intent, Remember, StopIntent, TargetIntent, TargetPosition, TradeIntent, Wish
from executor.core.protocols import Breach, Exposure, Proposal, Rule, StrategyView, Verdict
from executor.core.sizing import share
from executor.core.source_events import (
    Action,
    AgentNotice,
    Candle,
    Malformed,
    Origin,
    SetStop,
    SetTarget,
    SourceEvent,
    SourcePortfolio,
    SourcePosition,
    SourceTrade,
    Status,
    Ticker,
    Trade,
)
from executor.core.strategy import (
    Strategy,
    on_action,
    on_candles,
    on_fill,
    on_notice,
    on_order_update,
    on_portfolio,
    on_position,
    on_ticker,
    on_timer,
    on_trade,
)
from executor.core.types import ActionType, Agent, Asset, Quote, Side
from executor.core.watched import Fact, OrderUpdate, TimerFired, VenueFill
from executor.errors import ConfigError, CredentialRefused, ExecutorError
from executor.ports import ChannelState, Emit, Notifier, Source

__all__ = [
    "Action",
    "ActionType",
    "Agent",
    "AgentNotice",
    "Asset",
    "Breach",
    "Candle",
    "ChannelState",
    "ConfigError",
    "CredentialRefused",
    "Emit",
    "ExecutorError",
    "Exposure",
    "Fact",
    "Intent",
    "Malformed",
    "Notifier",
    "Options",
    "OrderUpdate",
    "Origin",
    "Proposal",
    "Quote",
    "Remember",
    "Rule",
    "SetStop",
    "SetTarget",
    "Side",
    "Source",
    "SourceEvent",
    "SourcePortfolio",
    "SourcePosition",
    "SourceTrade",
    "Status",
    "StopIntent",
    "Strategy",
    "StrategyView",
    "TargetIntent",
    "TargetPosition",
    "Ticker",
    "TimerFired",
    "Trade",
    "TradeIntent",
    "VenueFill",
    "Verdict",
    "Wish",
    "on_action",
    "on_candles",
    "on_fill",
    "on_notice",
    "on_order_update",
    "on_portfolio",
    "on_position",
    "on_ticker",
    "on_timer",
    "on_trade",
    "plain",
    "share",
]


class Options(BaseModel):
    """The base of a plugin's own configuration keys: unknown keys are errors, and nothing changes later."""

    model_config = ConfigDict(frozen=True, extra="forbid")
