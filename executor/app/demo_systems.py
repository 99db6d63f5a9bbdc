"""The four signal systems of `executor demo --all`: simulator, script, and what the worker is told of each."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from executor.clock import Clock
from executor.sim import halyrd_script, nexgent_script, tradeready_script
from executor.sim.fractrade import Credentials, FractradeSimulator
from executor.sim.halyrd import HalyrdSimulator
from executor.sim.loopback import LoopbackServer
from executor.sim.nexgent import Habits, NexgentSimulator
from executor.sim.play import Player
from executor.sim.scenario import Say, Vocabulary, load_scenario, play
from executor.sim.script import load_script
from executor.sim.tradeready import API_KEY, Heartbeat, TradeReadySimulator

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class System:
    """One system; ``source`` (without its address) and ``options`` (of the strategy) are blocks of a configuration."""

    name: str
    simulator: LoopbackServer
    play: Callable[[Say], Coroutine[Any, Any, None]]
    strategy: str
    source: Block
    options: Block
    environ: Mapping[str, str]


def systems(clock: Clock) -> Iterator[System]:
    """All four, not yet started. Their coins differ only so that their lines are told apart: each has an account."""
    yield _fractrade(clock)
    yield _nexgent(clock)
    yield _halyrd(clock)
    yield _tradeready(clock)


def document(chosen: tuple[System, ...]) -> Block:
    """The configuration by which one worker follows them all, each on an account of its own; they are running."""
    return {
        "version": 1,
        "mode": "dry_run",
        "sources": [_source(one) for one in chosen],
        "accounts": [{"name": one.name, "default_leverage": 3} for one in chosen],
        "routes": [
            {"source": one.name, "strategy": one.strategy, "with": one.options, "accounts": [one.name]}
            for one in chosen
        ],
        "risk": [
            {"rule": "max_order_notional", "max_usd": 5000},
            {"rule": "max_position_notional", "max_usd": 8000},
            {"rule": "max_leverage", "max": 5, "on_breach": "shrink"},
            {"rule": "daily_loss", "max_usd": 500},
        ],
        "paper": {"feed": "tape", "latency_ms": 100},
        "server": {"enabled": False},
    }


def _source(system: System) -> Block:
    url = system.simulator.url
    if system.name in ("nexgent", "halyrd"):
        url = "http" + url.removeprefix("ws")
    return {"name": system.name, "type": system.name, "url": url, **system.source}


def _fractrade(clock: Clock) -> System:
    accepted = Credentials()
    simulator = FractradeSimulator(credentials=accepted, clock=clock)

    async def played(say: Say) -> None:
        await Player(simulator, load_script(), clock, say, run_id="").play()

    environ = {
        "FRACTRADE_API_KEY": accepted.api_key,
        "FRACTRADE_API_SECRET": accepted.api_secret,
        "FRACTRADE_USER_TOKEN": accepted.user_token,
    }
    source = {"agents": ["demo-agent"], "executor_channel": True}
    return System("fractrade", simulator, played, "follow", source, {}, environ)


def _nexgent(clock: Clock) -> System:
    """A server that pings every second, and a client that takes five without one for a mute socket."""
    simulator = NexgentSimulator((nexgent_script.AGENT,), clock=clock, habits=Habits(ping_s=1))
    source = {
        "agents": [nexgent_script.AGENT],
        "reconnect_interval_s": 0.5,
        "ping_silence_s": 5,
        "taken_over_pause_s": 2,
    }
    options = {"symbols": {"PEPE": "kPEPE", "INJ": "INJ"}, "notional_usd": 200}
    environ = {"NEXGENT_EMAIL": simulator.tokens.email, "NEXGENT_PASSWORD": simulator.tokens.password}
    words = nexgent_script.Player(simulator).vocabulary
    player = _scripted("demo_nexgent.yaml", words, clock)
    return System("nexgent", simulator, player, "nexgent_mirror", source, options, environ)


def _halyrd(clock: Clock) -> System:
    simulator = HalyrdSimulator(clock=clock)
    words = halyrd_script.vocabulary(simulator)
    player = _scripted("demo_halyrd.yaml", words, clock)
    return System("halyrd", simulator, player, "halyrd_copy", {"agents": ["current"]}, {"stop_pct": 5}, {})


def _tradeready(clock: Clock) -> System:
    """A server that pings every two seconds, and lets go of whoever does not answer in four."""
    simulator = TradeReadySimulator(clock=clock, heartbeat=Heartbeat(ping_s=2, pong_s=4))
    source = {"tickers": ["SUIUSDT"], "orders": True, "poll_s": 0.5}
    words = tradeready_script.vocabulary(simulator)
    player = _scripted("demo_tradeready.yaml", words, clock)
    environ = {"TRADEREADY_API_KEY": API_KEY}
    return System("tradeready", simulator, player, "tradeready_copy", source, {}, environ)


def _scripted(bundled: str, words: Vocabulary, clock: Clock) -> Callable[[Say], Coroutine[Any, Any, None]]:
    steps = load_scenario(None, bundled, {name: word.takes for name, word in words.items()})

    async def played(say: Say) -> None:
        await play(steps, words, clock, say)

    return played
