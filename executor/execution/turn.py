"""One turn: an input, all the events it leads to, one transaction, and only then the requests it lets go."""

from __future__ import annotations

from dataclasses import dataclass, field

from executor.core.events import Event, SendStarted
from executor.ports import Frame, SignedRequest


@dataclass(slots=True)
class Outgoing:
    """A signed request that may leave once its turn is written down."""

    account: str
    record: SendStarted
    request: SignedRequest


@dataclass(slots=True)
class Turn:
    """What one input adds: frames to journal, events to record, requests to send."""

    now_ms: int
    frames: list[Frame] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
