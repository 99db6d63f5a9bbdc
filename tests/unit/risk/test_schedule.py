"""schedule: entries within windows of the week, by the clock of a zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from executor.risk.schedule import DAYS, Schedule


def at(text: str) -> dict[str, int]:
    """2026-01-05 is a Monday."""
    return {"now_ms": int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000}


OFFICE = {"windows": ["mon-fri 08:00-17:30", "sat 10:00-12:00"]}


@pytest.mark.parametrize(
    ("time", "is_open"),
    [
        ("2026-01-05T07:59:59", False),
        ("2026-01-05T08:00", True),
        ("2026-01-09T17:29:59", True),
        ("2026-01-09T17:30", False),
        ("2026-01-10T11:00", True),
        ("2026-01-10T12:00", False),
        ("2026-01-11T11:00", False),
    ],
)
def test_entries_go_within_the_windows_only(words: Any, time: str, is_open: bool) -> None:
    reason, value, limit = words(Schedule, OFFICE, at(time))
    assert reason == ("" if is_open else "OUT_OF_SCHEDULE")
    assert value == f"{DAYS[datetime.fromisoformat(time).weekday()]} {time[11:16]} UTC"
    assert limit == "mon-fri 08:00-17:30, sat 10:00-12:00"


@pytest.mark.parametrize(
    ("time", "is_open"),
    [
        ("2026-01-09T22:00", True),
        ("2026-01-10T01:59", True),
        ("2026-01-10T02:00", False),
        ("2026-01-09T01:00", False),
        ("2026-01-10T22:30", False),
        ("2026-01-09T21:59", False),
    ],
)
def test_a_window_past_midnight_belongs_to_the_day_it_begins(words: Any, time: str, is_open: bool) -> None:
    assert (words(Schedule, {"windows": ["Fri 22:00-02:00"]}, at(time))[0] == "") is is_open


def test_days_may_go_over_the_end_of_the_week(words: Any) -> None:
    options = {"windows": ["sat-mon 00:00-24:00"]}
    week = [words(Schedule, options, at(f"2026-01-{day:02}T12:00"))[0] for day in range(5, 12)]
    assert week == ["", *["OUT_OF_SCHEDULE"] * 4, "", ""]


def test_without_days_a_window_is_for_every_day(words: Any) -> None:
    assert {words(Schedule, {"windows": ["06:00-07:00"]}, at(f"2026-01-{d:02}T06:30"))[0] for d in range(5, 12)} == {""}


@pytest.mark.parametrize(("time", "is_open"), [("2026-01-05T07:30", True), ("2026-07-06T07:30", False)])
def test_a_zone_moves_with_its_summer_time(words: Any, time: str, is_open: bool) -> None:
    """08:00 to 09:00 in Berlin is 07:00 to 08:00 UTC in winter, 06:00 to 07:00 in summer."""
    options = {"windows": ["08:00-09:00"], "zone": "Europe/Berlin"}
    reason, value, _ = words(Schedule, options, at(time))
    assert (reason == "") is is_open
    assert value.endswith("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no window"),
        ("mon", "no window"),
        ("08:00", "no window"),
        ("8:00-9:00", "no window"),
        ("foo 08:00-09:00", "no day"),
        ("mon-foo 08:00-09:00", "no day"),
        ("24:30-25:00", "no time"),
        ("08:60-09:00", "no time"),
        ("08:00-08:00", "no length"),
        ("24:00-08:00", "no length"),
    ],
)
def test_what_is_no_window_is_told(text: str, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Schedule.Options(windows=[text])


@pytest.mark.parametrize("name", ["Europe/Nowhere", "../etc", ""])
def test_what_is_no_zone_is_told(name: str) -> None:
    with pytest.raises(ValidationError, match="time zone"):
        Schedule.Options(windows=["08:00-09:00"], zone=name)


def test_a_schedule_needs_a_window_and_only_refuses() -> None:
    with pytest.raises(ValidationError):
        Schedule.Options(windows=[])
    assert Schedule.Options(windows=["08:00-09:00"], on_breach="shrink").can_shrink is False
