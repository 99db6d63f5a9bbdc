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

_STORM_SHARE = {Lane.CLOSE: 1.0, Lane.RESIZE: 0.45, Lane.ENTRY: 0.35, Lane.READ: 0.55}
"""The same while the venue is in trouble: all but first exits and stops together stay below 60 % of the budget.

Reads are few then, one at a time and ever more seldom, and it takes one to learn that the trouble is over: what was
read before it must not keep that one waiting until the minute has passed.
"""

STORM_AFTER = 3
"""Failures in a row, of requests that were not held back, that make a trouble one that lasts."""

_FIRST_HOLD_MS, _LONGEST_HOLD_MS = 250, 8_000
"""Reads keep still so long after a failure, twice as long after each further one; then one of them tries."""

TRIAL_WEIGHT = 2
"""What a look at positions, a book or one order costs (section 5.1)."""

CANCELS_BEYOND = 100_000

_ADDRESS_RESERVE = {Lane.CLOSE: 0, Lane.RESIZE: 50, Lane.ENTRY: 200, Lane.READ: 0}
"""How many of an account's requests each lane leaves alone (reads cost none)."""


@dataclass(slots=True)
class AddressBudget:
    """An account's lifetime requests (``userRateLimit``), counted on between two looks at the venue's own number."""

    used: int
    cap: int

    @property
    def cancel_cap(self) -> int:
        """Cancels have a limit of their own (section 5.2), and are what ``RESIZE`` carries."""
        return min(self.cap + CANCELS_BEYOND, 2 * self.cap)


class Budgets:
    """All limits of this process. A ``CLOSE`` never waits here: the venue is the one to refuse it."""

    def __init__(self) -> None:
        self.weight = Window(limits.IP_WEIGHT_PER_MINUTE)
        self.server = Server()
        """The sockets' attempts: at most ``limits.WS_NEW_CONNECTIONS_PER_MINUTE``."""
        self.messages = Window(limits.WS_MESSAGES_PER_MINUTE)
        self.posts_in_flight = 0
        self.failures = 0
        self._addresses: dict[str, AddressBudget] = {}
        self._throttled_until_ms = self._held_until_ms = self._counts_from_ms = 0

    # -- weight ---------------------------------------------------------------------------------------------------

    def wait_ms(self, lane: Lane, weight: int, now_ms: int, *, again: bool = False) -> int:
        """How long this request must wait for its share of the IP weight; 0 is now.

        ``again``: bytes that went out before. While the venue is in trouble they give way to first sends.
        """
        if lane is Lane.CLOSE and not (again and self.in_storm(now_ms)):
            return 0
        if lane is Lane.CLOSE:
            return self._share_wait_ms(Lane.RESIZE, weight, now_ms)
        waits = [0 if self._may_try(weight, now_ms) else self._share_wait_ms(lane, weight, now_ms)]
        if lane is not Lane.RESIZE:
            waits.append(self._throttled_until_ms - now_ms)
        if lane is Lane.READ and self.failures:
            waits.append(self._held_until_ms - now_ms)
        return max(waits)

    def _may_try(self, weight: int, now_ms: int) -> bool:
        """In lasting trouble one cheap request may go, whatever was used: without it nobody learns that it is over."""
        return weight <= TRIAL_WEIGHT and self.in_storm(now_ms) and now_ms >= self._held_until_ms

    def _share_wait_ms(self, lane: Lane, weight: int, now_ms: int) -> int:
        shares = _STORM_SHARE if self.in_storm(now_ms) else _SHARE
        return self.weight.wait_ms(weight, now_ms, self.weight.limit * shares[lane])

    def spend(self, weight: int, now_ms: int, lane: Lane = Lane.CLOSE) -> None:
        """Count a request that goes out. In trouble a read is a trial: the others wait for what becomes of it."""
        tries = lane is Lane.READ or (lane is not Lane.CLOSE and self._may_try(weight, now_ms))
        self.weight.add(weight, now_ms)
        if tries and self.failures:
            self._hold(now_ms)

    # -- trouble --------------------------------------------------------------------------------------------------

    def in_storm(self, now_ms: int) -> bool:
        """Whether the venue has failed us for a while, or just said 429; one good answer ends it."""
        return self.failures >= STORM_AFTER or (self.failures > 0 and now_ms < self._throttled_until_ms)

    def throttled(self, now_ms: int) -> None:
        """The venue answered 429, whatever we counted."""
        self._throttled_until_ms = now_ms + THROTTLE_MS
        self.failed(now_ms)

    def failed(self, now_ms: int) -> None:
        """No answer, or 5xx. What was out together fails together: it counts once."""
        if now_ms < self._counts_from_ms:
            return
        self.failures += 1
        self._hold(now_ms)
        self._counts_from_ms = self._held_until_ms

    def _hold(self, now_ms: int) -> None:
        self._held_until_ms = now_ms + min(_FIRST_HOLD_MS << min(self.failures - 1, 10), _LONGEST_HOLD_MS)

    def answered(self) -> None:
        """The venue answered as it should: the trouble is over."""
        self.failures = self._counts_from_ms = 0

    # -- socket ---------------------------------------------------------------------------------------------------

    def may_post(self, lane: Lane, now_ms: int) -> bool:
        """Whether the socket may take one more ``post``: in flight (below 100) and client messages a minute."""
        share = _SHARE[lane]
        in_flight = self.posts_in_flight + 1 < limits.WS_POSTS_IN_FLIGHT * share
        return in_flight and self.messages.used(now_ms) + 1 <= self.messages.limit * share

    # -- accounts -------------------------------------------------------------------------------------------------

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
        cap = budget.cancel_cap if lane is Lane.RESIZE else budget.cap
        return budget.used + count <= cap - _ADDRESS_RESERVE[lane]

    def report(self, now_ms: int) -> Mapping[str, tuple[float, float]]:
        """Used and allowed, by name."""
        shown = {
            "ip_weight": (self.weight.used(now_ms), self.weight.limit),
            "socket_opens": (self.server.opens.used(now_ms), self.server.opens.limit),
            "messages": (self.messages.used(now_ms), self.messages.limit),
            "posts_in_flight": (self.posts_in_flight, limits.WS_POSTS_IN_FLIGHT),
            "failures_in_a_row": (self.failures, STORM_AFTER),
        }
        return shown | {f"address:{name}": (budget.used, budget.cap) for name, budget in self._addresses.items()}
