"""The venue's rate limits, counted on our side, with a part kept for whoever is more urgent (hyperliquid.md section 5).

Pure but for its own counters: every call is given the time, in monotonic milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from executor.backoff import Server, Window
from executor.hyperliquid import limits
from executor.ports import Lane

THROTTLE_MS = 10_000
"""How long reads and entries keep still after the venue said 429: someone else shares our address."""

_SHARE = {Lane.CLOSE: 1.0, Lane.RESIZE: 0.95, Lane.ENTRY: 0.8, Lane.READ: 0.6}
"""How full a budget may be for each lane to go on; the rest is kept for the lanes above."""

_ADDRESS_RESERVE = {Lane.CLOSE: 0, Lane.RESIZE: 50, Lane.ENTRY: 200, Lane.READ: 0}
"""How many of an account's requests each lane leaves alone (reads cost none)."""


@dataclass(slots=True)
class AddressBudget:
    """An account's lifetime requests (``userRateLimit``), counted on between two looks at the venue's own number."""

    used: int
    cap: int


class Budgets:
    """All limits of this process. A ``CLOSE`` never waits here: the venue is the one to refuse it."""

    def __init__(self) -> None:
        self.weight = Window(limits.IP_WEIGHT_PER_MINUTE)
        self.server = Server()
        """The sockets' attempts: at most ``limits.WS_NEW_CONNECTIONS_PER_MINUTE``."""
        self.messages = Window(limits.WS_MESSAGES_PER_MINUTE)
        self.posts_in_flight = 0
        self._addresses: dict[str, AddressBudget] = {}
        self._throttled_until_ms = 0

    def wait_ms(self, lane: Lane, weight: int, now_ms: int) -> int:
        """How long this request must wait for its share of the IP weight; 0 is now."""
        if lane is Lane.CLOSE:
            return 0
        wait = self.weight.wait_ms(weight, now_ms, self.weight.limit * _SHARE[lane])
        return wait if lane is Lane.RESIZE else max(wait, self._throttled_until_ms - now_ms)

    def may(self, lane: Lane, weight: int, now_ms: int) -> bool:
        """Whether this request may go now."""
        return self.wait_ms(lane, weight, now_ms) == 0

    def spend(self, weight: int, now_ms: int) -> None:
        """Count a request that goes out."""
        self.weight.add(weight, now_ms)

    def throttled(self, now_ms: int) -> None:
        """The venue answered 429, whatever we counted."""
        self._throttled_until_ms = now_ms + THROTTLE_MS

    def may_post(self, lane: Lane, now_ms: int) -> bool:
        """Whether the socket may take one more ``post``: in flight (below 100) and client messages a minute."""
        share = _SHARE[lane]
        in_flight = self.posts_in_flight + 1 < limits.WS_POSTS_IN_FLIGHT * share
        return in_flight and self.messages.used(now_ms) + 1 <= self.messages.limit * share

    def seed_address(self, address: str, used: int, cap: int) -> None:
        """What the venue says an account has used."""
        self._addresses[address] = AddressBudget(used, cap)

    def spend_address(self, address: str, count: int) -> None:
        """Count what an account sent since; unknown accounts are not counted."""
        if address in self._addresses:
            self._addresses[address].used += count

    def address_allows(self, address: str, lane: Lane, count: int) -> bool:
        """Whether an account has enough requests left for this lane; an account never asked about has."""
        budget = self._addresses.get(address)
        if budget is None or lane is Lane.CLOSE:
            return True
        return budget.used + count <= budget.cap - _ADDRESS_RESERVE[lane]

    def report(self, now_ms: int) -> Mapping[str, tuple[float, float]]:
        """Used and allowed, by name."""
        shown = {
            "ip_weight": (self.weight.used(now_ms), self.weight.limit),
            "socket_opens": (self.server.opens.used(now_ms), self.server.opens.limit),
            "messages": (self.messages.used(now_ms), self.messages.limit),
            "posts_in_flight": (self.posts_in_flight, limits.WS_POSTS_IN_FLIGHT),
        }
        return shown | {f"address:{name}": (budget.used, budget.cap) for name, budget in self._addresses.items()}
