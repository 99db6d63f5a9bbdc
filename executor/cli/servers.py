"""The commands that serve a part of the program alone: the paper exchange and a signal system's simulator."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from executor.cli.guard import usage
from executor.cli.options import Json
from executor.cli.output import clean, err, out, print_line, show

Host = Annotated[str, typer.Option("--host", help="Whom to listen to: 127.0.0.1 is this machine alone.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free port.")]
Script = Annotated[
    Path | None, typer.Option("--script", exists=True, dir_okay=False, help="What to play; the bundled otherwise.")
]
PingS = Annotated[float, typer.Option("--ping-s", min=0.01, help="How often the server pings.")]

MOST_USD = 10**12
"""What an account may start with: beyond some more its sums have more digits than are reckoned with."""

LOOPBACK = "127.0.0.1"
PING_S = 30.0
OPEN_SIM = "whoever reaches it can listen; its credentials are no secrets"


def paper_exchange(
    host: Host = LOOPBACK,
    port: Port = 0,
    tape: Annotated[Path | None, typer.Option("--tape", exists=True, dir_okay=False, help="A recorded market.")] = None,
    fund: Annotated[
        list[str] | None, typer.Option("--fund", metavar="ADDRESS=USD", help="Money for an address; repeatable.")
    ] = None,
    state: Annotated[Path | None, typer.Option("--state", dir_okay=False, help="Keep accounts in this file.")] = None,
    latency_ms: Annotated[int, typer.Option("--latency-ms", min=0, max=60_000, help="Delay of each action.")] = 200,
    speed: Annotated[float, typer.Option("--speed", min=0.01, max=1000, help="How fast the tape runs.")] = 1.0,
    live_feed: Annotated[bool, typer.Option("--live-feed", help="Hyperliquid's public market data, no tape.")] = False,
    json_out: Json = False,
) -> None:
    """The paper exchange alone, for any Hyperliquid client; needs no configuration."""
    deposits = dict(map(_deposit, fund or ()))
    if live_feed and tape is not None:
        raise usage("--tape and --live-feed are two different markets", "give one of them")
    if tape is not None:
        _readable(tape)
    _begin(host, "a paper exchange has no password: whoever reaches it sees every account on it")
    from executor.paper.server import serve

    def ready(url: str) -> None:
        if json_out:
            _ready({"url": url, "ws_url": "ws" + url.removeprefix("http") + "/ws"})
            return
        show(*_how_to_connect(url, deposits))

    feed = _live_feed() if live_feed else None
    _serve(serve(host, port, tape, deposits, state, latency_ms, speed, feed, ready))


def _readable(tape: Path) -> None:
    from executor.paper.tape import UNREADABLE, read_tape

    try:
        read_tape(tape)
    except UNREADABLE as error:
        raise usage(
            f"{tape}: this is no recorded market: {clean(error)}", "leave --tape out for the bundled one"
        ) from None


def _live_feed() -> Any:
    from executor.paper.live_feed import HyperliquidFeed

    return HyperliquidFeed()


def _how_to_connect(url: str, deposits: dict[str, Decimal]) -> list[Any]:
    from executor.cli.words import cell

    funded = [cell(f"  {address} has {usd} USD unless it was here before") for address, usd in deposits.items()]
    hints = (
        f"  executor          hyperliquid: {{network: custom, api_url: {url}}}",
        f'  Python SDK        Exchange(wallet, base_url="{url}")',
        f'  by hand           curl -s {url}/info -H "Content-Type: application/json" -d \'{{"type": "allMids"}}\'',
        "  Ctrl-C ends it.",
    )
    return [cell(f"paper exchange on {url}", "bold green"), *(cell(hint) for hint in hints), *funded]


def _deposit(text: str) -> tuple[str, Decimal]:
    """``ADDRESS=USD``."""
    address, _, usd = text.partition("=")
    remedy = "write --fund 0x…=10000: an address of 40 hexadecimal digits and dollars above zero"
    digits = address.lower().removeprefix("0x")
    if not address.lower().startswith("0x") or len(digits) != 40 or set(digits) - set("0123456789abcdef"):
        raise usage(f"--fund {clean(text)}: this is no address", remedy)
    try:
        amount = Decimal(usd)
    except InvalidOperation:
        raise usage(f"--fund {clean(text)}: this is no amount", remedy) from None
    if not amount.is_finite() or amount <= 0:
        raise usage(f"--fund {clean(text)}: this is no amount", remedy)
    if amount > MOST_USD:
        raise usage(f"--fund {clean(text)}: this is more than {MOST_USD:,} dollars", remedy)
    return address.lower(), amount


def sim_fractrade(host: Host = LOOPBACK, port: Port = 0, script: Script = None, json_out: Json = False) -> None:
    """A Fractrade on this machine: three channels, credentials, limits, and a script of signals."""
    _begin(host, OPEN_SIM)
    from executor.sim.play import serve
    from executor.sim.script import load_script

    _serve(serve(host, port, load_script(script), **_told(json_out)))


def sim_nexgent(
    host: Host = LOOPBACK, port: Port = 0, script: Script = None, ping_s: PingS = PING_S, json_out: Json = False
) -> None:
    """A Nexgent on this machine: tokens, snapshots, updates and prices, with the real server's traps."""
    _begin(host, OPEN_SIM)
    from executor.sim.nexgent_script import load, serve

    _serve(serve(host, port, load(script), **_told(json_out), ping_s=ping_s))


def sim_halyrd(host: Host = LOOPBACK, port: Port = 0, script: Script = None, json_out: Json = False) -> None:
    """A Halyrd on this machine: the event stream of one agent and the REST lists behind it."""
    _begin(host, "whoever reaches it can listen; it has no credentials")
    from executor.sim.halyrd_script import load, serve

    _serve(serve(host, port, load(script), **_told(json_out)))


def sim_tradeready(
    host: Host = LOOPBACK, port: Port = 0, script: Script = None, ping_s: PingS = PING_S, json_out: Json = False
) -> None:
    """A TradeReady on this machine: prices by socket and the rest by REST, as the real server was seen to behave."""
    _begin(host, OPEN_SIM)
    from executor.sim.tradeready_script import load, serve

    _serve(serve(host, port, load(script), **_told(json_out), ping_s=ping_s))


def _told(json_out: bool) -> dict[str, Any]:
    """Who is told what: lines for people as they are, beside the one document for programs on stderr."""
    console = err() if json_out else out()
    return {
        "say": lambda line: console.print(clean(line), markup=False, soft_wrap=True),
        "ready": _ready if json_out else None,
    }


def _begin(host: str, what: str) -> None:
    """To listen beyond this machine takes an address written out, and is never done without a word: ``what``."""
    from executor import logs
    from executor.cli.words import cell
    from executor.hosts import is_loopback

    logs.configure("INFO")
    if not is_loopback(host):
        err().print(cell(f"warning: other machines can reach {host}; {what}", "yellow"))


def _ready(document: Mapping[str, Any]) -> None:
    """In one line: who reads it from a server that goes on knows where it ends."""
    import sys

    print_line(document)
    sys.stdout.flush()


def _serve(work: Coroutine[Any, Any, None]) -> None:
    """Serve until SIGINT or SIGTERM, which is the ordinary end; a second SIGINT ends at once."""
    import asyncio

    asyncio.run(_until_signal(work))


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    import asyncio
    import signal

    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

    def stop() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
