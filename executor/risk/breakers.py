"""Rules that stop every entry until something resets them. Protection and exits go on.

A day's loss, a drawdown, losses or failures in a row, and a file a person put there. Core keeps what they measure and
their latches through restarts; a reset, by midnight or by a person, lets the measure begin anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from executor.api import Exposure, Proposal, Rule, Verdict
from executor.risk.base import Above0, AtLeast1, BaseRule, OptionsT, RefuseOnly, usd

Until = Literal["reset", "midnight"]
"""What ends a latch: ``executor reset RULE`` alone, or the next 00:00 UTC as well."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a breaker found: the measure and the limit in words, and whether the one has got to the other."""

    value: str
    limit: str
    breach: bool
    until: Until


def latching(rule: BaseRule[OptionsT], exposure: Exposure, found: Measured, fired: str, latched: str) -> Verdict:
    """Refuse while latched, and latch on a breach; ``fired`` and ``latched`` are the two reason codes."""
    if rule.name in exposure.latched:
        return rule.refuses(latched, found.value, found.limit)
    if not found.breach:
        return rule.passes(found.value, found.limit)
    return replace(rule.refuses(fired, found.value, found.limit, latch=True), ends=found.until)


def may_latch(rule: Rule) -> bool:
    """Whether a rule can ask for a latch: of our own those below that do, and whatever a plugin brings."""
    return not type(rule).__module__.startswith("executor.risk.") or isinstance(rule, _LATCHING)


class LossLimit(RefuseOnly):
    """A loss, in US dollars or in percent of what it is measured against."""

    max_usd: Above0 | None = None
    max_pct: Annotated[Decimal, Field(gt=0, le=100, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.max_usd is None) == (self.max_pct is None):
            raise ValueError("give exactly one of max_usd and max_pct")
        return self

    def limit_usd(self, whole_usd: Decimal) -> Decimal:
        """The limit in US dollars."""
        if self.max_usd is not None:
            return self.max_usd
        return whole_usd * (self.max_pct or Decimal(0)) / 100


def _told(loss_usd: Decimal) -> str:
    return f"{usd(loss_usd)} lost today" if loss_usd > 0 else f"{usd(-loss_usd)} gained today"


@dataclass(frozen=True, slots=True)
class DailyLoss(BaseRule[LossLimit]):
    """No entries once the day since 00:00 UTC has lost the limit, realised or not, until the next 00:00 UTC.

    Latched: a recovery does not lift it. Core keeps the latch, and the day's first equity, through restarts. Percent of
    a day that began with nothing are of what is there now; with nothing at all entries are refused and nothing latches.
    """

    Options: ClassVar[type[LossLimit]] = LossLimit
    name: ClassVar[str] = "daily_loss"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Measure the day's loss, and ask for the latch when it has got there."""
        whole_usd = exposure.day_start_equity_usd if exposure.day_start_equity_usd > 0 else exposure.equity_usd
        loss_usd, limit_usd = -exposure.day_pnl_usd, self.options.limit_usd(whole_usd)
        found = Measured(_told(loss_usd), usd(limit_usd), loss_usd >= limit_usd, "midnight")
        verdict = latching(self, exposure, found, "DAILY_LOSS", "DAILY_LOSS_LATCHED")
        return replace(verdict, latch=False) if verdict.latch and loss_usd <= 0 else verdict


class DrawdownLimit(LossLimit):
    """How far the account may fall from its highest; percent are of what it was worth there."""

    until: Until = "reset"


@dataclass(frozen=True, slots=True)
class Drawdown(BaseRule[DrawdownLimit]):
    """No entries once the account has fallen from its highest by the limit, until `executor reset drawdown`.

    Deposits and withdrawals are no part of it. A reset makes what the account is worth then its new highest. Percent of
    nothing are nothing: an account without money has its entries refused, and nothing latches before it fell.
    """

    Options: ClassVar[type[DrawdownLimit]] = DrawdownLimit
    name: ClassVar[str] = "drawdown"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Measure the fall, and ask for the latch when it has got there."""
        limit_usd = self.options.limit_usd(exposure.peak_equity_usd)
        value, breach = f"{usd(exposure.drawdown_usd)} below the highest", exposure.drawdown_usd >= limit_usd
        found = Measured(value, usd(limit_usd), breach, self.options.until)
        verdict = latching(self, exposure, found, "DRAWDOWN", "DRAWDOWN_LATCHED")
        return replace(verdict, latch=False) if verdict.latch and exposure.drawdown_usd <= 0 else verdict


class InARow(RefuseOnly):
    """How many in a row stop entries, and for how long."""

    max: AtLeast1
    until: Until = "midnight"


@dataclass(frozen=True, slots=True)
class ConsecutiveLosses(BaseRule[InARow]):
    """No entries once `max` trades in a row closed with a loss, until the next 00:00 UTC or a reset.

    A trade is one life of a coin's position, from flat to flat; fees and the funding seen meanwhile count.
    """

    Options: ClassVar[type[InARow]] = InARow
    name: ClassVar[str] = "consecutive_losses"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Count the losses since the last gain."""
        count, limit = exposure.losses_in_a_row, self.options.max
        found = Measured(f"{count} losses in a row", f"fewer than {limit}", count >= limit, self.options.until)
        return latching(self, exposure, found, "CONSECUTIVE_LOSSES", "CONSECUTIVE_LOSSES_LATCHED")


@dataclass(frozen=True, slots=True)
class ConsecutiveFailures(BaseRule[InARow]):
    """No entries once `max` in a row were rejected by the venue or became unknown, until 00:00 UTC or a reset."""

    Options: ClassVar[type[InARow]] = InARow
    name: ClassVar[str] = "consecutive_failures"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Count the failed entries since the last that executed."""
        count, limit = exposure.failures_in_a_row, self.options.max
        value = f"{count} entries failed in a row"
        found = Measured(value, f"fewer than {limit}", count >= limit, self.options.until)
        return latching(self, exposure, found, "CONSECUTIVE_FAILURES", "CONSECUTIVE_FAILURES_LATCHED")


class StopFile(RefuseOnly):
    """The file whose presence stops entries."""

    path: Path

    @field_validator("path")
    @classmethod
    def _is_a_file(cls, value: Path) -> Path:
        if not value.name:
            raise ValueError("name a file: a folder is always there")
        return value


@dataclass(frozen=True, slots=True)
class KillFile(BaseRule[StopFile]):
    """No entries while the file exists: ``touch`` it to stop, remove it to go on."""

    Options: ClassVar[type[StopFile]] = StopFile
    name: ClassVar[str] = "kill_file"

    @property
    def watches(self) -> tuple[str, ...]:
        """The file."""
        return (str(self.options.path),)

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Ask whether the file is there."""
        path = str(self.options.path)
        present = path in exposure.files_present
        return self.word(present, "KILL_FILE", f"{path} {'exists' if present else 'is absent'}", f"{path} is absent")


_LATCHING = (DailyLoss, Drawdown, ConsecutiveLosses, ConsecutiveFailures)
