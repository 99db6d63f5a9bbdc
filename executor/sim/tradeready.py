"""A TradeReady that runs on loopback as the real server was seen to behave, not as its pages say.

Facts: signal-protocols.md sections 4.1 to 4.6. It wants ``{"action": "subscribe", "channel": ..., "symbol": ...}`` and
``{"action": "pong"}``, refuses a bad key with HTTP 403, and pushes prices only: orders, portfolio and candles are for
REST, unless ``pushes`` is set. Used by tests and ``executor sim tradeready``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from executor.clock import Clock, iso
from executor.sim.loopback import LoopbackServer, Peer

INTERVALS = ("1m", "5m", "1h", "1d")
MAX_SUBSCRIPTIONS = 10
API_KEY = "ak_live_simulated"
"""What the simulator accepts; no secret."""

Frame = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A ping every ``ping_s``; without an answer within ``pong_s`` the server closes with 1000."""

    ping_s: float = 30.0
    pong_s: float = 10.0


@dataclass(slots=True)
class Session:
    """What one socket asked for and said."""

    peer: Peer
    channels: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    ponged: asyncio.Event = field(default_factory=asyncio.Event)


class TradeReadySimulator(LoopbackServer):
    """The server. ``pushes`` makes it send orders, portfolio and candles as its pages promise.

    ``limited`` answers that many REST requests with 429 and ``Retry-After: retry_after``. ``agents`` is how many the
    account has; its orders name none of them. ``pongs`` counts the answers to its pings, ``pushed`` the order frames it
    sent.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        api_key: str = API_KEY,
        heartbeat: Heartbeat = Heartbeat(),
    ) -> None:
        super().__init__(host, port, clock)
        self.api_key = api_key
        self.heartbeat = heartbeat
        self.sessions: list[Session] = []
        self.pongs = 0
        self.pushed = 0
        self._made = 0
        self._begin()

    def routes(self) -> Iterable[web.RouteDef]:
        """The socket, and the read part of the REST API."""
        return [
            web.get("/ws/v1", self._socket),
            web.get("/api/v1/market/price/{symbol}", self._guarded(self._price)),
            web.get("/api/v1/market/candles/{symbol}", self._guarded(self._charts)),
            web.get("/api/v1/trade/orders", self._guarded(self._listed)),
            web.get("/api/v1/trade/order/{id}", self._guarded(self._order)),
            web.get("/api/v1/account/portfolio", self._guarded(self._portfolio)),
            web.get("/api/v1/agents", self._listed_agents),
        ]

    def forget(self) -> None:
        """Nothing has happened yet, and nobody is told: a script begins."""
        super().forget()
        self._begin()

    def _begin(self) -> None:
        self.pushes = False
        self.limited, self.retry_after = 0, 1
        self.equity = "10000"
        self.agents = 1
        self.prices: dict[str, str] = {}
        self.orders: dict[str, Frame] = {}
        self.candles: dict[tuple[str, str], list[Frame]] = {}

    # -- what happens ---------------------------------------------------------------------------------------------

    async def tick(self, symbol: str, price: str, quantity: str = "1") -> None:
        """One price; a socket that subscribed to the symbol and to all gets it twice."""
        self.prices[symbol] = price
        data = {"price": price, "quantity": quantity, "timestamp": self._now(), "is_buyer_maker": False}
        frame = json.dumps({"channel": "ticker", "symbol": symbol, "data": data})
        for session in list(self.sessions):
            for channel in (f"ticker:{symbol}", "ticker:all"):
                if channel in session.channels:
                    await self.say(session, frame)

    async def order(
        self,
        symbol: str,
        side: str,
        quantity: str,
        price: str = "100",
        status: str = "filled",
        order_id: str | None = None,
        executed: str | None = None,
    ) -> str:
        """An order in this state; the same id again is its next state. Told by REST, and pushed where it ``pushes``."""
        self._made += 1
        name = order_id or f"ord_{self.clock.now_ms():x}_{self._made}"
        filled = quantity if status == "filled" and executed is None else executed
        row: Frame = {"order_id": name, "status": status, "symbol": symbol, "side": side, "type": "market"}
        row |= {"quantity": quantity, "price": None, "executed_price": price if filled else None}
        row |= {"executed_qty": filled, "fee": "0.1", "created_at": self._now()}
        self.orders[name] = {**row, "filled_at": self._now() if filled else None}
        if self.pushes:
            await self.push_order(name)
        return name

    async def push_order(self, order_id: str) -> None:
        """A frame of the orders channel, to every socket: nobody looks at who subscribed. Absent keys, not null."""
        self.pushed += 1
        row = dict(self.orders[order_id])
        row["executed_quantity"] = row.pop("executed_qty")
        data = {key: value for key, value in row.items() if value is not None and key != "created_at"}
        await self.publish({"channel": "orders", "data": data})

    def candle(self, symbol: str, interval: str, open_ms: int, close: str) -> None:
        """One candle of the list."""
        row = {"time": iso(open_ms), "open": close, "high": close, "low": close, "close": close, "volume": "5"}
        self.candles.setdefault((symbol, interval), []).append(row)

    async def publish(self, frame: Frame) -> int:
        """Send a frame to every socket as it is."""
        return await self.broadcast(json.dumps(frame))

    async def say(self, session: Session, raw: str) -> None:
        """One frame to one socket, unless silent."""
        if not self.silent:
            await session.peer.send(raw)

    # -- the socket -----------------------------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        refusal = await self.knock()
        if refusal is not None or request.query.get("api_key") != self.api_key:
            return refusal or web.Response(status=403)  # closed before it was accepted: HTTP, not 4401
        session = Session(await self.accept(request, "account"))
        self.sessions.append(session)
        beat = asyncio.create_task(self._beat(session))
        try:
            await self._listen(session)
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            self.sessions.remove(session)
            await self.leave(session.peer)
        return session.peer.socket

    async def _beat(self, session: Session) -> None:
        while True:
            await asyncio.sleep(self.heartbeat.ping_s)
            session.ponged.clear()
            await self.say(session, '{"type":"ping"}')
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.heartbeat.pong_s):
                    await session.ponged.wait()
            if not session.ponged.is_set() and not self.silent:
                await session.peer.end(1000)

    async def _listen(self, session: Session) -> None:
        async for message in session.peer.socket:
            if message.type is WSMsgType.PING and not self.silent:
                await session.peer.socket.pong(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await self._heard(session, message.data)

    async def _heard(self, session: Session, text: str | bytes) -> None:
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            await session.peer.end(1000)  # no error frame
            return
        session.said.append(str(text))
        action = said.get("action")
        if action == "pong":
            self.pongs += 1
            session.ponged.set()
        elif action in ("subscribe", "unsubscribe"):
            await self._subscription(session, said, on=action == "subscribe")
        else:
            await self._error(session, "UNKNOWN_ACTION", f"unknown action: {action}")
        await self.changed()

    async def _subscription(self, session: Session, said: Frame, *, on: bool) -> None:
        key = channel_key(said)
        if key is None:
            await self._error(session, "INVALID_CHANNEL", f"{said.get('channel')!r} requires .")
            return
        if on and key not in session.channels and len(session.channels) >= MAX_SUBSCRIPTIONS:
            await self._error(session, "SUBSCRIPTION_LIMIT", "at most 10 subscriptions per connection")
            return
        if on and key not in session.channels:
            session.channels.append(key)
        if not on and key in session.channels:
            session.channels.remove(key)
        await self.say(session, json.dumps({"type": "subscribed" if on else "unsubscribed", "channel": key}))

    async def _error(self, session: Session, code: str, message: str) -> None:
        await self.say(session, json.dumps({"type": "error", "code": code, "message": message}))

    # -- REST -----------------------------------------------------------------------------------------------------

    def _guarded(self, answer: Any) -> Any:
        async def guarded(request: web.Request) -> web.Response:
            if request.headers.get("X-API-Key") != self.api_key:
                return _fault("INVALID_API_KEY", 401)
            if self.limited > 0:
                self.limited -= 1
                return web.Response(status=429, headers={"Retry-After": str(self.retry_after)})
            answered: web.Response = answer(request)
            return answered

        return guarded

    def _price(self, request: web.Request) -> web.Response:
        symbol = request.match_info["symbol"]
        if symbol not in self.prices:
            return _fault("SYMBOL_NOT_FOUND", 404)
        return web.json_response({"symbol": symbol, "price": self.prices[symbol], "timestamp": self._now()})

    def _charts(self, request: web.Request) -> web.Response:
        symbol, interval = request.match_info["symbol"], request.query.get("interval", "1m")
        if interval not in INTERVALS:
            return _fault("VALIDATION_ERROR", 422)
        limit = int(request.query.get("limit", "100"))
        rows = self.candles.get((symbol, interval), [])[-limit:]
        return web.json_response({"symbol": symbol, "interval": interval, "candles": rows, "count": len(rows)})

    def _listed(self, request: web.Request) -> web.Response:
        limit, offset = int(request.query.get("limit", "100")), int(request.query.get("offset", "0"))
        newest_first = list(reversed(self.orders.values()))
        page = newest_first[offset : offset + limit]  # of which the real server tells the length as the total
        return web.json_response({"orders": page, "total": len(page), "limit": limit, "offset": offset})

    def _order(self, request: web.Request) -> web.Response:
        row = self.orders.get(request.match_info["id"])
        return _fault("ORDER_NOT_FOUND", 404) if row is None else web.json_response(row)

    async def _listed_agents(self, request: web.Request) -> web.Response:
        if request.headers.get("X-API-Key") != self.api_key:
            return _fault("INVALID_API_KEY", 401)
        rows = [{"id": f"agent-{number}", "status": "active"} for number in range(self.agents)]
        return web.json_response({"agents": rows, "total": len(rows)})

    def _portfolio(self, _: web.Request) -> web.Response:
        zero = dict.fromkeys(("locked_cash", "total_position_value", "unrealized_pnl", "realized_pnl"), "0")
        body = {**zero, "total_equity": self.equity, "available_cash": self.equity, "roi_pct": "0", "positions": []}
        return web.json_response({**body, "total_pnl": "0", "starting_balance": "10000", "timestamp": self._now()})

    def _now(self) -> str:
        return iso(self.clock.now_ms())


def channel_key(said: Frame) -> str | None:
    """The key a subscription is acknowledged by; ``None`` for what the server does not know.

    ``{"channel": "ticker", "symbol": "all"}`` becomes ``ticker:ALL``, which is acknowledged and stays silent.
    """
    channel, symbol = said.get("channel"), str(said.get("symbol") or "").upper()
    if channel in ("orders", "portfolio"):
        return str(channel)
    if channel == "ticker_all":
        return "ticker:all"
    if channel == "ticker" and symbol:
        return f"ticker:{symbol}"
    if channel == "candles" and symbol and said.get("interval") in INTERVALS:
        return f"candles:{symbol}:{said['interval']}"
    return f"battle:{said['battle_id']}" if channel == "battle" and said.get("battle_id") else None


def _fault(code: str, status: int) -> web.Response:
    return web.json_response({"error": {"code": code, "message": code.lower()}}, status=status)
