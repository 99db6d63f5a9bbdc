"""One account's fills and order updates, pushed by the venue over one socket.

``orderUpdates`` names no account (hyperliquid.md section 4.4), so a socket carries the feed of one account at most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from executor.errors import VenueAnswerOdd
from executor.hyperliquid import parse, reading
from executor.ports import AccountNews, FeedNews, FillsNews, OrdersNews
from executor.venue.socket import VenueSocket

log = logging.getLogger(__name__)

Sink = Callable[[AccountNews], None]

CHANNELS = ("userFills", "orderUpdates")


class AccountFeed:
    """Up only once the venue has confirmed both subscriptions: what is read after that misses nothing."""

    def __init__(self, address: str, socket: VenueSocket) -> None:
        self.address = address
        self.connected = False
        self.sinks: list[Sink] = []
        self._confirmed: set[str] = set()
        socket.routes |= {
            "userFills": self._guarded(self._on_fills),
            "orderUpdates": self._guarded(self._on_orders),
            "subscriptionResponse": self._on_response,
        }
        socket.listeners.append(self._on_state)
        for channel in CHANNELS:
            socket.want({"type": channel, "user": address})

    def add(self, sink: Sink) -> None:
        """One more listener; it is told at once when the feed is already up."""
        self.sinks.append(sink)
        if self.connected:
            _give(sink, FeedNews(connected=True))

    def _guarded(self, read: Callable[[Any], None]) -> Callable[[Any], None]:
        """A frame that cannot be read may have held a fill: say the feed was down, so that the account is compared."""

        def handle(data: Any) -> None:
            try:
                read(data)
            except VenueAnswerOdd:
                self._tell(FeedNews(connected=False))
                self._tell(FeedNews(connected=True))
                raise

        return handle

    def _on_fills(self, data: object) -> None:
        row = reading.mapping(data, "userFills")
        if reading.text(row, "user").lower() != self.address:
            raise VenueAnswerOdd("userFills of another account")
        fills = parse.perps_only(parse.parse_fills(row.get("fills"), self.address))
        self._tell(FillsNews(fills, row.get("isSnapshot") is True))

    def _on_orders(self, data: object) -> None:
        self._tell(OrdersNews(parse.parse_order_updates(data)))

    def _on_response(self, data: object) -> None:
        """An acknowledgement; it echoes defaults we did not send, so only its type is compared."""
        row = reading.mapping(data, "subscriptionResponse")
        channel = reading.child(row, "subscription").get("type")
        if row.get("method") != "subscribe" or channel not in CHANNELS:
            return
        self._confirmed.add(channel)
        if not self.connected and len(self._confirmed) == len(CHANNELS):
            self.connected = True
            self._tell(FeedNews(connected=True))

    def _on_state(self, up: bool) -> None:
        self._confirmed.clear()
        if not up and self.connected:
            self.connected = False
            self._tell(FeedNews(connected=False))

    def _tell(self, news: AccountNews) -> None:
        for sink in self.sinks:
            _give(sink, news)


def _give(sink: Sink, news: AccountNews) -> None:
    try:
        sink(news)
    except Exception:  # a listener's mistake must not cost the socket that carries the orders
        log.exception("a listener of account news failed")
