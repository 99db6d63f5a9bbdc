"""What a schedule can do to a world: signals, prices, and everything that may break, each step by its name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from executor.errors import ExecutorError
from executor.testing.virtual_loop import LIFE
from simulated.setting import PORTS


class Crashed(BaseException):
    """The process is gone; only ``finally`` clauses on the way out still run, with nothing left to act on."""


class Deeds:
    """The part of ``World`` that carries out a schedule's steps."""

    async def do(self, step: dict[str, Any]) -> None:
        """Carry out one step of a schedule."""
        act: Callable[..., Any] = getattr(self, f"_do_{step['do']}")
        if step["do"] not in ("signal", "move"):
            self.disturbed_s = max(self.disturbed_s, self.loop.time() + step.get("for_s", 0.0))
        with contextlib.suppress(Crashed, ConnectionError):  # a sender notices a lost line as little as a crash
            result = act(step)
            if asyncio.iscoroutine(result):
                await result

    def _do_signal(self, step: dict[str, Any]) -> Any:
        return self.signal(step)

    def _do_garbage(self, step: dict[str, Any]) -> Any:
        return self.sim.publish(step["text"], ("agent",))

    def _do_move(self, step: dict[str, Any]) -> None:
        self.move(step["coin"], step["bps"])

    def _do_thin(self, step: dict[str, Any]) -> None:
        """So little in the book that orders fill in part."""
        self.depth[step["coin"]] = Decimal(step["size"])
        self.quote(step["coin"])
        self.loop.call_later(step["for_s"], self._refill, step["coin"])

    def _refill(self, coin: str) -> None:
        self.depth.pop(coin, None)
        self.quote(coin)

    def _do_manual(self, step: dict[str, Any]) -> None:
        self.by_hand(step["coin"], step["side"], step["size"])

    def _do_fault(self, step: dict[str, Any]) -> None:
        options = {key: step[key] for key in ("on", "match", "times", "delay_ms") if key in step}
        self.exchange.arm(step["kind"], **options)

    def _do_pushes(self, step: dict[str, Any]) -> None:
        pushing = self.exchange.pushing
        for name in ("lost", "doubled"):
            setattr(pushing, name, step.get(name, 0.0))
        self.loop.call_later(step["for_s"], lambda: [setattr(pushing, name, 0.0) for name in ("lost", "doubled")])

    def _do_push_delay(self, step: dict[str, Any]) -> None:
        self.exchange.options = replace(self.exchange.options, push_delay_ms=step["ms"])

    def _do_status_lag(self, step: dict[str, Any]) -> None:
        state = self.exchange.service.state
        state.rules = replace(state.rules, order_status_lag_ms=step["ms"])

    def _do_cut(self, step: dict[str, Any]) -> Any:
        """Close every connection of one server: with a code, or by a reset (1006)."""
        if step["code"] == 1006:
            self.network.reset(PORTS[step["port"]])
            return None
        if step["port"] == "signals":
            return self.sim.cut(step["code"])
        return self._close_sockets(step["code"])

    async def _close_sockets(self, code: int) -> None:
        for connection in list(self.exchange.hub.connections):
            with contextlib.suppress(ConnectionError, RuntimeError):
                await asyncio.wait_for(connection.socket.close(code=code), 5)

    def _do_dark(self, step: dict[str, Any]) -> None:
        """Half-open: nothing gets through, nobody is told."""
        port = PORTS[step["port"]]
        self.weather.dark.add(port)
        self.loop.call_later(step["for_s"], self._light, port)

    def _light(self, port: int) -> None:
        """The path works again; connections from before know nothing of each other any more."""
        self.weather.dark.discard(port)
        self.network.reset(port)

    def _do_refuse(self, step: dict[str, Any]) -> None:
        """Nobody listens for a while, and what was open is reset."""
        port = PORTS[step["port"]]
        self.weather.refused.add(port)
        self.network.reset(port)
        self.loop.call_later(step["for_s"], self.weather.refused.discard, port)

    def _do_slow(self, step: dict[str, Any]) -> None:
        self.weather.slow = step["factor"]
        self.loop.call_later(step["for_s"], lambda: setattr(self.weather, "slow", 1.0))

    def _do_handshake(self, step: dict[str, Any]) -> None:
        """The signal system refuses handshakes for a while."""
        self.sim.refuse_with = step["status"]
        self.loop.call_later(step["for_s"], lambda: setattr(self.sim, "refuse_with", None))

    def _do_crash(self, step: dict[str, Any]) -> None:
        """Kill now, or at the n-th commit or send from now; a supervisor starts it again."""
        point = step.get("point")
        if point is None:
            self.crash("by the schedule")
        elif self.life is not None:
            self.life.crash_at = (point, self.life.reached[point] + step["count"])

    def _do_restart(self, step: dict[str, Any]) -> Any:
        return self.restart()

    def _do_disk(self, step: dict[str, Any]) -> None:
        """From the n-th commit on, this process can write no more."""
        if self.life is not None:
            nth = self.life.reached["ledger_write"] + step["count"]
            self.life.fail_at = (step["error"], nth, step.get("onward", True))

    def _do_clock(self, step: dict[str, Any]) -> None:
        self.worker_clock.jump_ms += step["ms"]

    def _do_command(self, step: dict[str, Any]) -> None:
        if self.life is None or self.life.runtime is None:
            return
        with contextlib.suppress(ValueError, ExecutorError):
            number = self.life.number
            token = LIFE.set(number)
            try:
                self.life.runtime.worker.command(step["name"], "main", "simulation")
            finally:
                LIFE.reset(token)
