"""Plays a script on the Fractrade simulator, and serves one by itself for ``executor sim fractrade``."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from executor.clock import Clock, SystemClock
from executor.errors import ConfigError
from executor.sim.faults import Card, Ready, run
from executor.sim.fractrade import FractradeSimulator, Frame
from executor.sim.scenario import Say
from executor.sim.script import Script, Step, frame_of, name_of, wrapped
from executor.sim.stamps import stamped


class Player:
    """Plays a script once on a running simulator. ``run_id`` is put behind every id (see ``frame_of``)."""

    def __init__(self, simulator: FractradeSimulator, script: Script, clock: Clock, say: Say, run_id: str = "") -> None:
        self._simulator = simulator
        self._script = script
        self._clock = clock
        self._say = say
        self._run_id = run_id
        self._sent: dict[str, dict[str, Any]] = {}

    async def play(self) -> None:
        """Do every step at its time from now on."""
        start_s = self._clock.monotonic_s()
        for step in self._script.steps:
            await asyncio.sleep(max(0.0, start_s + step.at - self._clock.monotonic_s()))
            outcome = await self._do(step)
            self._say(f"{step.at:6.1f} s  " + (f"{step.note} ({outcome})" if step.note else outcome))

    async def _do(self, step: Step) -> str:
        if step.cut is not None:
            return f"cut {await self._simulator.cut(step.cut, 'scripted', self._to(step))} clients with {step.cut}"
        if step.refuse is not None:
            self._simulator.refuse_with = step.refuse or None
            return f"refusing handshakes with {step.refuse}" if step.refuse else "welcoming handshakes"
        if step.silence is not None:
            return await self._hush(step.silence)
        return await self._send(self._frame(step), step)

    def _to(self, step: Step) -> tuple[str, ...]:
        return self._script.to if step.to is None else step.to

    async def _send(self, frame: Frame, step: Step) -> str:
        counts = [await self._simulator.publish(frame, self._to(step), self._script.agent) for _ in range(step.times)]
        return f"sent to {counts[0]} clients" + (f", {step.times} times" if step.times > 1 else "")

    def _frame(self, step: Step) -> Frame:
        """Stamped once, so that every copy and repetition is the same to the byte."""
        if step.raw is not None:
            return step.raw
        if step.repeat is not None:
            return self._earlier(step)
        if step.send is None:
            return stamped(step.frame or {}, self._clock.now_ms())
        frame = frame_of(step.send, step.shape, self._script.agent, self._run_id)
        self._sent[name_of(step.send)] = done = stamped(frame, self._clock.now_ms())
        return done

    def _earlier(self, step: Step) -> dict[str, Any]:
        if step.repeat not in self._sent:
            raise ConfigError(f"step at {step.at:g} s: nothing called {step.repeat} was sent before", "correct repeat")
        frame = self._sent[step.repeat]
        return wrapped(frame) if step.shape == "envelope" else frame

    async def _hush(self, seconds: float) -> str:
        """Deaf and mute for a time; later steps wait, as all the platform would."""
        self._simulator.silent = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self._simulator.silent = False
        return f"was silent for {seconds:g} s"


async def serve(
    host: str, port: int, script: Script, say: Say, clock: Clock | None = None, ready: Ready | None = None
) -> None:
    """The simulator alone, until cancelled."""
    time = clock or SystemClock()
    simulator = FractradeSimulator(host, port, clock=time)
    await run(
        simulator,
        lambda: _card(simulator, script.agent),
        lambda: Player(simulator, script, time, say, run_id=f"{time.now_ms():x}").play(),
        say,
        ready,
    )


def _card(simulator: FractradeSimulator, agent: str) -> Card:
    accepted = asdict(simulator.credentials)
    who = "  api_key {api_key} · api_secret {api_secret} · token {user_token}".format(**accepted)
    return Card([f"Fractrade simulator on {simulator.url}", who], {"agents": [agent], **accepted})
