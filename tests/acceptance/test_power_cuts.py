"""Copies of a busy ledger as a power cut leaves them: cut off at any byte, or with a torn page.

Each opens and what follows is as if nothing had happened, or is refused with the remedy: never a traceback, never a
second order. The exchange remembers everything, and the sender repeats everything.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random  # noqa: TID251 a seed is told, and makes the same copies again

import pytest

from executor.app.identity import traders
from executor.app.runtime import Runtime
from executor.core.identity import CLOID_TAG
from executor.errors import LedgerError
from executor.execution.restore import restore
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp

SECTOR = 512
ROUNDS = 4
STAMP = Stamp("live", "custom", {"main": "0x" + "a1" * 20})

Copy = dict[str, bytes]
"""The ledger's files at one moment, by what follows their name."""


def _copy(rig) -> Copy:
    names = ("", "-wal")
    files = {name: rig.ledger_path.with_name(rig.ledger_path.name + name) for name in names}
    return {name: path.read_bytes() for name, path in files.items() if path.exists()}


async def _busy_run(rig) -> tuple[list[dict], list[Copy]]:
    """Trade on three coins; the frames, and a copy after each."""
    frames, copies = [], []

    async def step(frame):
        frames.append(frame)
        await rig.send(frame)
        copies.append(_copy(rig))
        await rig.settled(frame["action_id"])
        copies.append(_copy(rig))

    async with rig.inside() as runtime:
        for turn in range(ROUNDS):
            await step(rig.trade(f"btc-{turn}-in", "LONG", 0.3))
            await step(rig.trade(f"btc-{turn}-part", "SHORT", 0.1))
            await step(rig.trade(f"eth-{turn}", "LONG", 1, "ETH"))
            await step(rig.protect("STOP_LOSS", f"stop-{turn}", "SELL", 3500 + 50 * turn, 1 + turn, "ETH"))
            await step(rig.trade(f"btc-{turn}-out", "SHORT", 0.1))
            if turn == 1:
                runtime.ledger.tend()
        await rig.until(lambda: [row["sz"] for row in rig.stops("ETH")] == ["4.0"])
        copies.append(_copy(rig))
    return frames, copies


def _cut(copy: Copy, chance: Random) -> Copy:
    """Cut the WAL, the file itself, or tear some sectors."""
    damaged = dict(copy)
    name = "-wal" if "-wal" in copy and chance.random() < 0.8 else ""
    data = copy[name]
    if chance.random() < 0.7:
        damaged[name] = data[: chance.randrange(len(data) + 1)]
        return damaged
    at = chance.randrange(max(1, len(data) // SECTOR)) * SECTOR
    damaged[name] = data[:at] + bytes(min(SECTOR, len(data) - at)) + data[at + SECTOR :]
    return damaged


def _lay(copy: Copy, ledger: Path) -> None:
    ledger.parent.mkdir(parents=True)
    for name, data in copy.items():
        ledger.with_name(ledger.name + name).write_bytes(data)


def _opened_or_refused(path: Path, log: list) -> bool:
    """Whether the copy opens; then it is the beginning of the whole log, and nothing of it is missing."""
    try:
        ledger = SqliteLedger(path, stamp=STAMP)
    except LedgerError as error:
        return _refused(error)
    try:
        events = [stored.event for stored in ledger.read()]
        assert events == log[: len(events)]
        restore(ledger, ["main"])
        nonces = [event.nonce for event in events if type(event).__name__ == "SendStarted"]
        assert max(nonces, default=0) <= max(ledger.last_nonce(signer) for signer in _signers(events) or {""})
        keys = [event.key for event in events if type(event).__name__ == "ActionReceived"]
        assert all(ledger.known(key) for key in keys)
    except LedgerError as error:
        return _refused(error)
    finally:
        ledger.close()
    return True


def _refused(error: LedgerError) -> bool:
    assert error.remedy
    return False


def _signers(events) -> set[str]:
    return {event.signer for event in events if type(event).__name__ == "SendStarted"}


def _doubled(rig) -> list[str]:
    names = [order.cloid for order in rig.orders() if order.cloid.startswith(CLOID_TAG)]
    return [name for name in set(names) if names.count(name) > 1]


async def _as_before(rig) -> None:
    held = {coin: rig.size(coin) for coin in ("BTC", "ETH")}
    assert held == {"BTC": Decimal("0.1") * ROUNDS, "ETH": Decimal(ROUNDS)}
    assert _doubled(rig) == []
    await rig.until(lambda: [(row["triggerPx"], row["sz"]) for row in rig.stops("ETH")] == [("3650.0", "4.0")])


async def _worker_on(rig, copy: Copy, number: int, frames) -> bool:
    """The real worker on a copy, with every frame told again; whether it started."""
    rig.ledger_path = rig.folder / f"copy-{number}" / "live.db"
    _lay(copy, rig.ledger_path)
    rig.configure(sources=[rig.source(after_gap="continue")])
    loaded = rig.loaded()
    fills = len(rig.fills())
    try:
        runtime = Runtime(loaded, traders(loaded))
        await runtime.start()
    except LedgerError as error:
        return _refused(error)
    async with runtime:
        runtime.listen()
        await rig.until(lambda: runtime.ready() and rig.sim.clients)
        await rig.send(*frames)
        await rig.settled(*(frame["action_id"] for frame in frames), within_s=30)
        await _as_before(rig)
    await rig.sim.wait_disconnected()
    assert len(rig.fills()) == fills
    return True


@pytest.mark.parametrize("rig", [1], indirect=True)
@pytest.mark.parametrize("seed", [1])
async def test_thirty_damaged_copies_open_whole_or_are_refused_and_the_worker_trades_nothing_twice(rig, seed):
    await _damaged_copies(rig, seed, opened=30, run=3)


@pytest.mark.full
@pytest.mark.timeout(400)
@pytest.mark.parametrize("rig", [1], indirect=True)
@pytest.mark.parametrize("seed", range(100, 110))
async def test_three_hundred_damaged_copies_are_run_by_the_real_worker(rig, seed):
    await _damaged_copies(rig, seed, opened=30, run=30)


async def _damaged_copies(rig, seed, *, opened, run):
    rig.configure(sources=[rig.source(after_gap="continue")])
    frames, copies = await _busy_run(rig)
    log = _log(rig)
    chance = Random(seed)
    damaged = [_cut(chance.choice(copies), chance) for _ in range(opened)]
    for number, copy in enumerate(damaged):
        path = rig.folder / f"look-{number}" / "live.db"
        _lay(copy, path)
        _opened_or_refused(path, log)
    started = [await _worker_on(rig, copy, number, frames) for number, copy in enumerate(damaged[:run])]
    assert any(started)


def _log(rig):
    with_all = SqliteLedger(rig.ledger_path, stamp=STAMP)
    try:
        return [stored.event for stored in with_all.read()]
    finally:
        with_all.close(clean=True)
