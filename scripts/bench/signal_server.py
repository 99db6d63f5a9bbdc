"""Fractrade's agent channel, one agent per contestant: writes a frame and says when it was written."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime

import orjson
from raw_server import Connection


class SignalServer:
    """Channels are known by agent id, the last part of ``/ws/actions/{agent_id}`` (signal-protocols.md section 1.1)."""

    def __init__(self) -> None:
        self.channels: dict[str, Connection] = {}
        self._changed = asyncio.Event()

    def opened(self, connection: Connection, path: str) -> None:
        self.channels[path.rpartition("/")[2]] = connection
        self._changed.set()

    def closed(self, connection: Connection) -> None:
        for agent_id in [agent_id for agent_id, known in self.channels.items() if known is connection]:
            del self.channels[agent_id]

    def received(self, connection: Connection, text: bytes, read_ns: int) -> None:
        """Clients have nothing to say here."""

    def posted(self, connection: Connection, _path: str, _body: bytes, _read_ns: int) -> None:
        connection.answer(b"{}", "404 Not Found")

    async def connected(self, agent_id: str) -> None:
        """Wait until this agent's channel is open."""
        while agent_id not in self.channels:
            self._changed.clear()
            await self._changed.wait()

    def send(self, agent_id: str, side: str, coin: str, size: float) -> int:
        """One flat action stamped now; returns when its frame was written, in ``perf_counter_ns``."""
        frame = orjson.dumps(
            {
                "action_id": str(uuid.uuid4()),
                "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
                "agent_id": agent_id,
                "config": {
                    "position": {
                        "asset": coin,
                        "size": size,
                        "side": side,
                        "leverage": 3,
                        "exchange": "hyperliquid",
                    }
                },
                "created_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "status": "PENDING",
            }
        )
        written_ns = time.perf_counter_ns()
        self.channels[agent_id].send_text(frame)
        return written_ns
