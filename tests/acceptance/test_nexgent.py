"""A Nexgent agent copied onto the perp: simulator → worker → paper exchange, over restarts and lost connections."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from decimal import Decimal

from executor.sim.nexgent import Habits, NexgentSimulator

AGENT = "550e8400-e29b-41d4-a716-446655440000"
PEPE = "Pepe111111111111111111111111111111111111111"
BOUGHT = {"tokenSymbol": "PEPE", "tokenAddress": PEPE, "purchasePrice": 8e-8, "purchaseAmount": 50_000_000}
WITHIN_S = 20


@asynccontextmanager
async def nexgent(rig, **habits):
    """Nexgent beside the rig's exchange; 8e-8 SOL at 125 dollars is 0.00001 a PEPE, 0.01 a kPEPE."""
    async with NexgentSimulator((AGENT,), habits=Habits(**{"ping_s": 0.2, **habits})) as sim:
        sim.market.sol_usd = 125
        rig.exchange.market.set_quote("kPEPE", "0.009999", "0.010001", size=10_000_000)
        rig.environ |= {"NEXGENT_EMAIL": sim.tokens.email, "NEXGENT_PASSWORD": sim.tokens.password}
        rig.configure(**copying(sim, notional_usd=100))
        yield sim


def copying(sim, symbols=None, **sized):
    source = {"name": "nex", "type": "nexgent", "url": sim.rest_url, "agents": [AGENT], "reconnect_interval_s": 0.1}
    route = {"source": "nex", "agents": ["*"], "strategy": "nexgent_mirror", "accounts": ["main"]}
    options = {"symbols": {PEPE: "kPEPE"} if symbols is None else symbols, **sized}
    return {"sources": [{**source, "server_execution": "execute"}], "routes": [{**route, "with": options}]}


def holds(rig, size):
    return rig.until(lambda: rig.size("kPEPE") == Decimal(size), WITHIN_S)


async def test_entry_dca_partial_take_profit_and_close_are_followed_in_proportion(rig):
    async with nexgent(rig) as sim, rig.inside(channels=0):
        await sim.buy(AGENT, "p1", **BOUGHT)
        await holds(rig, 9949)  # 100 dollars at the cap price, in lots
        await sim.change(AGENT, "p1", purchaseAmount=75_000_000, purchasePrice=7.9e-8, dcaCount=1)
        await rig.until(lambda: rig.size("kPEPE") > 14_800, WITHIN_S)  # half as much again
        held = rig.size("kPEPE")
        await sim.change(AGENT, "p1", remainingAmount=30_000_000, realizedProfitSol=0.2, takeProfitLevelsHit=1)
        await rig.until(lambda: abs(rig.size("kPEPE") - held * Decimal("0.4")) <= 1, WITHIN_S)
        await sim.sell(AGENT, "p1")
        await holds(rig, 0)
        assert rig.stops("kPEPE") == []


async def test_the_stop_percentage_is_followed_as_a_stop_on_the_perp(rig):
    async with nexgent(rig) as sim, rig.inside(channels=0):
        await sim.buy(AGENT, "p1", **BOUGHT, currentStopLossPercentage=-20)
        await sim.price(PEPE, 8e-8)
        await rig.until(lambda: [row["triggerPx"] for row in rig.stops("kPEPE")] == ["0.008"], WITHIN_S)
        await sim.change(AGENT, "p1", currentStopLossPercentage=-10, peakPrice=8.4e-8)
        await rig.until(lambda: [row["triggerPx"] for row in rig.stops("kPEPE")] == ["0.009"], WITHIN_S)
        placed = len(rig.orders())
        await sim.change(AGENT, "p1", peakPrice=8.5e-8)  # a new record of the same stop
        await sim.change(AGENT, "p1", currentStopLossPercentage=-5)
        await rig.until(lambda: [row["triggerPx"] for row in rig.stops("kPEPE")] == ["0.0095"], WITHIN_S)
        assert len(rig.orders()) == placed + 1


async def test_duplicates_reconnects_and_a_restart_double_nothing(rig):
    async with nexgent(rig) as sim:
        async with rig.inside(channels=0):
            await sim.buy(AGENT, "p1", **BOUGHT)
            await holds(rig, 9949)
            await sim.change(AGENT, "p1", peakPrice=8.4e-8)  # the same position in all that matters
            await sim.cut(1000, "Server shutdown")
            await sim.wait_handshakes(2)
            await rig.until(lambda: sum(e["state"] == "open" for e in rig.events("SourceChanged")) == 2, WITHIN_S)
        async with rig.inside(channels=0):
            await sim.change(AGENT, "p1", purchaseAmount=100_000_000, dcaCount=1)
            await holds(rig, 9949 * 2)
        assert len(rig.fills("kPEPE")) == 2


async def test_a_position_that_was_closed_while_no_worker_ran_is_closed_at_the_next_start(rig):
    async with nexgent(rig) as sim:
        async with rig.inside(channels=0):
            await sim.buy(AGENT, "p1", **BOUGHT)
            await holds(rig, 9949)
        await sim.sell(AGENT, "p1", told=False)
        async with rig.inside(channels=0):
            await holds(rig, 0)


async def test_the_mirror_is_seen_on_the_command_line_while_the_worker_runs_and_after(rig):
    async with nexgent(rig) as sim:
        async with rig.inside(channels=0):
            await sim.buy(AGENT, "p1", **BOUGHT)
            await holds(rig, 9949)
            code, said = await rig.command("mirror", "--source", "nex", "--json")
            assert (code, json.loads(said)["positions"][0]["holding"]) == (0, "50000000")
        code, said = await rig.command("mirror")
        assert code == 0
        assert "PEPE" in said
        code, said = await rig.command("mirror", "--source", "fractrade")
        assert code == 2
        assert "those that do: nex" in said


async def test_a_token_without_a_perp_is_not_traded_and_the_record_says_why(rig):
    async with nexgent(rig) as sim:
        rig.configure(**copying(sim, symbols={"WIF": {"coin": "WIF", "units": 1}}, multiplier=1))
        async with rig.inside(channels=0):
            await sim.buy(AGENT, "p1", **BOUGHT)
            await rig.until(lambda: rig.events("StrategyFailed"), WITHIN_S)
            assert "no perp is configured for PEPE" in rig.events("StrategyFailed")[0]["text"]
            assert rig.sent() == []
