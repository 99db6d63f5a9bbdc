"""Events become log lines a moment later, in their order, each with its order's names."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from executor import logs
from executor.app.eventlog import SLICE, SOON_S, EventLog
from executor.core import events as ev


@pytest.fixture
def written():
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    yield stream
    logs.configure("INFO", "console")


def paused(n: int) -> ev.Paused:
    return ev.Paused(at_ms=n, account=f"a{n}", by="x")


async def test_lines_come_together_a_moment_later_and_in_order(written):
    log = EventLog()
    for n in range(3 * SLICE):
        log(paused(n))
    assert written.getvalue() == ""
    await asyncio.sleep(2 * SOON_S)
    lines = written.getvalue().splitlines()
    assert [f'"account": "a{n}"' in line for n, line in enumerate(lines)] == [True] * 3 * SLICE


async def test_what_still_waits_at_the_end_is_written(written):
    log = EventLog()
    log(paused(1))
    log.flush()
    assert '"account": "a1"' in written.getvalue()
    await asyncio.sleep(2 * SOON_S)
    assert len(written.getvalue().splitlines()) == 1


def _channel(state: str) -> ev.SourceChanged:
    return ev.SourceChanged(
        at_ms=1, system="x", source="mine", channel="agent:a", state=state, agent_ids=("a",), code=403,
        detail="FORBIDDEN: HTTP 403", remedy="check the key",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "level", "text"),
    [
        ("refused", "warning", "channel agent:a of mine is refused for good (FORBIDDEN: HTTP 403): check the key"),
        ("closed", "info", "channel agent:a closed (FORBIDDEN: HTTP 403)"),
    ],
)
async def test_a_channel_refused_for_good_is_a_warning_with_its_remedy(written, state, level, text):
    log = EventLog()
    log(_channel(state))
    log.flush()
    line = json.loads(written.getvalue())
    assert (line["level"], line["event"]) == (level, text)
