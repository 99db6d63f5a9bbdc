"""From a seed to a schedule: what agents say, what prices do, what breaks, and when. Plain data, nothing else.

A schedule is ``{"seed", "heals", "kind", "steps"}``: with ``heals`` false the faults go on to the end, and only safety
is asked for. A step has ``at`` (seconds from the worker's first start) and ``do``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from executor.faults import POINTS

Step = dict[str, Any]

COINS = ("BTC", "ETH", "SOL")
UNIT = {"BTC": 0.1, "ETH": 2.0, "SOL": 50.0}
AGENTS = ("agent-a", "agent-b")
LAST_S = 45.0

EXCHANGE_FAULTS = (
    "drop_request", "drop_answer", "cut", "delay", "delay_answer", "http_429", "http_429_after", "http_502",
    "http_502_after", "garbage", "odd_null", "odd_list", "odd_ok", "odd_counts", "odd_status", "odd_4xx", "http_500",
    "http_503", "truncate", "duplicate", "reject", "lie_filled",
)  # fmt: skip
INFO_FAULTS = (
    "drop_request", "drop_answer", "delay", "delay_answer", "http_429", "http_502", "garbage", "odd_null", "odd_list",
    "odd_ok", "odd_4xx", "http_500", "http_503", "truncate",
)  # fmt: skip
INFO_TYPES = ("clearinghouseState", "frontendOpenOrders", "orderStatus", "userFillsByTime", "l2Book", None)
CLOSE_CODES = (1000, 1001, 1006, 1008, 1009, 1011, 1012)
GARBAGE = ("", "{", "[]", "null", '{"action_id":"x"}', "\u0000", '{"action_type":"NO_SUCH","action_id":"n"}', "9" * 400)


@dataclass
class Agent:
    """What one agent believes it holds, by coin, signed, in units."""

    name: str
    book: dict[str, float] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    slow_s: float = 0.0


class Writer:
    """Writes one schedule."""

    def __init__(self, seed: int, *, unlimited: bool = False) -> None:
        self.rng = random.Random(f"schedule {seed}")
        self.seed = seed
        self.unlimited = unlimited
        slow = (0.0, 0.0, 0.0, 0.5, -0.5, 2.0, -2.0)  # how far an agent's clock is behind
        self.agents = [Agent(name, slow_s=self.rng.choice(slow)) for name in AGENTS]
        self.count = 0

    def schedule(self) -> dict[str, Any]:
        """The whole of it."""
        rng = self.rng
        faults = 0 if rng.random() < 0.1 else rng.randint(3, 14) * (3 if self.unlimited else 1)
        steps = [step for at in self._times(rng.randint(12, 24)) for step in self._said(at)]
        steps += [self._move(at) for at in self._times(rng.randint(3, 10))]
        steps += [self._broken(at) for at in self._times(faults)]
        steps.sort(key=lambda step: step["at"])
        return {"seed": self.seed, "heals": not self.unlimited, "kind": self._kind(), "steps": steps}

    def _times(self, count: int) -> list[float]:
        return sorted(round(self.rng.uniform(2.0, LAST_S), 3) for _ in range(count))

    def _kind(self) -> dict[str, Any]:
        """The world's constants: how the venue behaves where its documents are silent, and our policy."""
        rng = self.rng
        require = rng.choice(("signalled", "always", "always"))
        return {
            "require": require,
            "policy": rng.choice(("place_default", "flatten")) if require == "always" else "alert",
            "latency_ms": rng.choice((0, 50, 100, 200, 400)),
            "rules": {
                "ioc_partial_status": rng.choice(("filled", "canceled")),
                "prevalidation": rng.choice(("statuses", "top_level")),
                "trigger_remainder": rng.choice(("dies", "rests")),
                "past_take_profit": rng.choice(("reject", "fire")),
                "lone_trigger_reply": rng.choice(("resting", "waitingForTrigger")),
                "ioc_reject_updates": rng.choice((True, False)),
            },
        }

    # -- what agents say ----

    def _said(self, at: float) -> list[Step]:
        rng = self.rng
        agent = self.agents[0] if rng.random() < 0.75 else self.agents[1]
        coin = rng.choice(COINS)
        if agent.sent and rng.random() < 0.08:
            step = {"at": at, "do": "signal", "again": rng.choice(agent.sent), "conflict": rng.random() < 0.4}
            return [{**step, "agent": agent.name, "coin": coin, "size": 1, "side": "LONG", "id": "unused"}]
        held = agent.book.get(coin, 0.0)
        if held and rng.random() < 0.35:
            return [self._protection(at, agent, coin, held)]
        steps = [self._trade(at, agent, coin, held)]
        if not held and rng.random() < 0.5:
            steps.append(self._protection(round(at + rng.choice((-0.2, 0.05, 0.4)), 3), agent, coin, agent.book[coin]))
        return steps

    def _trade(self, at: float, agent: Agent, coin: str, held: float) -> Step:
        rng = self.rng
        size = round(UNIT[coin] * rng.choice((0.5, 1, 1, 2)), 4)
        what = rng.choice(("add", "reduce", "close", "close", "flip")) if held else "open"
        sign = 1 if held > 0 or (not held and rng.random() < 0.5) else -1
        delta = {
            "open": sign * size,
            "add": sign * size,
            "reduce": -sign * round(abs(held) * rng.choice((0.25, 0.5)), 4),
            "close": -held,
            "flip": -held - sign * size,
        }[what]
        agent.book[coin] = round(held + delta, 6)
        step = self._signal(at, agent, coin, abs(delta), "LONG" if delta > 0 else "SHORT")
        if rng.random() < 0.12:
            step["delay_s"] = rng.choice((0.5, 3.0, 8.0, 40.0))
        return step

    def _protection(self, at: float, agent: Agent, coin: str, held: float) -> Step:
        rng = self.rng
        kind = rng.choice(("stop", "stop", "target"))
        away = rng.choice((50, 150, 300, 800)) * (-1 if (held > 0) == (kind == "stop") else 1)
        if rng.random() < 0.05:
            away = -away
        size = abs(held) if kind == "stop" or rng.random() < 0.5 else abs(held) / 2
        step = self._signal(at, agent, coin, round(size, 4), "SELL" if held > 0 else "BUY")
        return {**step, "kind": kind, "away_bps": away}

    def _signal(self, at: float, agent: Agent, coin: str, size: float, side: str) -> Step:
        self.count += 1
        name = f"{agent.name}-{self.count}"
        agent.sent.append(name)
        step = {"at": at, "do": "signal", "id": name, "agent": agent.name, "coin": coin}
        return {**step, "size": round(size, 6), "side": side, "age_s": agent.slow_s}

    # -- what prices do ----

    def _move(self, at: float) -> Step:
        rng = self.rng
        most = 1_000 if rng.random() < 0.15 else 120
        return {"at": at, "do": "move", "coin": rng.choice(COINS), "bps": rng.randint(-most, most)}

    # -- what breaks ----

    def _broken(self, at: float) -> Step:
        kinds = [
            (self._exchange_fault, 10), (self._info_fault, 4), (self._thin, 3), (self._manual, 1), (self._pushes, 2),
            (self._lag, 1), (self._cut, 4), (self._dark, 2), (self._refuse, 1), (self._slow, 1), (self._handshake, 1),
            (self._crash, 5), (self._restart, 1), (self._disk, 1), (self._clock, 1), (self._command, 2),
            (self._garbage, 1),
        ]  # fmt: skip
        make = self.rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
        return {"at": at, **make()}

    def _for_s(self) -> float:
        return self.rng.choice((0.3, 1.0, 3.0, 8.0))

    def _times_of_fault(self) -> int:
        return self.rng.choice((1, 1, 2, 5))

    def _exchange_fault(self) -> Step:
        rng = self.rng
        step = {"do": "fault", "on": "exchange", "kind": rng.choice(EXCHANGE_FAULTS), "times": self._times_of_fault()}
        step["match"] = rng.choice(("order", "order", "order", "cancelByCloid", "updateLeverage", None))
        if step["kind"].startswith("delay"):
            step["delay_ms"] = rng.choice((100, 600, 2_500, 12_000))
        return step

    def _info_fault(self) -> Step:
        rng = self.rng
        step = {"do": "fault", "on": "info", "kind": rng.choice(INFO_FAULTS), "times": self._times_of_fault()}
        step["match"] = rng.choice(INFO_TYPES)
        if step["kind"].startswith("delay"):
            step["delay_ms"] = rng.choice((100, 1_000, 4_000))
        return step

    def _thin(self) -> Step:
        coin = self.rng.choice(COINS)
        size = round(UNIT[coin] * self.rng.choice((0.01, 0.2, 0.4, 0.9)), 4)
        return {"do": "thin", "coin": coin, "size": str(size), "for_s": self._for_s()}

    def _manual(self) -> Step:
        coin = self.rng.choice(COINS)
        size = str(round(UNIT[coin] * self.rng.choice((0.3, 1.0)), 4))
        return {"do": "manual", "coin": coin, "side": self.rng.choice("BA"), "size": size}

    def _pushes(self) -> Step:
        lost, doubled = self.rng.choice(((0.3, 0.0), (1.0, 0.0), (0.0, 0.5), (0.2, 0.2)))
        return {"do": "pushes", "lost": lost, "doubled": doubled, "for_s": self._for_s()}

    def _lag(self) -> Step:
        if self.rng.random() < 0.5:
            return {"do": "status_lag", "ms": self.rng.choice((300, 1_500, 4_000))}
        return {"do": "push_delay", "ms": self.rng.choice((50, 500, 2_000))}

    def _port(self) -> str:
        return self.rng.choice(("exchange", "exchange", "signals"))

    def _cut(self) -> Step:
        return {"do": "cut", "port": self._port(), "code": self.rng.choice(CLOSE_CODES)}

    def _dark(self) -> Step:
        return {"do": "dark", "port": self._port(), "for_s": self._for_s()}

    def _refuse(self) -> Step:
        return {"do": "refuse", "port": self._port(), "for_s": self._for_s()}

    def _slow(self) -> Step:
        return {"do": "slow", "factor": self.rng.choice((5.0, 30.0, 100.0)), "for_s": self._for_s()}

    def _handshake(self) -> Step:
        return {"do": "handshake", "status": self.rng.choice((429, 500, 503)), "for_s": self._for_s()}

    def _crash(self) -> Step:
        if self.rng.random() < 0.2:
            return {"do": "crash"}
        return {"do": "crash", "point": self.rng.choice(tuple(POINTS)), "count": self.rng.randint(1, 4)}

    def _restart(self) -> Step:
        return {"do": "restart"}

    def _disk(self) -> Step:
        error, onward = self.rng.choice(("ENOSPC", "EIO")), self.rng.random() < 0.8
        return {"do": "disk", "error": error, "count": self.rng.randint(1, 40), "onward": onward}

    def _clock(self) -> Step:
        return {"do": "clock", "ms": self.rng.choice((3_600_000, -3_600_000, 90_000_000, -176_400_000, 30_000))}

    def _command(self) -> Step:
        return {"do": "command", "name": self.rng.choice(("pause", "resume", "resume", "flatten"))}

    def _garbage(self) -> Step:
        return {"do": "garbage", "text": self.rng.choice(GARBAGE)}


def schedule(seed: int, *, unlimited: bool = False) -> dict[str, Any]:
    """The schedule of a seed. ``unlimited``: so many faults that only safety can be asked for."""
    return Writer(seed, unlimited=unlimited).schedule()
