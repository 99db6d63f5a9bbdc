"""Plays a script on the Nexgent simulator, and serves one by itself for ``executor sim nexgent``.

The words, each with the fields the simulator's method of that name takes: ``buy``, ``change``, ``sell`` (``id``, and
fields by the server's own names; ``partial``, ``told``), ``buy_early`` (told to the next socket before its snapshot),
``price`` (``token``, ``sol``, ``legacy``), ``cut`` (``code``, ``reason``), ``mute`` (leaves the socket open and deaf),
``revoke`` (the tokens of open sockets), ``fail_load`` (a text; null: snapshots load again), ``refuse`` (an HTTP status
for handshakes, 0 to welcome them again), ``rest_refuse`` (the same for REST), ``raw`` (any text).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from executor.clock import Clock, SystemClock
from executor.sim.faults import Card, Ready, run
from executor.sim.nexgent import Habits, NexgentSimulator
from executor.sim.nexgent_positions import BONK
from executor.sim.scenario import Say, Step, Strict, Vocabulary, Word, load_scenario, play

AGENT = "sim-agent"


class Moved(Strict):
    """A position by its id; all other fields are the server's own, by its names."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    partial: bool = False
    told: bool = True

    @property
    def fields(self) -> dict[str, Any]:
        """The server's fields that were written."""
        return dict(self.model_extra or {})


class Priced(Strict):
    """A token's new price in SOL."""

    token: str = BONK
    sol: float = Field(gt=0)
    legacy: bool = False


class Cut(Strict):
    """A close code and its reason."""

    code: int = 1000
    reason: str = "Connection timeout"


WORDS: dict[str, Any] = {
    "buy": Moved,
    "buy_early": Moved,
    "change": Moved,
    "sell": Moved,
    "price": Priced,
    "cut": Cut,
    "mute": bool,
    "revoke": bool,
    "fail_load": str | None,
    "refuse": int,
    "rest_refuse": int,
    "raw": str,
}


class Player:
    """The words, done on one simulator for its one agent."""

    def __init__(self, simulator: NexgentSimulator) -> None:
        self._simulator = simulator

    @property
    def vocabulary(self) -> Vocabulary:
        """Each word with what it takes and does."""
        return {name: Word(takes, self._doing(name)) for name, takes in WORDS.items()}

    def _doing(self, name: str) -> Callable[[Any], Awaitable[str]]:
        done: Callable[[Any], Awaitable[str]] = getattr(self, f"_{name}")
        return done

    async def _buy(self, moved: Moved) -> str:
        position = await self._simulator.buy(AGENT, moved.id, **moved.fields)
        return f"bought {position['purchaseAmount']:g} {position['tokenSymbol']}"

    async def _buy_early(self, moved: Moved) -> str:
        self._simulator.buy_early(AGENT, moved.id, **moved.fields)
        return f"the next socket is told of {moved.id} too early"

    async def _change(self, moved: Moved) -> str:
        await self._simulator.change(AGENT, moved.id, partial=moved.partial, **moved.fields)
        return f"changed {', '.join(moved.fields)} of {moved.id}"

    async def _sell(self, moved: Moved) -> str:
        await self._simulator.sell(AGENT, moved.id, told=moved.told)
        return f"sold {moved.id}" + ("" if moved.told else ", telling nobody")

    async def _price(self, priced: Priced) -> str:
        await self._simulator.price(priced.token, priced.sol, legacy=priced.legacy)
        return f"price {priced.sol:g} SOL"

    async def _cut(self, cut: Cut) -> str:
        return f"cut {await self._simulator.cut(cut.code, cut.reason)} clients with {cut.code} {cut.reason}"

    async def _mute(self, wanted: bool) -> str:
        if wanted:
            self._simulator.mute(AGENT)
        return "the socket is mute" if wanted else "nothing"

    async def _revoke(self, wanted: bool) -> str:
        if wanted:
            self._simulator.revoke()
        return "the next handshake needs another token" if wanted else "nothing"

    async def _fail_load(self, text: str | None) -> str:
        self._simulator.habits.fail_load = text
        return "snapshots load" if text is None else f"snapshots fail: {text}"

    async def _refuse(self, status: int) -> str:
        self._simulator.refuse_with = status or None
        return f"refusing handshakes with {status}" if status else "welcoming handshakes"

    async def _rest_refuse(self, status: int) -> str:
        self._simulator.rest_refuse_with = status or None
        return f"refusing REST with {status}" if status else "answering REST"

    async def _raw(self, text: str) -> str:
        return "sent as it is" if await self._simulator.publish(AGENT, text) else "nobody to send it to"


def load(path: Path | None = None) -> tuple[Step, ...]:
    """The steps of a file, or of the bundled script; raises ``ConfigError``."""
    return load_scenario(path, "nexgent.yaml", WORDS)


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
    simulator = NexgentSimulator((AGENT,), host, port, time, Habits(ping_s=ping_s))
    vocabulary = Player(simulator).vocabulary
    await run(simulator, lambda: _card(simulator), lambda: play(steps, vocabulary, time, say), say, ready)


def _card(simulator: NexgentSimulator) -> Card:
    tokens = simulator.tokens
    keys = {"email": tokens.email, "password": tokens.password, "access_token": tokens.access()}
    lines = (
        f"Nexgent simulator on {simulator.rest_url}",
        f"  agent {AGENT} · email {tokens.email} · password {tokens.password}",
        f"  access token {keys['access_token']}",
    )
    return Card(lines, {"agents": [AGENT], **keys})
