"""What the venue says, parsed: fills, open orders, positions, answers. The venue is the truth (design.md rule 10)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from executor.core.types import Side


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. ``start_position`` is the signed size before it; ``fee_usd`` above zero is a cost."""

    tid: int
    oid: int
    cloid: str | None
    coin: str
    side: Side
    px: Decimal
    size: Decimal
    fee_usd: Decimal
    closed_pnl_usd: Decimal
    start_position: Decimal
    at_ms: int
    crossed: bool = True
    liquidation: bool = False

    @property
    def signed_size(self) -> Decimal:
        """What the fill adds to the position."""
        return self.size * self.side.sign


@dataclass(frozen=True, slots=True)
class Funding:
    """One hourly payment on one coin; ``usd`` below zero was paid (hyperliquid.md section 1.4)."""

    coin: str
    usd: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One live order. ``size`` is what remains; ``trigger_px`` is set for stops and targets only.

    ``order_type`` is the venue's text (``Limit``, ``Stop Market``, ``Take Profit Market``, ...).
    """

    oid: int
    cloid: str | None
    coin: str
    side: Side
    limit_px: Decimal
    size: Decimal
    orig_size: Decimal
    reduce_only: bool
    trigger_px: Decimal | None
    order_type: str
    position_tpsl: bool
    at_ms: int

    @property
    def is_stop(self) -> bool:
        """Whether it is a stop loss, market or limit."""
        return self.trigger_px is not None and self.order_type.startswith("Stop")

    @property
    def is_target(self) -> bool:
        """Whether it is a take profit, market or limit."""
        return self.trigger_px is not None and self.order_type.startswith("Take Profit")


@dataclass(frozen=True, slots=True)
class PositionFact:
    """One position as the venue lists it; ``size`` is signed."""

    coin: str
    size: Decimal
    entry_px: Decimal
    leverage: int
    is_cross: bool
    liquidation_px: Decimal | None
    margin_used_usd: Decimal
    unrealized_pnl_usd: Decimal


@dataclass(frozen=True, slots=True)
class AccountFact:
    """One account's positions and money at one venue time."""

    positions: tuple[PositionFact, ...]
    equity_usd: Decimal
    withdrawable_usd: Decimal
    margin_used_usd: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class OrderFact:
    """The answer to a look-up by cloid or oid. ``order`` is ``None`` when the venue does not know it.

    ``status`` is the venue's text (``open``, ``filled``, ``canceled``, ...), empty when unknown. Never derive a
    filled quantity from it: sum the fills (hyperliquid.md section 1.3).
    """

    order: OpenOrder | None
    status: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class LeverageFact:
    """The leverage setting of one coin (``activeAssetData``), also while flat."""

    coin: str
    leverage: int
    is_cross: bool


@dataclass(frozen=True, slots=True)
class Resting:
    """On the book, or an armed trigger."""

    oid: int


@dataclass(frozen=True, slots=True)
class Filled:
    """Executed at placement; ``size`` may be smaller than asked."""

    oid: int
    size: Decimal
    avg_px: Decimal


@dataclass(frozen=True, slots=True)
class Waiting:
    """A grouped stop or target: armed (``for_trigger``) or inactive until its parent fills. Carries no oid."""

    for_trigger: bool


@dataclass(frozen=True, slots=True)
class Done:
    """A cancel or a setting was carried out."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue's readable no: our stable reason code and its own words."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows yet whether it happened."""

    reason: str
    text: str


Answer = Resting | Filled | Waiting | Done | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class RawReply:
    """What came back for one request to ``/exchange``, before anyone reads it.

    ``sent`` is false only when certainly no byte left (no connection): then the venue cannot have acted.
    ``status`` is the HTTP status (200 for a websocket ``action`` response), ``None`` without an answer.
    ``body`` is the parsed JSON, ``None`` if there was none or it did not parse; ``error`` says what went wrong.
    """

    sent: bool
    status: int | None = None
    body: object | None = None
    error: str = ""
