"""The words the whole program shares: sides, action types, identities, outcomes.

Money and sizes are ``Decimal``. Time is ``int`` milliseconds since the epoch, UTC, in names
ending ``_ms`` (the venue's own unit); aware datetimes exist at the edges only.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

ZERO = Decimal(0)


class Side(StrEnum):
    """The direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other direction."""
        return Side.SELL if self is Side.BUY else Side.BUY


def side_of(size: Decimal) -> Side:
    """The order side that grows a position of this signed size (a buy for zero)."""
    return Side.BUY if size >= 0 else Side.SELL


def closing_side(position_size: Decimal) -> Side:
    """The order side that shrinks a position of this signed size."""
    return side_of(position_size).opposite


class ActionType(StrEnum):
    """The three actions Fractrade publishes (signal-protocols.md section 1.2)."""

    TRADE = "EXECUTE_HYPERLIQUID_PERP_TRADE"
    STOP_LOSS = "SET_HYPERLIQUID_PERP_STOP_LOSS"
    TAKE_PROFIT = "SET_HYPERLIQUID_PERP_TAKE_PROFIT"


class Outcome(StrEnum):
    """What became of one action on one account (contract.md, ``actions --json``)."""

    PENDING = "pending"
    EXECUTED = "executed"
    PARTIAL = "partial"
    RESTING = "resting"
    REFUSED = "refused"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, order=True)
class Agent:
    """Who sent a signal: the signal system's type and the agent's id there.

    ``via`` is set where a strategy made the action of what the agent's system reported: such actions have books and
    positions of their own, one for each strategy that watches the agent.
    """

    system: str
    agent_id: str
    via: str = ""


agent_named = lru_cache(maxsize=1024)(Agent)
"""``Agent``, one object for each: an action asks ten times whose it is, of few agents over and over."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One perpetual market's fixed facts, from the venue's ``meta``."""

    coin: str
    asset_id: int
    sz_decimals: int
    max_leverage: int
    isolated_only: bool = False
    delisted: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and offer and the mark price of one coin; ``None`` where the venue shows none.

    ``bid_size`` and ``ask_size`` are what the best levels hold, in base units; ``None`` where that is not known.
    """

    bid: Decimal | None
    ask: Decimal | None
    mark: Decimal | None
    at_ms: int
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
