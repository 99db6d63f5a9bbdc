"""`flatten` where no worker runs: recorded before anything is asked of the venue, obeyed by the next worker."""

from __future__ import annotations

import asyncio
import json
import signal
import socket

import pytest

from executor.app import control, main
from executor.app.identity import traders


@pytest.fixture
def closed_venue(rig, monkeypatch):
    """The configuration while nothing answers where the venue should be; a command gives up soon."""
    monkeypatch.setenv("EXECUTOR_LOCK_DIR", str(rig.folder / "locks"))
    monkeypatch.setattr(main, "FLATTEN_S", 0.5)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: whoever connects is refused
        rig.configure(hyperliquid={"network": "custom", "api_url": f"http://127.0.0.1:{nobody.getsockname()[1]}"})
        yield rig.loaded()


async def _held(rig):
    async with rig.inside():
        await rig.send(rig.trade("open", "LONG", 0.1))
        await rig.settled("open")


async def test_a_flatten_that_reaches_no_venue_is_obeyed_by_the_next_worker(rig, closed_venue):
    rig.configure()
    await _held(rig)
    told = await asyncio.to_thread(control.command, closed_venue, "flatten")
    assert (told["done"], told["worker"]) == (False, False)
    assert told["effect"] == "recorded, not done yet: start the worker, or run it again"
    assert [event["by"] for event in rig.events("FlattenStarted")] == ["cli"]
    async with rig.inside():
        await rig.send(rig.trade("late", "LONG", 0.1))
        await rig.settled("late")
        assert (rig.outcome("late"), rig.reason("late")) == ("refused", "FLATTENED")
        await rig.until(lambda: rig.size() == 0 and rig.events("FlattenDone"), 30)


async def test_flatten_says_that_it_is_not_done_and_exits_1(rig, closed_venue):
    from typer.testing import CliRunner

    from executor.cli.main import app

    words = ["flatten", "--yes", "--json", "-c", str(rig.folder / "config.yaml")]
    done = await asyncio.to_thread(CliRunner().invoke, app, words, env=rig.environ)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["effect"].startswith("recorded, not done yet")
    assert rig.events("FlattenStarted")


async def test_a_flatten_on_its_own_is_recorded_once_and_done(rig, monkeypatch):
    monkeypatch.setenv("EXECUTOR_LOCK_DIR", str(rig.folder / "locks"))
    await _held(rig)
    with socket.create_server(("127.0.0.1", 0)) as taken:  # neither that port nor what else is missing concerns it
        others = {"notify": [{"type": "webhook", "url_env": "NOT_THERE"}], "heartbeat": {"url_env": "NOT_THERE"}}
        rig.configure(server={"enabled": True, "port": taken.getsockname()[1]}, **others)
        told = await asyncio.to_thread(control.command, rig.loaded(), "flatten")
    assert (told["done"], told["effect"]) == (True, "everything is closed")
    assert (rig.size(), len(rig.events("FlattenStarted")), len(rig.events("FlattenDone"))) == (0, 1, 1)


def test_a_flatten_on_its_own_goes_on_when_the_terminal_is_closed(rig, closed_venue, monkeypatch):
    monkeypatch.setattr(main, "FLATTEN_S", 0.0)
    before = signal.getsignal(signal.SIGHUP)
    try:
        assert not main.run_flatten(closed_venue, traders(closed_venue), [])
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
