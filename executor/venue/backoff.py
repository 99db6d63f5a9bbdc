"""How long to wait before the next connection attempt, as a pure function of what has failed so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling delays with jitter; short while the failure is young, long once it lasts (reliability.md section A6).

    In the first ``early_s`` seconds at most ``early_cap_s`` apart, so a healed server is found within that; later at
    most ``late_cap_s`` apart, which is three attempts a minute.
    """

    first_s: float = 0.25
    early_cap_s: float = 5.0
    late_cap_s: float = 30.0
    early_s: float = 60.0

    def delay_s(self, attempt: int, failing_s: float, spread: float) -> float:
        """Delay before attempt ``attempt`` (0 is the first again); ``spread`` in [0, 1) makes it half to whole."""
        cap = self.early_cap_s if failing_s < self.early_s else self.late_cap_s
        return min(self.first_s * 2.0 ** min(attempt, 30), cap) * (0.5 + 0.5 * spread)
