"""``executor replay FILE``: recorded frames through the whole pipeline into the paper exchange, on a virtual clock.

Time stands still while an action is decided, sent and answered, and jumps from one frame to the next in steps, in
which the tape moves, stops fire and deadlines pass. The ledger is one of its own, made anew for every replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from executor import logs
from executor.app.demo import Show, document_of, marked
from executor.app.identity import traders
from executor.app.runtime import Runtime
from executor.config import Loaded
from executor.core import events as ev
from executor.core.facts import AccountFact
from executor.core.source_events import Origin, Status
from executor.core.types import ZERO
from executor.errors import ConfigError
from executor.paper.feeds import Apply
from executor.paper.model import Json
from executor.paper.tape import TapePlayer, configured_tape
from executor.ports import Clock
from executor.sources.replay import SYSTEMS, Decoding, Recorded, read_frames
from executor.venue.adapter import VenueSettings
from executor.venue.socket import SocketSettings

STEP_MS = 1_000
MAX_STEPS = 20_000
"""A longer pause between two frames is taken in longer steps."""

SETTLE_S = 0.005
SETTLE_ROUNDS = 3
SETTLE_LIMIT_S = 10.0
TAIL_MS = 60_000
"""How long the market goes on after the last frame, so that late stops and lapses are seen."""


PATIENT = VenueSettings(socket=SocketSettings(silence_s=1e12, ping_s=1e6), meta_refresh_s=1e6, upkeep_s=1e6)
"""On a clock that jumps, silence is no sign of a dead socket."""


class VirtualClock:
    """Time that is set. Waiting inside the process still takes real, short time."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._start_ms = now_ms

    def now_ms(self) -> int:
        """The virtual time."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """Virtual seconds since the start: the venue's time is carried on by them."""
        return (self._now_ms - self._start_ms) / 1000

    def set(self, now_ms: int) -> None:
        """Jump ahead."""
        self._now_ms = max(self._now_ms, now_ms)


class ClockedTape:
    """The tape, played by the virtual clock instead of the real one."""

    def __init__(self, clock: VirtualClock, path: Path | None) -> None:
        self._tape = configured_tape(path)
        self._player = TapePlayer(self._tape, loop=True)
        self._clock = clock
        self._start_ms = clock.now_ms()
        self._apply: Apply | None = None

    async def meta(self) -> Json:
        """The tape's own universe."""
        return self._tape.meta

    async def want(self, coin: str) -> None:
        """Every coin of the tape is played anyway."""

    async def run(self, apply: Apply) -> None:
        """Take ticks from ``move`` until cancelled."""
        self._apply = apply
        self.move()
        await asyncio.Event().wait()

    def move(self) -> None:
        """Play what is due at the clock's time."""
        if self._apply is not None:
            for tick in self._player.due(self._clock.now_ms() - self._start_ms):
                self._apply(tick)


def run_replay(loaded: Loaded, file: Path, *, json_out: bool, show: Show) -> int:
    """Replay a file; the tables and the summary go to ``show``."""
    logs.configure("ERROR" if json_out else loaded.config.logging.level, loaded.config.logging.format)
    records = sorted(read_frames(file), key=lambda record: record.received_at_ms)
    if not records:
        raise ConfigError(f"{file}: there is no frame in it", "export some with `executor export-frames`")
    own = _own_files(loaded, file)
    _known_sources(own, records)
    records = [_by_type(own, record) for record in records]
    document = asyncio.run(_replay(own, records))
    show.tables(document)
    show.summary(document)
    return 0


def _own_files(loaded: Loaded, file: Path) -> Loaded:
    """The same configuration, dry, with a ledger and a paper exchange made anew."""
    folder = loaded.config.ledger.path.parent
    ledger_path, state_path = folder / f"replay-{file.stem}.db", folder / f"replay-{file.stem}.paper.db"
    for path in (ledger_path, state_path):
        for old in folder.glob(f"{path.name}*"):
            old.unlink()
    ledger = loaded.config.ledger.model_copy(update={"path": ledger_path})
    paper = loaded.config.paper.model_copy(update={"state": state_path, "latency_ms": 0, "port": 0})
    config = loaded.config.model_copy(update={"mode": "dry_run", "ledger": ledger, "paper": paper})
    return replace(loaded, config=config)


def _known_sources(loaded: Loaded, records: list[Recorded]) -> None:
    known = {source.name for source in loaded.config.sources}
    strange = sorted({record.source for record in records} - known)
    if strange:
        raise ConfigError(f"the frames came by source {strange[0]!r}, which the configuration does not have", "add it")


def _by_type(loaded: Loaded, record: Recorded) -> Recorded:
    """The configuration knows which system a source of any name is of; an export does not."""
    kind = next(source.type for source in loaded.config.sources if source.name == record.source)
    return replace(record, system=kind) if kind in SYSTEMS else record


async def _replay(loaded: Loaded, records: list[Recorded]) -> dict[str, Any]:
    clock = VirtualClock(records[0].received_at_ms - STEP_MS)
    tape = ClockedTape(clock, loaded.config.paper.tape)
    seen: list[ev.Event] = []
    who = traders(loaded)
    async with Runtime(loaded, who, clock=clock, feed=tape, venue_settings=PATIENT, with_control=False) as runtime:
        runtime.worker.on_event.append(seen.append)
        await _until_reconciled(runtime)
        met: set[tuple[str, str]] = set()
        decoding = Decoding()
        for record in records:
            await _pass_time(runtime, clock, tape, record.received_at_ms)
            _meet(runtime, record, met)
            for event in decoding.events(record, record.source):
                runtime.worker.emit(record.raw, event)
            await _settle(runtime)
        await _pass_time(runtime, clock, tape, records[-1].received_at_ms + TAIL_MS)
        facts = {name: await runtime.venue.account(trader.address) for name, trader in runtime.who.items()}
    return came_to(loaded, seen, facts, clock)


def came_to(loaded: Loaded, seen: list[ev.Event], facts: Mapping[str, AccountFact], clock: Clock) -> dict[str, Any]:
    """The document of a replay: the profit of all accounts, and positions at the last prices."""
    start_usd = loaded.config.paper.equity_usd
    told = document_of(loaded, seen, sum((fact.equity_usd - start_usd for fact in facts.values()), ZERO), clock)
    told["positions"] = [marked(row, facts[row["account"]]) for row in told["positions"]]
    return told


async def _until_reconciled(runtime: Runtime) -> None:
    async with asyncio.timeout(SETTLE_LIMIT_S):
        while not all(desk.state.reconciled for desk in runtime.worker.desks.values()):
            await asyncio.sleep(SETTLE_S)


def _meet(runtime: Runtime, record: Recorded, met: set[tuple[str, str]]) -> None:
    """A channel opens with its first frame."""
    if (record.source, record.channel) not in met:
        met.add((record.source, record.channel))
        origin = Origin(record.system, record.source, record.channel, record.received_at_ms)
        runtime.worker.emit(b"", Status(origin=origin, state="open"))


async def _pass_time(runtime: Runtime, clock: VirtualClock, tape: ClockedTape, until_ms: int) -> None:
    """Let the market and every deadline move on, step by step."""
    step_ms = max(STEP_MS, (until_ms - clock.now_ms()) // MAX_STEPS)
    while clock.now_ms() < until_ms:
        clock.set(min(clock.now_ms() + step_ms, until_ms))
        tape.move()
        await _settle(runtime)
        runtime.worker.tick()
    await _settle(runtime)


async def _settle(runtime: Runtime) -> None:
    """Wait, in real time, until nothing is out and nothing waits."""
    calm = 0
    async with asyncio.timeout(SETTLE_LIMIT_S):
        while calm < SETTLE_ROUNDS:
            await asyncio.sleep(SETTLE_S / SETTLE_ROUNDS)
            calm = calm + 1 if runtime.worker.idle() else 0
