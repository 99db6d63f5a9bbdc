"""One allocator of nonces per signer: every one is higher than any before, across desks and restarts.

A nonce works once per signer (hyperliquid.md section 3.4). Milliseconds repeat, so the next is
``max(now, last + 1)``; ``last`` starts from the ledger, which keeps it with every request it writes down.
"""

from __future__ import annotations


class Nonces:
    """The nonces of one signing address."""

    def __init__(self, last: int) -> None:
        self._last = last

    def take(self, now_ms: int) -> int:
        """The next nonce; strictly higher than all taken before."""
        self._last = max(now_ms, self._last + 1)
        return self._last
