"""What a signal source can say, decoded: actions that may become orders, and facts strategies may watch.

Every source's frames end as one of these or as ``Malformed``; nothing downstream knows a wire shape.
Only the three actions carry a ``key``: they alone can produce intents by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from executor.core.settings import MAX_STAMP_AHEAD_MS
from executor.core.types import ActionType, Agent, Side


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when a frame came in.

    ``system`` is the signal system's type (``fractrade``), never the configured name; ``source`` is that
    name. ``channel`` names the socket (``agent:<id>``, ``user:<id>``, ``executor``).
    """

    system: str
    source: str
    channel: str
    received_at_ms: int


def said_at_ms(stamped_at_ms: int | None, received_at_ms: int) -> int:
    """When an action counts as said: by the sender's stamp; without one, by its receipt (design.md section 3).

    A stamp far ahead counts as the furthest a clock may be off, or one wrong frame would make all that follow old.
    """
    return received_at_ms if stamped_at_ms is None else min(stamped_at_ms, received_at_ms + MAX_STAMP_AHEAD_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionBase:
    """What the three actions have in common.

    ``side`` is always the order's direction: LONG/SHORT of a trade and the closing side of a stop or target
    have been translated. ``size`` is in base units, always positive. ``symbol`` is as the sent text, not yet the
    venue's coin. ``sender_id`` is the sender's own id when it sent a real one. ``key`` is the derived identity
    (``identity.action_key``), ``fingerprint`` covers every field whose change would make it another action.
    ``stamped_at_ms`` is the sender's time, ``None`` if it sent none. ``shape`` is ``flat`` or ``envelope``.
    ``server_execution`` is ``None`` when the frame does not say.
    """

    origin: Origin
    agent: Agent
    key: str
    fingerprint: str
    shape: str
    symbol: str
    side: Side
    size: Decimal
    reduce_only: bool
    sender_id: str | None = None
    event_id: str | None = None
    strategy_id: str | None = None
    leverage: Decimal | None = None
    reference_px: Decimal | None = None
    trigger_px: Decimal | None = None
    stamped_at_ms: int | None = None
    status: str | None = None
    server_execution: bool | None = None

    @property
    def action_id(self) -> str:
        """The sender's id where it sent a real one, else the derived key (contract.md)."""
        return self.sender_id or self.key

    @property
    def signal_at_ms(self) -> int:
        """When it counts as said."""
        return said_at_ms(self.stamped_at_ms, self.origin.received_at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade(ActionBase):
    """Trade now. ``reduce_only`` is the sender's flag."""

    type: ClassVar[ActionType] = ActionType.TRADE


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStop(ActionBase):
    """Place or move a stop loss: always reduce-only, ``trigger_px`` always set, ``side`` closes."""

    type: ClassVar[ActionType] = ActionType.STOP_LOSS


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTarget(ActionBase):
    """Place a take profit: always reduce-only, ``trigger_px`` always set, ``side`` closes."""

    type: ClassVar[ActionType] = ActionType.TAKE_PROFIT


Action = Trade | SetStop | SetTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTrade:
    """A trade another system reports as done (its fill, not an instruction).

    ``reduce_only`` holds where the other side cannot go short: a sell on a spot market. ``pnl_usd`` is ``None`` for
    an opening trade. ``phase`` is the system's word for how real it is (``paper``, ``live``), if it has one.
    """

    origin: Origin
    agent: Agent
    symbol: str
    side: Side
    size: Decimal | None
    quote_size: Decimal | None
    px: Decimal | None
    ref: str | None
    at_ms: int | None
    reduce_only: bool = False
    pnl_usd: Decimal | None = None
    phase: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePosition:
    """A position another system reports; ``size`` is what is held now, in base units, signed; zero means closed.

    Prices are in units of ``quote`` (``SOL`` on Nexgent), worth ``quote_usd`` dollars where that is known.
    ``revision`` changes whenever the sender's record of the position does: with ``position_id`` it names one state of
    it, and the same state told again has the same one. ``bought`` is all that was ever bought, ``realized`` the profit
    taken so far, in ``quote``. ``stop_pct`` is the stop's distance from ``entry_px`` in percent, signed: -32 stands
    below it. ``token`` is the exact address of what is held, where there is one.
    """

    origin: Origin
    agent: Agent
    position_id: str
    symbol: str
    size: Decimal
    entry_px: Decimal | None
    mark_px: Decimal | None
    revision: str = ""
    bought: Decimal | None = None
    realized: Decimal | None = None
    stop_pct: Decimal | None = None
    quote: str = "USD"
    quote_usd: Decimal | None = None
    token: str = ""
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """A price another system quotes."""

    origin: Origin
    symbol: str
    px: Decimal
    at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One candle another system quotes; ``closed`` is false while it still moves."""

    origin: Origin
    symbol: str
    interval: str
    open_at_ms: int
    open_px: Decimal
    high_px: Decimal
    low_px: Decimal
    close_px: Decimal
    volume: Decimal
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentNotice:
    """What another system says about an agent beside its trades: a veto, a demotion, an order it rejected.

    ``kind`` is the system's word for it (``risk_veto``, ``demotion``, ``status_change``, ``order``, ...); ``rule`` the
    rule or status it names, ``ref`` what it concerns. ``breach`` says which limit a demotion broke. ``was`` and
    ``now`` are the states of a transition; ``echo`` marks one that has been told before in other words.
    """

    origin: Origin
    agent: Agent
    kind: str
    rule: str | None = None
    reason: str = ""
    ref: str | None = None
    at_ms: int | None = None
    symbol: str | None = None
    breach: str | None = None
    locked_until_ms: int | None = None
    was: str | None = None
    now: str | None = None
    tags: tuple[str, ...] = ()
    echo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePortfolio:
    """What an agent is worth by its own system's books; drawdowns are fractions (0.012 is 1.2 %)."""

    origin: Origin
    agent: Agent
    equity_usd: Decimal
    available_usd: Decimal | None = None
    unrealized_pnl_usd: Decimal | None = None
    realized_pnl_usd: Decimal | None = None
    drawdown: Decimal | None = None
    daily_drawdown_used: Decimal | None = None
    phase: str | None = None
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A channel opened, closed, or was given up for good (``state`` is open, closed or refused).

    ``agent_ids`` are the agents this channel carries; empty means every agent of the source.
    """

    origin: Origin
    state: str
    agent_ids: tuple[str, ...] = ()
    code: int | None = None
    detail: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A frame that is no event of ours: a stable reason code, the offending field, what was wrong.

    ``action_id`` and ``agent_id`` are whatever the frame gave of them, for people who search.
    """

    origin: Origin
    reason: str
    field: str
    detail: str
    action_id: str | None = None
    agent_id: str | None = None


SourceEvent = (
    Trade
    | SetStop
    | SetTarget
    | SourceTrade
    | SourcePosition
    | SourcePortfolio
    | Ticker
    | Candle
    | AgentNotice
    | Status
)
