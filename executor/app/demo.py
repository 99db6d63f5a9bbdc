"""The demo: a Fractrade simulator, a worker in dry-run and the paper exchange on a bundled tape, in one short run."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import structlog

from executor import config, logs, plugins
from executor.app.identity import traders
from executor.app.runtime import Runtime
from executor.app.story import tell
from executor.clock import SystemClock
from executor.config import Loaded
from executor.core import events as ev
from executor.core.facts import AccountFact
from executor.core.types import ZERO
from executor.errors import ExecutorError
from executor.ledger.reader import LedgerReader
from executor.paper.tape import TapeFeed
from executor.ports import Clock
from executor.sim.fractrade import Credentials, FractradeSimulator
from executor.sim.play import Player
from executor.sim.script import load_script

log = structlog.get_logger("executor.demo")

TAPE_SPEED = 5.0
SETTLE_S = 3.0
START_S = 15.0
MAX_S = 40.0
MIN_FILLS = 6
ALL_ROWS = 10**9

CONFIG = """\
version: 1
mode: dry_run
sources:
  - {{name: fractrade, type: fractrade, url: "{url}", agents: [demo-agent], executor_channel: true}}
accounts:
  - {{name: main, default_leverage: 3}}
routes:
  - {{source: fractrade, agents: ["*"], strategy: follow, accounts: [main]}}
risk:
  - {{rule: max_order_notional, max_usd: 5000}}
  - {{rule: max_position_notional, max_usd: 8000}}
  - {{rule: max_leverage, max: 5, on_breach: shrink}}
  - {{rule: daily_loss, max_usd: 500}}
paper: {{feed: tape, latency_ms: 100}}
server: {{enabled: false}}
"""


class Show(Protocol):
    """Where the demo's words go."""

    def line(self, text: str, style: str) -> None:
        """One thing that happened, as it happens."""

    def tables(self, document: dict[str, Any]) -> None:
        """Actions, orders, fills and positions at the end."""

    def summary(self, document: dict[str, Any]) -> None:
        """What it came to."""


def run_demo(*, seconds: float | None, json_out: bool, show: Show) -> int:
    """Run it; returns 0 when everything the script promises was seen, else 1."""
    logs.configure("ERROR", "console")
    with tempfile.TemporaryDirectory(prefix="executor-demo-") as folder:
        document = asyncio.run(_demo(Path(folder), seconds, show, quiet=json_out))
    show.tables(document)
    show.summary(document)
    return 0 if document["summary"]["complete"] else 1


async def _demo(folder: Path, seconds: float | None, show: Show, *, quiet: bool) -> dict[str, Any]:
    async with FractradeSimulator(credentials=Credentials()) as simulator:
        loaded = _configuration(folder, simulator)
        async with Runtime(loaded, traders(loaded), feed=TapeFeed(speed=TAPE_SPEED)) as runtime:
            seen: list[ev.Event] = []
            runtime.worker.on_event.append(seen.append)
            if not quiet:
                runtime.worker.on_event.append(lambda event: _say(show, event))
            runtime.listen()
            await _play(simulator, runtime, seconds, show, quiet=quiet)
            pnl_usd = await _pnl_usd(runtime)
        document = document_of(loaded, seen, pnl_usd)
        document["summary"]["complete"] = _complete(document)
        return document


def _configuration(folder: Path, simulator: FractradeSimulator) -> Loaded:
    accepted = Credentials()
    environ = {
        "FRACTRADE_API_KEY": accepted.api_key,
        "FRACTRADE_API_SECRET": accepted.api_secret,
        "FRACTRADE_USER_TOKEN": accepted.user_token,
    }
    text = CONFIG.format(url=simulator.url)
    return config.load_text(text, folder / "config.yaml", [], environ, plugins)


async def _play(
    simulator: FractradeSimulator, runtime: Runtime, seconds: float | None, show: Show, *, quiet: bool
) -> None:
    """Start when everything is ready, play the script, let the last orders come to rest."""
    await until_ready(runtime)
    clock = SystemClock()
    say = (lambda text: None) if quiet else (lambda text: show.line(text.strip(), "step"))
    with suppress(TimeoutError):
        async with asyncio.timeout(min(seconds or MAX_S, MAX_S)):
            await Player(simulator, load_script(), clock, say, run_id="").play()
            await asyncio.sleep(SETTLE_S)


async def until_ready(runtime: Runtime) -> None:
    """Return once every channel is open and every account read; raises ``ExecutorError`` when that takes too long."""
    try:
        async with asyncio.timeout(START_S):
            while not runtime.ready():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise ExecutorError(f"the demo was not ready within {START_S:g} s", "try it on a less busy machine") from None


def _say(show: Show, event: ev.Event) -> None:
    told = tell(event)
    if told is not None:
        show.line(*told)


async def _pnl_usd(runtime: Runtime) -> Decimal:
    """Equity of the paper account now, less what it started with: realised, unrealised and fees."""
    fact = await runtime.venue.account(runtime.who["main"].address)
    return fact.equity_usd - runtime.loaded.config.paper.equity_usd


def _complete(document: dict[str, Any]) -> bool:
    """Whether everything the script promises was seen."""
    summary = document["summary"]
    wanted = ("duplicates", "malformed", "refusals", "stops_fired")
    return summary["fills"] >= MIN_FILLS and all(summary[name] for name in wanted) and bool(document["positions"])


def document_of(loaded: Loaded, seen: list[ev.Event], pnl_usd: Decimal, clock: Clock | None = None) -> dict[str, Any]:
    """What a run came to: its actions, orders, positions and fills, all of them, and the counts for people."""
    fills = [event.fill for event in seen if isinstance(event, ev.FillSeen)]
    with LedgerReader(loaded.config.ledger.path, clock=clock) as reader:
        actions = reader.actions(limit=ALL_ROWS)["actions"]
        orders = reader.orders(limit=ALL_ROWS)["orders"]
        positions = reader.positions()["positions"]
    refusals = Counter(event.reason for event in seen if isinstance(event, ev.ActionRefused))
    malformed = Counter(event.reason for event in seen if isinstance(event, ev.FrameRefused))
    summary = {
        "actions": len(actions),
        "orders": len(orders),
        "fills": len(fills),
        "duplicates": sum(isinstance(event, ev.DuplicateSeen) for event in seen),
        "malformed": [{"reason": reason, "count": count} for reason, count in malformed.items()],
        "refusals": [{"reason": reason, "count": count} for reason, count in refusals.items()],
        "stops_fired": sum(isinstance(e, ev.DifferenceFound) and e.cause == "stop fired" for e in seen),
        "fees_usd": str(sum((fill.fee_usd for fill in fills), ZERO)),
        "pnl_usd": str(pnl_usd),
    }
    return {
        "actions": actions,
        "orders": orders,
        "positions": positions,
        "fills": [_fill_row(fill) for fill in fills],
        "summary": summary,
    }


def marked(row: dict[str, Any], fact: AccountFact) -> dict[str, Any]:
    """A position of the ledger with the price, profit and leverage of now."""
    for one in fact.positions:
        if one.coin == row["symbol"] and one.size != 0:
            mark_px = one.entry_px + one.unrealized_pnl_usd / one.size
            news = {"mark_px": f"{mark_px:.6g}", "unrealized_pnl": one.unrealized_pnl_usd, "leverage": one.leverage}
            return row | {name: str(value) for name, value in news.items()}
    return row


def _fill_row(fill: Any) -> dict[str, str]:
    names = ("coin", "side", "size", "px", "fee_usd", "closed_pnl_usd")
    return {name: str(getattr(fill, name)) for name in names}
