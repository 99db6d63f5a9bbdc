"""What real days bring: cut sockets, thin books, a venue that is away, a process that dies or freezes halfway."""

from __future__ import annotations

import asyncio
import signal
from decimal import Decimal

import pytest

from executor.paper.faults import Fault


async def _open(rig, size=1.0, name="open", side="LONG"):
    await rig.send(rig.trade(name, side, size))
    await rig.settled(name, within_s=20)


async def _flat(rig, runtime):
    desk = runtime.worker.desks["main"]
    await rig.until(lambda: rig.size() == 0 and desk.quiet() and not desk.state.exits, 20)
    assert desk.state.position("BTC").size == 0


def _books_agree(rig, runtime):
    desk = runtime.worker.desks["main"]
    return all(desk.state.position(coin).size == rig.size(coin) for coin in ("BTC", "ETH"))


@pytest.mark.parametrize("rig", [200], indirect=True)
async def test_a_socket_cut_with_the_order_out_is_one_order(rig):
    async with rig.inside() as runtime:
        await rig.send(rig.trade("open", "LONG", 1))
        await rig.until(rig.sent)
        rig.exchange.cut_sockets()
        await rig.settled("open", within_s=20)
        assert rig.outcome("open") == "executed"
        await rig.send(rig.trade("close", "SHORT", 1))
        await _flat(rig, runtime)
    assert len(rig.orders_named(rig.entry_name("open"))) == 1


async def test_an_entry_filled_in_part_is_protected_for_what_filled_and_closed_whole(rig):
    rig.market.set_levels("BTC", [("99990", "10")], [("100010", "0.3")])
    async with rig.inside() as runtime:
        await _open(rig)
        assert rig.outcome("open") == "partial"
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000))
        await rig.until(lambda: [Decimal(row["sz"]) for row in rig.stops()] == [Decimal("0.3")])
        await rig.send(rig.trade("close", "SHORT", 1))
        await _flat(rig, runtime)


async def test_an_exit_into_a_thin_book_goes_on_until_flat(rig):
    async with rig.inside() as runtime:
        await _open(rig)
        rig.market.set_levels("BTC", [("99990", "0.2"), ("98000", "0.3"), ("93000", "10")], [("100010", "10")])
        await rig.send(rig.trade("close", "SHORT", 1))
        await rig.until(lambda: rig.size() <= Decimal("0.8"))
        await _flat(rig, runtime)
        await rig.until(lambda: rig.outcome("close") == "executed")


async def test_half_out_half_in_a_flip_ends_on_the_other_side(rig):
    async with rig.inside() as runtime:
        await _open(rig)
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000))
        await rig.until(rig.stops)
        await rig.send(rig.trade("flip", "SHORT", 1.5))
        await rig.until(lambda: rig.size() == Decimal("-0.5"))
        await rig.settled("flip")
        await rig.until(lambda: rig.resting() == [])
        await rig.send(rig.trade("close", "LONG", 0.5))
        await _flat(rig, runtime)


@pytest.mark.parametrize("after_s", [0.1, *(pytest.param(s, marks=pytest.mark.full) for s in (0.25, 0.4, 0.55, 0.7))])
@pytest.mark.parametrize("rig", [200], indirect=True)
async def test_a_flip_killed_halfway_never_turns_into_more_than_the_agent_asked(rig, after_s):
    await rig.spawn()
    await _open(rig)
    await rig.send(rig.trade("flip", "SHORT", 2))
    await asyncio.sleep(after_s)
    await rig.stop(signal.SIGKILL)
    await rig.spawn()
    await rig.until(lambda: rig.size() <= 0, 15)
    await rig.settled("flip", within_s=20)
    assert rig.size() in (0, -1)
    await rig.send(rig.trade("close", "LONG", 1))
    await rig.until(lambda: rig.size() == 0)
    assert await rig.stop() == 0
    assert len(rig.orders_named(rig.entry_name("flip"))) <= 1


async def test_an_exchange_that_is_away_for_a_while_is_waited_for(rig):
    async with rig.inside() as runtime:
        await _open(rig)
        away = [Fault("http_502", times=0), Fault("http_502", on="info", times=0)]
        rig.arm(*away)
        rig.exchange.cut_sockets()
        await rig.send(rig.trade("close", "SHORT", 1))
        await asyncio.sleep(1.5)
        rig.exchange.faults.clear()
        await _flat(rig, runtime)


@pytest.mark.parametrize(
    "fault",
    ["drop_answer", *(pytest.param(f, marks=pytest.mark.full) for f in ("drop_request", "garbage", "http_429"))],
)
async def test_a_leverage_setting_whose_answer_is_lost_is_read_before_the_entry_leaves(rig, fault):
    rig.arm(Fault(fault, match="updateLeverage"))
    async with rig.inside():
        await _open(rig)
        state = rig.exchange.service.state.accounts[rig.address]
        if rig.outcome("open") == "executed":
            assert state.leverage["BTC"].value == 5
        else:
            assert rig.reason("open") == "LEVERAGE_UNCONFIRMED"
            assert rig.sent() == []


async def test_the_same_id_with_another_content_is_a_conflict_and_no_order(rig):
    async with rig.inside():
        await _open(rig)
        await rig.send(rig.trade("open", "LONG", 2))
        await rig.until(lambda: rig.events("ConflictSeen"))
        await rig.send(rig.trade("eth", "LONG", 1, "ETH"))
        await rig.settled("eth")
    assert rig.size() == 1


async def test_a_worker_frozen_longer_than_an_entry_lives_refuses_what_grew_old(rig):
    rig.configure(execution={"entry_ttl_s": 2, "order_expiry_s": 2})
    await rig.spawn()
    await _open(rig)
    worker = rig.workers[-1]
    worker.send_signal(signal.SIGSTOP)
    await rig.send(rig.trade("old", "LONG", 1))
    await rig.send(rig.trade("reduce", "SHORT", 1))
    await asyncio.sleep(2.5)
    worker.send_signal(signal.SIGCONT)
    await rig.settled("old", "reduce")
    assert (rig.outcome("old"), rig.reason("old")) == ("refused", "STALE")
    assert rig.outcome("reduce") == "executed"
    assert await rig.stop() == 0
    assert rig.size() == Decimal("0.5")  # its half of the agent's book of two


async def _ledger_lost(rig, after_s):
    """The worker dies with its ledger while an order may be on its way; the frame comes again."""
    await rig.spawn()
    frame = rig.trade("action-uuid", "LONG", 0.1)
    await rig.send(frame)
    await asyncio.sleep(after_s)
    await rig.stop(signal.SIGKILL)
    for path in list(rig.ledger_path.parent.iterdir()):
        if path.name.startswith(rig.ledger_path.name):
            path.unlink()
    await rig.spawn()
    await rig.send(frame)
    await rig.settled("action-uuid", within_s=20)
    await rig.until(lambda: rig.orders() or rig.outcome("action-uuid") == "refused")


@pytest.mark.parametrize("rig", [200], indirect=True)
async def test_killed_with_the_ledger_lost_as_well_there_is_no_second_order(rig):
    await _ledger_lost(rig, 0.3)
    assert len(rig.orders_named(rig.entry_name("action-uuid"))) == 1
    assert await rig.stop() == 0


async def test_an_order_still_under_way_when_the_ledger_was_lost_is_not_sent_again(rig):
    rig.configure(execution={"order_expiry_s": 4})
    rig.arm(Fault("delay", match="order", delay_ms=3_000))
    await _ledger_lost(rig, 0.5)
    await asyncio.sleep(3)
    assert len(rig.orders_named(rig.entry_name("action-uuid"))) == 1
    assert await rig.stop() == 0


@pytest.mark.parametrize("rig", [200], indirect=True)
@pytest.mark.parametrize("after_s", [0.15, *(pytest.param(s, marks=pytest.mark.full) for s in (0.02, 0.25, 0.4))])
async def test_killed_while_replacing_a_stop_the_position_is_covered_at_every_moment(rig, after_s):
    await rig.spawn()
    await _open(rig)
    await rig.send(rig.protect("STOP_LOSS", "stop-1", "SELL", 95_000))
    await rig.until(lambda: rig.outcome("stop-1") == "resting")
    naked = []
    rig.exchange.service.listeners.append(lambda _: rig.stops() or naked.append(rig.size()))
    await rig.send(rig.protect("STOP_LOSS", "stop-2", "SELL", 96_000))
    await asyncio.sleep(after_s)
    await rig.stop(signal.SIGKILL)
    await rig.spawn()
    await rig.until(lambda: [Decimal(row["triggerPx"]) for row in rig.stops()] == [96_000])
    assert naked == []
    assert await rig.stop() == 0


async def test_killed_between_an_entry_and_its_stop_the_stop_is_placed_at_the_next_start(rig):
    await rig.spawn()
    await _open(rig)
    rig.arm(Fault("drop_request", match="order", times=0))
    await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000))
    await rig.until(lambda: len(rig.sent()) >= 2)
    await rig.stop(signal.SIGKILL)
    rig.exchange.faults.clear()
    await rig.spawn()
    await rig.until(lambda: len(rig.stops()) == 1)
    assert await rig.stop() == 0


@pytest.mark.parametrize("rig", [200], indirect=True)
async def test_killed_while_flattening_the_next_start_goes_on_with_it(rig):
    await rig.spawn()
    await _open(rig)
    await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 95_000))
    await rig.until(rig.stops)
    code, _ = await rig.command("flatten", "--yes")
    await rig.stop(signal.SIGKILL)
    assert code == 0
    await rig.spawn()
    await rig.until(lambda: rig.size() == 0 and rig.resting() == [])
    await rig.until(lambda: rig.events("FlattenDone"))
    assert await rig.stop() == 0


async def test_two_agents_on_one_symbol_share_it_each_with_its_own_part_and_stop(rig):
    rig.configure(sources=[rig.source(agents=["agent-uuid", "other"])])
    async with rig.inside(channels=2) as runtime:
        await _open(rig)
        await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 96_000))
        await rig.send(rig.trade("theirs", "LONG", "0.5", agent_id="other"))
        await rig.settled("theirs")
        theirs = rig.protect("STOP_LOSS", "their-stop", "SELL", 95_000, "0.5") | {"agent_id": "other"}
        await rig.send(theirs)
        await rig.until(lambda: sorted(Decimal(row["sz"]) for row in rig.stops()) == [Decimal("0.5"), 1])
        assert rig.size() == Decimal("1.5")
        await rig.send(rig.trade("against", "SHORT", 2, agent_id="other"))
        await rig.until(lambda: rig.size() == 1)
        await rig.settled("against")
        assert rig.reason("against") == "OPPOSITE_HELD"
        await rig.until(lambda: [Decimal(row["triggerPx"]) for row in rig.stops()] == [96_000])
        await rig.send(rig.trade("close", "SHORT", 1))
        await _flat(rig, runtime)
        assert _books_agree(rig, runtime)
