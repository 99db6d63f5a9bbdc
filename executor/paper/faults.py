"""Faults a test can arm: what a real network and a real venue do to a client now and then. Off by default.

For instance::

    paper.faults.arm(Fault("drop_answer"))                        # the next /exchange: executed, no answer
    paper.faults.arm(Fault("http_429", on="info", match="meta"), Fault("delay", delay_ms=500))
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal[
    "drop_request",  # the connection ends, nothing was executed
    "drop_answer",  # executed and committed, then the connection ends without an answer
    "cut",  # executed and committed, then this connection and every websocket end
    "delay",  # the request waits delay_ms before it is looked at
    "delay_answer",  # executed at once, the answer comes delay_ms later
    "http_429",  # body null, nothing executed
    "http_429_after",  # the same answer, but executed (hyperliquid.md section 9, U3)
    "http_502",  # HTML, nothing executed
    "http_502_after",  # HTML, but executed
    "garbage",  # executed; the answer is 200 with a body that is no JSON
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault. ``match`` narrows it to an action or info type; ``times`` 0 means for ever."""

    kind: Kind
    on: Literal["exchange", "info"] = "exchange"
    match: str | None = None
    delay_ms: int = 0
    times: int = 1


@dataclass(slots=True)
class Faults:
    """The script: each request takes the first armed fault that fits it. ``hits`` says what was injected."""

    armed: list[Fault] = field(default_factory=list)
    hits: list[tuple[str, str]] = field(default_factory=list)

    def arm(self, *faults: Fault) -> None:
        """Adds faults to the end of the script."""
        self.armed.extend(faults)

    def clear(self) -> None:
        """Back to normal."""
        self.armed.clear()

    def draw(self, on: str, kind: str) -> Fault | None:
        """The fault for one request, used up."""
        for at, fault in enumerate(self.armed):
            if fault.on == on and fault.match in (None, kind):
                self._use(at, fault)
                self.hits.append((fault.kind, kind))
                return fault
        return None

    def _use(self, at: int, fault: Fault) -> None:
        if fault.times == 1:
            del self.armed[at]
        elif fault.times > 1:
            self.armed[at] = replace(fault, times=fault.times - 1)
