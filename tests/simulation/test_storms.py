"""Ten minutes of a venue that limits or fails everything, and servers that accept and close: paced, and back in time.

The whole worker on a virtual clock (``simulated``); the numbers are those of reliability.md section A6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random  # noqa: TID251 - seeded, so that a storm is the same each time
from typing import Any

import pytest
from simulated.run import _graveyard, _quiet
from simulated.setting import AGENTS, SIGNALS_PORT
from simulated.world import World

from executor.core import events as ev
from executor.hyperliquid import limits
from executor.testing.virtual_loop import VirtualLoop
from executor.venue.envelope import action_length

STORM_S = 600
MINUTE_MS = 60_000
COINS = {"BTC": "0.5", "ETH": "10", "SOL": "200"}
AGENT_OF = {"BTC": AGENTS[0], "ETH": AGENTS[1], "SOL": AGENTS[0]}
REDUCING = ("exit", "protect")


class Counted(World):
    """A world that notes what each request to the exchange weighs, and every handshake."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.weights: list[tuple[int, int]] = []
        self.handshakes: dict[str, list[int]] = {"exchange": [], "signals": []}
        self.closes_with: int | None = None
        info, exchange = self.exchange._info, self.exchange._exchange

        async def counted_info(body: Any, ip: str) -> Any:
            self.weights.append((self.clock.now_ms(), limits.info_weight(str(body.get("type")))))
            return await info(body, ip)

        async def counted_exchange(body: Any, ip: str) -> Any:
            self.weights.append((self.clock.now_ms(), limits.action_weight(action_length(body["action"]))))
            return await exchange(body, ip)

        self.exchange._info, self.exchange._exchange = counted_info, counted_exchange

    def heaviest_minute(self, from_ms: int, to_ms: int) -> int:
        """The most weight in any minute of a time."""
        rows = [row for row in self.weights if from_ms <= row[0] < to_ms]
        return max((sum(w for at, w in rows if start <= at < start + MINUTE_MS) for start, _ in rows), default=0)


def play(folder: Path, story: Callable[[Counted], Awaitable[None]], **kind: Any) -> None:
    """Run a story in a world of its own."""
    with _quiet(), _graveyard():
        loop = VirtualLoop()
        try:
            loop.run(_played(loop, folder, story, kind))
        finally:
            del loop


async def _played(
    loop: VirtualLoop, folder: Path, story: Callable[[Counted], Awaitable[None]], kind: dict[str, Any]
) -> None:
    world = Counted(loop, 11, folder, kind)
    await world.open()
    world.start_worker()
    try:
        await world_ready(world)
        await story(world)
        assert world.problems == []
    finally:
        life = world.life
        if life is not None:
            life.stop.set()
            await until(lambda: life.ended)
        await world.close()


async def until(true: Callable[[], object], within_s: float = 60) -> float:
    """How long it took, in virtual seconds."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while not true():
        assert loop.time() - began_s <= within_s, "it did not come true"
        await asyncio.sleep(0.05)
    return loop.time() - began_s


async def world_ready(world: World) -> None:
    await until(lambda: world.life and world.life.runtime and world.life.runtime.ready())


def trade(coin: str, side: str, size: str, number: int) -> dict[str, Any]:
    return {"id": f"{coin}-{number}", "agent": AGENT_OF[coin], "coin": coin, "side": side, "size": size}


def stop(coin: str, away_bps: int, size: str, number: int) -> dict[str, Any]:
    return {**trade(coin, "SELL", size, number), "kind": "stop", "away_bps": away_bps, "id": f"{coin}-stop-{number}"}


async def opened(world: World) -> None:
    """A position of each coin, each with its stop."""
    for number, (coin, size) in enumerate(COINS.items()):
        await world.signal(trade(coin, "LONG", size, number))
        await until(lambda coin=coin: world.size(coin) != 0)
        await world.signal(stop(coin, -300, size, number))
    await asyncio.sleep(10)


def first_sends(world: World, since_ms: int, to_ms: int) -> list[float]:
    """For each reducing action of a time: seconds from its arrival to the first byte that was sent for it."""
    events = [event for event in world.events() if event.at_ms >= since_ms]
    wanted = {
        event.key: event.at_ms for event in events if isinstance(event, ev.ActionReceived) and event.at_ms < to_ms
    }
    planned = {event.cloid: event.key for event in events if isinstance(event, ev.LegPlanned)}
    sent: dict[str, int] = {}
    for event in events:
        if isinstance(event, ev.SendStarted) and event.purpose in REDUCING:
            for cloid in event.cloids:
                sent.setdefault(planned.get(cloid, ""), event.at_ms)
    return [(sent.get(key, at_ms + 10**9) - at_ms) / 1000 for key, at_ms in wanted.items()]


@pytest.mark.parametrize("fault", ["http_429", "http_502"])
@pytest.mark.parametrize("every_s", [20, pytest.param(3, marks=pytest.mark.full)])
def test_ten_minutes_of_refusals_stay_below_60_percent_of_the_weight_and_exits_are_sent(
    tmp_path, record_property, fault, every_s
):
    async def story(world: Counted) -> None:
        await opened(world)
        began_ms, random = world.clock.now_ms(), Random(5)
        for on in ("exchange", "info"):
            world.exchange.arm(fault, on=on, times=0)
        for number in range(100, 100 + STORM_S // every_s):
            coin = random.choice(list(COINS))
            part = str(float(COINS[coin]) / 400)
            is_stop = number % 4 == 0
            await world.signal(
                stop(coin, -300 - number, COINS[coin], number) if is_stop else trade(coin, "SELL", part, number)
            )
            await asyncio.sleep(every_s)
        healed_ms = world.clock.now_ms()
        world.exchange.heal()
        record_property("most weight in a minute, of 1200", world.heaviest_minute(began_ms, healed_ms))
        assert world.heaviest_minute(began_ms, healed_ms) <= 0.6 * limits.IP_WEIGHT_PER_MINUTE
        waits = first_sends(world, began_ms, healed_ms)
        record_property("most seconds until an exit or stop was sent", max(waits))
        assert len(waits) == STORM_S // every_s
        assert sum(wait <= 10 for wait in waits) >= 0.99 * len(waits), sorted(waits)[-5:]
        await until(lambda: world.desk.quiet() and not world.desk.uncertain_legs(), 20 if every_s > 3 else 180)
        assert not world.desk.state.exits

    play(tmp_path, story, ip_limit=False)


async def closing(world: Counted, code: int) -> None:
    """Both servers accept, and close what they accepted."""
    while True:
        await world.sim.cut(code)
        await world._close_sockets(code)
        await asyncio.sleep(0.1)


def busiest(times: list[float]) -> int:
    """The most in any minute."""
    return max((sum(at <= other < at + 60 for other in times) for at in times), default=0)


async def noted(world: Counted, signals: list[float], exchange: list[float]) -> None:
    """When each server was tried: connections dialled to the one, sockets opened to the other."""
    dial, seen = world.network.dial, 0

    async def counted(make: Any, host: str, port: int) -> Any:
        if port == SIGNALS_PORT:
            signals.append(world.loop.time())
        return await dial(make, host, port)

    world.network.dial = counted
    while True:
        opens = world.life.runtime.venue.counters()["reconnects"]
        exchange += [world.loop.time()] * (opens - seen)
        seen = opens
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(("code", "lasts_s", "back_s"), [(1011, 45, 5), (1000, 45, 5), (1012, 600, 60)])
def test_servers_that_accept_and_close_are_not_stormed_and_found_in_time(
    tmp_path, record_property, code, lasts_s, back_s
):
    async def story(world: Counted) -> None:
        signals: list[float] = []
        exchange: list[float] = []
        venue = world.life.runtime.venue
        tasks = [asyncio.ensure_future(closing(world, code)), asyncio.ensure_future(noted(world, signals, exchange))]
        began_s = world.loop.time()
        await asyncio.sleep(lasts_s)
        tasks[0].cancel()
        healed_s = world.loop.time()
        for times in (signals, exchange):
            record_property("most attempts in a minute", busiest(times))
            record_property("most attempts in a minute later", busiest([at for at in times if at > began_s + 180]))
            assert 3 <= busiest(times) <= 30
            assert busiest([at for at in times if at > began_s + 180]) <= 10
        await until(lambda: len(world.sim.clients) == len(AGENTS) and venue.budgets()["sockets"][0] == 1, back_s)
        await until(world.life.runtime.ready, 30)
        await world.signal(trade("BTC", "LONG", "0.5", 1))
        await until(lambda: world.size("BTC") > 0)
        assert world.loop.time() - healed_s < back_s + 30
        tasks[1].cancel()

    play(tmp_path, story)


def test_an_exit_told_while_the_exchanges_socket_stays_down_goes_by_the_price_of_now(tmp_path):
    async def story(world: Counted) -> None:
        await world.signal(trade("ETH", "LONG", "10", 1))
        await until(lambda: world.size("ETH") > 0)
        world.exchange._limits.may_open = lambda ip, count: False
        await world._close_sockets(1001)
        world.move("ETH", -1_500)  # further than the widest cap of an exit
        await asyncio.sleep(60)
        await world.signal(trade("ETH", "SELL", "10", 2))
        await until(lambda: world.size("ETH") == 0, 5)
        assert world.life.runtime.venue.budgets()["sockets"][0] == 0

    play(tmp_path, story)
