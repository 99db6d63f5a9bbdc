"""The smallest exchange that can answer truthfully: one account, one price per side, endless depth, no margin.

Enough state for look-ups to agree with what was answered; the faithful exchange is ``executor.paper``. Shapes:
hyperliquid.md sections 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

Json = dict[str, Any]
News = tuple[str, Any]
"""A channel and its data."""

MARKETS = (("BTC", 5, 40), ("ETH", 4, 25), ("SOL", 2, 20), ("kPEPE", 0, 10))
META: Json = {
    "universe": [{"name": name, "szDecimals": decimals, "maxLeverage": most} for name, decimals, most in MARKETS],
    "marginTables": [],
}
COINS = tuple(name for name, _, _ in MARKETS)


class LittleExchange:
    """``read`` answers ``/info``; ``act`` carries out one action and answers it; ``news`` collects the pushes."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self.books = {"BTC": ("59999", "60001"), "ETH": ("2999.9", "3000.1"), "SOL": ("149.99", "150.01")}
        self.orders: dict[int, Json] = {}
        self.fills: list[Json] = []
        self.fundings: list[Json] = []
        self.leverages: dict[str, Json] = {}
        self.news: list[News] = []
        self._nonces: set[int] = set()

    # -- reads --------------------------------------------------------------------------------------------------

    def read(self, payload: Json) -> object:
        """The answer to one read; an empty object for kinds nobody needed yet."""
        read = _READS.get(payload["type"])
        return {} if read is None else read(self, payload)

    def book(self, payload: Json) -> object:
        """``l2Book``, null for a coin without a book."""
        coin = payload["coin"]
        if coin not in self.books:
            return None
        return {"coin": coin, "time": self.now_ms(), "levels": [[level] for level in self._levels(coin)]}

    def bbo(self, coin: str) -> Json:
        """The data of a ``bbo`` frame."""
        return {"coin": coin, "time": self.now_ms(), "bbo": self._levels(coin)}

    def mark(self, coin: str) -> Json:
        """The data of an ``activeAssetCtx`` frame."""
        bid, ask = (Decimal(px) for px in self.books[coin])
        return {"coin": coin, "ctx": {"markPx": str((bid + ask) / 2)}}

    def _levels(self, coin: str) -> list[Json]:
        return [{"px": px, "sz": "100", "n": 1} for px in self.books[coin]]

    def account(self, _: Json) -> object:
        """``clearinghouseState``."""
        summary = {"accountValue": "1000", "totalNtlPos": "0", "totalRawUsd": "1000", "totalMarginUsed": "0"}
        positions = [{"type": "oneWay", "position": row} for row in self._positions()]
        state = {"withdrawable": "1000", "assetPositions": positions, "time": self.now_ms()}
        return {"marginSummary": summary, "crossMarginSummary": summary, **state}

    def _positions(self) -> Iterator[Json]:
        for coin in sorted({fill["coin"] for fill in self.fills}):
            size, money = self.position(coin), {"entryPx": "1", "marginUsed": "0", "unrealizedPnl": "0"}
            if size:
                yield {"coin": coin, "szi": str(size), "leverage": self._leverage(coin), "liquidationPx": None, **money}

    def position(self, coin: str) -> Decimal:
        """The signed size all fills add up to."""
        fills = (fill for fill in self.fills if fill["coin"] == coin)
        return sum((Decimal(fill["sz"]) * (1 if fill["side"] == "B" else -1) for fill in fills), Decimal(0))

    def _leverage(self, coin: str) -> Json:
        return self.leverages.get(coin, {"type": "cross", "value": 20})

    def active_asset(self, payload: Json) -> object:
        """``activeAssetData``."""
        return {"user": payload["user"], "coin": payload["coin"], "leverage": self._leverage(payload["coin"])}

    def open_orders(self, _: Json) -> object:
        """``frontendOpenOrders``."""
        return [order["order"] for order in self.orders.values() if order["status"] == "open"]

    def order_status(self, payload: Json) -> object:
        """``orderStatus`` by oid or cloid; the newest of a shared cloid."""
        found = self._find(payload["oid"])
        return {"status": "unknownOid"} if found is None else {"status": "order", "order": found}

    def _find(self, asked: object) -> Json | None:
        return next((row for oid, row in reversed(self.orders.items()) if asked in (oid, row["order"]["cloid"])), None)

    def fills_by_time(self, payload: Json) -> object:
        """``userFillsByTime``, oldest first."""
        return [fill for fill in self.fills if fill["time"] >= payload["startTime"]][:2000]

    # -- actions ------------------------------------------------------------------------------------------------

    def act(self, payload: Json) -> Json:
        """Carry out one signed request; each nonce works once, and nothing works after its ``expiresAfter``."""
        nonce, expires_ms = payload["nonce"], payload.get("expiresAfter")
        if nonce in self._nonces:
            return {"status": "err", "response": f"Invalid nonce: duplicate nonce {nonce}"}
        if expires_ms is not None and self.now_ms() > expires_ms:
            return {"status": "err", "response": "Action already expired"}
        self._nonces.add(nonce)
        action = payload["action"]
        response = _ACTIONS[action["type"]](self, action)
        return {"status": "ok", "response": response}

    def place(self, action: Json) -> Json:
        """``order``."""
        return {"type": "order", "data": {"statuses": [self._place(order) for order in action["orders"]]}}

    def _place(self, order: Json) -> object:
        coin = COINS[order["a"]]
        bid, ask = (Decimal(px) for px in self.books[coin])
        px = Decimal(order["p"])
        crosses = px >= ask if order["b"] else px <= bid
        if "trigger" in order["t"]:
            return {"resting": {"oid": self._rest(order, coin)}}
        if crosses:
            return self._fill(order, coin, ask if order["b"] else bid)
        if order["t"]["limit"]["tif"] == "Ioc":
            return {"error": f"Order could not immediately match against any resting orders. asset={order['a']}"}
        return {"resting": {"oid": self._rest(order, coin)}}

    def _rest(self, order: Json, coin: str) -> int:
        return self._record(order, coin, "open", order["s"])

    def _record(self, order: Json, coin: str, status: str, left: str) -> int:
        oid = 1000 + len(self.orders)
        trigger = order["t"].get("trigger")
        kind = {"sl": "Stop Market", "tp": "Take Profit Market"}[trigger["tpsl"]] if trigger else "Limit"
        row = {
            "coin": coin,
            "side": "B" if order["b"] else "A",
            "limitPx": order["p"],
            "sz": left,
            "origSz": order["s"],
            "oid": oid,
            "timestamp": self.now_ms(),
            "isTrigger": trigger is not None,
            "triggerPx": trigger["triggerPx"] if trigger else "0.0",
            "triggerCondition": "N/A",
            "children": [],
            "isPositionTpsl": False,
            "reduceOnly": order["r"],
            "orderType": kind,
            "tif": None if trigger else order["t"]["limit"]["tif"],
            "cloid": order.get("c"),
        }
        self._set_status(oid, {"order": row, "status": status, "statusTimestamp": self.now_ms()})
        return oid

    def _set_status(self, oid: int, row: Json) -> None:
        self.orders[oid] = row
        self.news.append(("orderUpdates", [row]))

    def _fill(self, order: Json, coin: str, px: Decimal) -> object:
        oid = self._record(order, coin, "filled", "0.0")
        fill = {
            "coin": coin,
            "px": str(px),
            "sz": order["s"],
            "side": "B" if order["b"] else "A",
            "time": self.now_ms(),
            "startPosition": str(self.position(coin)),
            "dir": "Open Long",
            "closedPnl": "0.0",
            "hash": "0x" + "0" * 64,
            "oid": oid,
            "crossed": True,
            "fee": "0.01",
            "tid": 5000 + len(self.fills),
            "feeToken": "USDC",
            "twapId": None,
            "cloid": order.get("c"),
        }
        self.fills.append(fill)
        self.news.append(("userFills", fill))
        return {"filled": {"totalSz": order["s"], "avgPx": str(px), "oid": oid}}

    def cancel(self, action: Json) -> Json:
        """``cancel`` and ``cancelByCloid``."""
        statuses = [self._cancel(one.get("o", one.get("cloid"))) for one in action["cancels"]]
        return {"type": "cancel", "data": {"statuses": statuses}}

    def _cancel(self, asked: object) -> object:
        row = self._find(asked)
        if row is None or row["status"] != "open":
            return {"error": "Order was never placed, already canceled, or filled."}
        self._set_status(row["order"]["oid"], {**row, "status": "canceled", "statusTimestamp": self.now_ms()})
        return "success"

    def set_leverage(self, action: Json) -> Json:
        """``updateLeverage``."""
        mode = "cross" if action["isCross"] else "isolated"
        self.leverages[COINS[action["asset"]]] = {"type": mode, "value": action["leverage"]}
        return {"type": "default"}


_READS: dict[str, Callable[[LittleExchange, Json], object]] = {
    "meta": lambda _exchange, _payload: META,
    "l2Book": LittleExchange.book,
    "clearinghouseState": LittleExchange.account,
    "frontendOpenOrders": LittleExchange.open_orders,
    "orderStatus": LittleExchange.order_status,
    "userFillsByTime": LittleExchange.fills_by_time,
    "userFunding": lambda exchange, payload: [row for row in exchange.fundings if row["time"] >= payload["startTime"]],
    "activeAssetData": LittleExchange.active_asset,
    "userAbstraction": lambda _exchange, _payload: "default",
    "userRole": lambda _exchange, _payload: {"role": "user"},
    "extraAgents": lambda _exchange, _payload: [],
    "userFees": lambda _exchange, _payload: {"userCrossRate": "0.00045", "userAddRate": "0.00015"},
    "userRateLimit": lambda _exchange, _payload: {"cumVlm": "0.0", "nRequestsUsed": 0, "nRequestsCap": 10_000},
    "spotClearinghouseState": lambda _exchange, _payload: {
        "balances": [{"coin": "USDC", "token": 0, "total": "977.5", "hold": "7.5", "entryNtl": "0.0"}]
    },
}
_ACTIONS: dict[str, Callable[[LittleExchange, Json], Json]] = {
    "order": LittleExchange.place,
    "cancel": LittleExchange.cancel,
    "cancelByCloid": LittleExchange.cancel,
    "updateLeverage": LittleExchange.set_leverage,
    "noop": lambda _exchange, _action: {"type": "default"},
}
