"""A venue that fills whatever it is sent and arms triggers, and a clock whose wall stands still: for whole workers."""

from __future__ import annotations

import asyncio
from typing import Any

from story import RULES, T0, UNIVERSE, quote

from executor.core.facts import OrderFact, RawReply

FIRST_OID = 7
"""The venue's number of the first order; the next ones follow (the frames of tests/fuzz speak of the first two)."""


class StandingClock:
    """The wall clock stands at ``T0``; the monotonic one is the loop's."""

    def now_ms(self) -> int:
        return T0

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


class FakeVenue:
    """``sent`` are the actions that came in, ``placed`` the orders of them; nobody's earlier orders are known."""

    network, rules = "testnet", RULES

    def __init__(self) -> None:
        self.quotes = {asset.coin: quote(100) for asset in UNIVERSE.assets}
        self.sent: list[dict[str, Any]] = []
        self.placed: list[dict[str, Any]] = []
        self.at_ms = T0

    def now_ms(self) -> int:
        return self.at_ms

    async def submit(self, request, lane, timeout_s):
        orders, first_oid = request.action.get("orders", []), FIRST_OID + len(self.placed)
        self.sent.append(request.action)
        self.placed += orders
        statuses = [self._answer(order, first_oid + at) for at, order in enumerate(orders)]
        response = {"type": "order", "data": {"statuses": statuses}} if orders else {"type": "default"}
        return RawReply(True, 200, {"status": "ok", "response": response})

    def _answer(self, order: dict[str, Any], oid: int) -> dict[str, Any]:
        if "trigger" in order["t"]:
            return {"resting": {"oid": oid}}
        return {"filled": {"totalSz": order["s"], "avgPx": "100", "oid": oid}}

    def quote_as_of_ms(self, coin):
        return None

    async def warm(self, coin, max_age_ms=None, lane=None):
        return self.quotes[coin]

    async def fills_since(self, address, start_ms, lane=None):
        return ()

    async def order_status(self, address, cloid, lane=None):
        return OrderFact(None, "", self.at_ms)
