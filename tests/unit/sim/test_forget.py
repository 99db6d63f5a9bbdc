"""What a simulator's script can set is as it was at first once the simulator forgets, whichever system it is of."""

from __future__ import annotations

from typing import Any

import pytest

from executor.sim import fractrade, halyrd, nexgent, nexgent_script, tradeready, tradeready_script
from executor.sim.faults import faults
from executor.sim.loopback import LoopbackServer
from executor.sim.nexgent_positions import Market

AGENT = nexgent_script.AGENT


@pytest.mark.parametrize(
    "simulator",
    [
        fractrade.FractradeSimulator(),
        halyrd.HalyrdSimulator(),
        nexgent.NexgentSimulator(),
        tradeready.TradeReadySimulator(),
    ],
)
async def test_nobody_is_refused_any_more(simulator: LoopbackServer) -> None:
    words = faults(simulator)
    await words["refuse"].does(403)
    await words["refuse_rest"].does(500)
    assert (simulator.refuse_with, simulator.rest_refuse_with) == (403, 500)
    simulator.forget()
    assert (simulator.refuse_with, simulator.rest_refuse_with) == (None, None)


async def test_a_tradeready_is_worth_what_it_was_and_knows_no_order_candle_price_or_limit() -> None:
    simulator = tradeready.TradeReadySimulator()
    first = seen(simulator)
    words = tradeready_script.vocabulary(simulator, "run")
    await words["equity"].does("7")
    await words["pushes"].does(True)
    await words["limit"].does(tradeready_script.LimitWord(times=5, retry_after=99))
    await simulator.order("AUSDT", "buy", "1")
    await simulator.tick("AUSDT", "1")
    simulator.candle("AUSDT", "1m", 0, "1")
    assert all(was != now for was, now in zip(first, seen(simulator), strict=True))
    simulator.forget()
    assert seen(simulator) == first


def seen(simulator: tradeready.TradeReadySimulator) -> list[Any]:
    said = (simulator.equity, simulator.pushes, simulator.limited, simulator.retry_after)
    return [*said, *(len(rows) for rows in (simulator.orders, simulator.candles, simulator.prices))]


async def test_a_nexgent_has_no_position_price_or_failure_and_takes_every_token_again() -> None:
    simulator = nexgent.NexgentSimulator((AGENT,))
    words = nexgent_script.Player(simulator).vocabulary
    token = simulator.tokens.access()
    await words["buy"].does(nexgent_script.Moved(id="p1"))
    await words["buy_early"].does(nexgent_script.Moved(id="p2"))
    await words["price"].does(nexgent_script.Priced(sol=2.0))
    await words["fail_load"].does("broken")
    simulator.tokens.revoked.add(token)
    simulator.forget()
    assert simulator.market == Market()
    assert simulator.habits == nexgent.Habits()
    assert (simulator._positions, simulator._early) == ({AGENT: {}}, [])
    assert simulator.tokens.good(token)
