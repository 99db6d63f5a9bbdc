"""facts: what other systems report becomes orders by the strategies that watch it, once, and closed means closed."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from coincurve import PrivateKey
from fake_venue import FakeVenue, StandingClock
from story import T0, Story

from executor.core import events as ev
from executor.core.book import BookKey
from executor.core.facts import AccountFact, Fill
from executor.core.intake import Route
from executor.core.intents import Remember, StopIntent, TargetPosition, TradeIntent
from executor.core.precedence import Precedence
from executor.core.source_events import (
    Candle,
    Malformed,
    Origin,
    SetStop,
    SetTarget,
    SourcePosition,
    SourceTrade,
    Ticker,
    Trade,
)
from executor.core.state import DeskState
from executor.core.strategy import Strategy, on_candles, on_ticker, on_timer
from executor.core.types import Agent, Side
from executor.errors import ExecutorError, LedgerError
from executor.execution.desk import Desk
from executor.execution.facts import BACKLOG_MAX
from executor.execution.nonces import Nonces
from executor.execution.restore import restore, save
from executor.execution.strategies import StrategyCaller
from executor.execution.worker import Worker
from executor.ledger.memory import MemoryLedger
from executor.ports import FillsNews
from executor.testing import until
from executor.venue.signer import Signer
from strategies.follow import Follow
from strategies.inverse import Inverse
from strategies.tradeready_copy import TradeReadyCopy

D = Decimal
AGENT = Agent("halyrd", "a")
OWN = Agent("halyrd", "a", "mine")


class Venue(FakeVenue):
    """Says what was asked of it, briefly."""

    @property
    def orders(self) -> list[tuple[str, str, bool]]:
        """Side, size and reduce-only of every order that was sent, triggers apart."""
        return [("buy" if o["b"] else "sell", o["s"], o["r"]) for o in self.placed if "limit" in o["t"]]

    @property
    def triggers(self) -> list[str]:
        return [o["t"]["trigger"]["triggerPx"] for o in self.placed if "trigger" in o["t"]]


class Rig:
    """One worker with one route whose strategy is given."""

    def __init__(
        self,
        strategy: object,
        ledger: MemoryLedger | None = None,
        accounts: tuple[str, ...] = ("main",),
        other: object = None,
        routes: list[Route] | None = None,
        **more: Any,
    ) -> None:
        self.venue, self.ledger = Venue(), ledger or MemoryLedger()
        intake, states = restore(self.ledger, accounts)
        desks = {name: self._desk(states[name]) for name in accounts}
        first = Route("r", "src", ("*",), "mine", accounts if other is None else accounts[:1], "mine")
        second = Route("o", "src", ("*",), "other", accounts[1:], "other")
        routes = routes or [first, *([] if other is None else [second])]
        callers = {"r": StrategyCaller("mine", strategy, **more)}
        if other is not None:
            callers["o"] = StrategyCaller("other", other, **more)
        self.worker = Worker(
            clock=StandingClock(),
            venue=self.venue,  # type: ignore[arg-type]  # a fake
            ledger=self.ledger,
            intake=intake,
            desks=desks,
            routes=routes,
            strategies=callers,
            unstated={"src": "skip"},
            after_gap={"src": "reduce_only"},
        )
        self.state = desks["main"].state

    def _desk(self, state: DeskState) -> Desk:
        story = Story({"account": state.account})
        return Desk(story.desk, state, Signer(PrivateKey(b"\1" * 32), mainnet=False), Nonces(0))

    def begin(self) -> None:
        worker, turn = self.worker, self.worker.turn()
        account = AccountFact((), D(100_000), D(100_000), D(0), T0)
        started = ev.ProcessStarted(at_ms=T0 - 1, clean=True, version="1", mode="live")
        worker.take_global(turn, [started])
        for name, desk in worker.desks.items():
            if not desk.state.account_read_ms:
                desk.note(turn, [ev.AccountRead(at_ms=T0, account=name, fact=account)])
            desk.note(turn, [ev.Reconciled(at_ms=T0, account=name, why="start")])
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

    @property
    def frames(self) -> int:
        """How many frames were journaled."""
        return len(self.ledger.frames)

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


async def test_a_copied_flip_closes_our_part_and_opens_what_goes_beyond_it():
    async with running(TradeReadyCopy(TradeReadyCopy.Options())) as rig:
        await rig.tell(trade(size="1"), trade("t2", Side.SELL, "3"))
        assert rig.venue.orders == [("buy", "1", False), ("sell", "1", True), ("sell", "2", False)]
        assert rig.book() == -2


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


# -- exits are nobody's to decline ------------------------------------------------------------------------------


class Fails(Mirrors):
    """Follows until it is told to fail."""

    word: Any = None

    def on_position(self, fact: SourcePosition, view: Any) -> Any:
        if self.word is None:
            return super().on_position(fact, view)
        if isinstance(self.word, BaseException):
            raise self.word
        return self.word

    def on_trade(self, fact: SourceTrade, view: Any) -> Any:
        if isinstance(self.word, BaseException):
            raise self.word
        return [TradeIntent(coin="BTC", side=fact.side, size=fact.size)] if self.word is None else self.word


@pytest.mark.parametrize(
    "word",
    [
        ValueError("no"),
        (),
        None.__class__,
        ("sell!",),
        [TargetPosition(coin="BTC", size=D(5)), TargetPosition(coin="BTC", size=D(6))],
        [StopIntent(coin="ETH", trigger_px=D(90))],
    ],
)
async def test_what_the_source_closes_is_closed_whatever_the_strategy_says(word):
    strategy = Fails()
    async with running(strategy) as rig:
        await rig.tell(position("1000", "1"))
        strategy.word = word
        await rig.tell(position("750", "2"), position("900", "3"), position("0", "4"))
        assert rig.venue.orders == [("buy", "1", False), ("sell", "0.25", True), ("sell", "0.75", True)]


@pytest.mark.parametrize("word", [ValueError("no"), ()])
async def test_a_reported_trade_that_closes_closes_our_share_also_where_the_strategy_fails(word):
    strategy = Fails()
    async with running(strategy) as rig:
        await rig.tell(trade())
        strategy.word = word
        await rig.tell(trade("t2", Side.BUY, "9"), trade("t3", Side.SELL, "0.5"), trade("t4", Side.SELL, "7"))
        assert rig.venue.orders == [("buy", "2", False), ("sell", "0.5", True), ("sell", "1.5", True)]
        assert rig.book() == 0


class Against(Strategy):
    """Trades the other side of each reported trade, until it fails."""

    inline, fails = True, False

    def on_trade(self, fact: SourceTrade, view: Any) -> Any:
        if self.fails:
            raise ValueError("no")
        return [TradeIntent(coin=view.coin, side=fact.side.opposite, size=fact.size)]


async def test_a_strategy_that_trades_against_a_source_is_closed_out_when_it_fails():
    strategy = Against()
    async with running(strategy) as rig:
        await rig.tell(trade())
        strategy.fails = True
        await rig.tell(trade("t2", Side.SELL, "1"))
        assert rig.venue.orders == [("sell", "2", False), ("buy", "1", True)]


async def test_a_failing_strategy_opens_nothing_and_is_recorded_once_a_minute():
    strategy = Fails()
    strategy.word = ValueError("no")
    async with running(strategy) as rig:
        await rig.tell(*(position("1000", str(n)) for n in range(5)))
        assert rig.venue.orders == []
        (failed,) = rig.recorded(ev.StrategyFailed)
        assert (failed.via, failed.fact, failed.text) == ("mine", "SourcePosition", "mine raised ValueError: no")
        rig.venue.at_ms += 60_000
        await rig.tell(position("1000", "6"))
        assert rig.recorded(ev.StrategyFailed)[1].count == 5


class Hangs(Mirrors):
    """Follows, beside the loop, until it hangs."""

    inline = False

    def __init__(self) -> None:
        super().__init__()
        self.free, self.hangs, self.calls = threading.Event(), False, 0

    def on_position(self, fact: SourcePosition, view: Any) -> Any:
        self.calls += 1
        if self.hangs:
            self.free.wait(30)
        return super().on_position(fact, view)


async def test_a_hanging_strategy_opens_nothing_and_holds_up_no_exit():
    strategy = Hangs()
    async with running(strategy, deadline_s=20) as rig:
        await rig.tell(position("1000", "1"))
        assert rig.venue.orders == [("buy", "1", False)]
        strategy.hangs, rig.worker.strategies["r"].deadline_s = True, 0.05
        try:
            for n in range(20):
                rig.worker.emit("", position("2000", f"up {n}"))
            await rig.tell(position("500", "down"), position("0", "out"))
        finally:
            strategy.free.set()
        assert rig.venue.orders[1:] == [("sell", "0.5", True), ("sell", "0.5", True)]
        assert strategy.calls < 10


# -- targets, sizes, stops --------------------------------------------------------------------------------------


async def test_a_stop_goes_with_the_entry_moves_when_it_moves_and_stays_when_it_stays():
    strategy = Mirrors()
    strategy.stop = D(90)
    async with running(strategy) as rig:
        await rig.tell(position("1000", "1"), position("1000", "1b"))
        assert rig.venue.triggers == ["90"]
        strategy.stop = D(95)
        await rig.tell(position("1000", "2"), position("1000", "3"))
        assert rig.venue.triggers == ["90", "95"]
        assert rig.venue.orders == [("buy", "1", False)]


class Sized(Strategy):
    """A target with a size of our own."""

    inline = True

    def __init__(self, **sizing: Any) -> None:
        self.sizing = sizing

    def on_position(self, fact: SourcePosition, view: Any) -> Any:
        return [TargetPosition(coin="BTC", size=fact.size, **self.sizing)]


async def test_a_target_may_be_sized_by_us_and_grows_in_proportion():
    async with running(Sized(notional_usd=D(1000))) as rig:
        await rig.tell(position("100", "1"), position("150", "2"), position("75", "3"))
        first, more, out = [(side, D(size)) for side, size, _ in rig.venue.orders]
        assert first[0] == more[0] == "buy"
        assert D("9.9") < first[1] <= 10
        assert D("3.2") < more[1] <= D("3.34")
        assert out == ("sell", (first[1] + more[1]) / 2)


async def test_a_coin_the_venue_does_not_list_is_refused_by_its_name():
    class Odd(Strategy):
        inline = True

        def on_trade(self, fact: Any, view: Any) -> Any:
            assert (view.coin, view.coin_of("BTC"), view.book("BTC")) == ("", "BTC", 0)
            return [TradeIntent(coin=fact.symbol, side=fact.side, size=fact.size)]

    async with running(Odd()) as rig:
        await rig.tell(trade(symbol="NOSUCH/USDT"))
        (refused,) = rig.recorded(ev.ActionRefused)
        assert refused.reason == "UNKNOWN_SYMBOL"
        assert rig.venue.orders == []


async def test_an_old_fact_opens_nothing_but_is_known_and_followed_down():
    async with running(Mirrors()) as rig:
        await rig.tell(position("1000", "1", at_ms=T0 - 3_600_000))
        assert [event.reason for event in rig.recorded(ev.ActionRefused)] == ["STALE"]
        await rig.tell(position("1500", "2", at_ms=T0), position("0", "3", at_ms=T0))
        assert rig.venue.orders == [("buy", "0.5", False), ("sell", "0.5", True)]


# -- prices, candles, time, our own fills -----------------------------------------------------------------------


class Watches(Strategy):
    """Buys on a price, on a candle, and counts what it is called for."""

    inline = True

    def __init__(self) -> None:
        self.called: list[str] = []

    @on_ticker("BTCUSDT")
    def price(self, fact: Ticker, view: Any) -> Any:
        self.called.append(f"price {fact.px}")
        return [TargetPosition(coin="BTC", size=D(1))] if fact.px > 100 else None

    @on_candles("ETHUSDT", "1m")
    def candle(self, fact: Candle, view: Any) -> Any:
        self.called.append(f"candle {fact.open_at_ms}")
        return [Remember(memory={"seen": [*view.memory.get("seen", []), fact.open_at_ms - T0]})]

    @on_timer(60)
    def minute(self, fact: Any, view: Any) -> Any:
        self.called.append("minute")
        return [TargetPosition(coin="BTC", size=D(0))]

    def on_fill(self, fact: Any, view: Any) -> Any:
        self.called.append(f"fill {fact.fill.size}")
        return ()

    def on_order_update(self, fact: Any, view: Any) -> Any:
        self.called.append(f"{fact.leg} {fact.state}")
        return ()


def ticker(px: int, symbol: str = "BTCUSDT", at_ms: int = T0) -> Ticker:
    return Ticker(origin=Origin("tradeready", "src", "prices", at_ms), symbol=symbol, px=D(px), at_ms=at_ms)


def candle(open_at_ms: int = T0 - 60_000, symbol: str = "ETHUSDT", closed: bool = True) -> Candle:
    px = {name: D(1) for name in ("open_px", "high_px", "low_px", "close_px", "volume")}
    where = Origin("tradeready", "src", "candles", T0)
    return Candle(origin=where, symbol=symbol, interval="1m", open_at_ms=open_at_ms, closed=closed, **px)


async def test_prices_leave_no_trace_but_the_one_that_was_acted_on():
    strategy = Watches()
    async with running(strategy) as rig:
        before = rig.ledger.last_seq
        for n in range(50):
            await rig.tell(ticker(99, at_ms=T0 + n), ticker(101, "ETHUSDT"), raw=f"frame {n}")
        assert rig.ledger.last_seq == before
        assert len(strategy.called) == 50
        assert rig.frames == 0
        await rig.tell(ticker(101), raw="the one")
        assert rig.venue.orders == [("buy", "1", False)]
        (received,) = rig.recorded(ev.ActionReceived)
        assert (rig.frames, received.frame_id) == (1, 1)


async def test_what_nobody_watches_is_no_event_but_its_frame_is_kept():
    async with running(Watches()) as rig:
        before = rig.ledger.last_seq
        await rig.tell(position("1", "1"), raw="a position")
        assert (rig.ledger.last_seq, rig.frames) == (before, 1)


async def test_facts_of_one_frame_share_its_number():
    async with running(Mirrors()) as rig:
        raw = "two positions"
        other = SourcePosition(
            origin=origin(), agent=AGENT, position_id="p2", symbol="X", size=D(3000), entry_px=None, mark_px=None
        )
        await rig.tell(position("1000", "1"), other, raw=raw)
        assert [event.frame_id for event in rig.recorded(ev.ActionReceived)] == [1, 1]
        assert rig.frames == 1


async def test_what_could_not_be_read_of_a_frame_shares_its_number():
    fault = Malformed(origin=origin(), reason="WRONG_TYPE", field="position.size", detail="must be a number")
    async with running(Mirrors()) as rig:
        raw = "a position and two that cannot be read"
        await rig.tell(fault, fault, position("1000", "1"), raw=raw)
        await rig.tell(fault, raw="another frame")
        await rig.tell(fault, raw="")
        assert [event.frame_id for event in rig.recorded(ev.FrameRefused)] == [1, 1, 2, None]
        assert [event.frame_id for event in rig.recorded(ev.ActionReceived)] == [1]
        assert rig.frames == 2


async def test_equal_frames_of_one_letter_are_two_frames():
    """Python keeps one object for both."""
    fault = Malformed(origin=origin(), reason="NOT_JSON", field="", detail="no JSON")
    async with running(Mirrors()) as rig:
        await rig.tell(fault, raw="x")
        await rig.tell(fault, raw="x")
        assert [event.frame_id for event in rig.recorded(ev.FrameRefused)] == [1, 2]


async def test_what_a_strategy_asks_to_remember_is_there_after_a_restart():
    for_snapshot = Watches()
    async with running(for_snapshot) as rig:
        await rig.tell(candle(), candle(T0), candle(T0 + 60_000, closed=False), candle(symbol="SOLUSDT"))
        assert for_snapshot.called == [f"candle {T0 - 60_000}", f"candle {T0}"]
        intake, _ = restore(rig.ledger, ["main"])
        assert intake.memories == {"mine": {"seen": [-60_000, 0]}}
        save(rig.ledger, rig.worker.intake, [rig.state])
        again, _ = restore(rig.ledger, ["main"])
        assert again.memories == intake.memories
        assert (again.subjects, again.books) == (rig.worker.intake.subjects, rig.worker.intake.books)


async def test_a_timer_fires_once_at_each_multiple_and_makes_up_for_none():
    strategy = Watches()
    async with running(strategy) as rig:
        for at in (0, 10_000, 59_999, 60_000, 60_001, 240_000, 240_001):
            rig.venue.at_ms = T0 + at
            rig.worker.tick()
        assert strategy.called.count("minute") == 2


async def test_a_strategy_hears_what_becomes_of_our_orders():
    strategy = Watches()
    async with running(strategy) as rig:
        await rig.tell(ticker(101))
        assert "entry filled" in strategy.called


async def test_a_mistake_of_ours_about_one_route_is_told_and_stops_nothing():
    async with running(Copies()) as rig:
        await rig.tell(trade(symbol=None))  # type: ignore[arg-type]  # a fake
        await rig.tell(trade("t2"))
        assert rig.venue.orders == [("buy", "1", False)]


async def test_slow_strategies_are_shown_only_the_newest_price():
    class Slow(Strategy):
        def __init__(self) -> None:
            self.seen: list[Decimal] = []

        def on_ticker(self, fact: Ticker, view: Any) -> Any:
            self.seen.append(fact.px)
            return ()

    strategy = Slow()
    async with running(strategy, deadline_s=20) as rig:
        for px in range(1000):
            rig.worker.emit("", ticker(px))
        await rig.settled()
        assert strategy.seen[-1] == 999
        assert len(strategy.seen) < 20


# -- several routes and accounts, and the opposite of an agent --------------------------------------------------


async def test_a_handler_is_called_once_and_its_wish_goes_to_every_account_of_its_route():
    class Counts(Mirrors):
        calls = 0

        def on_position(self, fact: SourcePosition, view: Any) -> Any:
            self.calls += 1
            return super().on_position(fact, view)

    strategy = Counts()
    async with running(strategy, accounts=("main", "sub")) as rig:
        await rig.tell(position("1000", "1"), position("0", "2"))
        assert sorted(rig.venue.orders) == [("buy", "1", False)] * 2 + [("sell", "1", True)] * 2
        assert strategy.calls == 2


async def test_a_first_account_without_money_or_unread_costs_the_others_no_trade_by_percent_of_equity():
    class Percent(Strategy):
        @on_ticker("BTCUSDT")
        def price(self, fact: Ticker, view: Any) -> Any:
            return [TradeIntent(coin="BTC", side=Side.BUY, equity_pct=D(1))]

    async with running(Percent(), accounts=("main", "sub")) as rig:
        rig.state.equity_usd = D(0)
        await rig.tell(ticker(100))
        assert rig.venue.orders == [("buy", "9.95", False)]


async def test_two_strategies_that_watch_one_agent_have_books_of_their_own():
    strategy, other = Fails(), Mirrors()
    async with running(strategy, accounts=("main", "sub"), other=other) as rig:
        await rig.tell(position("1000", "1"))
        strategy.word = ValueError("no")
        await rig.tell(position("2000", "2"))
        assert (rig.book(), rig.book(agent=Agent("halyrd", "a", "other"))) == (1, 2)


def action(key: str, side: Side, size: str, kind: type[Any] = Trade, **more: Any) -> Any:
    fields: dict[str, Any] = {
        "origin": Origin("fractrade", "src", "agent:a", T0),
        "agent": Agent("fractrade", "a"),
        "key": key * 32,
        "fingerprint": key,
        "shape": "flat",
        "symbol": "BTC",
        "side": side,
        "size": D(size),
        "reduce_only": False,
        "sender_id": key,
        "stamped_at_ms": T0,
        "server_execution": False,
    }
    return kind(**(fields | more))


@pytest.mark.parametrize("inline", [True, False])
async def test_the_opposite_of_an_agent_is_in_when_it_is_in_and_out_when_it_is_out(inline):
    class Opposite(Inverse):
        fails = False

        def on_action(self, action: Any, view: Any) -> Any:
            if self.fails:
                raise ValueError("no")
            return super().on_action(action, view)

    Opposite.inline = inline
    strategy = Opposite(Inverse.Options(multiplier=D("0.5")))
    async with running(strategy, deadline_s=20) as rig:
        await rig.tell(action("1", Side.BUY, "4"))
        await rig.tell(action("2", Side.SELL, "4", SetStop, trigger_px=D(90), reduce_only=True))
        await rig.tell(action("3", Side.SELL, "4", SetTarget, trigger_px=D(110), reduce_only=True))
        assert [(leg.kind, leg.side, leg.trigger_px) for leg in rig.state.live.values()] == [
            ("target", Side.BUY, 90),
            ("stop", Side.BUY, 110),
        ]
        strategy.fails = True
        await rig.tell(action("4", Side.SELL, "1"), action("5", Side.SELL, "3"))
        assert rig.venue.orders == [("sell", "2", False), ("buy", "0.5", True), ("buy", "1.5", True)]
        assert rig.book(agent=Agent("fractrade", "a")) == 0


async def test_what_an_action_makes_a_strategy_remember_is_kept():
    class Learns(Strategy):
        inline = True

        def on_action(self, action: Any, view: Any) -> Any:
            seen = [*view.memory.get("seen", []), str(action.size)]
            return [Remember(memory={"seen": seen}), TradeIntent(coin=view.coin, side=action.side, size=action.size)]

    async with running(Learns()) as rig:
        await rig.tell(action("1", Side.BUY, "1"), action("2", Side.BUY, "2"))
        assert rig.venue.orders == [("buy", "1", False), ("buy", "2", False)]
        assert restore(rig.ledger, ["main"])[0].memories == {"mine": {"seen": ["1", "2"]}}


@pytest.mark.parametrize("memory", [{"a": {1, 2}}, {"a": "x" * 70_000}, ["no dictionary"], {"a": D(1)}])
async def test_what_is_no_memory_fails_the_strategy(memory):
    class Bad(Strategy):
        inline = True

        def on_position(self, fact: Any, view: Any) -> Any:
            return [Remember(memory=memory)]

    async with running(Bad()) as rig:
        await rig.tell(position("1", "1"))
        assert len(rig.recorded(ev.StrategyFailed)) == 1


async def test_a_route_may_leave_the_word_to_the_signal():
    class Own(Strategy):
        inline = True

        def on_action(self, action: Any, view: Any) -> Any:
            if not isinstance(action, Trade):
                return [StopIntent(coin=view.coin, trigger_px=D(70))]
            return [TradeIntent(coin=view.coin, side=action.side, size=D(5), stop_px=D(80))]

    words = Precedence(size="inherit", stop="only_if_missing")
    async with running(Own(), precedence=words) as rig:
        await rig.tell(action("1", Side.BUY, "2"))
        assert (rig.venue.orders, rig.venue.triggers) == ([("buy", "2", False)], ["80"])
        await rig.tell(action("2", Side.SELL, "2", SetStop, trigger_px=D(95), reduce_only=True))
        assert rig.venue.triggers[-1] == "95"
        before = len(rig.venue.triggers)
        await rig.tell(action("3", Side.BUY, "1"))
        assert "80" not in rig.venue.triggers[before:]


async def test_what_a_strategy_decides_for_itself_is_not_older_than_what_it_decided_before():
    class Steps(Strategy):
        inline = True

        def on_ticker(self, fact: Ticker, view: Any) -> Any:
            return [TargetPosition(coin="BTC", size=fact.px - 100)]

    async with running(Steps()) as rig:
        await rig.tell(ticker(101, at_ms=T0 + 900), ticker(103, at_ms=T0 + 100), ticker(103, at_ms=T0 + 200))
        assert rig.venue.orders == [("buy", "1", False), ("buy", "2", False)]
        await rig.tell(ticker(102, at_ms=T0 + 950))
        assert rig.venue.orders[2:] == [("sell", "1", True)]


async def test_every_fill_and_order_of_the_routes_accounts_is_told_and_no_others():
    strategy, other = Watches(), Watches()
    async with running(strategy, accounts=("main", "sub"), other=other) as rig:
        fill = Fill(1, 2, None, "BTC", Side.BUY, D(100), D(7), D(0), D(0), D(0), T0)
        rig.worker.news("sub", FillsNews((fill,), snapshot=False))
        await rig.settled()
        gone = ev.LegEnded(at_ms=T0, account="main", cloid="0xunknown", oid=None, ending="canceled", status="canceled")
        rig.worker.facts.told([gone])
        assert (strategy.called, other.called) == ([], ["fill 7"])


async def test_a_mistake_about_what_comes_from_inside_is_told_and_costs_nothing_else():
    class Breaks(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise RuntimeError("a mistake of ours")

    async with running(Watches()) as rig:
        desks, rig.worker.desks = rig.worker.desks, Breaks()
        rig.venue.at_ms = T0 + 60_000
        rig.worker.facts.tick()
        rig.venue.at_ms = T0 + 120_000
        rig.worker.facts.tick()
        rig.worker.desks = desks
        assert [event.code for event in rig.recorded(ev.AlarmRaised)] == ["TASK_FAILED"]


async def test_a_backlog_has_an_end():
    strategy = Hangs()
    strategy.hangs = True
    async with running(strategy, deadline_s=0.05) as rig:
        try:
            for n in range(BACKLOG_MAX + 3):
                rig.worker.emit("", position("1000", str(n)))
            assert len(rig.worker.facts.listeners[0].waiting) == BACKLOG_MAX
        finally:
            strategy.free.set()
            rig.worker.facts.listeners[0].waiting.clear()


async def test_a_strategy_cannot_change_what_it_is_shown():
    class Greedy(Strategy):
        inline = True

        def on_position(self, fact: Any, view: Any) -> Any:
            view.quotes["BTC"] = None
            return ()

    async with running(Greedy()) as rig:
        await rig.tell(position("1", "1"))
        assert rig.venue.quotes["BTC"] is not None
        assert "TypeError" in rig.recorded(ev.StrategyFailed)[0].text


class Hedges(Strategy):
    inline = True

    def on_trade(self, fact: SourceTrade, view: Any) -> Any:
        coin = view.coin if fact.side is Side.BUY else "ETH"
        return [TradeIntent(coin=coin, side=Side.BUY, size=D(1))]


async def test_a_trade_of_another_coin_does_not_stand_for_what_the_source_closes():
    async with running(Hedges()) as rig:
        await rig.tell(trade("1"), trade("2", Side.SELL))
        assert sorted(rig.venue.orders) == [("buy", "1", False), ("buy", "1", False), ("sell", "1", True)]


class ChangesItsMind(Strategy):
    """Asked again it has one wish more, so that the same trade would get another key."""

    def __init__(self, *, inline: bool) -> None:
        self.inline, self.asked = inline, 0  # type: ignore[misc]  # here a case of the test

    def _wishes(self, view: Any) -> Any:
        self.asked += 1
        bought = TradeIntent(coin=view.coin, side=Side.BUY, size=D(1))
        return [bought] if self.asked == 1 else [StopIntent(coin=view.coin, trigger_px=D(50)), bought]

    def on_trade(self, fact: SourceTrade, view: Any) -> Any:
        return self._wishes(view)

    @on_ticker("BTCUSDT")
    def price(self, fact: Ticker, view: Any) -> Any:
        return self._wishes(view)


async def test_a_fact_told_again_before_it_was_decided_trades_once():
    async with running(ChangesItsMind(inline=False)) as rig:
        rig.worker.emit("", trade("1"))
        rig.worker.emit("", trade("1"))
        await rig.settled()
        assert (rig.venue.orders, rig.venue.triggers) == ([("buy", "1", False)], [])


async def test_a_price_told_again_trades_once():
    async with running(ChangesItsMind(inline=True)) as rig:
        await rig.tell(ticker(101, at_ms=T0 + 5), ticker(101, at_ms=T0 + 5))
        assert (rig.venue.orders, rig.venue.triggers) == ([("buy", "1", False)], [])


async def test_what_the_source_closed_is_closed_also_where_the_backlog_is_full():
    class Hangs(Copies):
        inline = False
        free = threading.Event()
        hangs = False

        def on_trade(self, fact: SourceTrade, view: Any) -> Any:
            if self.hangs:
                self.free.wait(20)
            return super().on_trade(fact, view)

    strategy = Hangs()
    async with running(strategy) as rig:
        await rig.tell(trade("1"))
        strategy.hangs = True
        try:
            rig.worker.emit("", trade("2", symbol="ETH/USDT"))
            await asyncio.sleep(0)  # it is asked about this one
            rig.worker.emit("", trade("3", Side.SELL))
            for n in range(BACKLOG_MAX):
                rig.worker.emit("", trade(f"flood {n}", symbol="ETH/USDT"))
            assert rig.venue.orders[:1] == [("buy", "1", False)]
            await until(lambda: rig.venue.orders[1:])
            assert rig.venue.orders[1:] == [("sell", "1", True)]
        finally:
            strategy.free.set()
            rig.worker.facts.listeners[0].waiting.clear()


async def test_an_exit_whose_key_cannot_be_looked_up_goes_all_the_same():
    class Unreadable(MemoryLedger):
        broken = False

        def known(self, key: str) -> Any:
            if self.broken:
                raise LedgerError("the disk reports an error")
            return super().known(key)

    ledger = Unreadable()
    async with running(Copies(), ledger) as rig:
        await rig.tell(trade("1"))
        ledger.broken = True
        await rig.tell(trade("2", Side.SELL))
        assert rig.worker.failed is not None
        assert rig.venue.orders == [("buy", "1", False), ("sell", "1", True)]


@pytest.mark.parametrize("side", [Side.SELL, Side.BUY])
async def test_only_the_agents_own_stop_on_that_side_takes_the_place_of_the_strategys(side):
    class Own(Strategy):
        inline = True

        def on_action(self, action: Any, view: Any) -> Any:
            if not isinstance(action, Trade):
                return []
            return [TradeIntent(coin=view.coin, side=action.side, size=D(1), stop_px=D(80))]

    async with running(Own(), precedence=Precedence(stop="only_if_missing", target="only_if_missing")) as rig:
        whose = Agent("fractrade", "b" if side is Side.SELL else "a")
        await rig.tell(action("1", side, "2", SetStop, trigger_px=D(95), reduce_only=True, agent=whose))
        await rig.tell(action("2", Side.BUY, "2"))
        assert (rig.venue.orders, rig.venue.triggers) == ([("buy", "1", False)], ["80"])


class Trails(Follow):
    """Follows, and puts a stop below what is held whenever a price comes."""

    inline = True

    def on_ticker(self, fact: Ticker, view: Any) -> Any:
        return [StopIntent(coin=view.coin, trigger_px=D(95))]


async def test_a_routes_stop_is_for_the_positions_of_its_own_sources_agents():
    """Several routes share the account: neither another system's agents nor those of another source are its own."""
    routes = [
        Route("r", "src", ("*",), "mine", ("main",), "mine"),
        Route("o", "two", ("*",), "other", ("main",), "other"),
    ]
    more = {"origin": Origin("fractrade", "two", "agent:x", T0)}
    price = Ticker(origin=origin(), symbol="BTC/USDT", px=D(100), at_ms=T0)
    async with running(Trails(Follow.Options()), other=Follow(Follow.Options()), routes=routes) as rig:
        await rig.tell(action("1", Side.BUY, "4", agent=Agent("fractrade", "x"), **more))
        await rig.tell(price)
        assert rig.venue.triggers == []
        await rig.tell(action("2", Side.BUY, "1"), replace(price, at_ms=T0 + 1))
        assert rig.venue.triggers == ["95"]
        assert rig.state.stop_for("BTC", Agent("fractrade", "x")) is None


async def test_a_flatten_is_not_resumed_before_it_is_done():
    async with running(Copies()) as rig:
        await rig.tell(trade("1"))
        rig.worker.command("flatten", "main", "test")
        with pytest.raises(ExecutorError, match="under way"):
            rig.worker.command("resume", None, "test")
        assert not rig.recorded(ev.Resumed)
