"""Whoever listens to a worker hears its first event: an exit may leave before its start is over."""

from __future__ import annotations

import json
from pathlib import Path

from executor import config, plugins
from executor.app.identity import traders
from executor.app.runtime import Runtime
from executor.core import events as ev
from executor.paper.tape import TapeFeed
from executor.testing import until

DOCUMENT = {"version": 1, "mode": "dry_run", "paper": {"feed": "tape"}, "server": {"enabled": False}}


async def test_a_listener_hears_what_happens_while_the_worker_starts(tmp_path: Path) -> None:
    loaded = config.load_text(json.dumps(DOCUMENT), tmp_path / "config.yaml", [], {}, plugins)
    heard: list[ev.Event] = []
    runtime = Runtime(loaded, traders(loaded), feed=TapeFeed(speed=1))
    runtime.listeners.append(heard.append)
    async with runtime:
        await until(lambda: bool(heard), 20)
        recorded = next(iter(runtime.ledger.read())).event
    assert type(heard[0]) is type(recorded) is ev.ProcessStarted
