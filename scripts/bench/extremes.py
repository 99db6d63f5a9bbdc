"""The two moments an average hides: the first signal after a silence, and many signals at once.

Same servers and contestants as ``main.py``; no cold start and no warm-up trick: a worker, a wait, one measurement.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import AsyncExitStack

import contestants
from main import COIN, Lane, _one, _ready, _start
from raw_server import serve
from signal_server import SignalServer

SMALL = 0.001
"""In a burst all stay within the caps together."""


def arguments() -> argparse.Namespace:
    names = [c.name for c in contestants.ALL]
    parser = argparse.ArgumentParser(prog="scripts/bench/extremes.py", description=__doc__.splitlines()[0])
    parser.add_argument("--idle-s", type=float, default=17, help="silence before each single signal")
    parser.add_argument("--rounds", type=int, default=4, help="silences, and bursts")
    parser.add_argument("--burst", type=int, default=200, help="signals written back to back")
    parser.add_argument("--latency-ms", type=float, default=20, help="round trip of the exchange's answers")
    parser.add_argument("--only", default="executor-normal", help=f"comma separated, of {', '.join(names)}")
    parser.add_argument("--executor", default=contestants.EXECUTOR, help="our command; {config} is the written config")
    return parser.parse_args()


async def run(options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        signals = SignalServer()
        server, port = await serve(signals)
        stack.callback(server.close)
        chosen = [c for c in contestants.ALL if c.name in options.only.split(",")]
        lanes = [await _start(stack, options, c, f"ws://127.0.0.1:{port}") for c in chosen]
        for lane in lanes:
            await _ready(signals, lane)
        await asyncio.sleep(2)
        for _ in range(2 * options.rounds):
            await asyncio.sleep(options.idle_s)
            for lane in lanes:
                await _one(signals, lane, is_entry=len(lane.entries_us) == len(lane.exits_us))
        for lane in lanes:
            shown = ", ".join(f"{us:.0f}" for us in sorted(lane.all_us))
            print(f"{lane.contestant.name}: first signal after {options.idle_s:g} s, µs: {shown}; missed {lane.missed}")
        for lane in lanes:
            for _ in range(options.rounds):
                await asyncio.sleep(1)
                await _burst(signals, lane, options.burst)


async def _burst(signals: SignalServer, lane: Lane, count: int) -> None:
    """All signals first, then the clock runs until the exchange has read the last of their orders."""
    while not lane.arrivals.empty():
        lane.arrivals.get_nowait()
    before, requests = lane.exchange.orders, lane.exchange.requests
    began_ns = last_ns = time.perf_counter_ns()
    for _ in range(count):
        signals.send(lane.contestant.agent_id, "LONG", COIN, SMALL)
    try:
        async with asyncio.timeout(60):
            while lane.exchange.orders < before + count:
                last_ns = await lane.arrivals.get()
    except TimeoutError:
        print(f"{lane.contestant.name}: only {lane.exchange.orders - before} of {count} orders came")
        return
    took, used = (last_ns - began_ns) / 1e6, lane.exchange.requests - requests
    print(f"{lane.contestant.name}: {count} signals to their last order read: {took:.0f} ms in {used} requests")


if __name__ == "__main__":
    asyncio.run(run(arguments()))
