"""``executor run``: a worker until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress

import structlog

from executor import logs
from executor.app.eventlog import EventLog
from executor.app.garbage import keep_tidy
from executor.app.hiding import hide
from executor.app.identity import Trader, traders
from executor.app.locking import hold, hold_files
from executor.app.runtime import Runtime, exit_code
from executor.config import Loaded, require_channels
from executor.errors import ExecutorError

log = structlog.get_logger("executor.run")

FLATTEN_S = 120.0
SECOND_SIGINT = 130
ENDING = (signal.SIGTERM, signal.SIGHUP)
"""SIGHUP says that the terminal or the connection is gone: what is in flight is finished all the same."""

START_S = 20.0
"""A run for a time begins within this, or its own time where that is longer; else it ends, having read no account."""


def run(loaded: Loaded, *, live: bool, duration_s: float | None = None) -> int:
    """Run a worker until SIGINT, SIGTERM or the duration; returns the exit code.

    ``live`` must agree with ``mode`` (the command line checks it): real orders take both.
    """
    if live != loaded.config.live:
        raise ExecutorError("mode and --live disagree")
    require_channels(loaded.config)
    configure_logs(loaded)
    for warning in loaded.warnings:
        log.warning(warning, action="config")
    who = traders(loaded)
    with hold(loaded, who), hold_files(loaded):
        try:
            return asyncio.run(_run(loaded, who, duration_s))
        finally:
            for number in ENDING:  # all is written: a late one must not change the exit code
                signal.signal(number, signal.SIG_IGN)


def configure_logs(loaded: Loaded) -> None:
    """Logging as configured, without any secret that is known by now."""
    hide(loaded)
    logs.configure(loaded.config.logging.level, loaded.config.logging.format)


async def _run(loaded: Loaded, who: dict[str, Trader], duration_s: float | None) -> int:
    stop = stop_on_signals()
    runtime, lines = Runtime(loaded, who), EventLog()
    runtime.listeners.append(lines)
    try:
        if not await started(runtime, stop, None if duration_s is None else max(duration_s, START_S)):
            if stop.is_set():
                return 0
            raise ExecutorError("the run's time is over, and it never began", "the log says what could not be read")
        async with runtime:
            runtime.worker.spawn(keep_tidy(), "garbage")
            runtime.listen()
            log.info("running", action="running", mode=loaded.config.mode, accounts=list(who))
            await _until(stop, runtime.stopped, duration_s)
            log.info("stopping", action="stopping")
    finally:
        lines.flush()
    return exit_code(runtime)


async def started(runtime: Runtime, stop: asyncio.Event, patience_s: float | None) -> bool:
    """Start, unless told to stop first: an unreachable venue is waited for, but never against the user's will.

    Nor longer than ``patience_s``: a run for a time ends also where it never began.
    """
    starting = asyncio.ensure_future(runtime.start())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait([starting, stopping], timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        return False
    await starting
    return True


async def _until(stop: asyncio.Event, stopped: asyncio.Event, duration_s: float | None) -> None:
    waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(stopped.wait())]
    with suppress(TimeoutError):
        async with asyncio.timeout(duration_s):
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def stop_on_signals() -> asyncio.Event:
    """SIGTERM, SIGHUP (unless nohup has it ignored), the first SIGINT stop in order; a second SIGINT ends at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_interrupt() -> None:
        if stop.is_set():
            os._exit(SECOND_SIGINT)
        stop.set()

    def on_terminate(*_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process is leaving anyway
            loop.call_soon_threadsafe(stop.set)

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    for number in ENDING:  # not the loop's handlers, which end with it, and before the process
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, on_terminate)
    return stop


def run_flatten(loaded: Loaded, who: Mapping[str, Trader], accounts: list[str]) -> bool:
    """A worker without sources until these accounts are flat, as recorded before; false when that took too long.

    The caller holds the locks. Nobody is served or told but the log: no taken port, and no webhook whose address is not
    there, may keep what is open from being closed.
    """
    _outlive_terminal()
    configure_logs(loaded)
    log.info("flatten is recorded", action="flatten_recorded", accounts=accounts)
    return asyncio.run(_flatten(Runtime(loaded, who, with_outside=False), accounts))


def _outlive_terminal() -> None:
    """A connection that dies meanwhile leaves nothing half closed: no worker would close the rest."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


async def _flatten(runtime: Runtime, accounts: list[str]) -> bool:
    until_s = asyncio.get_running_loop().time() + FLATTEN_S
    try:
        async with asyncio.timeout_at(until_s):
            await runtime.start()
    except TimeoutError:
        return False
    async with runtime:
        return await _flat(runtime, accounts, until_s)


async def _flat(runtime: Runtime, accounts: list[str], until_s: float) -> bool:
    states = [runtime.worker.desks[account].state for account in accounts]
    try:
        async with asyncio.timeout_at(until_s):
            while any(state.flattening for state in states):
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return True
