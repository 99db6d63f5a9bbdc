"""Dry-run as it is by default: a worker on a paper exchange that follows a venue which takes its time to answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from upstream import Upstream

from executor import config, plugins
from executor.app.identity import traders
from executor.app.runtime import Runtime
from executor.clock import SystemClock, iso
from executor.core import events as ev
from executor.paper.live_feed import HyperliquidFeed
from executor.sim.fractrade import Credentials, FractradeSimulator
from executor.testing import until

AGENT = "agent-uuid"
WITHIN_S = 20.0
ACCEPTED = Credentials()
SECRETS = {
    "FRACTRADE_API_KEY": ACCEPTED.api_key,
    "FRACTRADE_API_SECRET": ACCEPTED.api_secret,
    "FRACTRADE_USER_TOKEN": ACCEPTED.user_token,
}


@asynccontextmanager
async def dry_run(folder: Path, sim: FractradeSimulator, upstream: Upstream) -> AsyncIterator[list[ev.Event]]:
    """A worker that is ready; every event it records."""
    document = {
        "version": 1,
        "mode": "dry_run",
        "sources": [{"name": "fractrade", "type": "fractrade", "url": sim.url, "agents": [AGENT]}],
        "routes": [{"source": "fractrade", "agents": ["*"], "strategy": "follow"}],
        "risk": [{"rule": "max_order_notional", "max_usd": 5000}],
        "server": {"enabled": False},
    }
    loaded = config.load_text(json.dumps(document), folder / "config.yaml", [], SECRETS, plugins)
    seen: list[ev.Event] = []
    async with Runtime(loaded, traders(loaded), feed=HyperliquidFeed(upstream.url)) as runtime:
        runtime.worker.on_event.append(seen.append)
        runtime.listen()
        await until(lambda: runtime.ready() and sim.clients, WITHIN_S)
        yield seen


def entry(action_id: str, coin: str) -> str:
    """A small long, as the server would send it now."""
    position = {"asset": coin, "size": 0.5, "side": "BUY", "leverage": 3, "exchange": "hyperliquid"}
    frame: dict[str, Any] = {
        "action_id": action_id,
        "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
        "agent_id": AGENT,
        "config": {"position": position},
        "created_at": iso(SystemClock().now_ms()),
        "status": "PENDING",
    }
    return json.dumps(frame)


async def test_the_first_entry_of_a_coin_executes_though_its_book_has_to_be_fetched(tmp_path: Path) -> None:
    async with Upstream() as upstream, FractradeSimulator(credentials=Credentials()) as sim:
        async with dry_run(tmp_path, sim, upstream) as seen:
            upstream.latency_s = 0.25
            for coin in ("SOL", "ETH"):
                await sim.publish(entry(f"first-{coin}", coin), ("agent",))
            await until(lambda: len(told(seen)) >= 2, WITHIN_S)
        assert sorted(told(seen)) == ["ETH", "SOL"]


def told(seen: list[ev.Event]) -> list[str]:
    """What became of the entries: the coin of each fill, the reason of each refusal."""
    fills = [event.fill.coin for event in seen if isinstance(event, ev.FillSeen)]
    return fills + [f"{event.reason}: {event.detail}" for event in seen if isinstance(event, ev.ActionRefused)]
