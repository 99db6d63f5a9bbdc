"""A Halyrd agent copied onto perps: simulator → worker → paper exchange, over gaps, restarts and its own vetoes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

from executor.clock import iso
from executor.sim.halyrd import HalyrdSimulator
from executor.sources import halyrd as halyrd_source

WITHIN_S = 20
PAIR = "AVAX/USDT"


@asynccontextmanager
async def halyrd(rig, **options):
    """Halyrd beside the rig's exchange, where AVAX costs 20 dollars."""
    async with HalyrdSimulator() as sim:
        rig.exchange.market.set_quote("AVAX", "19.999", "20.001", size=10_000_000)
        source = {"name": "hal", "type": "halyrd", "url": sim.url.replace("ws:", "http:"), "poll_s": 0.2}
        route = {"source": "hal", "agents": ["*"], "strategy": "halyrd_copy", "accounts": ["main"]}
        rig.configure(sources=[source], routes=[{**route, "with": options}])
        yield sim


def holds(rig, size, coin="AVAX"):
    return rig.until(lambda: rig.size(coin) == Decimal(size), WITHIN_S)


async def back_filled(rig, sim, reads=1):
    """The lists have been read so many times more, and what they told was taken."""
    before = sim.requests.count("/agents/current/equity")
    await rig.until(lambda: sim.requests.count("/agents/current/equity") >= before + reads, WITHIN_S)


async def told(rig, sim, word):
    """The worker has read everything up to this entry."""
    await sim.enter("SKIPPED", word)
    await rig.until(lambda: any(word in str(row["frame"]) for row in frames(rig)), WITHIN_S)


def frames(rig):
    return rig.read(lambda reader: list(reader.frames()), [])


async def test_entry_add_partial_sell_and_close_are_copied_by_value(rig):
    async with halyrd(rig) as sim, rig.inside(channels=0):
        await sim.wait_connected()
        await sim.trade(PAIR, "buy", 400.0, 20.0)
        await holds(rig, "19.89")  # 400 dollars at the cap price, in lots
        await sim.trade(PAIR, "buy", 200.0, 20.0)
        await holds(rig, "29.83")
        await sim.trade(PAIR, "sell", 300.0, 20.0, pnl=1.0)
        await holds(rig, "14.92")
        await sim.trade(PAIR, "sell", 299.9, 20.0, pnl=1.0)  # rounded in dollars: next to nothing is left
        await holds(rig, 0)
        assert all(order["r"] for order in rig.sent()[2]["action"]["orders"])


async def test_a_sell_of_what_was_never_copied_opens_nothing(rig):
    async with halyrd(rig) as sim, rig.inside(channels=0):
        await sim.wait_connected()
        await sim.trade(PAIR, "sell", 400.0, 20.0, pnl=5.0)
        await sim.trade("ETH/USDT", "buy", 400.0, 4000.0)
        await rig.until(lambda: rig.size("ETH") > 0, WITHIN_S)
        assert rig.fills("AVAX") == []


async def test_duplicates_a_gap_and_a_restart_double_nothing_and_what_was_sold_meanwhile_is_sold(rig):
    async with halyrd(rig) as sim:
        async with rig.inside(channels=0):
            await sim.wait_connected()
            await sim.trade(PAIR, "buy", 400.0, 20.0)
            await holds(rig, "19.89")
            await sim.publish({"event": "trade", **sim.trades[0]})
            sim.mute = True
            await sim.trade(PAIR, "sell", 200.0, 20.0, pnl=1.0)
            sim.mute = False
            await sim.cut(1006)
            await holds(rig, "9.95")
        sim.mute = True
        await sim.trade(PAIR, "sell", 100.0, 20.0, pnl=1.0)
        sim.mute = False
        async with rig.inside(channels=0):
            await holds(rig, "4.98")
            await back_filled(rig, sim, 0)
            await sim.trade(PAIR, "sell", 100.0, 20.0, pnl=1.0)
            await holds(rig, 0)
        assert len(rig.fills("AVAX")) == 4


async def test_what_was_sold_longer_ago_than_the_horizon_is_sold_at_the_next_start(rig, monkeypatch):
    """As after days without a worker: only when one last listened bounds what is told."""
    monkeypatch.setattr(halyrd_source, "HORIZON_MS", 1)
    async with halyrd(rig) as sim:
        async with rig.inside(channels=0):
            await sim.wait_connected()
            await sim.trade(PAIR, "buy", 400.0, 20.0)
            await holds(rig, "19.89")
        sim.mute = True
        await sim.trade(PAIR, "sell", 400.0, 20.0, pnl=1.0)
        sim.mute = False
        await asyncio.sleep(0.05)
        async with rig.inside(channels=0):
            await holds(rig, 0)
        assert len(rig.fills("AVAX")) == 2


async def test_an_old_entry_found_at_the_first_start_is_not_entered_but_its_sell_closes_nothing_of_others(rig):
    async with halyrd(rig) as sim:
        ref = await sim.trade(PAIR, "buy", 400.0, 20.0)
        for row in (*sim.trades, *sim.journal):
            row["ts"] = iso(sim.clock.now_ms() - 3_600_000)
        async with rig.inside(channels=0):
            await rig.until(rig.actions, WITHIN_S)
            await rig.settled(*rig.actions(), within_s=WITHIN_S)
            (row,) = rig.actions().values()
            assert (row["outcome"], row["reason"]) == ("refused", "STALE"), ref
            await sim.trade(PAIR, "sell", 400.0, 20.0, pnl=1.0)
            await sim.trade("ETH/USDT", "buy", 400.0, 4000.0)
            await rig.until(lambda: rig.size("ETH") > 0, WITHIN_S)
            assert rig.fills("AVAX") == []


async def test_a_demotion_closes_what_was_copied_and_nothing_is_entered_until_it_is_promoted(rig):
    async with halyrd(rig) as sim:
        async with rig.inside(channels=0):
            await sim.wait_connected()
            await sim.trade(PAIR, "buy", 400.0, 20.0)
            await holds(rig, "19.89")
            await sim.demote("max_drawdown", "max", None)
            await holds(rig, 0)
        async with rig.inside(channels=0):  # remembered over a restart
            await sim.wait_connected()
            await sim.trade("ETH/USDT", "buy", 400.0, 4000.0)
            await told(rig, sim, "after-the-demotion")
            assert rig.fills("ETH") == []
            await sim.promote()
            await sim.trade("SOL/USDT", "buy", 400.0, 200.0)
            await rig.until(lambda: rig.size("SOL") > 0, WITHIN_S)
        assert len(rig.fills("AVAX")) == 2


async def test_a_demotion_nobody_heard_closes_as_soon_as_the_status_is_read(rig):
    async with halyrd(rig) as sim, rig.inside(channels=0):
        await sim.wait_connected()
        await back_filled(rig, sim, 0)
        await sim.trade(PAIR, "buy", 400.0, 20.0)
        await holds(rig, "19.89")
        sim.mute = True
        await sim.demote("daily_drawdown", "daily", None)
        sim.mute = False
        await sim.cut(1006)
        await holds(rig, 0)


async def test_after_a_veto_of_the_agents_rules_nothing_is_entered_and_exits_go_on(rig):
    async with halyrd(rig) as sim, rig.inside(channels=0):
        await sim.wait_connected()
        await sim.trade(PAIR, "buy", 400.0, 20.0)
        await holds(rig, "19.89")
        await sim.block("risk_veto", "streak_limit", "four in a row", "ord_1")
        await sim.trade("ETH/USDT", "buy", 400.0, 4000.0)
        await sim.trade(PAIR, "sell", 400.0, 20.0, pnl=1.0)
        await holds(rig, 0)
        assert rig.fills("ETH") == []


async def test_a_mapped_pair_a_notional_and_a_stop_of_our_own(rig):
    options = {"symbols": {"WRAPPED/USDT": "AVAX"}, "notional_usd": 200, "stop_pct": 5, "leverage": 2}
    async with halyrd(rig, **options) as sim, rig.inside(channels=0):
        await sim.wait_connected()
        await sim.trade("WRAPPED/USDT", "buy", 400.0, 20.0)
        await holds(rig, "9.94")
        await rig.until(lambda: [Decimal(row["triggerPx"]) for row in rig.stops("AVAX")] == [19], WITHIN_S)
        await sim.trade("WRAPPED/USDT", "sell", 400.0, 20.0, pnl=1.0)
        await holds(rig, 0)
        await rig.until(lambda: rig.stops("AVAX") == [], WITHIN_S)
