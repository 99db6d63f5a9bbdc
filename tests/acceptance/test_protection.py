"""Stops, targets and exits as the exchange sees them, through restarts, replacements and other people's trades."""

from __future__ import annotations

import asyncio
import signal
from decimal import Decimal

import pytest

from executor.core.types import Side
from executor.paper.faults import Fault

AGENT = "agent-uuid"


async def _open(rig, size=1.0, name="open"):
    await rig.send(rig.trade(name, "LONG", size))
    await rig.settled(name)


async def _stop(rig, name, px):
    await rig.send(rig.protect("STOP_LOSS", name, "SELL", px))
    await _stops_at(rig, px)


async def _stops_at(rig, *pxs):
    await rig.until(lambda: [Decimal(row["triggerPx"]) for row in rig.stops()] == [Decimal(px) for px in pxs])


def _watch(rig, coin="BTC"):
    """Every committed step of the exchange at which a position was not covered by a resting stop of its size."""
    naked = []

    def look(_):
        size = abs(rig.size(coin))
        if size and not any(Decimal(row["sz"]) >= size for row in rig.stops(coin)):
            naked.append((size, rig.stops(coin)))

    rig.exchange.service.listeners.append(look)
    return naked


def _positions(rig):
    return rig.read(lambda reader: reader.positions()["positions"])


async def test_a_stop_before_its_entry_waits_for_it(rig):
    async with rig.inside():
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000))
        await rig.until(lambda: rig.events("StopWanted"))
        assert rig.resting() == []
        await _open(rig)
        await _stops_at(rig, 95_000)
        assert [row["sz"] for row in rig.stops()] == ["1.0"]
        # The exchange lists the stop a moment before its answer is recorded.
        await rig.until(lambda: [row["stop_px"] for row in _positions(rig)] == ["95000"])


async def test_a_stop_whose_entry_never_comes_lapses_with_a_reason(rig):
    rig.configure(execution={"entry_ttl_s": 1})
    async with rig.inside():
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000))
        await rig.settled("stop")
    assert (rig.outcome("stop"), rig.reason("stop")) == ("refused", "NO_POSITION")
    assert rig.sent() == []


async def test_replacing_and_resizing_a_stop_never_leaves_the_position_without_one(rig):
    async with rig.inside():
        await _open(rig)
        await _stop(rig, "stop-1", 95_000)
        await rig.send(rig.protect("TAKE_PROFIT", "target", "SELL", 110_000, 0.5))
        await rig.until(rig.targets)
        target = rig.targets()[0]["oid"]
        naked = _watch(rig)
        for number, px in enumerate((96_000, 94_000, 96_500), 2):
            await _stop(rig, f"stop-{number}", px)
        assert naked == []
        assert [row["oid"] for row in rig.targets()] == [target]
        await rig.send(rig.trade("reduce", "SHORT", 0.4))
        await rig.settled("reduce")
        await rig.until(lambda: [row["sz"] for row in rig.stops()] == ["0.6"])
        assert naked == []
        await rig.send(rig.trade("add", "LONG", 0.2))
        await rig.settled("add")
        await rig.until(lambda: [row["sz"] for row in rig.stops()] == ["0.8"])
        assert all(size == Decimal("0.8") and stops for size, stops in naked)  # grown, and not covered whole yet
        assert [Decimal(row["triggerPx"]) for row in rig.stops()] == [96_500]
        assert len(rig.targets()) == 1


async def test_a_new_stop_the_venue_refuses_leaves_the_old_one_standing(rig):
    async with rig.inside():
        await _open(rig)
        await _stop(rig, "stop-1", 95_000)
        naked = _watch(rig)
        rig.arm(Fault("drop_request", match="order", times=2))
        await _stop(rig, "stop-2", 96_000)
        assert naked == []


async def test_a_stop_that_is_crossed_already_closes_now(rig):
    async with rig.inside():
        await _open(rig)
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 101_000))
        await rig.until(lambda: rig.size() == 0)
        await rig.until(lambda: any(row["code"] == "STOP_CROSSED" for row in rig.events("AlarmRaised")))


async def test_a_stop_on_the_wrong_side_is_refused_and_a_person_told(rig):
    async with rig.inside():
        await _open(rig)
        await rig.send(rig.protect("STOP_LOSS", "stop", "BUY", 105_000))
        await rig.settled("stop")
    assert (rig.outcome("stop"), rig.reason("stop")) == ("refused", "WRONG_SIDE")
    assert any(row["code"] == "WRONG_SIDE" for row in rig.events("AlarmRaised"))


async def test_when_flat_nothing_of_ours_is_left_on_the_book(rig):
    async with rig.inside() as runtime:
        await _open(rig)
        await _stop(rig, "stop", 95_000)
        await rig.send(rig.protect("TAKE_PROFIT", "target", "SELL", 110_000))
        await rig.until(rig.targets)
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() == 0 and rig.resting() == [])
        await rig.until(lambda: not runtime.worker.desks["main"].state.stops)
        await rig.send(rig.trade("again", "LONG", 0.5))
        await rig.settled("again")
        await asyncio.sleep(0.3)
        assert rig.resting() == []  # the stop of an earlier life does not come back
        assert rig.size() == Decimal("0.5")


async def test_a_stop_that_fires_closes_and_its_sibling_goes(rig):
    async with rig.inside():
        await _open(rig)
        await _stop(rig, "stop", 95_000)
        await rig.send(rig.protect("TAKE_PROFIT", "target", "SELL", 110_000))
        await rig.until(rig.targets)
        rig.market.set_quote("BTC", 94_900, 94_920)
        await rig.until(lambda: rig.size() == 0 and rig.resting() == [])
        await rig.until(lambda: rig.outcome("stop") == "executed")
        await rig.until(lambda: any(row["cause"] == "stop fired" for row in rig.events("DifferenceFound")))
        await rig.send(rig.trade("late", "SHORT", 1))
        await rig.settled("late")
        assert rig.size() == 0


@pytest.mark.parametrize("how", [pytest.param(signal.SIGTERM, marks=pytest.mark.full), signal.SIGKILL])
async def test_a_stop_that_fired_while_the_worker_was_down_is_found_and_named(rig, how):
    await rig.spawn()
    await _open(rig)
    await _stop(rig, "stop", 95_000)
    await rig.send(rig.protect("TAKE_PROFIT", "target", "SELL", 110_000, 0.5))
    await rig.until(rig.targets)
    await rig.until(lambda: rig.outcome("target") == "resting")
    await rig.stop(how)
    rig.market.set_quote("BTC", 94_000, 94_020)
    assert rig.size() == 0
    await rig.spawn()
    await rig.until(lambda: any(row["cause"] == "stop fired" for row in rig.events("DifferenceFound")))
    await rig.until(lambda: rig.outcome("stop") == "executed")
    assert rig.read(lambda reader: reader.positions()["positions"]) == []
    await rig.send(rig.trade("late", "SHORT", 1))
    await rig.settled("late")
    assert await rig.stop() == 0
    assert rig.size() == 0
    assert rig.resting() == []


async def test_a_stop_survives_kill_9_and_a_restart_untouched(rig):
    await rig.spawn()
    await _open(rig)
    await _stop(rig, "stop", 95_000)
    await rig.until(lambda: rig.outcome("stop") == "resting")
    (before,) = rig.stops()
    await rig.stop(signal.SIGKILL)
    naked = _watch(rig)
    await rig.spawn()
    await rig.until(lambda: len(rig.events("Reconciled")) == 2)
    await _stop(rig, "newer", 96_000)
    assert await rig.stop() == 0
    assert naked == []
    assert before["oid"] not in [row["oid"] for row in rig.stops()]


# -- other people's trades ----------------------------------------------------------------------------------------


async def test_a_position_we_did_not_open_is_left_alone_and_makes_entries_symbol_owned(rig):
    await rig.by_hand("BTC", Side.BUY, "0.2", "101000")
    await rig.by_hand("BTC", Side.SELL, "0.2", "90000", trigger="92000")
    async with rig.inside():
        await _open(rig)
        assert (rig.outcome("open"), rig.reason("open")) == ("refused", "SYMBOL_OWNED")
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.settled("close")
        await rig.send(rig.trade("eth", "LONG", 1, "ETH"))
        await rig.settled("eth")
    assert rig.size() == Decimal("0.2")
    assert rig.size("ETH") == 1
    assert len(rig.stops()) == 1


async def test_a_trade_by_hand_midway_resizes_the_stop_and_bounds_the_exit(rig):
    async with rig.inside():
        await _open(rig)
        await _stop(rig, "stop", 95_000)
        await rig.by_hand("BTC", Side.SELL, "0.4", "99000")
        await rig.until(lambda: [row["sz"] for row in rig.stops()] == ["0.6"])
        await rig.until(lambda: any(row["cause"] == "manual trade" for row in rig.events("DifferenceFound")))
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() == 0 and rig.resting() == [])


# -- commands -----------------------------------------------------------------------------------------------------


async def test_flatten_with_a_running_worker_closes_all_and_stays_latched_until_resume(rig):
    await rig.by_hand("SOL", Side.BUY, "3", "201")
    await rig.spawn()
    await _open(rig)
    await _stop(rig, "stop", 95_000)
    code, said = await rig.command("flatten", "--yes", "--json")
    assert code == 0, said
    await rig.until(lambda: rig.size() == 0 and rig.size("SOL") == 0 and rig.resting() == [])
    await rig.until(lambda: rig.events("FlattenDone"))
    await _open(rig, name="too-soon")
    assert (rig.outcome("too-soon"), rig.reason("too-soon")) == ("refused", "FLATTENED")
    code, said = await rig.command("resume")
    assert code == 0, said
    await rig.send(rig.trade("flat-book", "SHORT", 2))
    await rig.settled("flat-book")
    await _open(rig, 0.5, name="after")
    assert rig.outcome("after") == "executed"
    assert await rig.stop() == 0


async def test_flatten_without_a_worker_closes_all_and_the_next_worker_knows(rig):
    await rig.spawn()
    await _open(rig)
    await _stop(rig, "stop", 95_000)
    assert await rig.stop() == 0
    code, said = await rig.command("flatten", "--yes")
    assert code == 0, said
    assert rig.size() == 0
    assert rig.resting() == []
    await rig.spawn()
    await _open(rig, name="too-soon")
    assert rig.reason("too-soon") == "FLATTENED"
    assert await rig.stop() == 0


async def test_pause_stops_entries_and_lets_exits_go_also_across_a_restart(rig):
    await rig.spawn()
    await _open(rig)
    code, said = await rig.command("pause")
    assert code == 0, said
    await _open(rig, name="add")
    assert rig.reason("add") == "PAUSED"
    await rig.stop(signal.SIGKILL)
    await rig.spawn()
    await rig.send(rig.trade("close", "SHORT", 2))
    await rig.settled("close")
    assert rig.size() == 0
    await rig.stop()
    code, said = await rig.command("resume")
    assert code == 0, said
    await rig.spawn()
    await _open(rig, 0.5, name="after")
    assert rig.outcome("after") == "executed"
    assert await rig.stop() == 0
