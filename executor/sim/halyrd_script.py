"""The words of a Halyrd script, and the simulator served by itself for ``executor sim halyrd``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from executor.clock import Clock, SystemClock
from executor.sim.faults import FAULTS, Card, Ready, faults, run
from executor.sim.halyrd import ALIAS, HalyrdSimulator
from executor.sim.scenario import Say, Step, Strict, Vocabulary, Word, load_scenario, play


class TradeWord(Strict):
    """One execution; ``pnl`` only where it closes."""

    pair: str
    side: Literal["buy", "sell"]
    size: float
    price: float
    pnl: float | None = None
    fees: float = 0.31


class BlockWord(Strict):
    """A veto, or a refusal of the signing layer."""

    rule: str
    reason: str = "scripted"
    order_ref: str = "ord_scripted"


class DemotionWord(Strict):
    """Back from LIVE."""

    rule: str
    breach: Literal["daily", "max"]
    locked_until: str | None = None


class SnapshotWord(Strict):
    """What the agent is worth; drawdowns as fractions."""

    equity: float
    dd_from_peak: float = 0.0
    daily_dd_used: float = 0.0


class EntryWord(Strict):
    """A journal entry that is nothing else: SKIPPED, KILL."""

    kind: str
    text: str = ""
    tags: tuple[str, ...] = ()


WORDS: dict[str, Any] = {
    "trade": TradeWord,
    "veto": BlockWord,
    "block": BlockWord,
    "demote": DemotionWord,
    "promote": str,
    "snapshot": SnapshotWord,
    "journal": EntryWord,
    "mute": bool,
    **FAULTS,
}
"""``promote`` takes a transaction's hash; ``mute: true`` records what happens without telling the sockets."""


def vocabulary(simulator: HalyrdSimulator) -> Vocabulary:
    """The words on a running simulator."""

    async def trade(value: TradeWord) -> str:
        return f"traded under {await simulator.trade(**value.model_dump())}"

    async def veto(value: BlockWord) -> str:
        await simulator.block("risk_veto", **value.model_dump())
        return f"vetoed by {value.rule}"

    async def block(value: BlockWord) -> str:
        await simulator.block("twak_block", **value.model_dump())
        return f"blocked by {value.rule}"

    async def demote(value: DemotionWord) -> str:
        await simulator.demote(**value.model_dump())
        return f"demoted by {value.rule}"

    async def promote(tx_hash: str) -> str:
        await simulator.promote(tx_hash)
        return "promoted"

    async def snapshot(value: SnapshotWord) -> str:
        await simulator.snapshot(**value.model_dump())
        return f"worth {value.equity:g}"

    async def journal(value: EntryWord) -> str:
        await simulator.enter(value.kind, value.text, value.tags)
        return f"entered {value.kind}"

    async def mute(on: bool) -> str:
        simulator.mute = on
        return "the sockets hear nothing" if on else "the sockets hear again"

    does: dict[str, Callable[..., Any]] = {
        "trade": trade,
        "veto": veto,
        "block": block,
        "demote": demote,
        "promote": promote,
        "snapshot": snapshot,
        "journal": journal,
        "mute": mute,
    }
    return {**{name: Word(WORDS[name], do) for name, do in does.items()}, **faults(simulator, simulator.publish)}


def load(path: Path | None = None) -> tuple[Step, ...]:
    """The steps of a file, or the bundled ones; raises ``ConfigError``."""
    return load_scenario(path, "halyrd.yaml", WORDS)


async def serve(
    host: str, port: int, steps: tuple[Step, ...], say: Say, clock: Clock | None = None, ready: Ready | None = None
) -> None:
    """The simulator alone, until cancelled."""
    time = clock or SystemClock()
    simulator = HalyrdSimulator(host, port, time)
    await run(
        simulator,
        lambda: Card(
            [f"Halyrd simulator (agents: {ALIAS} or seed; no credentials) on {simulator.url}"], {"agents": [ALIAS]}
        ),
        lambda: play(steps, vocabulary(simulator), time, say),
        say,
        ready,
    )
