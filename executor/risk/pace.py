"""How often entries may go: per coin, and altogether. The times come in with the exposure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from executor.api import Exposure, Proposal, Verdict
from executor.risk.base import BaseRule, RefuseOnly, seconds

DaySeconds = Annotated[Decimal, Field(gt=0, le=86_400, allow_inf_nan=False)]
"""A time span up to a day: entries older than that are not remembered."""

ENTRIES_KEPT = 1_000
"""How many of the newest entries an account remembers: a limit above it would never be reached."""


class Pause(RefuseOnly):
    """How long a coin rests after an entry, in seconds."""

    per_symbol_s: DaySeconds


@dataclass(frozen=True, slots=True)
class Cooldown(BaseRule[Pause]):
    """At least ``per_symbol_s`` between two entries of one coin."""

    Options: ClassVar[type[Pause]] = Pause
    name: ClassVar[str] = "cooldown"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Measure the time since the coin's last entry."""
        last_ms, limit = exposure.last_entry_ms.get(proposal.coin), seconds(self.options.per_symbol_s)
        if last_ms is None:
            return self.passes("no entry yet", limit)
        since_s = Decimal(exposure.now_ms - last_ms) / 1000
        return self.word(since_s < self.options.per_symbol_s, "COOLDOWN", seconds(since_s), limit)


class Rate(RefuseOnly):
    """At most ``max`` entries in any ``per_s`` seconds."""

    max: Annotated[int, Field(ge=1, le=ENTRIES_KEPT)]
    per_s: DaySeconds


@dataclass(frozen=True, slots=True)
class OrderRate(BaseRule[Rate]):
    """Not more than ``max`` entries of the account, over all coins, within ``per_s``."""

    Options: ClassVar[type[Rate]] = Rate
    name: ClassVar[str] = "order_rate"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Count the recent entries, with this one."""
        since_ms = exposure.now_ms - self.options.per_s * 1000
        count = sum(at_ms > since_ms for at_ms in exposure.entries_at_ms) + 1
        limit = f"{self.options.max} entries in {seconds(self.options.per_s)}"
        return self.word(count > self.options.max, "ORDER_RATE", f"{count} entries", limit)
