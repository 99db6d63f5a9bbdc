"""Everything that is ever recorded. State is the fold of these; so are the stream, ``explain`` and replay.

Past tense, one class per fact, every number a decision used inside. ``account`` is ``None`` for what concerns no
single account. The ledger adds ``seq`` (gapless) and keeps the class name as ``kind``.
"""

from __future__ import annotations

from executor.core.account_events import (
    AccountRead,
    BreakerLatched,
    BreakerReset,
    DifferenceFound,
    FillSeen,
    FlattenDone,
    FlattenStarted,
    OrdersRead,
    Paused,
    PositionAdopted,
    ProtectionActed,
    ProtectionChanged,
    Reconciled,
    Resumed,
)
from executor.core.event_base import Event, LegKind, Part
from executor.core.order_events import (
    CancelSettled,
    CancelWanted,
    LegAbsent,
    LegDropped,
    LegEnded,
    LegFilled,
    LegPlanned,
    LegRejected,
    LegRested,
    LegTriggered,
    LegUnknown,
    LeverageConfirmed,
    LeverageFailed,
    LeverageWanted,
    RequestClosed,
    SendStarted,
)
from executor.core.signal_events import (
    ActionReceived,
    ActionRefused,
    ActionTaken,
    AlarmRaised,
    AnomalyNoted,
    ConflictSeen,
    DuplicateSeen,
    EntryJudged,
    ExitOwed,
    ExitSettled,
    FrameRefused,
    GapNoted,
    IntentProposed,
    ProcessStarted,
    ProcessStopped,
    SourceChanged,
    StopWanted,
    TargetWanted,
    WantDropped,
)

KINDS: dict[str, type[Event]] = {
    name: kind
    for name, kind in list(globals().items())
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}
"""Every event class by its name, which is its ``kind`` in the ledger and the stream."""

__all__ = [
    "KINDS",
    "AccountRead",
    "ActionReceived",
    "ActionRefused",
    "ActionTaken",
    "AlarmRaised",
    "AnomalyNoted",
    "BreakerLatched",
    "BreakerReset",
    "CancelSettled",
    "CancelWanted",
    "ConflictSeen",
    "DifferenceFound",
    "DuplicateSeen",
    "EntryJudged",
    "Event",
    "ExitOwed",
    "ExitSettled",
    "FillSeen",
    "FlattenDone",
    "FlattenStarted",
    "FrameRefused",
    "GapNoted",
    "IntentProposed",
    "LegAbsent",
    "LegDropped",
    "LegEnded",
    "LegFilled",
    "LegKind",
    "LegPlanned",
    "LegRejected",
    "LegRested",
    "LegTriggered",
    "LegUnknown",
    "LeverageConfirmed",
    "LeverageFailed",
    "LeverageWanted",
    "OrdersRead",
    "Part",
    "Paused",
    "PositionAdopted",
    "ProcessStarted",
    "ProcessStopped",
    "ProtectionActed",
    "ProtectionChanged",
    "Reconciled",
    "RequestClosed",
    "Resumed",
    "SendStarted",
    "SourceChanged",
    "StopWanted",
    "TargetWanted",
    "WantDropped",
]
