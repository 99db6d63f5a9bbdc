"""Signal -> order bytes, side by side in one run.

Every contestant is alive at once, each with a signal channel and an exchange of its own, and gets its signals in turn
in random order, which measures all of them in the same minute and cold, as a rare signal finds them.
Measured: signal frame written by the signal server -> order bytes read by the exchange. Only ratios of one run count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import contestants
from contestants import Contestant
from exchange_stub import ExchangeStub
from raw_server import serve
from rich.console import Console
from rich.table import Table
from signal_server import SignalServer

COIN, SIZE = "BTC", 0.01
START_TIMEOUT_S = 60.0
ARRIVE_TIMEOUT_S = 5.0


@dataclass
class Lane:
    """One contestant while it runs."""

    contestant: Contestant
    process: subprocess.Popen[bytes]
    log: Path
    exchange: ExchangeStub
    arrivals: asyncio.Queue[int]
    entries_us: list[float] = field(default_factory=list)
    exits_us: list[float] = field(default_factory=list)
    missed: int = 0
    requests: int = 0

    @property
    def all_us(self) -> list[float]:
        return self.entries_us + self.exits_us


def arguments() -> argparse.Namespace:
    names = [c.name for c in contestants.ALL]
    parser = argparse.ArgumentParser(prog="scripts/bench/run", description=__doc__.splitlines()[0])
    parser.add_argument("--signals", type=int, default=200, help="measured signals for each contestant")
    parser.add_argument("--warmup", type=int, default=20, help="signals before measuring")
    parser.add_argument("--pause-ms", type=float, default=50, help="rest after each signal")
    parser.add_argument("--latency-ms", type=float, default=0, help="round trip of the exchange's answers")
    parser.add_argument("--only", default=",".join(contestants.DEFAULT), help=f"comma separated, of {', '.join(names)}")
    parser.add_argument("--executor", default=contestants.EXECUTOR, help="our command; {config} is the written config")
    parser.add_argument("--seed", type=int, default=1, help="of the random order")
    parser.add_argument("--json", type=Path, help="also write every sample here")
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - set(names)
    if unknown:
        parser.error(f"no such contestant: {', '.join(sorted(unknown))}")
    return options


async def run(options: argparse.Namespace, console: Console) -> list[Lane]:
    """Start everybody, measure, stop everybody."""
    chosen = [c for c in contestants.ALL if c.name in options.only.split(",")]
    async with AsyncExitStack() as stack:
        signals = SignalServer()
        server, port = await serve(signals)
        stack.callback(server.close)
        lanes = [await _start(stack, options, c, f"ws://127.0.0.1:{port}") for c in chosen]
        for lane in lanes:
            await _ready(signals, lane)
        await asyncio.sleep(2)  # start-up reads and subscriptions
        rng = random.Random(options.seed)
        with console.status("warming up") as status:
            for i in range(options.warmup + options.signals):
                status.update(f"signal {i + 1} of {options.warmup + options.signals}")
                if i == options.warmup:
                    _forget(lanes)
                for lane in rng.sample(lanes, len(lanes)):
                    await _one(signals, lane, is_entry=i % 2 == 0)
                    await asyncio.sleep(options.pause_ms / 1000 * rng.uniform(0.5, 1.5))
        for lane in lanes:
            lane.requests = lane.exchange.requests - lane.requests
    return lanes


async def _start(stack: AsyncExitStack, options: argparse.Namespace, contestant: Contestant, signal_url: str) -> Lane:
    arrivals: asyncio.Queue[int] = asyncio.Queue()
    exchange = ExchangeStub(arrivals.put_nowait, options.latency_ms / 1000)
    server, port = await serve(exchange)
    stack.callback(server.close)
    ticking = asyncio.create_task(exchange.tick())
    stack.callback(ticking.cancel)
    process, log = await asyncio.to_thread(
        contestants.start, contestant, signal_url, f"http://127.0.0.1:{port}", options.executor
    )
    stack.push_async_callback(_stop, process)
    return Lane(contestant, process, log, exchange, arrivals)


async def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        await asyncio.to_thread(process.wait, 15)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)


async def _ready(signals: SignalServer, lane: Lane) -> None:
    """Its channel is open, or there is a plain word about why not."""
    connected = asyncio.create_task(signals.connected(lane.contestant.agent_id))
    for _ in range(int(START_TIMEOUT_S / 0.1)):
        await asyncio.wait([connected], timeout=0.1)
        if connected.done():
            return
        if lane.process.poll() is not None:
            break
    connected.cancel()
    said = lane.log.read_text(errors="replace")[-2000:]
    raise SystemExit(f"bench: {lane.contestant.name} did not open its channel (exit {lane.process.poll()}):\n{said}")


async def _one(signals: SignalServer, lane: Lane, *, is_entry: bool) -> None:
    """One signal: a long opens, the short after it closes again."""
    while not lane.arrivals.empty():
        lane.arrivals.get_nowait()  # an order too late for the signal before
    try:
        written_ns = signals.send(lane.contestant.agent_id, "LONG" if is_entry else "SHORT", COIN, SIZE)
        read_ns = await asyncio.wait_for(lane.arrivals.get(), ARRIVE_TIMEOUT_S)
    except (TimeoutError, KeyError):
        lane.missed += 1
        return
    (lane.entries_us if is_entry else lane.exits_us).append((read_ns - written_ns) / 1000)


def _forget(lanes: Sequence[Lane]) -> None:
    for lane in lanes:
        lane.entries_us.clear()
        lane.exits_us.clear()
        lane.missed = 0
        lane.requests = lane.exchange.requests


def _percentile(samples: Sequence[float], percent: int) -> float:
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1] if len(samples) > 1 else float("nan")


def report(lanes: Sequence[Lane], options: argparse.Namespace) -> Table:
    """p50 and p99 in microseconds, and everybody's p50 as a multiple of each of ours."""
    ours = [lane for lane in lanes if lane.contestant.durability and lane.all_us]
    title = f"signal frame written -> order bytes read, µs, {options.signals} signals each, {options.latency_ms:g} ms"
    table = Table(title=title)
    table.add_column("contestant", no_wrap=True)
    for column in ("n", "missed", "p50", "p99", "entry p50", "exit p50", "requests/signal"):
        table.add_column(column, justify="right")
    for lane in ours:
        table.add_column(f"p50 ÷ {lane.contestant.name}", justify="right")
    for lane in sorted(lanes, key=lambda lane: _percentile(lane.all_us, 50)):
        p50 = _percentile(lane.all_us, 50)
        table.add_row(
            lane.contestant.name,
            str(len(lane.all_us)),
            str(lane.missed),
            f"{p50:.0f}",
            f"{_percentile(lane.all_us, 99):.0f}",
            f"{_percentile(lane.entries_us, 50):.0f}",
            f"{_percentile(lane.exits_us, 50):.0f}",
            f"{lane.requests / options.signals:.2f}",
            *(f"{p50 / _percentile(our.all_us, 50):.2f}x" for our in ours),
        )
    return table


def _console() -> Console:
    """Wide enough for the table where there is no terminal to ask."""
    console = Console()
    return console if console.is_terminal else Console(width=150)


def main() -> None:
    options, console = arguments(), _console()
    lanes = asyncio.run(run(options, console))
    console.print(report(lanes, options))
    unknown = sorted({kind for lane in lanes for kind in lane.exchange.unknown})
    if unknown:
        console.print(f"asked of the exchange stub, answered null: {', '.join(unknown)}")
    if options.json:
        samples = {
            lane.contestant.name: {"entries_us": lane.entries_us, "exits_us": lane.exits_us, "missed": lane.missed}
            for lane in lanes
        }
        options.json.write_text(json.dumps(samples))
    if any(lane.missed for lane in lanes):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
