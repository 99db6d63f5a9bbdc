"""An agent that goes LONG 1, then SHORT 1, ends flat with us, whatever became of our entry."""

from __future__ import annotations

import pytest

from executor.paper.faults import Fault

SMALLER = [{"rule": "max_order_notional", "max_usd": 50_000, "on_breach": "shrink"}]
REFUSING = [{"rule": "max_order_notional", "max_usd": 50_000, "on_breach": "refuse"}]
WHOLE = [{"rule": "max_order_notional", "max_usd": 500_000}]
REST = [{"rule": "max_position_notional", "max_usd": 500_000}, {"rule": "daily_loss", "max_usd": 100_000}]


async def _long_then_short(rig, *, at_once):
    """Both outcomes, once everything has come to rest."""
    async with rig.inside() as runtime:
        await rig.send(rig.trade("open", "LONG", 1))
        if not at_once:
            await rig.settled("open", within_s=15)
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.settled("open", "close", within_s=20)
        desk = runtime.worker.desks["main"]
        await rig.until(lambda: desk.quiet() and not desk.state.exits, 10)
        assert rig.size() == 0
        assert desk.state.position("BTC").size == 0
        assert runtime.unknown() == 0
    return rig.outcome("open"), rig.outcome("close")


def _never_short(rig):
    """At no fill did the position go below zero."""
    return all(float(f["startPosition"]) + (1 if f["side"] == "B" else -1) * float(f["sz"]) >= 0 for f in rig.fills())


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("rules", "opened", "closed", "entered"),
    [
        (WHOLE, "executed", {"executed"}, 1),
        (SMALLER, "executed", {"executed"}, None),
        (REFUSING, "refused", {"refused"}, None),
    ],
)
async def test_whether_the_entry_was_whole_smaller_or_refused(rig, rules, opened, closed, entered, at_once):
    rig.configure(risk=[*rules, *REST])
    told = await _long_then_short(rig, at_once=at_once)
    assert _never_short(rig)
    if at_once and rules is not REFUSING:
        return  # the entry may have been dropped before it left
    assert told[0] == opened
    assert told[1] in closed
    if entered is not None:
        assert float(rig.fills()[0]["sz"]) == entered
    if rules is REFUSING:
        assert (rig.sent(), rig.reason("close")) == ([], "NO_POSITION")


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("fault", ["drop_answer", "garbage", "http_502_after", "drop_request", "http_502"])
async def test_when_the_entrys_answer_or_its_request_was_lost(rig, fault, at_once):
    rig.configure(risk=[*WHOLE, *REST])
    rig.arm(Fault(fault, match="order"))
    await _long_then_short(rig, at_once=at_once)
    assert _never_short(rig)
    assert len(rig.orders_named(rig.entry_name("open"))) <= 1


@pytest.mark.parametrize("at_once", [pytest.param(False, marks=pytest.mark.full), True])
async def test_when_the_entry_never_reached_the_exchange(rig, at_once):
    rig.configure(risk=[*WHOLE, *REST], execution={"order_expiry_s": 3})
    lost = Fault("drop_request", match="order", times=0)
    rig.arm(lost)
    async with rig.inside() as runtime:
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.until(rig.sent)
        if not at_once:
            await rig.settled("open", within_s=20)
            assert rig.outcome("open") == "absent"
            rig.exchange.faults.clear()
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.settled("open", within_s=20)
        rig.exchange.faults.clear()
        await rig.settled("close", within_s=20)
        desk = runtime.worker.desks["main"]
        await rig.until(lambda: desk.quiet() and not desk.state.exits, 20)
    assert rig.outcome("open") == "absent"
    assert rig.size() == 0
    assert rig.fills() == []


@pytest.mark.full
async def test_after_its_target_and_its_stop_an_agent_that_closes_the_rest_is_out(rig):
    """Neither is told by a frame once it executed: five less two by a target is three, whatever its book shows."""
    rig.configure(risk=[*WHOLE, *REST])
    async with rig.inside() as runtime:
        await rig.send(rig.trade("open", "LONG", 0.5), rig.protect("TAKE_PROFIT", "target", "SELL", 101_000, size=0.2))
        await rig.until(rig.targets)
        rig.market.set_quote("BTC", 101_000, 101_020)
        await rig.until(lambda: float(rig.size()) == 0.3)
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000, size=0.3))
        await rig.until(rig.stops)
        rig.market.set_quote("BTC", 94_900, 94_920)
        await rig.until(lambda: rig.size() == 0)
        await rig.send(rig.trade("again", "LONG", 0.1))
        await rig.settled("again")
        await rig.send(rig.trade("close", "SHORT", 0.1))
        await rig.settled("close")
        assert (rig.size(), rig.outcome("close")) == (0, "executed")
        assert runtime.worker.desks["main"].state.position("BTC").size == 0
