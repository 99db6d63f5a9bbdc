"""The venue's time, estimated from answers and pushes that carry it.

Ticks on the monotonic clock, so a machine whose wall clock jumps keeps the venue's time (reliability.md section A3).
"""

from __future__ import annotations

from executor.clock import Clock

KEEP_MS = 300_000
"""How long the answer with the quickest round trip is believed: clocks drift some milliseconds in that time."""

PUSH_AHEAD_MS = 5_000
"""How far one push may move the time: more than clocks drift between two answers, less than harms."""

ROUGH_MS = 1_000
"""From this round trip on an answer only bounds the time."""

JUMP_MS = 1_000
"""From here on the machine's two clocks were moved apart: it slept, or somebody set one."""

STALE_MS = 250
"""How old the time inside an answer may be when it leaves the venue (a few blocks of 70 ms)."""


class VenueClock:
    """Until the first answer it is the machine's own time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms: float = clock.now_ms() - self.mono_ms()
        self._rtt_ms: int | None = None
        self._at_ms = 0
        self._apart_ms = self._offset_ms
        self._far_ahead = False

    def mono_ms(self) -> int:
        """Milliseconds that only go forward; what every age in the venue package is measured in."""
        return int(self._clock.monotonic_s() * 1000)

    def now_ms(self) -> int:
        """The venue's time."""
        return int(self.mono_ms() + self._offset_ms)

    def spread(self) -> float:
        """A number in [0, 1) to spread retries with: the clock's last digits, different in every process."""
        return int(self._clock.monotonic_s() * 1_000_000) % 1000 / 1000

    def skew_ms(self) -> int:
        """How far the machine's wall clock is behind the venue (negative: ahead)."""
        return self.now_ms() - self._clock.now_ms()

    def is_doubted(self) -> bool:
        """Whether the venue's time should be asked for now: since its last answer the machine may have slept."""
        apart_ms = self._clock.now_ms() - self.mono_ms()
        return self._far_ahead or abs(apart_ms - self._apart_ms) > JUMP_MS

    def observe_answer(self, sent_ms: int, received_ms: int, venue_ms: int) -> None:
        """An answer stamped by the venue, asked for and received at these monotonic times.

        The stamp was made in between, so the offset lies within half a round trip of the middle. A slow answer that
        contradicts what is believed moves it no further than it must: its middle may be seconds off.
        """
        self._far_ahead, self._apart_ms = False, self._clock.now_ms() - self.mono_ms()
        low, high = venue_ms - received_ms, venue_ms - sent_ms
        if self._believes(received_ms, low, high):
            return
        finer = self._rtt_ms is None or high - low < min(self._rtt_ms, ROUGH_MS)
        self._offset_ms = (low + high) / 2 if finer else min(max(self._offset_ms, low), high)
        self._rtt_ms, self._at_ms = high - low, received_ms

    def _believes(self, now_ms: int, low: int, high: int) -> bool:
        """Whether the current estimate is better than a new one, and not contradicted by it."""
        if self._rtt_ms is None or now_ms - self._at_ms > KEEP_MS:
            return False
        return self._rtt_ms < high - low and low <= self._offset_ms <= high + STALE_MS

    def observe_push(self, venue_ms: int) -> None:
        """A pushed frame stamped by the venue: its time is at least that, unless it says something far off.

        What is far off takes an answer to a question of ours: a nonce too far ahead would block the signer for days.
        """
        ahead_ms = venue_ms - self.now_ms()
        if ahead_ms > PUSH_AHEAD_MS and self._rtt_ms is not None:
            self._far_ahead = True
        elif ahead_ms > 0:
            self._offset_ms = venue_ms - self.mono_ms()
