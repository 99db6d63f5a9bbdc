"""When entries may go: days of the week and hours of the day, in a time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from executor.api import Exposure, Proposal, Verdict
from executor.risk.base import BaseRule, RefuseOnly

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60

_WINDOW = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? +)?(?P<h1>\d\d):(?P<m1>\d\d)-(?P<h2>\d\d):(?P<m2>\d\d)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes of the day from ``start`` until before ``end``, on days it begins; past midnight where it ends first."""

    days: frozenset[int]
    start: int
    end: int

    def holds(self, day: int, minute: int) -> bool:
        """Whether this minute of this day of the week is in it."""
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        yesterday = (day - 1) % len(DAYS)
        return (day in self.days and minute >= self.start) or (yesterday in self.days and minute < self.end)


def window(text: str) -> Window:
    """``mon-fri 08:00-17:30``, ``sat 22:00-02:00`` or, for every day, ``00:30-23:30``; ``ValueError`` says why not."""
    found = _WINDOW.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"'{text}' is no window: write it as mon-fri 08:00-17:30, or 08:00-17:30 for every day")
    start, end = _minute(found["h1"], found["m1"]), _minute(found["h2"], found["m2"])
    if start in {end, DAY_MINUTES}:
        raise ValueError(f"'{text}' has no length: the whole day is 00:00-24:00")
    return Window(_days(found["first"], found["last"]), start, end)


def _minute(hours: str, minutes: str) -> int:
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > DAY_MINUTES:
        raise ValueError(f"'{hours}:{minutes}' is no time of the day")
    return minute


def _days(first: str | None, last: str | None) -> frozenset[int]:
    """Days from Monday (0) on; ``sat-mon`` goes over the end of the week."""
    if first is None:
        return frozenset(range(len(DAYS)))
    for name in (first, last or first):
        if name not in DAYS:
            raise ValueError(f"'{name}' is no day: write {', '.join(DAYS)}")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return frozenset((start + i) % len(DAYS) for i in range((end - start) % len(DAYS) + 1))


def _is_window(text: str) -> str:
    window(text)
    return text


def zone(name: str) -> tzinfo:
    """The time zone of this name; ``ValueError`` where this machine knows none."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"this machine knows no time zone '{name}': write UTC or, say, Europe/Berlin") from None


def _is_zone(name: str) -> str:
    zone(name)
    return name


class Hours(RefuseOnly):
    """The windows in which entries may go, and the time zone they are written in."""

    windows: Annotated[tuple[Annotated[str, AfterValidator(_is_window)], ...], Field(min_length=1)]
    zone: Annotated[str, AfterValidator(_is_zone)] = "UTC"


@dataclass(frozen=True, slots=True)
class Schedule(BaseRule[Hours]):
    """Entries only within `windows` like `mon-fri 08:00-17:30`, by the clock of `zone`."""

    Options: ClassVar[type[Hours]] = Hours
    name: ClassVar[str] = "schedule"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Look the venue's time up in the windows."""
        now = datetime.fromtimestamp(exposure.now_ms // 1000, zone(self.options.zone))
        day, minute = now.weekday(), now.hour * 60 + now.minute
        open_now = any(window(text).holds(day, minute) for text in self.options.windows)
        value = f"{DAYS[day]} {now:%H:%M} {self.options.zone}"
        return self.word(not open_now, "OUT_OF_SCHEDULE", value, ", ".join(self.options.windows))
