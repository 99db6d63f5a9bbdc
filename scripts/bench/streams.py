"""What stream clients cost an order: a worker with ten of them, one of which never reads, beside one with none.

Same servers as ``main.py``, signals in turn in random order. The clients are in a process of their own: five on the
events' stream, four on the account's and one that takes the handshake and nothing more.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import subprocess
import sys
from contextlib import AsyncExitStack

import aiohttp
import contestants
from contestants import Contestant
from main import Lane, _forget, _one, _percentile, _ready, _start, _stop
from raw_server import serve
from signal_server import SignalServer

ALONE, WATCHED = Contestant("streams-none", durability="normal"), Contestant("streams-ten", durability="normal")
EVENTS, ACCOUNT = "/api/events", "/ws/agents/current"
PATHS = (*[EVENTS] * 5, *[ACCOUNT] * 4)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench/streams.py", description=__doc__.splitlines()[0])
    parser.add_argument("--signals", type=int, default=400, help="measured signals for each worker")
    parser.add_argument("--warmup", type=int, default=20, help="signals before measuring")
    parser.add_argument("--pause-ms", type=float, default=50, help="rest after each signal")
    parser.add_argument("--seed", type=int, default=1, help="of the random order")
    parser.add_argument("--executor", default=contestants.EXECUTOR, help="our command; {config} is the written config")
    parser.add_argument("--clients", type=int, metavar="PORT", help="be the clients of the worker on this port")
    parser.set_defaults(latency_ms=0)
    return parser.parse_args()


# -- the clients ------------------------------------------------------------------------------------------------------


async def listen(port: int) -> None:
    """All ten until killed; says ``ready`` when they are connected."""
    deaf = await _deaf(port)
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(session.ws_connect(f"http://127.0.0.1:{port}{path}")) for path in PATHS
        ]
        print("ready", flush=True)
        await asyncio.gather(*map(_read, sockets))
    deaf.close()


async def _read(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


async def _deaf(port: int) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(
        f"GET {ACCOUNT} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    if b" 101 " not in await reader.readline():
        raise SystemExit("bench: the worker serves no stream")
    return writer


# -- the measurement --------------------------------------------------------------------------------------------------


async def run(options: argparse.Namespace) -> list[Lane]:
    """Both workers at once; the signals of each in turn."""
    async with AsyncExitStack() as stack:
        signals = SignalServer()
        server, port = await serve(signals)
        stack.callback(server.close)
        lanes = [await _start(stack, options, one, f"ws://127.0.0.1:{port}") for one in (ALONE, WATCHED)]
        for lane in lanes:
            await _ready(signals, lane)
        await asyncio.sleep(2)  # start-up reads and subscriptions
        stack.push_async_callback(_stop, await asyncio.to_thread(_clients, lanes[1]))
        rng = random.Random(options.seed)
        for number in range(options.warmup + options.signals):
            if number == options.warmup:
                _forget(lanes)
            for lane in rng.sample(lanes, len(lanes)):
                await _one(signals, lane, is_entry=number % 2 == 0)
                await asyncio.sleep(options.pause_ms / 1000 * rng.uniform(0.5, 1.5))
    return lanes


def _clients(lane: Lane) -> subprocess.Popen[bytes]:
    port = re.search(r"^server: \{port: (\d+)\}", (lane.log.parent / "config.yaml").read_text(), re.MULTILINE)
    if port is None:
        raise SystemExit("bench: the worker's configuration names no port")
    command = [sys.executable, __file__, "--clients", port[1]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    if process.stdout is None or process.stdout.readline() != b"ready\n":
        raise SystemExit("bench: the stream clients could not connect")
    return process


def main() -> None:
    options = arguments()
    if options.clients:
        asyncio.run(listen(options.clients))
        return
    alone, watched = asyncio.run(run(options))
    for lane in (alone, watched):
        shown = ", ".join(f"p{percent} {_percentile(lane.all_us, percent):.0f}" for percent in (50, 90, 99))
        print(f"{lane.contestant.name}: n {len(lane.all_us)}, missed {lane.missed}, µs: {shown}")
    for percent in (50, 90, 99):
        ratio = _percentile(watched.all_us, percent) / _percentile(alone.all_us, percent)
        print(f"p{percent} with ten clients / with none: {ratio:.2f}")


if __name__ == "__main__":
    main()
