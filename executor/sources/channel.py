"""One channel of a source as people see it, and the ``Status`` events its changes make."""

from __future__ import annotations

from dataclasses import dataclass

from executor.core.source_events import Origin, Status
from executor.ports import ChannelState, Emit
from executor.sources.connection import Closed, Item, Opened, Received, Stopped
from executor.sources.reconnect import Verdict


@dataclass(slots=True)
class Channel:
    """A channel's state; ``name`` is the origin's channel, ``agent_ids`` the agents it carries."""

    system: str
    source: str
    name: str
    agent_ids: tuple[str, ...] = ()
    state: str = "connecting"
    last_frame_at_ms: int | None = None
    detail: str = ""
    remedy: str = ""
    code: int | None = None

    def shown(self, attempts: int = 0) -> ChannelState:
        """For ``status`` and readiness."""
        return ChannelState(
            name=self.name,
            state=self.state,
            last_frame_at_ms=self.last_frame_at_ms,
            attempts=attempts,
            detail=self.detail,
            remedy=self.remedy,
        )

    def origin(self, at_ms: int) -> Origin:
        """Where a frame that came in now came from."""
        return Origin(self.system, self.source, self.name, at_ms)

    def follow(self, item: Item, emit: Emit) -> None:
        """Take on what the connection says of itself."""
        match item:
            case Received(at_ms=at_ms):
                self.last_frame_at_ms = at_ms
            case Opened(at_ms=at_ms):
                self.turn("open", at_ms, emit)
            case Closed(verdict=verdict, at_ms=at_ms):
                self.turn("closed", at_ms, emit, verdict)
            case Stopped(verdict=refusal, at_ms=at_ms):
                self.turn("refused", at_ms, emit, refusal)

    def turn(self, state: str, at_ms: int, emit: Emit, verdict: Verdict | None = None) -> None:
        """Take on a state; only a change is an event, so that a long outage is one ``closed``."""
        self.code = verdict.code if verdict else None
        self.detail, self.remedy = (_told(verdict), verdict.remedy) if verdict else ("", "")
        if state == self.state:
            return
        self.state = state
        status = Status(
            origin=self.origin(at_ms),
            state=state,
            agent_ids=self.agent_ids,
            code=self.code,
            detail=self.detail,
            remedy=self.remedy,
        )
        emit(b"", status)


def _told(verdict: Verdict) -> str:
    return f"{verdict.reason}: {verdict.detail}" if verdict.detail else verdict.reason
