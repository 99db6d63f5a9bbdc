"""An exchange that fills everything at once and reports when each order's bytes were read. One per contestant.

It keeps positions, so that a worker that looks finds what it did. Shapes: hyperliquid.md sections 1, 2.5 and 4.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
from raw_server import Connection

COINS = {"BTC": (5, Decimal(64000), 40), "ETH": (4, Decimal(3000), 25), "SOL": (2, Decimal(150), 20)}
"""Size decimals, price, maximum leverage; the position in the table is the asset id."""
NAMES = tuple(COINS)
EQUITY = Decimal(1_000_000)
BBO_EVERY_S = 0.5

Json = Any


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _plain(value: Decimal) -> str:
    return format(value.normalize() + 0, "f")


def _touch(coin: str) -> tuple[str, str]:
    px = COINS[coin][1]
    step = Decimal(1).scaleb(px.adjusted() - 4)
    return _plain(px), _plain(px + step)


META = {
    "universe": [{"name": n, "szDecimals": d, "maxLeverage": m, "marginTableId": m} for n, (d, _, m) in COINS.items()],
    "marginTables": [],
    "collateralToken": 0,
}
SPOT_META = {
    "tokens": [
        {
            "name": "USDC",
            "szDecimals": 8,
            "weiDecimals": 8,
            "index": 0,
            "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
            "isCanonical": True,
            "evmContract": None,
            "fullName": None,
        }
    ],
    "universe": [],
}


class ExchangeStub:
    """``on_order`` is told the read stamp of every action that carries an order."""

    def __init__(self, on_order: Callable[[int], None], latency_s: float) -> None:
        self.requests = 0
        self.orders = 0
        self.unknown: set[str] = set()
        self._on_order = on_order
        self._latency_s = latency_s
        self._numbers = itertools.count(1)
        self._size = dict.fromkeys(NAMES, Decimal(0))
        self._leverage = {coin: {"type": "cross", "value": 20} for coin in NAMES}
        self._fills: list[Json] = []
        self._orders: dict[str, Json] = {}
        self._resting: dict[int, Json] = {}
        self._wanted: dict[Connection, list[Json]] = {}

    # -- transport ----------------------------------------------------------------------------------------------

    def opened(self, connection: Connection, _path: str) -> None:
        self._wanted[connection] = []

    def closed(self, connection: Connection) -> None:
        self._wanted.pop(connection, None)

    def posted(self, connection: Connection, path: str, body: bytes, read_ns: int) -> None:
        answer = self._handle(path.strip("/"), orjson.loads(body), read_ns)
        self._later(connection.answer, orjson.dumps(answer))

    def received(self, connection: Connection, text: bytes, read_ns: int) -> None:
        frame = orjson.loads(text)
        method = frame.get("method")
        if method == "ping":
            connection.send_text(b'{"channel":"pong"}')
        elif method == "subscribe":
            self._subscribe(connection, frame["subscription"])
        elif method == "post":
            kind = {"info": "info", "action": "exchange"}[frame["request"]["type"]]
            answer = self._handle(kind, frame["request"]["payload"], read_ns)
            if kind == "info":
                answer = {"type": frame["request"]["payload"]["type"], "data": answer}
            response = {"type": frame["request"]["type"], "payload": answer}
            self._later(connection.send_text, _channel("post", {"id": frame["id"], "response": response}))

    def _later(self, send: Callable[[bytes], None], data: bytes) -> None:
        """A round trip of latency, all of it on the way back: arrival stamps stay what they are."""
        if self._latency_s:
            asyncio.get_running_loop().call_later(self._latency_s, send, data)
        else:
            send(data)

    def _handle(self, path: str, body: Json, read_ns: int) -> Json:
        self.requests += 1
        if path == "info":
            return self._info(body)
        action = body["action"]
        if action["type"] == "order":
            self._on_order(read_ns)
        return self._execute(action)

    # -- /info --------------------------------------------------------------------------------------------------

    def _info(self, body: Json) -> Json:
        kind = body["type"]
        fixed: dict[str, Json] = {
            "meta": META,
            "spotMeta": SPOT_META,
            "perpDexs": [None],
            "userRole": {"role": "user"},
            "userAbstraction": "default",
            "extraAgents": [],
            "subAccounts": None,
            "userRateLimit": {
                "cumVlm": "0.0", "nRequestsUsed": 0, "nRequestsCap": 10_000_000, "nRequestsSurplus": 0,
            },
            "userFees": {"userCrossRate": "0.00045", "userAddRate": "0.00015"},
            "spotClearinghouseState": {"balances": []},
            "userFunding": [],
            "exchangeStatus": {"time": _now_ms(), "specialStatuses": None},
        }  # fmt: skip
        if kind in fixed:
            return fixed[kind]
        live: dict[str, Callable[[Json], Json]] = {
            "allMids": lambda _: {coin: _plain(px) for coin, (_, px, _) in COINS.items()},
            "l2Book": self._book,
            "metaAndAssetCtxs": lambda _: [META, [_context(coin) for coin in NAMES]],
            "clearinghouseState": lambda _: self._state(),
            "activeAssetData": self._asset_data,
            "openOrders": lambda _: list(self._resting.values()),
            "frontendOpenOrders": lambda _: list(self._resting.values()),
            "historicalOrders": lambda _: list(self._orders.values()),
            "orderStatus": self._order_status,
            "userFills": lambda _: self._fills[::-1][:2000],
            "userFillsByTime": lambda b: [fill for fill in self._fills if fill["time"] >= b["startTime"]][:500],
        }
        if kind not in live:
            self.unknown.add(kind)
            return None
        return live[kind](body)

    def _book(self, body: Json) -> Json:
        levels = [[{"px": px, "sz": "1000", "n": 1}] for px in _touch(body["coin"])]
        return {"coin": body["coin"], "time": _now_ms(), "levels": levels}

    def _state(self) -> Json:
        summary = {
            "accountValue": _plain(EQUITY),
            "totalNtlPos": "0.0",
            "totalRawUsd": _plain(EQUITY),
            "totalMarginUsed": "0.0",
        }
        positions = [{"type": "oneWay", "position": self._position(c)} for c in NAMES if self._size[c]]
        return {
            "marginSummary": summary,
            "crossMarginSummary": summary,
            "crossMaintenanceMarginUsed": "0.0",
            "withdrawable": _plain(EQUITY),
            "assetPositions": positions,
            "time": _now_ms(),
        }

    def _position(self, coin: str) -> Json:
        px, value = COINS[coin][1], COINS[coin][1] * abs(self._size[coin])
        return {
            "coin": coin,
            "szi": _plain(self._size[coin]),
            "leverage": self._leverage[coin],
            "entryPx": _plain(px),
            "positionValue": _plain(value),
            "unrealizedPnl": "0.0",
            "returnOnEquity": "0.0",
            "liquidationPx": None,
            "marginUsed": _plain(value / self._leverage[coin]["value"]),
            "maxLeverage": COINS[coin][2],
            "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
        }

    def _asset_data(self, body: Json) -> Json:
        coin = body["coin"]
        return {
            "user": body["user"],
            "coin": coin,
            "leverage": self._leverage[coin],
            "maxTradeSzs": ["1000", "1000"],
            "availableToTrade": [_plain(EQUITY)] * 2,
            "markPx": _plain(COINS[coin][1]),
        }

    def _order_status(self, body: Json) -> Json:
        row = self._orders.get(str(body["oid"]))
        return {"status": "unknownOid"} if row is None else {"status": "order", "order": row}

    # -- /exchange ----------------------------------------------------------------------------------------------

    def _execute(self, action: Json) -> Json:
        kind = action["type"]
        if kind == "order":
            statuses = [self._place(order) for order in action["orders"]]
            return {"status": "ok", "response": {"type": "order", "data": {"statuses": statuses}}}
        if kind in ("cancel", "cancelByCloid"):
            for cancel in action["cancels"]:
                self._resting.pop(cancel.get("o", 0), None)
            statuses = ["success"] * len(action["cancels"])
            return {"status": "ok", "response": {"type": "cancel", "data": {"statuses": statuses}}}
        if kind == "updateLeverage":
            mode = "cross" if action["isCross"] else "isolated"
            self._leverage[NAMES[action["asset"]]] = {"type": mode, "value": action["leverage"], "rawUsd": "0.0"}
        return {"status": "ok", "response": {"type": "default"}}

    def _place(self, order: Json) -> Json:
        self.orders += 1
        coin, oid = NAMES[order["a"]], next(self._numbers)
        sign = 1 if order["b"] else -1
        size = Decimal(order["s"])
        if "trigger" in order["t"]:
            self._resting[oid] = self._row(order, oid, size)
            return {"resting": {"oid": oid}}
        if order["r"]:
            size = min(size, max(Decimal(0), -sign * self._size[coin]))
        if not size:
            return {"error": f"Reduce only order would increase position. asset={order['a']}"}
        self._fill(order, oid, coin, sign * size)
        filled = {"totalSz": _plain(size), "avgPx": self._px(order), "oid": oid}
        return {"filled": filled | ({"cloid": order["c"]} if "c" in order else {})}

    def _px(self, order: Json) -> str:
        return _touch(NAMES[order["a"]])[1 if order["b"] else 0]

    def _fill(self, order: Json, oid: int, coin: str, signed: Decimal) -> None:
        fill = {
            "coin": coin,
            "px": self._px(order),
            "sz": _plain(abs(signed)),
            "side": "B" if order["b"] else "A",
            "time": _now_ms(),
            "startPosition": _plain(self._size[coin]),
            "dir": "Buy" if order["b"] else "Sell",
            "closedPnl": "0.0",
            "hash": "0x" + "0" * 64,
            "oid": oid,
            "crossed": True,
            "fee": "0.01",
            "tid": oid,
            "feeToken": "USDC",
            "twapId": None,
            "cloid": order.get("c"),
        }
        self._size[coin] += signed
        self._fills.append(fill)
        row = {"order": self._row(order, oid, Decimal(0)), "status": "filled", "statusTimestamp": fill["time"]}
        self._orders[str(oid)] = self._orders[str(order.get("c"))] = row
        self._push("userFills", lambda wanted: {"user": wanted["user"], "fills": [fill]})
        self._push("orderUpdates", lambda _: [row])

    def _row(self, order: Json, oid: int, remaining: Decimal) -> Json:
        trigger = order["t"].get("trigger")
        words = {"sl": "Stop Market", "tp": "Take Profit Market"}
        return {
            "coin": NAMES[order["a"]],
            "side": "B" if order["b"] else "A",
            "limitPx": order["p"],
            "sz": _plain(remaining),
            "oid": oid,
            "timestamp": _now_ms(),
            "triggerCondition": "N/A",
            "isTrigger": trigger is not None,
            "triggerPx": trigger["triggerPx"] if trigger else "0.0",
            "children": [],
            "isPositionTpsl": False,
            "reduceOnly": order["r"],
            "orderType": words[trigger["tpsl"]] if trigger else "Limit",
            "origSz": order["s"],
            "tif": None if trigger else order["t"]["limit"]["tif"],
            "cloid": order.get("c"),
        }

    # -- channels -----------------------------------------------------------------------------------------------

    def _subscribe(self, connection: Connection, wanted: Json) -> None:
        self._wanted[connection].append(wanted)
        connection.send_text(_channel("subscriptionResponse", {"method": "subscribe", "subscription": wanted}))
        first: dict[str, Callable[[], Json]] = {
            "bbo": lambda: _bbo(wanted["coin"]),
            "activeAssetCtx": lambda: {"coin": wanted["coin"], "ctx": _context(wanted["coin"])},
            "userFills": lambda: {"user": wanted["user"], "fills": [], "isSnapshot": True},
            "l2Book": lambda: self._book(wanted),
        }
        if wanted["type"] in first:
            connection.send_text(_channel(wanted["type"], first[wanted["type"]]()))

    def _push(self, kind: str, data: Callable[[Json], Json]) -> None:
        for connection, subscriptions in self._wanted.items():
            for wanted in subscriptions:
                if wanted["type"] == kind:
                    self._later(connection.send_text, _channel(kind, data(wanted)))

    async def tick(self) -> None:
        """Push best bid and offer now and then, until cancelled."""
        while True:
            await asyncio.sleep(BBO_EVERY_S)
            self._push("bbo", lambda wanted: _bbo(wanted["coin"]))


def _bbo(coin: str) -> Json:
    return {"coin": coin, "time": _now_ms(), "bbo": [{"px": px, "sz": "1000", "n": 1} for px in _touch(coin)]}


def _context(coin: str) -> Json:
    px = _plain(COINS[coin][1])
    return {
        "funding": "0.0000125",
        "openInterest": "1.0",
        "prevDayPx": px,
        "dayNtlVlm": "1.0",
        "premium": "0.0",
        "oraclePx": px,
        "markPx": px,
        "midPx": px,
        "impactPxs": [px, px],
        "dayBaseVlm": "1.0",
    }


def _channel(name: str, data: Json) -> bytes:
    return orjson.dumps({"channel": name, "data": data})
