"""No entry without protection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from executor.api import Exposure, Proposal, Verdict
from executor.risk.base import BaseRule, RefuseOnly


@dataclass(frozen=True, slots=True)
class RequireStop(BaseRule[RefuseOnly]):
    """Only entries that bring a stop, or whose coin already has one."""

    Options: ClassVar[type[RefuseOnly]] = RefuseOnly
    name: ClassVar[str] = "require_stop"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Ask for the stop."""
        return self.word(not proposal.has_stop, "STOP_REQUIRED", "stop" if proposal.has_stop else "no stop", "stop")
