"""What a strategy may watch beside signals: the venue's own fills and orders, and time; and where actions come from."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from executor.core.facts import Fill
from executor.core.intents import TradeIntent
from executor.core.source_events import (
    AgentNotice,
    Candle,
    SourcePortfolio,
    SourcePosition,
    SourceTrade,
    Ticker,
)
from executor.core.types import Agent

STRATEGY = "strategy"
"""The system of what a strategy does of its own accord, for nobody's facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFill:
    """One execution on an account of the route; ``agent`` is who the coin belongs to, ``action_key`` what ordered it.

    ``fill.at_ms`` is the venue's time, its size is positive and in base units.
    """

    account: str
    fill: Fill
    agent: Agent | None
    action_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdate:
    """What became of one order of ours.

    ``state`` is resting, triggered, filled, canceled, rejected, unknown or absent; ``leg`` is entry, exit, stop or
    target.
    """

    account: str
    coin: str
    cloid: str
    leg: str
    state: str
    action_key: str | None
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A time a strategy asked for: ``at_ms`` is a whole multiple of ``every_ms`` since the epoch."""

    every_ms: int
    at_ms: int


Fact = (
    SourceTrade
    | SourcePosition
    | SourcePortfolio
    | Ticker
    | Candle
    | AgentNotice
    | VenueFill
    | OrderUpdate
    | TimerFired
)
"""All that a strategy's handlers may be called with, actions apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """Where an action comes from that a strategy, or core for it, made of a fact (``core/derive.py``).

    ``via`` is the strategy whose book it moves, ``fact`` the kind of fact and ``identity`` what names that one among
    its kind. ``subject`` is what the fact speaks of (a position's id, a symbol), ``subject_size`` what the source then
    holds of it; ``against`` is set where the trade goes against the one that was reported. ``intent`` is how the
    opening part is to be sized; ``failure`` says why the strategy gave nothing, so that only an exit was made.
    ``holds`` marks a book that frames missed meanwhile do not put in doubt.
    """

    via: str
    fact: str
    identity: str
    subject: str = ""
    subject_size: Decimal | None = None
    against: bool = False
    intent: TradeIntent | None = None
    failure: str = ""
    holds: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What a source reported when it led to a trade: its coin, and what the source then held (``Derivation``)."""

    coin: str
    size: Decimal | None = None
    against: bool = False
