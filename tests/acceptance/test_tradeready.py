"""A TradeReady account copied onto perps: simulator → worker → paper exchange, over polls, pushes and restarts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal

from executor.sim.tradeready import API_KEY, TradeReadySimulator

WITHIN_S = 20
SYMBOL = "BTCUSDT"


@asynccontextmanager
async def tradeready(rig, **options):
    """TradeReady beside the rig's exchange, where BTC costs 100,000 dollars."""
    async with TradeReadySimulator() as sim:
        rig.environ["TRADEREADY_API_KEY"] = API_KEY
        source = {"name": "tr", "type": "tradeready", "url": sim.url, "orders": True, "poll_s": 0.1}
        route = {"source": "tr", "agents": ["*"], "strategy": "tradeready_copy", "accounts": ["main"]}
        rig.configure(sources=[source], routes=[{**route, "with": options}])
        yield sim


def holds(rig, size, coin="BTC"):
    return rig.until(lambda: rig.size(coin) == Decimal(size), WITHIN_S)


async def test_entry_add_partial_sell_and_close_are_copied(rig):
    async with tradeready(rig, multiplier="0.5") as sim, rig.inside(channels=0):
        await sim.wait_connected()
        await sim.order(SYMBOL, "buy", "0.2", "100000")
        await holds(rig, "0.1")
        await sim.order(SYMBOL, "buy", "0.1", "100000")
        await holds(rig, "0.15")
        await sim.order(SYMBOL, "sell", "0.2", "100000")
        await holds(rig, "0.05")
        await sim.order(SYMBOL, "sell", "0.1", "100000")
        await holds(rig, 0)


async def test_only_what_was_executed_is_copied_when_the_order_is_over(rig):
    async with tradeready(rig) as sim, rig.inside(channels=0):
        await sim.wait_connected()
        for status, executed in (("pending", None), ("partially_filled", "0.1"), ("cancelled", "0.1")):
            await sim.order(SYMBOL, "buy", "0.4", "100000", status=status, order_id="o1", executed=executed)
            await rig.until(lambda word=status: word == "cancelled" or word in told(rig), WITHIN_S)
        await holds(rig, "0.1")
        await sim.order(SYMBOL, "buy", "0.4", "100000", status="rejected", order_id="o2")
        await rig.until(lambda: "rejected" in told(rig), WITHIN_S)
        assert len(rig.fills()) == 1


def told(rig):
    return " ".join(str(row["frame"]) for row in rig.read(lambda reader: list(reader.frames()), []))


async def test_a_push_a_poll_a_reconnect_and_a_restart_double_nothing(rig):
    async with tradeready(rig) as sim:
        async with rig.inside(channels=0):
            await sim.wait_connected()
            sim.pushes = True
            name = await sim.order(SYMBOL, "buy", "0.2", "100000")
            await holds(rig, "0.2")
            await sim.push_order(name)
            sim.pushes = False
            await sim.cut(1000)
            await sim.wait_handshakes(2)
            sim.rest_refuse_with = 503
            await sim.order(SYMBOL, "sell", "0.1", "100000")
            sim.rest_refuse_with = None
            await holds(rig, "0.1")
        await sim.order(SYMBOL, "sell", "0.05", "100000")
        async with rig.inside(channels=0):
            await holds(rig, "0.05")
            await sim.push_order(name)
            await sim.order(SYMBOL, "sell", "0.05", "100000")
            await holds(rig, 0)
        assert len(rig.fills()) == 4


async def test_a_sell_of_what_was_never_copied_opens_nothing(rig):
    async with tradeready(rig) as sim, rig.inside(channels=0):
        await sim.wait_connected()
        await sim.order(SYMBOL, "sell", "0.1", "100000")
        await sim.order("ETHUSDT", "buy", "0.1", "4000")
        await holds(rig, "0.1", "ETH")
        assert rig.fills("BTC") == []


async def test_a_symbol_the_venue_does_not_list_is_refused_by_its_name(rig):
    async with tradeready(rig) as sim, rig.inside(channels=0):
        await sim.wait_connected()
        await sim.order("NOSUCHUSDT", "buy", "5", "1")
        await rig.until(rig.actions, WITHIN_S)
        await rig.settled(*rig.actions(), within_s=WITHIN_S)
        (row,) = rig.actions().values()
        assert (row["symbol"], row["outcome"], row["reason"]) == ("NOSUCHUSDT", "refused", "UNKNOWN_SYMBOL")
