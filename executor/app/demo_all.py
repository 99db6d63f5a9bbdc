"""`executor demo --all`: four signal systems with their traps, one worker in dry-run, the paper exchange on a tape."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from executor import config, logs, plugins
from executor.app.demo import MAX_S, TAPE_SPEED, Show, document_of, marked, until_ready
from executor.app.demo_systems import System, document, systems
from executor.app.demo_traps import Proof, judged
from executor.app.identity import DRY_RUN_ENDPOINT, traders
from executor.app.runtime import Runtime
from executor.app.story import tell
from executor.clock import SystemClock
from executor.config import Loaded
from executor.core import events as ev
from executor.core.facts import AccountFact
from executor.core.types import ZERO
from executor.ledger.reader import LedgerReader
from executor.paper.tape import TapeFeed
from executor.venue.adapter import HyperliquidVenue

LOOK_S = 0.5
"""How often the record is looked at, once the scripts are over, for whether everything was survived."""


def run_demo_all(*, seconds: float | None, json_out: bool, show: Show) -> int:
    """Run it; returns 0 when every system's trades were executed and every trap was survived, else 1."""
    logs.configure("ERROR", "console")
    with tempfile.TemporaryDirectory(prefix="executor-demo-") as folder:
        told = asyncio.run(_Demo(Path(folder), show, quiet=json_out).run(seconds))
    show.tables(told)
    show.summary(told)
    return 0 if told["summary"]["complete"] else 1


class _Demo:
    def __init__(self, folder: Path, show: Show, *, quiet: bool) -> None:
        self._folder = folder
        self._show = show
        self._quiet = quiet
        self._clock = SystemClock()
        self._systems = tuple(systems(self._clock))
        self._seen: list[ev.Event] = []
        self._sources: dict[str | None, str] = {}
        self._loaded: Loaded

    async def run(self, seconds: float | None) -> dict[str, Any]:
        """The document of a whole run."""
        async with AsyncExitStack() as stack:
            for system in self._systems:
                await stack.enter_async_context(system.simulator)
            self._loaded = self._configuration()
            who = traders(self._loaded)
            async with Runtime(self._loaded, who, feed=TapeFeed(speed=TAPE_SPEED)) as runtime:
                runtime.worker.on_event.append(self._take)
                runtime.listen()
                await self._play(runtime, seconds)
                facts = await _accounts(runtime)
            return self._document(facts)

    def _configuration(self) -> Loaded:
        environ = {name: value for system in self._systems for name, value in system.environ.items()}
        text = json.dumps(document(self._systems))
        return config.load_text(text, self._folder / "config.yaml", [], environ, plugins)

    async def _play(self, runtime: Runtime, seconds: float | None) -> None:
        """Start when everything is ready, play all scripts, let the last orders come to rest."""
        await until_ready(runtime)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds or MAX_S, MAX_S)):
                async with asyncio.TaskGroup() as group:
                    for system in self._systems:
                        group.create_task(system.play(lambda text, name=system.name: self._say(name, text, "step")))  # type: ignore[misc]  # a default argument binds the loop's name
                while not self._survived():
                    await asyncio.sleep(LOOK_S)

    # -- what happens ---------------------------------------------------------------------------------------------

    def _take(self, event: ev.Event) -> None:
        self._seen.append(event)
        if isinstance(event, ev.ActionReceived):
            self._sources[event.key] = event.source
        told = tell(event)
        if told is not None:
            self._say(self._whose(event), *told)

    def _say(self, name: str, text: str, style: str) -> None:
        if not self._quiet:
            self._show.line(f"{name:<10}  {text.strip()}", style)

    def _whose(self, event: ev.Event) -> str:
        """The system an event is about; its account has the same name. Empty for a frame that could not be read."""
        source: str | None = getattr(event, "source", None)
        return event.account or source or self._sources.get(event.key, "")

    # -- what it came to ------------------------------------------------------------------------------------------

    def _survived(self) -> bool:
        return all(row["survived"] for proof in self._proofs().items() for row in judged(*proof))

    def _proofs(self) -> dict[str, Proof]:
        """What was recorded, system by system."""
        with LedgerReader(self._loaded.config.ledger.path) as reader:
            frames = [frame["source"] for frame in reader.frames()]
        events: dict[str, list[ev.Event]] = {}
        for event in self._seen:
            name = self._whose(event)
            if isinstance(event, ev.FrameRefused) and event.frame_id is not None:
                name = frames[event.frame_id - 1]
            events.setdefault(name, []).append(event)
        return {one.name: Proof(events.get(one.name, ()), one.simulator) for one in self._systems}

    def _document(self, facts: Mapping[str, AccountFact]) -> dict[str, Any]:
        """The document of `demo`, with a part for each system."""
        start_usd, proofs = self._loaded.config.paper.equity_usd, self._proofs()
        pnl_usd = {name: fact.equity_usd - start_usd for name, fact in facts.items()}
        told = document_of(self._loaded, self._seen, sum(pnl_usd.values(), ZERO))
        told["positions"] = [marked(row, facts[row["account"]]) for row in told["positions"]]
        told["systems"] = [_outcome(one, proofs[one.name], pnl_usd[one.name], told) for one in self._systems]
        traps = [trap for one in told["systems"] for trap in one["traps"]]
        survived = sum(trap["survived"] for trap in traps)
        complete = survived == len(traps) and all(one["fills"] for one in told["systems"])
        told["summary"] |= {"traps": len(traps), "survived": survived, "complete": complete}
        return told


async def _accounts(runtime: Runtime) -> dict[str, AccountFact]:
    """Every account as the exchange tells it now; asked as somebody else, with a rate budget of its own."""
    url = "" if runtime.paper is None else runtime.paper.url
    venue = HyperliquidVenue(DRY_RUN_ENDPOINT, url, runtime.clock)
    try:
        await venue.start()
        return {name: await venue.account(trader.address) for name, trader in runtime.who.items()}
    finally:
        await venue.close()


def _outcome(system: System, proof: Proof, pnl_usd: Decimal, told: dict[str, Any]) -> dict[str, Any]:
    """One system's part of the summary."""
    return {
        "system": system.name,
        "strategy": system.strategy,
        "signals": proof.count(ev.ActionReceived),
        "orders": proof.count(ev.LegPlanned),
        "fills": proof.count(ev.FillSeen),
        "malformed": proof.count(ev.FrameRefused),
        "refusals": _counted(event.reason for event in proof.events if isinstance(event, ev.ActionRefused)),
        "positions": [row for row in told["positions"] if row["account"] == system.name],
        "pnl_usd": str(pnl_usd),
        "traps": judged(system.name, proof),
    }


def _counted(reasons: Iterable[str]) -> list[dict[str, Any]]:
    return [{"reason": reason, "count": count} for reason, count in Counter(reasons).items()]
