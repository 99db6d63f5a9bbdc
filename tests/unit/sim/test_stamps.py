"""Frames that say now are stamped at sending; everything else stays as it was written."""

from __future__ import annotations

import pytest

from executor.sim.stamps import stamped

NOW_MS = 1_777_887_000_250


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("now", "2026-05-04T09:30:00.250Z"),
        ("now-5s", "2026-05-04T09:29:55.250Z"),
        ("now+1.5s", "2026-05-04T09:30:01.750Z"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("now-x", "now-x"),
    ],
)
def test_created_at_becomes_iso_text(written: str, wanted: str) -> None:
    assert stamped({"created_at": written}, NOW_MS) == {"created_at": wanted}


def test_timestamps_become_epoch_seconds_however_deep() -> None:
    frame = {"data": {"config": {"metadata": {"timestamp": "now-0.25s"}}}}
    assert stamped(frame, NOW_MS) == {"data": {"config": {"metadata": {"timestamp": 1_777_887_000.0}}}}


def test_only_time_fields_are_stamped_and_the_frame_itself_is_left_alone() -> None:
    frame = {"note": "now", "created_at": "now", "list": ["now"]}
    assert stamped(frame, NOW_MS)["note"] == "now"
    assert stamped(frame, NOW_MS)["list"] == ["now"]
    assert frame["created_at"] == "now"


def test_a_stamped_frame_is_not_stamped_again() -> None:
    once = stamped({"created_at": "now", "timestamp": "now"}, NOW_MS)
    assert stamped(once, NOW_MS + 1) == once
