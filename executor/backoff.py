"""When a server is tried again, and how often all sockets of this process together try it: pure, time is given.

The numbers are those of reliability.md section A6: at most 30 attempts in any minute, at most 10 a minute once trouble
lasts, and a server that heals is found within 5 s in an outage's first minute, within a minute later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MINUTE_MS = 60_000
MOST_A_MINUTE = 30
"""Hyperliquid's own limit for new sockets (hyperliquid.md section 4.2), and ours towards everybody."""

MOST_LATE_A_MINUTE = 10
SETTLED_MS = 500
"""An open connection that lasted so long is a sign that the server is back: those who wait may try at once."""

POLL_MS = 250
"""How often whoever waits looks whether the server came back meanwhile."""


class Window:
    """What was used of a limit in the last rolling minute."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used: deque[tuple[int, int]] = deque()
        self._sum = 0

    def used(self, now_ms: int) -> int:
        """The amount used in the minute before ``now_ms``."""
        while self._used and self._used[0][0] <= now_ms - MINUTE_MS:
            self._sum -= self._used.popleft()[1]
        return self._sum

    def add(self, amount: int, now_ms: int) -> None:
        """Count an amount."""
        self._used.append((now_ms, amount))
        self._sum += amount

    def wait_ms(self, amount: int, now_ms: int, ceiling: float) -> int:
        """How long until ``amount`` more stays within ``ceiling``; 0 is now. A minute if it never fits."""
        over = self.used(now_ms) + amount - ceiling
        for at_ms, freed in self._used:
            if over <= 0:
                break
            over -= freed
            wait = at_ms + MINUTE_MS - now_ms
            if over <= 0:
                return wait
        return MINUTE_MS if over > 0 else 0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling delays with jitter; short while the failure is young, long once it lasts.

    In the first ``early_s`` seconds at most ``early_cap_s`` apart, so that a healed server is found within that; later
    at most ``late_cap_s`` apart, which is three attempts a minute.
    """

    first_s: float = 0.25
    early_cap_s: float = 4.0
    late_cap_s: float = 30.0
    early_s: float = 60.0
    least: float = 0.7
    """The share of a delay that jitter leaves."""

    def delay_s(self, failures: int, failing_s: float, spread: float) -> float:
        """The pause after so many failures before; ``spread`` in [0, 1) makes it ``least`` to whole."""
        cap = self.early_cap_s if failing_s < self.early_s else self.late_cap_s
        return min(self.first_s * 2.0 ** min(failures, 30), cap) * (self.least + (1 - self.least) * spread)


class Server:
    """One server as all our connections to it share it: its attempts, and whether it lets anybody stay."""

    def __init__(self) -> None:
        self.opens = Window(MOST_A_MINUTE)
        self._late = Window(MOST_LATE_A_MINUTE)
        self._open_ms: dict[Line, int] = {}
        self._next_ms = 0
        self._failures = 0
        self._failing_since_ms: int | None = None

    def wait_ms(self, line: Line, now_ms: int, spare: int) -> int:
        """How long until this connection may be one more attempt while ``spare`` of the minute's stay unused."""
        waits = [self.opens.wait_ms(1, now_ms, self.opens.limit - spare)]
        if self.settled_ms(now_ms) is None:  # while nobody is let in, all together try no more often than one alone
            waits.append(self._next_ms - now_ms)
        if line.is_late(now_ms):
            waits.append(self._late.wait_ms(1, now_ms, self._late.limit))
        return max(waits)

    def settled_ms(self, now_ms: int) -> int | None:
        """Since when somebody is let in, the newest of them; ``None`` while nobody is."""
        settled = [at_ms + SETTLED_MS for at_ms in self._open_ms.values() if at_ms + SETTLED_MS <= now_ms]
        return max(settled, default=None)

    def trying(self, line: Line, now_ms: int) -> None:
        """Count an attempt."""
        self.opens.add(1, now_ms)
        if line.is_late(now_ms):
            self._late.add(1, now_ms)
        if self._failing_since_ms is not None:
            failing_s = (now_ms - self._failing_since_ms) / 1000
            self._next_ms = now_ms + int(line.policy.delay_s(self._failures, failing_s, 0.0) * 1000)

    def opened(self, line: Line, now_ms: int) -> None:
        """A handshake succeeded."""
        self._open_ms[line] = now_ms

    def ended(self, line: Line, now_ms: int, *, stable: bool) -> None:
        """A connection ended, or none was made; ``stable`` ones are no failure."""
        self._open_ms.pop(line, None)
        if stable or self.settled_ms(now_ms) is not None:
            self._failures, self._failing_since_ms, self._next_ms = 0, None, now_ms
            return
        if self._failing_since_ms is None:
            self._failing_since_ms = now_ms
        self._failures += 1


class Line:
    """One connection's way back: when its next attempt is due, given how its last ones ended."""

    def __init__(
        self, server: Server, spread: Callable[[], float], policy: Backoff = Backoff(), spare: int = 0
    ) -> None:
        self.policy = policy
        self.failures = 0
        self._server = server
        self._spread = spread
        self._spare = spare
        self._failing_since_ms: int | None = None
        self._ended_ms = self._due_ms = self._not_before_ms = 0
        self._may_hurry = True

    def is_late(self, now_ms: int) -> bool:
        """Whether this connection's trouble has lasted."""
        since = self._failing_since_ms
        return since is not None and now_ms - since >= self.policy.early_s * 1000

    def wait_ms(self, now_ms: int) -> int:
        """How long until the next look; 0 is time for the attempt, which is counted by this."""
        wait = max(self._own_wait_ms(now_ms), self._server.wait_ms(self, now_ms, self._spare))
        if wait > 0:
            return min(wait, POLL_MS)
        self._may_hurry = self._may_hurry and now_ms >= self._due_ms
        self._server.trying(self, now_ms)
        return 0

    def _own_wait_ms(self, now_ms: int) -> int:
        """Its own pause; once in an outage cut short when another connection was let in meanwhile."""
        settled = self._server.settled_ms(now_ms)
        back = self._may_hurry and settled is not None and settled > self._ended_ms
        return max(0, (self._not_before_ms if back else self._due_ms) - now_ms)

    def opened(self, now_ms: int) -> None:
        """The handshake succeeded."""
        self._server.opened(self, now_ms)

    def ended(self, now_ms: int, *, stable: bool, at_least_s: float = 0.0) -> float:
        """The connection ended or could not be made: the pause in seconds until the next attempt is due."""
        self._server.ended(self, now_ms, stable=stable)
        if stable or self._failing_since_ms is None:
            self._failing_since_ms, self.failures, self._may_hurry = now_ms, 0, True
        pause_s = self.policy.delay_s(self.failures, (now_ms - self._failing_since_ms) / 1000, self._spread())
        self.failures += 1
        self._ended_ms, self._not_before_ms = now_ms, now_ms + int(at_least_s * 1000)
        self._due_ms = max(self._not_before_ms, now_ms + int(pause_s * 1000))
        return (self._due_ms - now_ms) / 1000
