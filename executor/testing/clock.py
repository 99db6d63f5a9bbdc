"""A clock that stands still until a test moves it."""

from __future__ import annotations

START_MS = 1_800_000_000_000


class ManualClock:
    """A ``clock.Clock``; wall and monotonic time can be moved apart."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._wall_ms = now_ms
        self._mono_ms = 1_000_000

    def now_ms(self) -> int:
        """The wall clock."""
        return self._wall_ms

    def monotonic_s(self) -> float:
        """The monotonic clock."""
        return self._mono_ms / 1000

    def advance(self, ms: int) -> None:
        """Let time pass on both clocks."""
        self._wall_ms += ms
        self._mono_ms += ms

    def jump(self, ms: int) -> None:
        """Set the wall clock off, as NTP or a person may."""
        self._wall_ms += ms
