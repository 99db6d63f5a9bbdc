"""A paper exchange without sockets: one funded user, quotes set by hand, orders in the wire's own form."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from executor.hyperliquid.meta import parse_meta
from executor.paper import views
from executor.paper.exchange import Exchange
from executor.paper.feeds import default_meta
from executor.paper.model import Position, Rules, Tick

USER = "0x" + "a1" * 20
OTHER = "0x" + "b2" * 20
START_MS = 1_763_000_000_000


class Desk:
    """Drives one engine; time stands still unless moved."""

    def __init__(self, rules: Rules | None = None, usd: int = 10_000) -> None:
        self.universe = parse_meta(default_meta())
        self.engine = Exchange(self.universe, rules)
        self.now_ms = START_MS
        self.engine.advance(self.now_ms)
        for user in (USER, OTHER):
            self.engine.fund(user, Decimal(usd))

    @property
    def state(self):
        return self.engine.state

    def quote(self, coin: str, bid: str, ask: str, size: str = "1000", mark: str | None = None) -> None:
        """One level a side; the mark is the middle unless given."""
        b, a, sz = Decimal(bid), Decimal(ask), Decimal(size)
        at = (b + a) / 2 if mark is None else Decimal(mark)
        self.engine.on_market(Tick(coin, ((b, sz),), ((a, sz),), at, at), self.now_ms)

    def levels(self, coin: str, bids: str, asks: str) -> None:
        """Levels as ``px:size px:size``."""
        sides = (tuple(tuple(map(Decimal, lv.split(":"))) for lv in side.split()) for side in (bids, asks))
        self.engine.on_market(Tick(coin, *sides), self.now_ms)

    def mark(self, coin: str, px: str) -> None:
        self.engine.on_market(Tick(coin, mark=Decimal(px)), self.now_ms)

    def order(
        self,
        side: str,
        sz: str,
        px: str,
        tif: str = "Gtc",
        *,
        coin: str = "ETH",
        ro: bool = False,
        cloid: str | None = None,
        tpsl: str | None = None,
        trigger: str | None = None,
        market: bool = True,
    ) -> dict[str, Any]:
        """One order in wire form."""
        kind: dict[str, Any] = {"limit": {"tif": tif}}
        if tpsl is not None:
            kind = {"trigger": {"isMarket": market, "triggerPx": trigger or px, "tpsl": tpsl}}
        asset = self.universe.asset(coin)
        wire = {"a": asset.asset_id, "b": side == "buy", "p": px, "s": sz, "r": ro, "t": kind}
        return wire | ({"c": cloid} if cloid else {})

    def send(self, action: dict[str, Any], user: str = USER) -> dict[str, Any]:
        return self.engine.apply(action, user, self.now_ms)

    def place_all(self, *orders: dict[str, Any], grouping: str = "na", user: str = USER) -> list[Any]:
        answer = self.send({"type": "order", "orders": list(orders), "grouping": grouping}, user)
        assert answer["status"] == "ok", answer
        return answer["response"]["data"]["statuses"]

    def place(self, side: str, sz: str, px: str, tif: str = "Gtc", *, user: str = USER, **kw: Any) -> Any:
        """Places one order; its status."""
        [status] = self.place_all(self.order(side, sz, px, tif, **kw), user=user)
        return status

    def rest(self, side: str, sz: str, px: str, tif: str = "Gtc", **kw: Any) -> int:
        """Places one order that must rest; its oid."""
        return self.place(side, sz, px, tif, **kw)["resting"]["oid"]

    def cancel(self, oid: int, coin: str = "ETH", **flags: Any) -> Any:
        asset = self.universe.asset(coin)
        answer = self.send({"type": "cancel", "cancels": [{"a": asset.asset_id, "o": oid}], **flags})
        return answer["response"]["data"]["statuses"][0]

    def leverage(self, coin: str, value: int, *, cross: bool, user: str = USER) -> Any:
        asset = self.universe.asset(coin)
        return self.send({"type": "updateLeverage", "asset": asset.asset_id, "isCross": cross, "leverage": value}, user)

    def account(self, user: str = USER):
        return self.state.accounts[user]

    def position(self, coin: str = "ETH", user: str = USER) -> Position | None:
        return self.account(user).positions.get(coin)

    def size(self, coin: str = "ETH", user: str = USER) -> Decimal:
        position = self.position(coin, user)
        return Decimal(0) if position is None else position.szi

    def status(self, oid: int, user: str = USER) -> str:
        return views.order_status(self.state, user, oid)["order"]["status"]

    def open_oids(self, user: str = USER) -> set[int]:
        return {row["oid"] for row in views.open_orders(self.state, user)}


@pytest.fixture
def desk() -> Desk:
    """ETH 1999 / 2001 at mark 2000, BTC 100000 at a spread of 20."""
    it = Desk()
    it.quote("ETH", "1999", "2001")
    it.quote("BTC", "99990", "100010")
    return it


@pytest.fixture
def desk_with():
    """Makes a desk with other rules."""

    def make(**rules: Any) -> Desk:
        it = Desk(Rules(**rules))
        it.quote("ETH", "1999", "2001")
        it.quote("BTC", "99990", "100010")
        return it

    return make
