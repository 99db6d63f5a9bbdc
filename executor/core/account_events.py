"""Events about an account: what the venue says of it, its protection, commands, breakers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from executor.core.event_base import Event
from executor.core.facts import AccountFact, Fill, Funding, OpenOrder
from executor.core.types import Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSeen(Event):
    """One execution on the account, ours or not. Counted once by (tid, oid)."""

    fill: Fill
    cloid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingSeen(Event):
    """One funding payment of the venue: ``usd`` above zero was received. Counted once by (time, coin)."""

    funding: Funding


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRead(Event):
    """The account's positions and money, read. ``skipped`` coins had orders out and keep what we knew."""

    fact: AccountFact
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersRead(Event):
    """The account's open orders, read (asked at ``asked_ms``); only what differs from what we knew is acted on."""

    orders: tuple[OpenOrder, ...]
    asked_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceFound(Event):
    """Our picture and the venue's differed; the venue's stands. ``cause`` is the class of the difference.

    ``cloid`` is the order's of ours that it is about, if it is about one.
    """

    coin: str
    cause: str
    ours: str
    venue: str
    cloid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimVoided(Event):
    """An answer told of an execution of this ``size`` that neither fills nor position show: it does not count."""

    cloid: str
    coin: str
    size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionAdopted(Event):
    """A position found on the venue belongs to this agent: its order was ours."""

    coin: str
    agent: Agent
    size: Decimal
    opened_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled(Event):
    """Positions, open orders and fills were read completely; entries may go."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileFailed(Event):
    """The account could not be read completely: ``missing`` are the parts (positions, open orders, fills) that lack."""

    missing: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionChanged(Event):
    """An agent's holding lost (``unprotected``) or regained (``protected``) a stop of at least its size.

    Without an agent it is what nobody of ours opened.
    """

    coin: str
    state: Literal["protected", "unprotected"]
    since_ms: int
    agent: Agent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionActed(Event):
    """The protection policy did something about a naked position."""

    coin: str
    policy: str
    agent: Agent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """No new entries until resumed."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """Entries may go again; also ends a finished flatten's latch."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenStarted(Event):
    """Close everything on the account; entries stay latched until resumed."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenDone(Event):
    """Two reads were flat, nothing is unknown, no trigger is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLatched(Event):
    """A rule stopped entries until reset; ``until_ms`` is when it ends by itself, if it does."""

    rule: str
    value: str
    limit: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerReset(Event):
    """A latched breaker was reset."""

    rule: str
    by: str
