"""Runs one schedule: a world, its steps, peace, and the oracle's word. The same schedule gives the same run."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from executor import faults
from executor.testing.virtual_loop import Stalled, VirtualLoop
from simulated import oracle
from simulated.world import Crashed, World

SETTLE_S = 45.0
"""Peace after the faults, at least: longer than an order's expiry, a wait for a position, and a timed read."""


@dataclass
class Result:
    """What a run was: ``problems`` is empty where every promise held; ``digest`` names the run."""

    seed: int
    problems: list[str] = field(default_factory=list)
    digest: str = ""
    events: int = 0
    orders: int = 0
    lives: int = 0
    cpu_s: float = 0.0
    virtual_s: float = 0.0
    stats: dict[str, int] = field(default_factory=dict)


def run(
    schedule: dict[str, Any],
    *,
    show: bool = False,
    inspect: Callable[[World], None] = lambda world: None,
) -> Result:
    """One schedule from start to the oracle.

    ``inspect`` sees the world before it ends. Garbage is collected at the end alone, so that no finalizer of a killed
    process runs at a moment of its own choosing.
    """
    began = time.process_time()
    result = Result(schedule["seed"])
    folder = Path(tempfile.mkdtemp(prefix="simulated-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    state = random.getstate()
    random.seed(schedule["seed"])
    with nullcontext() if show else _quiet(), _graveyard():
        loop = VirtualLoop()
        try:
            loop.run(_played(loop, schedule, folder, result, inspect))
        except Stalled as stall:
            result.problems.append(f"stalled: {stall}")
        finally:
            faults.set_handler(None)
            random.setstate(state)
            shutil.rmtree(folder, ignore_errors=True)
            del loop
    result.cpu_s = time.process_time() - began
    return result


@contextmanager
def _graveyard() -> Iterator[None]:
    """What coroutines of killed processes say when they are let go of interests nobody."""
    hook = sys.unraisablehook
    gc.disable()
    gc.freeze()
    sys.unraisablehook = lambda _: None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
            gc.collect()
        finally:
            gc.unfreeze()
            gc.enable()
            sys.unraisablehook = hook


@contextmanager
def _quiet() -> Iterator[None]:
    """What the worker would log is the ledger's to tell here. Logging is one per process: put back afterwards."""
    logging.disable(logging.CRITICAL)
    structlog.configure(
        processors=[_dropped], wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False
    )
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.reset_defaults()


def _dropped(*_: Any) -> Any:
    raise structlog.DropEvent


async def _played(
    loop: VirtualLoop,
    schedule: dict[str, Any],
    folder: Path,
    result: Result,
    inspect: Callable[[World], None],
) -> None:
    world = World(loop, schedule["seed"], folder, schedule["kind"])
    loop.set_exception_handler(lambda _, context: _unhandled(world, context))
    await world.open()
    watch = oracle.Watch(world)
    began_s = loop.time()
    world.steps = schedule["steps"]
    world.start_worker()
    supervisor = asyncio.ensure_future(world.supervise())
    looking = asyncio.ensure_future(watch.run())
    doing: list[asyncio.Task[None]] = []
    for step in schedule["steps"]:
        await asyncio.sleep(max(0.0, began_s + step["at"] - loop.time()))
        doing.append(asyncio.ensure_future(world.do(step)))
    await asyncio.sleep(10.0)
    for task in doing:
        if task.done() and task.exception() is not None:
            result.problems.append(f"the simulation itself failed: {task.exception()!r}")
    if schedule["heals"]:
        world.heal()
        watch.healed_s = loop.time()
        await asyncio.sleep(SETTLE_S)
        await _rested(world)
    for task in (supervisor, looking, *doing):
        task.cancel()
    result.problems += oracle.judge(world, watch, heals=schedule["heals"])
    inspect(world)
    await _ended(world, result)
    for life in world.lives:
        loop.bury(life.number)
    result.virtual_s = loop.time() - began_s


async def _rested(world: World) -> None:
    """A little longer where the worker was just restarted, a flatten is under way, or a loss is not shared out yet."""
    for _ in range(60):
        desk = world.desk
        if desk is not None and desk.state.reconciled and desk.quiet() and not desk.uncertain_legs() and _shared(desk):
            return
        await asyncio.sleep(1.0)


def _shared(desk: Any) -> bool:
    """Whether everybody's part is known, and their stops are as large as that."""
    state = desk.state
    return not state.cancels and not any(position.excess or position.ahead for position in state.positions.values())


async def _ended(world: World, result: Result) -> None:
    events = world.events()
    result.events, result.lives = len(events), len(world.lives)
    result.orders = len(world.exchange.reached)
    told = "\n".join(map(repr, events)) + repr([(row.at_ms, row.nonce, row.action) for row in world.exchange.reached])
    result.digest = hashlib.sha256(told.encode()).hexdigest()
    life = world.life
    if life is not None:
        life.stop.set()
        for _ in range(200):
            if life.ended:
                break
            await asyncio.sleep(0.1)
    if life is not None and not life.ended:
        result.problems.append("the worker did not stop within 20 s")
    with suppress(ConnectionError, RuntimeError):
        await world.close()
    await asyncio.sleep(5.0)


def _unhandled(world: World, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if not isinstance(error, Crashed):
        world.problems.append(f"unhandled: {context.get('message')}: {error!r}")
