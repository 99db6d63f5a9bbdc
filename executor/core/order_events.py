"""Events about legs and requests: planned, sent, answered, ended."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from executor.core.event_base import Event, LegKind
from executor.core.types import Agent, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class LegPlanned(Event):
    """An order we mean to send. ``wait_flat`` marks the opening leg of a flip."""

    cloid: str
    leg: LegKind
    attempt: int
    coin: str
    side: Side
    size: Decimal
    limit_px: Decimal
    reduce_only: bool
    trigger_px: Decimal | None = None
    leverage: Decimal | None = None
    good_until_ms: int | None = None
    wait_flat: bool = False
    bracket: str | None = None
    agent: Agent | None = None
    signal_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LegDropped(Event):
    """A planned leg was given up before it was sent."""

    cloid: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegCleared(Event):
    """The venue knows nothing of an order that was planned before an unclean stop: it was not sent, and may leave."""

    cloid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverageWanted(Event):
    """The coin's leverage has to be set before entries may go."""

    coin: str
    leverage: int
    is_cross: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverageConfirmed(Event):
    """The venue confirmed the coin's leverage and margin mode."""

    coin: str
    leverage: int
    is_cross: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverageFailed(Event):
    """The leverage could not be confirmed; entries that needed it are refused."""

    coin: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendStarted(Event):
    """One request, written down before its first byte leaves.

    Signing is deterministic, so action, nonce, vault and expiry are all a byte-identical resend needs.
    ``purpose`` is entry, exit, protect, cancel or leverage; ``cloids`` are its legs in order; ``oids`` are what
    a cancel names by oid.
    """

    request_id: str
    purpose: str
    signer: str
    nonce: int
    expires_after_ms: int | None
    vault: str | None
    action: dict[str, Any]
    cloids: tuple[str, ...]
    oids: tuple[int, ...] = ()
    coin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRefused(Event):
    """The signer did not sign a request, by its own policy (``rule``): nothing left.

    ``reason`` is the stable code, ``purpose`` and ``cloids`` are the request's, as in ``SendStarted``.
    """

    purpose: str
    rule: str
    reason: str
    text: str
    cloids: tuple[str, ...]
    coin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestClosed(Event):
    """A request needs no more attention. ``text`` is the venue's own words, or what went wrong."""

    request_id: str
    result: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRested(Event):
    """On the book, or an armed trigger. ``oid`` is ``None`` for grouped children until the venue lists them.

    ``listed`` is the size the venue's own list, feed or look-up shows of it; ``None`` when only an answer said so.
    """

    cloid: str
    oid: int | None
    listed: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFilled(Event):
    """Executed at placement, by the venue's answer. ``size`` may be smaller than asked: the rest is dropped."""

    cloid: str
    oid: int | None
    size: Decimal
    avg_px: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegTriggered(Event):
    """A stop or target fired and is now a live order under the same oid."""

    cloid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnded(Event):
    """A resting or looked-up leg is over: ``filled``, ``canceled`` or ``rejected``, by the venue's status."""

    cloid: str
    oid: int | None
    ending: Literal["filled", "canceled", "rejected"]
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRejected(Event):
    """The venue's readable no."""

    cloid: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegUnknown(Event):
    """Sent, and nobody knows whether it happened. Looked up until somebody does."""

    cloid: str
    reason: str
    text: str
    deadline_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAbsent(Event):
    """Proved never to have happened: past its expiry, and orders, open orders and fills do not know it."""

    cloid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelWanted(Event):
    """An order of ours, or during a flatten any order, shall be cancelled."""

    coin: str
    oid: int | None
    cloid: str | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSettled(Event):
    """A cancel was answered: ``done``, ``gone`` (three facts in one), or ``unknown``."""

    oid: int | None
    cloid: str | None
    result: Literal["done", "gone", "unknown"]
