"""Rules that stop every entry: a day's loss, and a file a person put there. Protection and exits go on."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from executor.api import Exposure, Proposal, Verdict
from executor.risk.base import Above0, BaseRule, RefuseOnly, usd


class DayLimit(RefuseOnly):
    """The loss of a day, in US dollars or in percent of the equity the day began with."""

    max_usd: Above0 | None = None
    max_pct: Annotated[Decimal, Field(gt=0, le=100, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.max_usd is None) == (self.max_pct is None):
            raise ValueError("give exactly one of max_usd and max_pct")
        return self

    def limit_usd(self, day_start_equity_usd: Decimal) -> Decimal:
        """The limit in US dollars."""
        if self.max_usd is not None:
            return self.max_usd
        return day_start_equity_usd * (self.max_pct or Decimal(0)) / 100


def _told(loss_usd: Decimal) -> str:
    return f"{usd(loss_usd)} lost today" if loss_usd > 0 else f"{usd(-loss_usd)} gained today"


@dataclass(frozen=True, slots=True)
class DailyLoss(BaseRule[DayLimit]):
    """No entries once the day since 00:00 UTC has lost the limit, realised or not, until the next 00:00 UTC.

    Latched: a recovery does not lift it. Core keeps the latch, and the day's first equity, through restarts.
    """

    Options: ClassVar[type[DayLimit]] = DayLimit
    name: ClassVar[str] = "daily_loss"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Measure the day's loss, and ask for the latch when it has got there."""
        loss_usd, limit_usd = -exposure.day_pnl_usd, self.options.limit_usd(exposure.day_start_equity_usd)
        value, limit = _told(loss_usd), usd(limit_usd)
        if self.name in exposure.latched:
            return self.refuses("DAILY_LOSS_LATCHED", value, limit)
        if loss_usd >= limit_usd:
            return self.refuses("DAILY_LOSS", value, limit, latch=True)
        return self.passes(value, limit)


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
