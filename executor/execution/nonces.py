"""One allocator of nonces per signer: every one is higher than any before, across desks and restarts.

A nonce works once per signer (hyperliquid.md section 3.4). Milliseconds repeat, so the next is
``max(now, last + 1)``; ``last`` starts from the ledger, which keeps it with every request it writes down.
"""

from __future__ import annotations

from threading import Lock


class Nonces:
    """The nonces of one signing address. ``now_ms`` is the venue's time: its window is two days back, one ahead."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._lock = Lock()

    def take(self, now_ms: int) -> int:
        """The next nonce; strictly higher than all taken before."""
        with self._lock:
            self._last = max(now_ms, self._last + 1)
            return self._last
