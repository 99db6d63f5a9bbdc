"""Keeps one configured source running: whatever ends it by a mistake is told as closed, and it is started anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from executor.backoff import Backoff
from executor.clock import Clock
from executor.core.source_events import Origin, Status
from executor.errors import ConfigError, CredentialRefused, SecretError
from executor.execution.desk import Desk
from executor.execution.worker import Worker
from executor.logs import redact
from executor.ports import ChannelState, Source
from executor.sources.checked import emitter
from executor.sources.connection import redacted

log = structlog.get_logger("executor.run")

SOURCE_FAILED = "SOURCE_FAILED"
REMEDY = "report what the log says of it; it is started again"
ENDED_REMEDY = "mend the configuration and start the worker anew"

RESTART = Backoff(first_s=1.0, early_cap_s=30.0, late_cap_s=60.0)
LASTED_S = 120.0
"""A source that ran so long before it failed fails for the first time."""


class Listener:
    """One configured source. Each life is built anew: what a broken one left behind is not to be trusted.

    Raises what building the first one raises.
    """

    def __init__(
        self, name: str, build: Callable[[], Source], worker: Worker, clock: Clock, jitter: Callable[[], float]
    ) -> None:
        self.name = name
        self._build = build
        self._worker = worker
        self._clock = clock
        self._jitter = jitter
        self._source = build()
        self._broken = ""
        self._remedy = REMEDY
        self._heard = False

    def channels(self) -> tuple[ChannelState, ...]:
        """The source's channels as they are now; closed while it does not run, whatever it last said of them."""
        shown = tuple(map(_without_secrets, self._source.channels()))
        return tuple(_closed(channel, self._broken, self._remedy) for channel in shown) if self._broken else shown

    @property
    def heard(self) -> bool:
        """Whether any channel ever opened, in any life."""
        return self._heard or any(c.last_frame_at_ms is not None or c.state == "open" for c in self._source.channels())

    async def run(self) -> None:
        """Until the source ends by its own will; raises ``CredentialRefused`` as that does."""
        failures, failing_since_s = 0, self._clock.monotonic_s()
        while True:
            began_s = self._clock.monotonic_s()
            error = await self._live()
            if error is None:
                return
            if _is_final(error):
                self._warn(ENDED_REMEDY)
                return
            now_s = self._clock.monotonic_s()
            if now_s - began_s > LASTED_S:
                failures, failing_since_s = 0, now_s
            delay_s = RESTART.delay_s(failures, now_s - failing_since_s, self._jitter())
            self._warn(f"next try in {delay_s:.1f} s")
            await asyncio.sleep(delay_s)
            failures += 1

    async def _live(self) -> Exception | None:
        """One life; the mistake it ended by."""
        try:
            if self._broken:
                self._source = self._build()
                self._broken = ""
            await self._source.run(emitter(self._source, self._worker.emit, self._clock))
        except CredentialRefused:
            raise
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]  # a coroutine runs in a task
                raise
            return self._fell(RuntimeError("something within it was cancelled"))
        except Exception as error:  # noqa: BLE001 a source is a stranger's code, and protection needs its signals
            return self._fell(error)
        return None

    def _fell(self, error: Exception) -> Exception:
        """Tell people, and the record that its channels are closed: agents with an open book have a gap from here."""
        self._heard = self.heard
        self._broken = _words(error)
        self._remedy = ENDED_REMEDY if _is_final(error) else REMEDY
        self._worker.mistaken(f"source {self.name}", error)
        opened = [(key, ids) for key, ids in self._worker.intake.channels.items() if key[1] == self.name]
        for (system, source, channel), agent_ids in opened:
            origin = Origin(system, source, channel, self._clock.now_ms())
            closed = Status(
                origin=origin, state="closed", agent_ids=agent_ids, detail=self._broken, remedy=self._remedy
            )
            self._worker.emit(b"", closed)
        return error

    def _warn(self, then: str) -> None:
        """One line for each failure: a mistake that comes again is told in full only once (``Worker.mistaken``)."""
        log.warning(f"{self._broken}; {then}", action="source_failed", source=self.name)


def at_stake(desk: Desk) -> bool:
    """Whether an account needs a worker that hears nothing: it holds something to look after, or was not read yet."""
    state = desk.state
    adopted = desk.settings.foreign_positions == "adopt" and any(one.size != 0 for one in state.positions.values())
    ours = state.live or state.exits or any(one.owned != 0 for one in state.positions.values())
    return bool(not state.reconciled or adopted or ours or state.flattening)


def _is_final(error: Exception) -> bool:
    """Whether the next life would fail in the same way; a secret that cannot be read now may be readable later."""
    return isinstance(error, ConfigError) and not isinstance(error, SecretError)


def _without_secrets(channel: ChannelState) -> ChannelState:
    """A stranger's words may quote what it was given."""
    return replace(channel, detail=redact(channel.detail), remedy=redact(channel.remedy))


def _closed(channel: ChannelState, why: str, remedy: str) -> ChannelState:
    """One that was refused for good is no less so."""
    return channel if channel.state == "refused" else replace(channel, state="closed", detail=why, remedy=remedy)


def _words(error: Exception) -> str:
    """For the record and ``/readyz``: what went wrong, without what must not be shown."""
    while isinstance(error, ExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return f"{SOURCE_FAILED}: {redacted(f'{type(error).__name__}: {error}', ())}"
