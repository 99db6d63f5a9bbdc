"""Everything that is ever recorded. State is the fold of these; so are the stream, ``explain`` and replay.

Past tense, one class per fact, every number a decision used inside. ``account`` is ``None`` for what concerns no
single account. The ledger adds ``seq`` (gapless) and keeps the class name as ``kind``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from executor.core.facts import AccountFact, Fill, OpenOrder
from executor.core.protocols import Verdict
from executor.core.types import Agent, Side

LegKind = Literal["entry", "exit", "stop", "target"]
Part = Literal["all", "entry", "exit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The common part. ``key`` is the action concerned, if one is."""

    at_ms: int
    account: str | None = None
    key: str | None = None


# -- the process and its sources ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStarted(Event):
    """A worker took over this ledger. ``clean`` is false after a kill, a crash, or with a new ledger."""

    clean: bool
    version: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStopped(Event):
    """The worker ended in order. ``unknown`` counts orders whose outcome nobody knows yet."""

    reason: str
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChanged(Event):
    """A channel opened, closed or was refused for good."""

    system: str
    source: str
    channel: str
    state: str
    agent_ids: tuple[str, ...]
    code: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapNoted(Event):
    """No channel of these agents was open for a while: their books are not to be trusted until flat."""

    system: str
    agent_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised(Event):
    """Something a person should know now."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyNoted(Event):
    """A fact that does not fit what we believed; state was left alone."""

    code: str
    text: str


# -- signals ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRefused(Event):
    """A frame that is no action of ours (``Malformed``), by its row in the frame journal."""

    frame_id: int | None
    reason: str
    field: str
    detail: str
    action_id: str | None
    agent_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionReceived(Event):
    """A new action, decoded, with the agent's book before and after it and the accounts it was routed to.

    ``coin`` is ``None`` and ``symbol_problem`` says why when the symbol is not the venue's. ``gapped``: frames of this
    agent may have been missed since its book was flat. ``superseded``: stamped before an action already seen.
    ``routes`` names, account by account, the route that brings the action there.
    """

    frame_id: int | None
    system: str
    source: str
    channel: str
    agent_id: str
    action_id: str
    action_type: str
    shape: str
    fingerprint: str
    symbol: str
    coin: str | None
    symbol_problem: str
    side: Side
    size: Decimal
    reduce_only: bool
    leverage: Decimal | None
    trigger_px: Decimal | None
    reference_px: Decimal | None
    event_id: str | None
    stamped_at_ms: int | None
    received_at_ms: int
    status: str | None
    server_execution: bool | None
    book_before: Decimal
    book_after: Decimal
    gapped: bool
    superseded: bool
    accounts: tuple[str, ...]
    routes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateSeen(Event):
    """The same action again: nothing is done."""

    frame_id: int | None
    channel: str
    suspected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictSeen(Event):
    """The same id with another content: nothing is done, a person is told."""

    frame_id: int | None
    channel: str


# -- judgement --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTaken(Event):
    """An account took an action up. ``exit_fraction`` is the share of our position that leaves, 0 to 1."""

    agent: Agent
    coin: str
    side: Side
    action_id: str
    action_type: str
    signal_at_ms: int
    route: str
    strategy: str
    exit_fraction: Decimal
    entry_size: Decimal
    looked_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentProposed(Event):
    """What the strategy wanted, or why it gave nothing."""

    strategy: str
    intents: tuple[dict[str, Any], ...]
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryJudged(Event):
    """Each rule's word on the opening part, both passes, and what was left of it."""

    proposed_size: Decimal
    final_size: Decimal
    cap_px: Decimal
    touch_px: Decimal
    leverage: Decimal
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRefused(Event):
    """Our own no to an action, or to its opening part (``part``: all, entry, exit)."""

    reason: str
    detail: str
    part: Part = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitOwed(Event):
    """This much of the owned position has to go. Lasts until it has, or there is nothing left to close."""

    coin: str
    agent: Agent | None
    size: Decimal
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitSettled(Event):
    """The position has got where it should."""

    coin: str
    left: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWanted(Event):
    """The owned position of this coin shall have a stop here."""

    coin: str
    trigger_px: Decimal
    signal_at_ms: int
    default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetWanted(Event):
    """This fraction of the owned position shall take profit here."""

    coin: str
    trigger_px: Decimal
    fraction: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WantDropped(Event):
    """A stop or target is no longer wanted (its position never came, or is gone)."""

    coin: str
    kind: LegKind
    reason: str


# -- legs -------------------------------------------------------------------------------------------------------


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
class RequestClosed(Event):
    """A request needs no more attention. ``text`` is the venue's own words, or what went wrong."""

    request_id: str
    result: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRested(Event):
    """On the book, or an armed trigger. ``oid`` is ``None`` for grouped children until the venue lists them."""

    cloid: str
    oid: int | None


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
    """A cancel was answered: ``done``, ``gone`` (never placed, cancelled or filled: three facts in one), ``unknown``."""

    oid: int | None
    cloid: str | None
    result: Literal["done", "gone", "unknown"]


# -- what the venue says ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSeen(Event):
    """One execution on the account, ours or not. Counted once by (tid, oid)."""

    fill: Fill
    cloid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRead(Event):
    """The account's positions and money, read. ``skipped`` coins had orders out and keep what we knew."""

    fact: AccountFact
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersRead(Event):
    """The account's open orders, read; only what differs from what we knew is acted on."""

    orders: tuple[OpenOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceFound(Event):
    """Our picture and the venue's differed; the venue's stands. ``cause`` is the class of the difference."""

    coin: str
    cause: str
    ours: str
    venue: str


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
class ProtectionChanged(Event):
    """A position lost (``unprotected``) or regained (``protected``) a stop of at least its size."""

    coin: str
    state: Literal["protected", "unprotected"]
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionActed(Event):
    """The protection policy did something about a naked position."""

    coin: str
    policy: str


# -- commands and breakers ----------------------------------------------------------------------------------------


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


KINDS: dict[str, type[Event]] = {
    name: kind
    for name, kind in list(globals().items())
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}
"""Every event class by its name, which is its ``kind`` in the ledger and the stream."""
