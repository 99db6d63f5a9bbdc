"""facts: what other systems report becomes orders by the strategies that watch it, once, and closed means closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from coincurve import PrivateKey
from story import RULES, T0, UNIVERSE, Story, quote

from executor.core import events as ev
from executor.core.book import BookKey
from executor.core.facts import AccountFact, RawReply
from executor.core.intake import IntakeState, Route
from executor.core.intents import Remember, StopIntent, TargetPosition, TradeIntent
from executor.core.source_events import Candle, Origin, SourcePosition, SourceTrade, Ticker
from executor.core.state import DeskState
from executor.core.strategy import Strategy, on_candles, on_ticker, on_timer, on_trade
from executor.core.types import Agent, Side
from executor.execution.desk import Desk
from executor.execution.nonces import Nonces
from executor.execution.restore import restore, save
from executor.execution.strategies import StrategyCaller
from executor.execution.worker import Worker
from executor.ledger.memory import MemoryLedger
from executor.venue.signer import Signer

D = Decimal
AGENT = Agent("halyrd", "a")
OWN = Agent("halyrd", "a", "mine")


class Clock:
    def now_ms(self) -> int:
        return T0

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


class Venue:
    """Fills whatever it is sent."""

    network, rules = "testnet", RULES

    def __init__(self) -> None:
        self.quotes = {coin.coin: quote(100) for coin in UNIVERSE.assets}
        self.sent: list[dict[str, Any]] = []
        self.at_ms = T0

    def now_ms(self) -> int:
        return self.at_ms

    async def submit(self, request: Any, lane: Any, timeout_s: float) -> RawReply:
        action = request.action
        self.sent.append(action)
        if action["type"] != "order":
            return RawReply(True, 200, {"status": "ok", "response": {"type": "default"}})
        statuses = [self._status(order) for order in action["orders"]]
        return RawReply(True, 200, {"status": "ok", "response": {"type": "order", "data": {"statuses": statuses}}})

    def _status(self, order: Any) -> Any:
        if "trigger" in order["t"]:
            return {"resting": {"oid": 1000 + len(self.sent)}}
        return {"filled": {"totalSz": order["s"], "avgPx": "100", "oid": 1000 + len(self.sent)}}

    @property
    def orders(self) -> list[tuple[str, str, bool]]:
        """Side, size and reduce-only of every order that was sent, triggers apart."""
        placed = [order for action in self.sent if action["type"] == "order" for order in action["orders"]]
        return [("buy" if o["b"] else "sell", o["s"], o["r"]) for o in placed if "limit" in o["t"]]

    @property
    def triggers(self) -> list[str]:
        placed = [order for action in self.sent if action["type"] == "order" for order in action["orders"]]
        return [o["t"]["trigger"]["triggerPx"] for o in placed if "trigger" in o["t"]]


class Rig:
    """One worker with one route whose strategy is given."""

    def __init__(self, strategy: object, ledger: MemoryLedger | None = None, **more: Any) -> None:
        self.venue, self.ledger = Venue(), ledger or MemoryLedger()
        self.strategy = strategy
        intake, states = restore(self.ledger, ["main"]) if ledger else (IntakeState(), {"main": self._fresh()})
        settings = Story().desk
        desk = Desk(settings, states["main"], Signer(PrivateKey(b"\1" * 32), mainnet=False), Nonces(0))
        route = Route("r", "src", ("*",), "mine", ("main",), "mine")
        self.worker = Worker(
            clock=Clock(),
            venue=self.venue,  # type: ignore[arg-type]
            ledger=self.ledger,
            intake=intake,
            desks={"main": desk},
            routes=[route],
            strategies={"r": StrategyCaller("mine", strategy, **more)},
            unstated={"src": "skip"},
            after_gap={"src": "reduce_only"},
        )
        self.state = desk.state

    def _fresh(self) -> DeskState:
        return DeskState(account="main")

    def begin(self) -> None:
        worker, desk = self.worker, self.worker.desks["main"]
        turn = worker.turn()
        account = AccountFact((), D(100_000), D(100_000), D(0), T0)
        started = ev.ProcessStarted(at_ms=T0 - 1, clean=True, version="1", mode="live")
        worker.take_global(turn, [started])
        if not self.state.account_read_ms:
            desk.note(turn, [ev.AccountRead(at_ms=T0, account="main", fact=account)])
        desk.note(turn, [ev.Reconciled(at_ms=T0, account="main", why="start")])
        worker.finish(turn, ())

    async def settled(self) -> None:
        """Until nothing is out and nothing waits."""
        async with asyncio.timeout(20):
            while True:
                await asyncio.sleep(0)
                if self.worker.idle() and not self.worker._tasks:
                    return
                await asyncio.sleep(0.001)

    async def tell(self, *facts: Any, raw: str = "") -> None:
        for fact in facts:
            self.worker.emit(raw, fact)
            await self.settled()

    def recorded(self, kind: type[Any]) -> list[Any]:
        return [stored.event for stored in self.ledger.read() if isinstance(stored.event, kind)]

    def book(self, coin: str = "BTC", agent: Agent = OWN) -> Decimal:
        found = self.worker.intake.books.get(BookKey(agent, coin))
        return D(0) if found is None else found.size


@asynccontextmanager
async def running(strategy: object, ledger: MemoryLedger | None = None, **more: Any) -> Any:
    rig = Rig(strategy, ledger, **more)
    rig.begin()
    try:
        yield rig
    finally:
        await rig.worker.cancel_tasks()


def origin(at_ms: int = T0) -> Origin:
    return Origin("halyrd", "src", "agent:a", at_ms)


def trade(ref: str = "t1", side: Side = Side.BUY, size: str = "2", **more: Any) -> SourceTrade:
    values: dict[str, Any] = {
        "origin": origin(),
        "agent": AGENT,
        "symbol": "BTC/USDT",
        "side": side,
        "size": D(size),
        "quote_size": None,
        "px": D(100),
        "ref": ref,
        "at_ms": T0,
    }
    return SourceTrade(**(values | more))


def position(size: str, revision: str, **more: Any) -> SourcePosition:
    return SourcePosition(
        origin=origin(),
        agent=AGENT,
        position_id="p1",
        symbol="BONK",
        size=D(size),
        entry_px=D("0.1"),
        mark_px=None,
        revision=revision,
        **more,
    )


class Copies(Strategy):
    """Half of each reported trade."""

    inline = True

    def on_trade(self, fact: SourceTrade, view: Any) -> Any:
        return [TradeIntent(coin=view.coin, side=fact.side, size=fact.size / 2)]


class Mirrors(Strategy):
    """A thousandth of the reported position, in BTC."""

    inline = True
    stop: Decimal | None = None

    def on_position(self, fact: SourcePosition, view: Any) -> Any:
        return [TargetPosition(coin="BTC", size=fact.size / 1000, stop_px=self.stop)]


async def test_a_reported_trade_becomes_an_order_and_its_opposite_closes_our_share():
    async with running(Copies()) as rig:
        await rig.tell(trade(), trade("t2", Side.SELL, "1"))
        assert rig.venue.orders == [("buy", "1", False), ("sell", "0.5", True)]
        assert rig.book() == 1


async def test_the_same_trade_told_again_does_nothing():
    async with running(Copies()) as rig:
        await rig.tell(trade(), trade(), trade())
        assert rig.venue.orders == [("buy", "1", False)]


async def test_the_same_reference_with_another_content_is_a_conflict():
    async with running(Copies()) as rig:
        await rig.tell(trade(), trade(size="3"))
        assert rig.venue.orders == [("buy", "1", False)]
        assert len(rig.recorded(ev.ConflictSeen)) == 1


async def test_a_position_is_followed_up_down_and_out():
    async with running(Mirrors()) as rig:
        await rig.tell(position("1000", "1"), position("1500", "2"), position("1500", "2"), position("600", "3"))
        assert rig.venue.orders == [("buy", "1", False), ("buy", "0.5", False), ("sell", "0.9", True)]
        await rig.tell(position("0", "4"))
        assert rig.venue.orders[-1] == ("sell", "0.6", True)
        assert rig.state.position("BTC").owned == 0


async def test_a_restart_does_not_trade_what_was_traded():
    async with running(Mirrors()) as rig:
        await rig.tell(position("1000", "1"), position("1500", "2"))
    async with running(Mirrors(), rig.ledger) as again:
        await again.tell(position("1000", "1"), position("1500", "2"), position("1500", "2b"))
        assert again.venue.orders == []
        await again.tell(position("0", "3"))
        assert again.venue.orders == [("sell", "1.5", True)]
