"""A credential that is refused for good ends a worker that has nothing else to do, and no other."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from executor.app import runtime as module
from executor.app.identity import traders
from executor.app.runtime import Runtime, exit_code

DOWN = {"name": "down", "type": "halyrd", "agents": ["current"]}
WITHIN_S = 20


class Told:
    """A notifier that remembers."""

    def __init__(self):
        self.news = []

    def notify(self, level, title, body):
        self.news.append((level, title, body))


@asynccontextmanager
async def begun(rig):
    """A worker that listens, whether or not a channel opens; and what it told people."""
    loaded, told = rig.loaded(), Told()
    async with Runtime(loaded, traders(loaded)) as runtime:
        runtime.worker.notifiers = (told,)
        runtime.listen()
        yield runtime, told


async def _hold(rig):
    async with rig.inside():
        await rig.send(rig.trade("open", "LONG", 0.1))
        await rig.settled("open")
        assert rig.size() > 0
    await rig.sim.wait_disconnected()


async def test_the_last_source_that_is_refused_ends_the_worker_with_3(rig):
    rig.sim.refuse_with = 403
    rig.configure(sources=[rig.source(), rig.source(name="second")], routes=[{"source": "second"}])
    async with begun(rig) as (runtime, _):
        await asyncio.wait_for(runtime.stopped.wait(), WITHIN_S)
        assert exit_code(runtime) == 3


async def test_a_refused_source_ends_nothing_while_another_may_still_open(rig):
    rig.sim.refuse_with = 403
    rig.configure(sources=[rig.source(), {**DOWN, "url": "http://127.0.0.1:9"}], routes=[{"source": "down"}])
    async with begun(rig) as (runtime, _):
        await rig.until(lambda: runtime.refused is not None, WITHIN_S)
        await rig.until(lambda: all(desk.state.reconciled for desk in runtime.worker.desks.values()), WITHIN_S)
        await rig.until(lambda: runtime.sources[1].channels()[0].state == "closed", WITHIN_S)
        assert not runtime.stopped.is_set()
        assert not runtime.ready()


@pytest.mark.parametrize("adopted", [False, True], ids=["ours", "adopted"])
async def test_a_worker_that_holds_something_stays_up_and_watches_it(rig, adopted):
    await _hold(rig)
    if adopted:
        main = {"name": "main", "address": rig.address, "foreign_positions": "adopt"}
        rig.configure(accounts=[{**main, "signer_env": "HYPERLIQUID_PRIVATE_KEY"}])
        for path in rig.ledger_path.parent.iterdir():
            path.unlink()
    rig.sim.refuse_with = 403
    async with begun(rig) as (runtime, _):
        await rig.until(lambda: runtime.refused is not None, WITHIN_S)
        await rig.until(lambda: runtime.worker.desks["main"].state.reconciled, WITHIN_S)
        await asyncio.sleep(2 * module.LOOK_S)
        assert not runtime.stopped.is_set()
        runtime.worker.command("flatten", None, "test")
        await rig.until(lambda: rig.size() == 0, WITHIN_S)
        await asyncio.wait_for(runtime.stopped.wait(), WITHIN_S)
        assert exit_code(runtime) == 3


async def test_a_refused_channel_beside_an_open_one_is_told_with_its_remedy(rig):
    rig.environ["FRACTRADE_USER_TOKEN"] = "wrong"
    rig.configure(sources=[rig.source(user_id="u1")])
    async with begun(rig) as (runtime, told):
        await rig.until(lambda: [row for row in told.news if row[1] == "CHANNEL_REFUSED"], WITHIN_S)
        await rig.until(lambda: len(rig.sim.clients) == 1, WITHIN_S)
        ((level, _, body),) = [row for row in told.news if row[1] == "CHANNEL_REFUSED"]
        assert level == "alarm"
        assert body.startswith("fractrade user:u1: FORBIDDEN: HTTP 403: check this source's credentials")
        rows = {row["channel"]: row for row in rig.read(lambda reader: reader.status()["channels"])}
        assert rows["user:u1"]["remedy"].startswith("check this source's credentials")
        assert (rows["agent:agent-uuid"]["state"], rows["agent:agent-uuid"]["remedy"]) == ("open", "")
        assert not runtime.stopped.is_set()
