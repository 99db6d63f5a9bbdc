"""The one module that asks the system what time it is, and for chance."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from random import SystemRandom

from executor.ports import Clock

__all__ = ["Clock", "SystemClock", "chance", "iso"]

chance = SystemRandom().random
"""A number in [0, 1), to spread retries with."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Wall-clock milliseconds since the epoch, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that only go forward; on Linux they stand still while the machine sleeps."""
        return time.monotonic()


def iso(ms: int) -> str:
    """An epoch time in milliseconds as ISO-8601 text in UTC, for people and documents."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
