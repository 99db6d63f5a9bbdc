"""A paper exchange in a process of its own, with a market moved by hand: commands as JSON lines in, answers out.

It outlives every worker that is killed beside it, and its record is the judge of what they did.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from executor.paper import info
from executor.paper.faults import Fault
from executor.paper.feeds import ManualMarket
from executor.paper.server import Options, PaperExchange, Reply

ASKED = {
    "positions": "clearinghouseState",
    "open": "frontendOpenOrders",
    "fills": "userFills",
    "orders": "historicalOrders",
}


class Recording(PaperExchange):
    """Remembers every action that reached it, and can end whoever sent one at the moment it was accepted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reached: list[dict[str, Any]] = []
        self.victim: tuple[int, int] | None = None

    async def _exchange(self, body: object, ip: str) -> Reply:
        assert isinstance(body, dict)
        self.reached.append({"nonce": body["nonce"], "expires": body["expiresAfter"], "action": body["action"]})
        reply = await super()._exchange(body, ip)
        if self.victim is not None:
            pid, left = self.victim
            self.victim = (pid, left - 1) if left > 1 else None
            if left == 1:
                os.kill(pid, signal.SIGKILL)
        return reply


class Commands:
    """What a test may ask of it."""

    def __init__(self, exchange: Recording) -> None:
        self.exchange = exchange

    def quote(self, coin: str, bid: str, ask: str) -> None:
        self.exchange.market.set_quote(coin, bid, ask)

    def approve(self, master: str, agent: str) -> None:
        self.exchange.approve_agent(master, agent, "worker")

    def arm(self, **fault: Any) -> None:
        self.exchange.faults.arm(Fault(**fault))

    def clear(self) -> None:
        self.exchange.faults.clear()

    def kill_accepted(self, pid: int, nth: int) -> None:
        """SIGKILL to the worker when the nth action from now is executed, before its answer leaves."""
        self.exchange.victim = (pid, nth)

    def record(self, user: str) -> dict[str, Any]:
        """All that the venue knows of an account, and every action that came."""
        told = {name: info.answer(self.exchange.service, {"type": kind, "user": user}) for name, kind in ASKED.items()}
        return {**told, "reached": self.exchange.reached}


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(document).decode() + "\n")
    sys.stdout.flush()


async def serve(state: Path, port: int, funded: str) -> None:
    options = Options(latency_ms=20, ip_limit=False)
    async with Recording(
        ManualMarket(), fund={funded: 1_000_000}, options=options, state_path=state, port=port
    ) as exchange:
        _say({"url": exchange.url})
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        commands = Commands(exchange)
        while line := await reader.readline():
            request = orjson.loads(line)
            do: Callable[..., Any] = getattr(commands, request.pop("do"))
            _say({"answer": do(**request)})


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
