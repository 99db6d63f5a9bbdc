"""Events about the process, its sources, and what was decided about signals."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from executor.core.event_base import Event, LegKind, Part
from executor.core.protocols import Verdict
from executor.core.source_events import said_at_ms
from executor.core.types import Agent, Side, agent_named
from executor.core.watched import Derivation


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
class LedgerLost(Event):
    """The ledger cannot be written: entries end, what reduces goes on unwritten. Told to observers, never stored."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChanged(Event):
    """A channel opened, closed or was refused for good; ``remedy`` is what a person can do, if anything."""

    system: str
    source: str
    channel: str
    state: str
    agent_ids: tuple[str, ...]
    code: int | None
    detail: str
    remedy: str = ""


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
class StrategyFailed(Event):
    """A strategy raised, hung or returned nonsense about facts, ``count`` since last told: nothing was opened."""

    via: str
    fact: str
    text: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRemembered(Event):
    """What a strategy wants to know after a restart: replaces all it remembered before."""

    via: str
    memory: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionReceived(Event):
    """A new action, decoded, with the agent's book before and after it and the accounts it was routed to.

    ``coin`` is ``None`` and ``symbol_problem`` says why when the symbol is not the venue's. ``gapped``: frames of this
    agent may have been missed since its book was flat, at ``gapped_ms`` last. ``superseded``: stamped before an action
    already seen. ``routes`` names, account by account, the route that brings the action there. ``derived`` tells of the
    fact and the strategy an action was made of that no agent sent as such.
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
    derived: Derivation | None = None
    gapped_ms: int = 0

    @property
    def agent(self) -> Agent:
        """Whose action it is: the agent's own, or what a strategy makes of what is reported of it."""
        return agent_named(self.system, self.agent_id, "" if self.derived is None else self.derived.via)

    @property
    def signal_at_ms(self) -> int:
        """When the action counts as said: what is compared and remembered of its time."""
        return said_at_ms(self.stamped_at_ms, self.received_at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateSeen(Event):
    """The same action again, and who told it of whom: nothing is done.

    A suspected one has a key and a sender's id of its own, so its ``fingerprint`` is kept, and the key of its
    ``twin``: the action that counts.
    """

    frame_id: int | None
    channel: str
    suspected: bool = False
    fingerprint: str = ""
    system: str = ""
    source: str = ""
    agent_id: str = ""
    action_id: str = ""
    twin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictSeen(Event):
    """The same id with another content: nothing is done, a person is told."""

    frame_id: int | None
    channel: str


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
class QuoteRejected(Event):
    """The quote an entry would have been priced with was not believed: too far off, too old or too thin.

    ``reason`` is QUOTE_DIVERGENCE, QUOTE_STALE or QUOTE_DEPTH, ``detail`` has the numbers. ``size`` is the order's as
    proposed. ``age_ms`` is how long ago the quote was last known to stand.
    """

    coin: str
    side: Side
    size: Decimal
    reason: str
    detail: str
    bid: Decimal | None
    ask: Decimal | None
    bid_size: Decimal | None
    ask_size: Decimal | None
    reference_px: Decimal | None
    age_ms: int


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
    """So much of the owned position has to go. Lasts until it has, or there is nothing left to close.

    ``side`` is the order side that closes; ``None`` closes whatever is there.
    """

    coin: str
    agent: Agent | None
    size: Decimal
    why: str
    side: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitSettled(Event):
    """The position has got where it should."""

    coin: str
    left: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWanted(Event):
    """The owned position of this coin shall have a stop here. ``side`` is the order side that closes it.

    ``agent`` is whose position it is meant for; without one it is for whoever owns it.
    """

    coin: str
    trigger_px: Decimal
    signal_at_ms: int
    default: bool = False
    side: Side | None = None
    agent: Agent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetWanted(Event):
    """A fraction of the owned position shall take profit here. ``side`` is the order side that closes it.

    ``agent`` is whose position it is meant for; without one it is for whoever owns it.
    """

    coin: str
    trigger_px: Decimal
    fraction: Decimal
    side: Side | None = None
    agent: Agent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantDropped(Event):
    """A stop or target is no longer wanted (its position never came, or is gone)."""

    coin: str
    kind: LegKind
    reason: str
