"""A source that ends by a mistake of its own: told as closed, and started again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from executor import config, plugins
from executor.app.identity import traders
from executor.app.listening import ENDED_REMEDY, REMEDY
from executor.app.runtime import Runtime
from executor.core import events as ev
from executor.errors import ConfigError, SecretError
from executor.paper.tape import TapeFeed
from executor.testing import until

WITHIN_S = 20.0

PLUGIN = '''
import asyncio

from pydantic import BaseModel

from executor.core.source_events import Origin, Status
from executor.errors import CredentialRefused
from executor.ports import ChannelState


class Breaking:
    """Opens its channel, and raises ``fault`` once ``breaks`` is set."""

    class Options(BaseModel):
        api_key_env: str | None = None

    lives = 0
    fault = RuntimeError
    refused = False
    secrets = []
    breaks = asyncio.Event()

    def __init__(self, name, clock):
        self.name, self.clock, self.state = name, clock, "connecting"

    @classmethod
    def build(cls, name, options, context):
        Breaking.secrets.append({key: secret.get_secret_value() for key, secret in context.secrets.items()})
        return cls(name, context.clock)

    def channels(self):
        return (ChannelState("agent:a", self.state, detail="said"),)

    async def run(self, emit):
        Breaking.lives += 1
        if Breaking.refused:
            raise CredentialRefused("no")
        self.state = "open"
        origin = Origin("odd", self.name, "agent:a", self.clock.now_ms())
        emit(b"", Status(origin=origin, state="open", agent_ids=("a",)))
        await Breaking.breaks.wait()
        raise Breaking.fault("the words\\x1b[2J of it")
'''


class Told:
    """A notifier that remembers what it was told of."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    def notify(self, level: str, title: str, body: str) -> None:
        self.titles.append(title)


@asynccontextmanager
async def running(
    folder: Path, fault: type[Exception], **keys: str
) -> AsyncIterator[tuple[Runtime, Any, list[ev.SourceChanged]]]:
    """A worker whose one source is the plugin above; the plugin, and what was recorded of its channel."""
    (folder / "breaking.py").write_text(PLUGIN)
    document = {
        "version": 1,
        "mode": "dry_run",
        "sources": [{"name": "mine", "type": "breaking.py:Breaking", **keys}],
        "routes": [{"source": "mine", "agents": ["*"], "strategy": "follow"}],
        "paper": {"feed": "tape"},
        "server": {"enabled": False},
    }
    loaded = config.load_text(json.dumps(document), folder / "config.yaml", [], {}, plugins)
    kind: Any = plugins.load("executor.sources", "breaking.py:Breaking", folder)
    kind.fault = fault
    changes: list[ev.SourceChanged] = []
    async with Runtime(loaded, traders(loaded), feed=TapeFeed(speed=1), jitter=lambda: 0.0) as runtime:
        runtime.worker.on_event.append(lambda e: changes.append(e) if isinstance(e, ev.SourceChanged) else None)
        runtime.listen()
        await until(runtime.ready, WITHIN_S)
        yield runtime, kind, changes


def _states(runtime: Runtime) -> list[str]:
    return [channel.state for source in runtime.sources for channel in source.channels()]


async def test_a_source_that_broke_counts_as_closed_until_it_runs_again(tmp_path: Path) -> None:
    async with running(tmp_path, RuntimeError) as (runtime, kind, changes):
        kind.breaks.set()
        await until(lambda: _states(runtime) == ["closed"], WITHIN_S)
        kind.breaks.clear()
        assert (runtime.ready(), runtime.unwell()) == (False, "no channel is open")
        assert runtime.sources[0].channels()[0].detail == "SOURCE_FAILED: RuntimeError: the words?[2J of it"
        await until(runtime.ready, WITHIN_S)
        assert (kind.lives, runtime.unwell()) == (2, "")
        await until(lambda: len(changes) == 3, WITHIN_S)
        assert [(one.state, one.agent_ids) for one in changes] == [(state, ("a",)) for state in _OPEN_AGAIN]
        assert changes[1].detail.startswith("SOURCE_FAILED: RuntimeError")


_OPEN_AGAIN = ("open", "closed", "open")


async def test_a_source_that_cannot_work_as_configured_stays_closed(tmp_path: Path) -> None:
    async with running(tmp_path, ConfigError) as (runtime, kind, changes):
        kind.breaks.set()
        await until(lambda: len(changes) == 2, WITHIN_S)
        task_names = {task.get_name() for task in runtime.worker._tasks}
        assert (changes[1].state, _states(runtime), kind.lives) == ("closed", ["closed"], 1)
        assert {changes[1].remedy, runtime.sources[0].channels()[0].remedy} == {ENDED_REMEDY}
        assert "source mine" not in task_names
        assert not runtime.stopped.is_set()


async def test_a_secret_that_a_source_cannot_read_for_a_moment_ends_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, SecretError) as (runtime, kind, changes):
        kind.breaks.set()
        await until(lambda: _states(runtime) == ["closed"], WITHIN_S)
        kind.breaks.clear()
        await until(runtime.ready, WITHIN_S)
        await until(lambda: len(changes) == 3, WITHIN_S)
        assert changes[1].remedy == REMEDY


async def test_every_failure_is_logged_also_the_same_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path, RuntimeError) as (_, kind, _changes):
        kind.breaks.set()
        await until(lambda: kind.lives == 3, WITHIN_S)
    shown = caplog.text + "".join(capsys.readouterr())  # whichever way this process logs
    told = [line for line in shown.splitlines() if "source_failed" in line]
    assert len(told) >= 2
    assert all("RuntimeError: the words?[2J of it" in line and "next try in " in line for line in told)


async def test_a_source_refused_after_it_broke_leaves_the_worker_up(tmp_path: Path) -> None:
    """What it heard in its first life counts: positions may be open, and somebody must protect them."""
    told = Told()
    async with running(tmp_path, RuntimeError) as (runtime, kind, _):
        runtime.worker.notifiers = (told,)
        kind.refused = True
        kind.breaks.set()
        await until(lambda: "CHANNEL_REFUSED" in told.titles, WITHIN_S)  # no channel said so: the source has to
        assert runtime.refused is not None
        assert not runtime.stopped.is_set()


async def test_a_source_started_again_has_its_secrets_without_their_commands_run_again(tmp_path: Path) -> None:
    """A command may take seconds, and the worker's loop would stand still as long."""
    command = tmp_path / "secret"
    command.write_text("#!/bin/sh\necho run >> runs\necho abcdefgh\n")
    command.chmod(0o755)
    async with running(tmp_path, RuntimeError, api_key_cmd="./secret") as (runtime, kind, _):
        kind.breaks.set()
        await until(lambda: _states(runtime) == ["closed"], WITHIN_S)
        kind.breaks.clear()
        await until(runtime.ready, WITHIN_S)
        assert kind.secrets == [{"api_key": "abcdefgh"}] * 2
        assert (tmp_path / "runs").read_text() == "run\n"
