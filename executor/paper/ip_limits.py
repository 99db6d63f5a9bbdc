"""What one IP may do to the venue in a minute, over HTTP and its sockets together (hyperliquid.md 4.2 and 5.1)."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from executor.backoff import Window
from executor.clock import Clock
from executor.hyperliquid import limits


class IpLimits:
    """Request weights, new connections and client messages of the last minute, per IP; not ``enabled``, all is allowed.

    What is refused is not counted: nothing is known of how the venue does it.
    """

    def __init__(self, clock: Clock, enabled: bool) -> None:
        self._clock = clock
        self._enabled = enabled
        self._weights = defaultdict[str, Window](partial(Window, limits.IP_WEIGHT_PER_MINUTE))
        self._opens = defaultdict[str, Window](partial(Window, limits.WS_NEW_CONNECTIONS_PER_MINUTE))
        self._messages = defaultdict[str, Window](partial(Window, limits.WS_MESSAGES_PER_MINUTE))

    def may_ask(self, ip: str, weight: int) -> bool:
        """Whether a request of this weight still fits; if so it is charged."""
        return self._take(self._weights[ip], weight)

    def charge(self, ip: str, weight: int) -> None:
        """What an answer weighed beyond its request is owed in any case: it is known only now."""
        self._weights[ip].add(weight, self._now_ms())

    def may_open(self, ip: str, held: int) -> bool:
        """Whether one more websocket may be opened, beside those it holds."""
        return not self._enabled or (held < limits.WS_CONNECTIONS and self._take(self._opens[ip], 1))

    def may_say(self, ip: str) -> bool:
        """Whether one more message is taken from its websockets."""
        return self._take(self._messages[ip], 1)

    def may_subscribe(self, held: int) -> bool:
        """Whether one more subscription may be had, beside those it has."""
        return not self._enabled or held < limits.WS_SUBSCRIPTIONS

    def _take(self, window: Window, amount: int) -> bool:
        now_ms = self._now_ms()
        fits = not self._enabled or window.used(now_ms) + amount <= window.limit
        if fits:
            window.add(amount, now_ms)
        return fits

    def _now_ms(self) -> int:
        return int(self._clock.monotonic_s() * 1000)
