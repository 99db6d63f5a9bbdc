"""The words of a TradeReady script, and the simulator served by itself for ``executor sim tradeready``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from executor.clock import Clock, SystemClock
from executor.sim.faults import FAULTS, Card, Ready, faults, run
from executor.sim.scenario import Say, Step, Strict, Vocabulary, Word, load_scenario, play
from executor.sim.tradeready import API_KEY, Heartbeat, TradeReadySimulator

Decimals = str
"""Numbers are text on that wire: quote them."""


class TickWord(Strict):
    """One price."""

    symbol: str
    price: Decimals
    quantity: Decimals = "1"


class OrderWord(Strict):
    """An order in a state; ``id`` names it for its next one."""

    symbol: str
    side: Literal["buy", "sell"]
    quantity: Decimals
    price: Decimals = "100"
    status: Literal["pending", "filled", "partially_filled", "cancelled", "rejected", "expired"] = "filled"
    order_id: str | None = Field(default=None, alias="id")
    executed: Decimals | None = None


class CandleWord(Strict):
    """A candle that ended just now."""

    symbol: str
    interval: Literal["1m", "5m", "1h", "1d"] = "1m"
    close: Decimals


class LimitWord(Strict):
    """So many requests are answered with 429."""

    times: int = Field(ge=1)
    retry_after: int = Field(default=1, ge=0)


WORDS: dict[str, Any] = {
    "tick": TickWord,
    "order": OrderWord,
    "push_order": str,
    "candle": CandleWord,
    "equity": str,
    "limit": LimitWord,
    "pushes": bool,
    **FAULTS,
}
"""``push_order`` sends an order's frame unasked; ``pushes: true`` does so for every order from then on."""

_MS = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000, "1d": 86_400_000}


def vocabulary(simulator: TradeReadySimulator, run_id: str = "") -> Vocabulary:
    """The words on a running simulator; ``run_id`` goes behind each id, so that a script played again is new."""

    def named(order_id: str | None) -> str | None:
        return f"{order_id}-{run_id}" if order_id and run_id else order_id

    async def tick(value: TickWord) -> str:
        await simulator.tick(value.symbol, value.price, value.quantity)
        return f"{value.symbol} at {value.price}"

    async def order(value: OrderWord) -> str:
        given = value.model_dump() | {"order_id": named(value.order_id)}
        return f"order {await simulator.order(**given)} is {value.status}"

    async def push_order(order_id: str) -> str:
        await simulator.push_order(named(order_id) or order_id)
        return f"pushed {order_id}"

    async def candle(value: CandleWord) -> str:
        open_ms = simulator.clock.now_ms() - _MS[value.interval]
        simulator.candle(value.symbol, value.interval, open_ms, value.close)
        return f"{value.interval} candle of {value.symbol}"

    async def equity(value: str) -> str:
        simulator.equity = value
        return f"worth {value}"

    async def limit(value: LimitWord) -> str:
        simulator.limited, simulator.retry_after = value.times, value.retry_after
        return f"the next {value.times} requests are too many"

    async def pushes(on: bool) -> str:
        simulator.pushes = on
        return "orders are pushed" if on else "orders are for REST"

    does: dict[str, Callable[..., Any]] = {
        "tick": tick,
        "order": order,
        "push_order": push_order,
        "candle": candle,
        "equity": equity,
        "limit": limit,
        "pushes": pushes,
    }
    return {**{name: Word(WORDS[name], do) for name, do in does.items()}, **faults(simulator)}


def load(path: Path | None = None) -> tuple[Step, ...]:
    """The steps of a file, or the bundled ones; raises ``ConfigError``."""
    return load_scenario(path, "tradeready.yaml", WORDS)


async def serve(
    host: str,
    port: int,
    steps: tuple[Step, ...],
    say: Say,
    clock: Clock | None = None,
    ping_s: float = 30.0,
    ready: Ready | None = None,
) -> None:
    """The simulator alone, until cancelled."""
    time = clock or SystemClock()
    simulator = TradeReadySimulator(host, port, time, heartbeat=Heartbeat(ping_s))
    await run(
        simulator,
        lambda: Card([f"TradeReady simulator (api_key {API_KEY}) on {simulator.url}"], {"api_key": API_KEY}),
        lambda: play(steps, vocabulary(simulator, f"{time.now_ms():x}"), time, say),
        say,
        ready,
    )
