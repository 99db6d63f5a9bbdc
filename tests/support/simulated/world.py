"""One simulated world: the real worker against a hostile exchange and a signal system, in one virtual loop.

The worker is the program's own ``Runtime``: real sources, sockets, HTTP, ledger, desks. A crash drops it between two
bytecodes and keeps what a machine keeps: the ledger's file and what the others know.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import sqlite3
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from executor import faults
from executor.app.runtime import Runtime
from executor.clock import iso
from executor.core import events as ev
from executor.core.types import Side
from executor.errors import ExecutorError
from executor.hyperliquid import wire
from executor.paper.feeds import ManualMarket
from executor.paper.gate import read_request
from executor.paper.model import Rules
from executor.paper.server import Options
from executor.ports import SignedRequest
from executor.sim.fractrade import Credentials, FractradeSimulator
from executor.testing.hostile_exchange import HostileExchange
from executor.testing.network import Network, Weather
from executor.testing.virtual_loop import LIFE, VirtualLoop, start_in_life
from executor.venue.envelope import exchange_body
from executor.venue.signer import Signer
from simulated.deeds import Crashed, Deeds
from simulated.setting import (
    ADDRESS,
    EXCHANGE_PORT,
    OTHER_KEY,
    QUOTES,
    SIGNALS_PORT,
    WorkerClock,
    WorldClock,
    the_config,
    who,
)

HALF_SPREAD = Decimal("0.0001")

PERSON_S = 8.0
"""How long it takes until somebody heard the alarm of a failed ledger, made room and restarted the worker."""


@dataclass
class Life:
    """One process of the worker, from its start to its end."""

    number: int
    runtime: Runtime | None = None
    building: Runtime | None = None
    ended: bool = False
    why: str = ""
    up_at_s: float | None = None
    reached: Counter[str] = field(default_factory=Counter)
    crash_at: tuple[str, int] | None = None
    fail_at: tuple[str, int, bool] | None = None
    """The error, the write from which on, and whether every later one fails as well."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class Process(Runtime):
    """A runtime whose ledger and venue know the world's crash points and disk."""

    def __init__(self, world: World, life: Life) -> None:
        traders = who(world.require, world.policy)
        super().__init__(world.loaded, traders, clock=world.worker_clock, with_control=False, jitter=world.jitter)
        self._world, self._life = world, life

    async def _open_venue(self) -> None:
        self._world.record(self)
        await super()._open_venue()


class World(Deeds):
    """Build it in its loop, ``open`` it, do steps, ``settle``."""

    def __init__(self, loop: VirtualLoop, seed: int, folder: Path, kind: dict[str, Any]) -> None:
        self.loop = loop
        self.rng = random.Random(seed)
        self.kind = kind
        self.weather = Weather(random.Random(seed + 1).random)
        self.network = Network(loop, self.weather)
        self.clock = WorldClock(loop)
        self.worker_clock = WorkerClock(loop)
        self.require, self.policy = kind.get("require", "signalled"), kind.get("policy", "alert")
        loaded = the_config(self.require, self.policy)
        ledger = loaded.config.ledger.model_copy(update={"path": folder / "live.db"})
        self.loaded = replace(loaded, config=loaded.config.model_copy(update={"ledger": ledger}))
        self.ledger_path = folder / "live.db"
        self.jitter = random.Random(seed + 2).random
        self.exchange = HostileExchange(
            ManualMarket(),
            fund={ADDRESS: 1_000_000},
            port=EXCHANGE_PORT,
            rules=Rules(**kind.get("rules", {})),
            options=Options(latency_ms=kind.get("latency_ms", 100), ip_limit=kind.get("ip_limit", True)),
            clock=self.clock,
            chance=random.Random(seed + 3).random,
        )
        self.sim = FractradeSimulator(
            port=SIGNALS_PORT,
            credentials=Credentials("simulated-key", "simulated-secret", "simulated-token"),
            clock=self.clock,
        )
        self.prices = dict(QUOTES)
        self.depth: dict[str, Decimal] = {}
        self.lives: list[Life] = []
        self.published: list[dict[str, Any]] = []
        self.manual: set[str] = set()
        self.disturbed_s = 0.0
        self.problems: list[str] = []
        self.recorded: list[tuple[float, ev.Event]] = []
        self.steps: list[dict[str, Any]] = []
        self.next_crash: tuple[str, int] | None = None
        self.by_hand_nonce = 0

    # -- the surroundings -----------------------------------------------------------------------------------------

    async def open(self) -> None:
        faults.set_handler(self.reach)
        await self.exchange.__aenter__()
        await self.sim.__aenter__()
        for coin in QUOTES:
            self.quote(coin)
        self.exchange.approve_agent(ADDRESS, who(self.require, self.policy)["main"].signer.address, "worker")
        other = Signer.from_key_text(OTHER_KEY, mainnet=False)
        self.exchange.approve_agent(ADDRESS, other.address, "by hand")
        self.other = other

    async def close(self) -> None:
        faults.set_handler(None)
        await self.sim.__aexit__(None, None, None)
        await self.exchange.__aexit__(None, None, None)

    def quote(self, coin: str) -> None:
        """Publish the coin's price, with the depth it has now."""
        px = self.prices[coin]
        asset = self.exchange.service.state.markets[coin].asset
        places = max(0, min(6 - asset.sz_decimals, 5 - (px.adjusted() + 1)))
        step = Decimal(1).scaleb(-places)
        bid, ask = ((px * (1 - HALF_SPREAD)).quantize(step), (px * (1 + HALF_SPREAD)).quantize(step))
        if bid == ask:
            ask = bid + step
        self.exchange.market.set_quote(coin, bid, ask, size=self.depth.get(coin, Decimal(1_000_000)))

    def move(self, coin: str, bps: int) -> None:
        """A price step, or a gap."""
        self.prices[coin] = self.prices[coin] * (10_000 + bps) / 10_000
        self.quote(coin)

    # -- the worker's lives -----------------------------------------------------------------------------------------

    @property
    def life(self) -> Life | None:
        """The process that runs now, if one does."""
        last = self.lives[-1] if self.lives else None
        return last if last is not None and not last.ended else None

    def start_worker(self) -> None:
        """A new process on what the last one left."""
        if self.life is None:
            life = Life(len(self.lives) + 1, crash_at=self.next_crash)
            self.next_crash = None
            self.lives.append(life)
            start_in_life(self.loop, life.number, lambda: self._live(life))

    async def _live(self, life: Life) -> None:
        runtime = life.building = Process(self, life)
        try:
            if not await _started(runtime, life.stop):
                return
            life.runtime = runtime
            life.up_at_s = self.loop.time()
            async with runtime:
                runtime.listen()
                waits = [asyncio.ensure_future(runtime.stopped.wait()), asyncio.ensure_future(life.stop.wait())]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
        except (ExecutorError, OSError, sqlite3.Error) as error:
            life.why = f"{type(error).__name__}: {error}"
        except Crashed:
            raise
        except BaseException as error:
            self.problems.append(f"the worker ended by {type(error).__name__}: {error}")
            raise
        finally:
            life.ended = True

    def record(self, runtime: Runtime) -> None:
        """Keep what is written down, with its moment."""
        commit = runtime.ledger.commit

        def recorded(frames: Any, events: Any) -> int:
            seq = commit(frames, events)
            self.recorded += [(self.loop.time(), event) for event in events]
            return seq

        runtime.ledger.commit = recorded  # type: ignore[method-assign]  # the real one, listened to

    def reach(self, name: str) -> None:
        """A named point of the worker's code (``executor.faults``): here it crashes, or its disk fails."""
        number = LIFE.get()
        if not number:
            return
        if self.loop.is_dead(number):
            raise Crashed
        life = self.lives[number - 1]
        life.reached[name] += 1
        if life.crash_at == (name, life.reached[name]):
            self.crash(f"at {name} {life.reached[name]}")
            raise Crashed
        if name == "ledger_write" and life.fail_at is not None and life.reached[name] >= life.fail_at[1]:
            error = getattr(errno, life.fail_at[0])
            if not life.fail_at[2]:
                life.fail_at = None
            raise OSError(error, os.strerror(error))

    def crash(self, why: str) -> None:
        """Kill -9 of the process that runs now."""
        life = self.life
        if life is None:
            return
        life.ended, life.why = True, f"killed {why}"
        self.disturbed_s = self.loop.time()
        self.loop.kill(life.number)
        self.network.kill(life.number)
        if hasattr(life.building, "ledger"):
            life.building.ledger._db.close()

    async def restart(self) -> None:
        """Stop in order, and start again."""
        life = self.life
        if life is not None:
            life.stop.set()
            while not life.ended:
                await asyncio.sleep(0.1)
        self.start_worker()

    @property
    def desk(self) -> Any:
        """The running worker's desk, once it has one."""
        life = self.life
        return None if life is None or life.runtime is None else life.runtime.worker.desks["main"]

    # -- signals ----

    def frame(self, step: dict[str, Any]) -> dict[str, Any]:
        """A signal as the signal system sends it now."""
        position = {
            "asset": step["coin"],
            "size": step["size"],
            "side": step["side"],
            "leverage": step.get("leverage", 3),
            "exchange": "hyperliquid",
        }
        kind = step.get("kind", "trade")
        if kind != "trade":
            position |= {"trigger_price": self._trigger(step), "reduce_only": True}
        names = {"trade": "EXECUTE_HYPERLIQUID_PERP_TRADE", "stop": "SET_HYPERLIQUID_PERP_STOP_LOSS"}
        return {
            "action_id": step["id"],
            "action_type": names.get(kind, "SET_HYPERLIQUID_PERP_TAKE_PROFIT"),
            "agent_id": step["agent"],
            "config": {"position": position},
            "created_at": iso(self.clock.now_ms() - int(step.get("age_s", 0) * 1000)),
            "status": "PENDING",
        }

    def _trigger(self, step: dict[str, Any]) -> float:
        px = self.prices[step["coin"]] * (10_000 + step["away_bps"]) / 10_000
        return float(f"{px:.5g}")

    async def signal(self, step: dict[str, Any]) -> None:
        again = next((row for row in self.published if row["action_id"] == step.get("again")), None)
        frame = dict(again) if again is not None else self.frame(step)
        if step.get("conflict"):
            position = frame["config"]["position"]
            frame["config"] = {"position": {**position, "size": float(position["size"]) * 2}}
        await self.publish(frame, step.get("delay_s", 0.0))

    async def publish(self, frame: dict[str, Any], delay_s: float) -> None:
        if delay_s:
            await asyncio.sleep(delay_s)
        got = await self.sim.publish(orjson.dumps(frame).decode(), ("agent",), frame["agent_id"])
        self.published.append({**frame, "_reached": got, "_at_s": self.loop.time()})

    # -- somebody else on the account ---------------------------------------------------------------------------------

    def by_hand(self, coin: str, side: str, size: str) -> None:
        """A market order somebody places on the same account."""
        self.manual.add(coin)
        asset_id = self.exchange.service.state.markets[coin].asset.asset_id
        asset = self.exchange.service.state.markets[coin].asset
        far = self.prices[coin] * (Decimal("1.05") if side == "B" else Decimal("0.95"))
        px = far.quantize(Decimal(1).scaleb(-max(0, min(6 - asset.sz_decimals, 5 - (far.adjusted() + 1)))))
        row = wire.limit_order(asset_id, Side.BUY if side == "B" else Side.SELL, px, Decimal(size), tif="Ioc")
        action = wire.order_action([row])
        self.by_hand_nonce = nonce = max(self.clock.now_ms(), self.by_hand_nonce + 1)
        request = SignedRequest(action, nonce, self.other.sign(action, nonce, None, None), None, None)
        body = orjson.loads(exchange_body(request))
        self.exchange.service.execute(read_request(body))

    def is_faulty(self) -> bool:
        """Whether anything is wrong right now, or shortly was or will be."""
        exchange, life = self.exchange, self.life
        pushing, options = exchange.pushing, exchange.options
        pending = exchange.tricks or exchange.faults.armed or self.weather.dark or self.weather.refused or self.depth
        troubled = pushing.lost or pushing.doubled or options.push_delay_ms or self.weather.slow != 1.0
        lagging = exchange.service.state.rules.order_status_lag_ms or self.sim.refuse_with
        unwell = life is None or life.runtime is None or life.crash_at or life.fail_at
        return bool(pending or troubled or lagging or unwell or self.loop.time() < self.disturbed_s)

    # -- peace ----

    def heal(self) -> None:
        """Every fault off, for good."""
        self.exchange.heal()
        state = self.exchange.service.state
        state.rules = replace(state.rules, order_status_lag_ms=0)
        self.exchange.options = replace(self.exchange.options, push_delay_ms=0)
        self.sim.refuse_with = None
        self.weather.refused.clear()
        for port in list(self.weather.dark):
            self._light(port)
        self.weather.slow = 1.0
        for coin in QUOTES:
            self._refill(coin)
        life = self.life
        if life is not None:
            life.crash_at = life.fail_at = None

    async def supervise(self) -> None:
        """What a service manager and a person do: start what ended, and restart what can write no more."""
        while True:
            await asyncio.sleep(0.5)
            life = self.life
            if life is None:
                self.start_worker()
            elif life.runtime is not None and life.runtime.worker.failed is not None:
                await asyncio.sleep(PERSON_S)
                if self.life is life:
                    await self.restart()

    # -- what the exchange knows ----

    def size(self, coin: str) -> Decimal:
        position = self.exchange.service.state.accounts[ADDRESS].positions.get(coin)
        return Decimal(0) if position is None else position.szi

    def events(self) -> list[ev.Event]:
        """Every event of the ledger, in order."""
        life = self.life
        if life is None or life.runtime is None:
            return []
        return [stored.event for stored in life.runtime.ledger.read()]


async def _started(runtime: Runtime, stop: asyncio.Event) -> bool:
    """As ``executor run`` does: an unreachable venue is waited for, but never against the will of who stops it."""
    starting, stopping = asyncio.ensure_future(runtime.start()), asyncio.ensure_future(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if starting.done():
        await starting
        return True
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
    return False
