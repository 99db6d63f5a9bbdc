"""``NexgentWebSocket``: a Nexgent agent's positions, live, with the interface of seed 002's example.

Facts: signal-protocols.md sections 2.1 to 2.5. What the example gets wrong is right here: 1000 is judged by its reason,
an unknown position is taken in, addresses are compared without case, and value and profit know what was sold already.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from executor.backoff import Server
from executor.clock import chance, iso
from executor.sources.connection import Connection, Timing
from executor.sources.nexgent_connection import AgentConnection, Pace
from executor.sources.nexgent_session import Session
from executor.sources.nexgent_wire import SYSTEM
from executor.sources.rest import addresses
from executor.streams.client import STALE_S, Frame, StreamClient
from executor.streams.handlers import Handler

PACE = Pace(interval_s=1.0, attempts=11, rest_s=60.0)
"""1 second, then 1.5 times as long each time, up to a minute."""


class NexgentWebSocket(StreamClient):
    """``positions`` is the agent's open positions as the server tells them; a new list at each change.

    Override ``on_positions_update``, or register handlers with ``on_positions()``. ``batch_s`` applies prices together,
    so often. Positions stay over automatic reconnects and are cleared by ``disconnect``. With ``refresh_token`` the
    token is renewed when it ends; without, its end ends the client at the next connection.
    """

    def __init__(
        self,
        api_url: str,
        token: str,
        agent_id: str,
        *,
        refresh_token: str | None = None,
        batch_s: float | None = None,
        stale_s: float = STALE_S,
    ) -> None:
        super().__init__()
        self.agent_id = agent_id
        self.positions: list[Frame] = []
        self._sockets, self._rest = addresses(api_url, SYSTEM)
        given = {"access_token": token, "refresh_token": refresh_token}
        self._secrets = {name: SecretStr(value) for name, value in given.items() if value}
        self._batch_s, self._stale_s = batch_s, stale_s
        self._session: Session | None = None
        self._marks: dict[str, Frame] = {}
        self._closed_early: set[str] = set()
        self._ready = False
        self._handlers.on("positions")(self.on_positions_update)

    # -- what one listens with ----------------------------------------------------------------------------------------

    def on_positions_update(self, positions: list[Frame]) -> Any:
        """Override this, as a coroutine or not, to be told of each change of positions or prices."""

    def on_positions(self) -> Callable[[Handler], Handler]:
        """The decorator for the same."""
        return self._handlers.on("positions")

    def on_prices(self) -> Callable[[Handler], Handler]:
        """Each batch of prices as the server sends it: a list of ``tokenAddress``, ``price``, ``priceUsd``."""
        return self._handlers.on("prices")

    async def disconnect(self) -> None:
        """End the connection for good; the positions are forgotten."""
        await super().disconnect()
        self.positions = []

    # -- the socket ---------------------------------------------------------------------------------------------------

    def _connect(self) -> Sequence[Connection]:
        self._session = Session(self._rest, self._secrets, self.clock)
        timing = Timing(silence_s=self._stale_s)  # the server pings every 30 s; a mute socket says nothing at all
        args = (f"{self._sockets}/ws", self.agent_id, self._session, self.clock, chance, PACE, Server())
        return [AgentConnection(*args, timing)]

    def _beside(self) -> Sequence[Any]:
        return () if self._batch_s is None else (self._in_batches(self._batch_s),)

    async def _ended(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _heard(self, connection: Connection, frame: Frame, _: str | bytes) -> None:
        kind, data = frame.get("type"), frame.get("data") or {}
        if kind == "ping":
            self._say(connection, json.dumps({"type": "pong", "timestamp": iso(self.clock.now_ms())}))
        elif kind == "error":
            self._complain(frame, str(data.get("message")), self._credentials())
        elif taker := _TAKERS.get(str(kind)):
            taker(self, connection, data)

    def _credentials(self) -> tuple[str, ...]:
        """What was given, and what it was renewed to."""
        given = tuple(secret.get_secret_value() for secret in self._secrets.values())
        return given if self._session is None else (*given, *self._session.secrets)

    def _connected(self, connection: Connection, _: Frame) -> None:
        self._ready, self._closed_early = False, set()
        if isinstance(connection, AgentConnection):
            connection.accepted()

    def _initial(self, connection: Connection, data: Frame) -> None:
        """All there is. What was told before it, since the connection opened, may be newer than it."""
        told = [row for row in data["positions"] if row["id"] not in self._closed_early]
        self._ready = True
        if isinstance(connection, AgentConnection):
            connection.settled()
        self._now(told)

    def _updated(self, _: Connection, data: Frame) -> None:
        if data.get("eventType") == "position_closed":
            gone = data["positionId"]
            if not self._ready:
                self._closed_early.add(gone)
            self._now(row for row in self.positions if row["id"] != gone)
            return
        position = data["position"]
        known = next((row for row in self.positions if row["id"] == position["id"]), None)
        changed = valued({**(known or {}), **position})
        if known is None:
            self._now([*self.positions, changed])
        else:
            self._now(changed if row is known else row for row in self.positions)

    def _priced(self, _: Connection, data: Frame) -> None:
        updates = data.get("updates") or [data]
        self._tell("prices", updates)
        self._marks |= {str(update["tokenAddress"]).lower(): update for update in updates}
        if self._batch_s is None:
            self._mark()

    async def _in_batches(self, batch_s: float) -> None:
        while True:
            await asyncio.sleep(batch_s)
            if self._marks:
                self._try(self._mark)

    def _mark(self) -> None:
        marks, self._marks = self._marks, {}
        found = [(row, marks.get(str(row.get("tokenAddress")).lower())) for row in self.positions]
        if any(mark is not None for _, mark in found):
            self._now(row if mark is None else marked(row, mark) for row, mark in found)

    def _now(self, positions: Iterable[Frame]) -> None:
        self.positions = list(positions)
        self._tell("positions", self.positions)


_TAKERS: Mapping[str, Callable[[NexgentWebSocket, Connection, Frame], None]] = {
    "connected": NexgentWebSocket._connected,
    "initial_data": NexgentWebSocket._initial,
    "position_update": NexgentWebSocket._updated,
    "price_update": NexgentWebSocket._priced,
    "price_update_batch": NexgentWebSocket._priced,
}


def marked(position: Frame, mark: Frame) -> Frame:
    """The position at this price."""
    return valued({**position, "currentPrice": mark["price"], "currentPriceUsd": mark.get("priceUsd")})


def valued(position: Frame) -> Frame:
    """The position with value and profit by the server's own maths (signal-protocols.md section 2.4).

    What was sold already counts by what it brought (``realizedProfitSol``), what is left (``remainingAmount``) by the
    price. Nothing is computed while there is no price.
    """
    price, paid = position.get("currentPrice"), position.get("purchasePrice")
    bought = position.get("purchaseAmount")
    if price is None or paid is None or not bought:
        return position
    left = position.get("remainingAmount")
    holding = bought if left is None else left
    value = price * holding
    profit = (position.get("realizedProfitSol") or 0) + value - paid * holding
    found = {"positionValueSol": value, "profitLossSol": profit}
    if paid:
        found |= {
            "profitLossPercent": profit / (paid * bought) * 100,
            "priceChangePercent": (price - paid) / paid * 100,
        }
    usd = position.get("currentPriceUsd")
    if usd is not None and price:
        found |= {"positionValueUsd": usd * holding, "profitLossUsd": profit * usd / price}
        if position.get("purchasePriceUsd"):
            found["profitLossPercent"] = found["profitLossUsd"] / (position["purchasePriceUsd"] * bought) * 100
    return {**position, **found}
