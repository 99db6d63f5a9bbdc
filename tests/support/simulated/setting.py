"""What every simulated world has in common: names, prices, the worker's configuration and the clocks."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path

import orjson

from executor import config, plugins
from executor.app.identity import Trader, traders
from executor.config import Loaded
from executor.testing.virtual_loop import VirtualLoop

EXCHANGE_PORT, SIGNALS_PORT = 18_001, 18_002
PORTS = {"exchange": EXCHANGE_PORT, "signals": SIGNALS_PORT}
BASE_MS = 1_800_000_000_000
ADDRESS = "0x" + "a1" * 20
KEY = "0x" + "5ec2e7" * 10 + "c0de"
OTHER_KEY = "0x" + "0badf00d" * 8
AGENTS = ("agent-a", "agent-b")
QUOTES = {"BTC": Decimal(100_000), "ETH": Decimal(4_000), "SOL": Decimal(200)}
MAX_POSITION_USD = 300_000
SECRETS = {
    "FRACTRADE_API_KEY": "simulated-key",
    "FRACTRADE_API_SECRET": "simulated-secret",
    "FRACTRADE_USER_TOKEN": "simulated-token",
    "HYPERLIQUID_PRIVATE_KEY": KEY,
}


@cache
def the_config(require: str, policy: str) -> Loaded:
    """The configuration of every world of this kind, read once."""
    document = {
        "version": 1,
        "mode": "live",
        "sources": [
            {
                "name": "fractrade",
                "type": "fractrade",
                "url": f"ws://127.0.0.1:{SIGNALS_PORT}",
                "agents": list(AGENTS),
                "server_execution": "execute",
            }
        ],
        "accounts": [{"name": "main", "address": ADDRESS, "signer_env": "HYPERLIQUID_PRIVATE_KEY"}],
        "routes": [{"source": "fractrade", "agents": ["*"], "strategy": "follow", "accounts": ["main"]}],
        "hyperliquid": {"network": "custom", "api_url": f"http://127.0.0.1:{EXCHANGE_PORT}"},
        "risk": [
            {"rule": "max_order_notional", "max_usd": 250_000},
            {"rule": "max_position_notional", "max_usd": MAX_POSITION_USD},
            {"rule": "max_leverage", "max": 5, "on_breach": "shrink"},
            {"rule": "daily_loss", "max_usd": 400_000},
        ],
        "execution": {"shutdown_s": 3, "reply_timeout_s": 2},
        "protection": {"policy": policy, "require": require, "after_s": 1},
        "ledger": {"path": "var/live.db", "durability": "normal"},
        "server": {"enabled": False},
        "logging": {"level": "ERROR", "format": "json"},
    }
    text = orjson.dumps(document).decode()
    return config.load_text(text, Path("/simulated/config.yaml"), [], SECRETS, plugins)


@cache
def who(require: str, policy: str) -> dict[str, Trader]:
    """The traders of such a world."""
    return traders(the_config(require, policy))


class WorldClock:
    """True time: the exchange's and the signal system's."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return BASE_MS + round(self._loop.time() * 1000)

    def monotonic_s(self) -> float:
        return self._loop.time()


class WorkerClock(WorldClock):
    """The worker's machine: its wall clock may be set wrong, its monotonic one runs as it should."""

    jump_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.jump_ms
