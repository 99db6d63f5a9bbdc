"""The ledger fails at its n-th write: nothing is opened after it, what reduces still leaves, and no restart doubles it.

Failures are those of a disk (ENOSPC, EIO), before a write, and in a commit that is on disk although it was reported
lost; they last until the worker is started again (issue 3 item 11).
"""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal

import orjson
import pytest

from executor import faults
from executor.app.identity import traders
from executor.app.runtime import Runtime, exit_code
from executor.app.web import readiness
from executor.core.identity import CLOID_TAG
from executor.errors import LedgerError

KINDS = ("ledger_write:{n}+:enospc", "ledger_write:{n}+:eio", "ledger_committed:{c}+:eio")
WRITES_A_COMMIT = 4
SAMPLE = (1, 2, 4, 7, 12, 35, 113)


def _spec(n: int) -> str:
    """Each n with one kind of failure; a commit has about four writes."""
    return KINDS[n % 3].format(n=n, c=1 + n // WRITES_A_COMMIT)


@contextmanager
def failing(spec: str):
    armed = faults.Armed.parse(spec)
    with faults.handling(armed):
        yield


def _opening(rig):
    """Cloids of orders that reached the exchange and could open something."""
    orders = [order for body in rig.sent() for order in body["action"]["orders"]]
    return [order["c"] for order in orders if not order["r"]]


def _written(rig):
    """Cloids of requests that are on record."""
    return {name for event in rig.events("SendStarted") for name in event["cloids"]}


def _live_cloids_once(rig):
    names = [order.cloid for order in rig.orders() if (order.cloid or "").startswith(CLOID_TAG)]
    return len(names) == len(set(names))


def _held(rig):
    """ETH, 4 long with a stop."""
    return [rig.trade("eth-open", "LONG", 4, "ETH"), rig.protect("STOP_LOSS", "eth-stop", "SELL", 3600, 4, "ETH")]


async def _churn(rig, runtime):
    """Open BTC and close it in three parts, again and again, until the ledger fails; the frames sent."""
    frames = []
    for number in range(200):
        frame = rig.trade(f"btc-{number}", *(("SHORT", 0.1) if number % 4 else ("LONG", 0.3)))
        frames.append(frame)
        await rig.send(frame)
        await rig.until(lambda name=frame["action_id"]: runtime.worker.failed or rig.outcome(name) == "executed")
        if runtime.worker.failed:
            return frames
    raise AssertionError("the ledger never failed")


def _btc(rig, frames):
    """What the agent holds after these frames, if its last entry came through; else nothing."""
    parts = (len(frames) - 1) % 4
    entry = rig.entry_name(frames[-1 - parts]["action_id"])
    return Decimal("0.3") - parts * Decimal("0.1") if rig.orders_named(entry) else Decimal(0)


async def _after_it(rig, runtime, frames):
    """An exit in part, a moved stop, a repeat of the exit, and an entry; what reduces happens, once."""
    late = [
        rig.trade("eth-reduce", "SHORT", 1, "ETH"),
        rig.protect("STOP_LOSS", "eth-move", "SELL", 3700, 3, "ETH"),
        rig.trade("sol-open", "LONG", 5, "SOL"),
    ]
    await rig.send(*late, late[0])
    await rig.until(lambda: rig.size("ETH") == 3 and rig.size("BTC") == _btc(rig, frames))
    await rig.until(lambda: [(row["triggerPx"], row["sz"]) for row in rig.stops("ETH")] == [("3700.0", "3.0")])
    return late


def _as_agreed(rig, runtime):
    assert rig.size("SOL") == 0
    assert set(_opening(rig)) <= _written(rig)
    assert _live_cloids_once(rig)
    assert not runtime.ready()
    assert exit_code(runtime) == 1


async def _healthy_again(rig, frames, size, btc):
    """The next life, with everything sent once more: nothing is doubled, and entries go again.

    ``btc`` are the sizes that are right: an entry that is on record and had not left is resumed while it is fresh.
    """
    async with rig.inside():
        await rig.send(*frames)
        await rig.settled(*{frame["action_id"] for frame in frames}, within_s=20)
        await rig.until(lambda: rig.size("ETH") == size and rig.size("BTC") in btc)
        await rig.until(lambda: len(rig.stops("ETH")) == (1 if size else 0))
        await rig.send(rig.trade("avax-open", "LONG", 5, "AVAX"))
        await rig.until(lambda: rig.size("AVAX") == 5)
    assert _live_cloids_once(rig)
    assert rig.size("ETH") == size
    assert rig.size("BTC") in btc


async def _story(rig, n, *, flatten):
    rig.configure(sources=[rig.source(after_gap="continue")])
    async with rig.inside() as runtime:
        await rig.send(*_held(rig))
        await rig.settled("eth-open", "eth-stop")
        await rig.until(lambda: rig.stops("ETH"))
        with failing(_spec(n)):
            churned = await _churn(rig, runtime)
            late = await _after_it(rig, runtime, churned)
            if flatten:
                runtime.worker.command("flatten", None, "test")
                await rig.until(lambda: rig.size("ETH") == rig.size("BTC") == 0 and not rig.resting("ETH"))
            _as_agreed(rig, runtime)
    forgotten = ("sol-open", "eth-move") if flatten else ("sol-open",)  # a stop waits long for a position that is gone
    closing = churned[-(1 + (len(churned) - 1) % 4) + 1 :] if (len(churned) - 1) % 4 else []
    again = [*closing, *(frame for frame in late if frame["action_id"] not in forgotten)]
    size, btc = (Decimal(0), Decimal(0)) if flatten else (Decimal(3), _btc(rig, churned))
    await _healthy_again(rig, again, size, {btc} if closing else {btc, Decimal("0.3")})


@pytest.mark.parametrize("rig", [1], indirect=True)
@pytest.mark.parametrize("n", [n if n in SAMPLE else pytest.param(n, marks=pytest.mark.full) for n in range(1, 201)])
async def test_after_the_nth_write_failed_only_what_reduces_leaves_and_a_restart_doubles_nothing(rig, n):
    await _story(rig, n, flatten=n % 2 == 0)


async def test_status_tells_that_a_running_worker_has_no_ledger_any_more(rig):
    async with rig.inside() as runtime:
        with failing("ledger_write:1+:enospc"):
            await rig.send(rig.trade("btc-open", "LONG", 0.1))
            await rig.until(lambda: runtime.worker.failed)
        code, said = await rig.command("status", "--json")
        worker = orjson.loads(said)["worker"]
        assert (code, worker["running"]) == (0, True)
        assert "the disk is full" in worker["ledger_failed"]
        assert "the disk is full" in (readiness(runtime).ledger_failed or "")
        _, shown = await rig.command("status")
        assert "exits go on unrecorded" in " ".join(shown.split())
        with pytest.raises(LedgerError, match="resume is not possible"):
            runtime.worker.command("resume", None, "test")


START = (1, 2, 4)


@pytest.mark.parametrize("rig", [1], indirect=True)
@pytest.mark.parametrize("n", START)
async def test_a_worker_whose_ledger_cannot_be_written_at_its_start_refuses_to_start(rig, n):
    loaded = rig.loaded()
    with failing(f"ledger_write:{n}+:enospc"), pytest.raises(LedgerError, match="the disk is full"):
        async with Runtime(loaded, traders(loaded)):
            pass
    assert rig.exchange.reached == []
