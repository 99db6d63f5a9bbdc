"""The TradeReady source against its simulator: what it says, what it polls, how it ends, and the flood."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr, ValidationError

from executor.app.doctor_sources import handshakes
from executor.clock import SystemClock
from executor.core.source_events import (
    AgentNotice,
    Candle,
    Malformed,
    Origin,
    SourceEvent,
    SourcePortfolio,
    SourceTrade,
    Status,
    Ticker,
)
from executor.errors import ConfigError, CredentialRefused
from executor.sim.tradeready import API_KEY, Heartbeat, TradeReadySimulator
from executor.sources.tradeready import Newest, TradeReadyOptions, TradeReadySource
from executor.testing.waiting import until

WAIT_S = 20.0
KEY = {"api_key": SecretStr(API_KEY)}
BTC: dict[str, Any] = {"tickers": ("BTCUSDT",)}
ORDERS: dict[str, Any] = {"orders": True, "poll_s": Decimal("0.02")}


class Listener:
    """A running source and what it emitted."""

    def __init__(self, url: str, key: str = API_KEY, stale_s: float = 40.0, **keys: Any) -> None:
        self.events: list[SourceEvent | Malformed] = []
        self.notes: list[str] = []
        self.source = TradeReadySource(
            "mine",
            TradeReadyOptions(url=url, **keys),
            {"api_key": SecretStr(key)},
            SystemClock(),
            lambda: 0.0,
            lambda channel, text: self.notes.append(text),
            stale_s,
        )
        self.task = asyncio.create_task(self.source.run(lambda raw, event: self.events.append(event)))

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def count(self, kind: type[Any], number: int) -> list[Any]:
        await until(lambda: len(self.of(kind)) >= number, WAIT_S)
        return self.of(kind)

    def states(self) -> dict[str, str]:
        return {channel.name: channel.state for channel in self.source.channels()}


@contextlib.asynccontextmanager
async def listening(simulator: TradeReadySimulator, **keys: Any) -> AsyncIterator[Listener]:
    listener = Listener(simulator.url, **keys)
    try:
        yield listener
    finally:
        listener.task.cancel()
        await asyncio.gather(listener.task, return_exceptions=True)


def subscribed(simulator: TradeReadySimulator, number: int) -> Callable[[], bool]:
    return lambda: any(len(session.channels) == number for session in simulator.sessions)


async def polled(simulator: TradeReadySimulator, path: str, times: int = 2) -> None:
    """So many more requests for this path have been answered."""
    before = sum(path in request for request in simulator.requests)
    await until(lambda: sum(path in request for request in simulator.requests) >= before + times, WAIT_S)


# -- what it says -----------------------------------------------------------------------------------------------


async def test_the_server_understands_every_subscription_and_the_prices_come() -> None:
    async with TradeReadySimulator() as simulator:
        keys = {"tickers": ("btcusdt", "ETHUSDT"), "candles": ("BTCUSDT:1m",), "portfolio": True}
        async with listening(simulator, **keys, **ORDERS) as listener:
            await until(subscribed(simulator, 5), WAIT_S)
            for symbol, price in (("BTCUSDT", "64000.10"), ("SOLUSDT", "150"), ("ETHUSDT", "3001.20")):
                await simulator.tick(symbol, price)
            prices = await listener.count(Ticker, 2)
            assert [(t.symbol, str(t.px)) for t in prices] == [("BTCUSDT", "64000.10"), ("ETHUSDT", "3001.20")]
            assert listener.notes == []


@pytest.mark.parametrize("agents", [1, 2])
async def test_it_tells_where_the_orders_of_other_agents_are_listed_too(agents: int) -> None:
    async with TradeReadySimulator() as simulator:
        simulator.agents = agents
        async with listening(simulator, **ORDERS) as listener:
            await polled(simulator, "/agents", 1 - sum("/agents" in request for request in simulator.requests))
            await until(lambda: len(listener.notes) >= agents - 1, WAIT_S)
            assert ["several agents" in note for note in listener.notes] == [True] * (agents - 1)


async def test_every_ping_is_answered_as_the_server_wants_it_so_the_session_lasts() -> None:
    beat = Heartbeat(ping_s=0.05, pong_s=5.0)
    async with TradeReadySimulator(heartbeat=beat) as simulator, listening(simulator, **BTC) as listener:
        await until(lambda: any(len(s.said) >= 4 for s in simulator.sessions), WAIT_S)
        pongs = [json.loads(text) for text in simulator.sessions[0].said[1:]]
        assert all(pong["action"] == "pong" and pong["type"] == "pong" for pong in pongs)
        assert simulator.handshakes == 1
        assert listener.notes == []


async def test_the_simulator_drops_a_client_that_answers_as_the_documents_say() -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    async with (
        TradeReadySimulator(heartbeat=Heartbeat(0.05, 0.1)) as simulator,
        connect(f"{simulator.url}/ws/v1?api_key={API_KEY}") as socket,
    ):
        codes = []
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                codes.append(json.loads(message).get("code"))
                await socket.send('{"type": "pong"}')
        assert "UNKNOWN_ACTION" in codes
        assert socket.close_code == 1000


async def test_an_interval_the_server_lacks_is_reported_and_the_rest_goes_on() -> None:
    async with TradeReadySimulator() as simulator:
        keys = {"candles": ("BTCUSDT:15m", "BTCUSDT:1m"), "poll_s": Decimal("0.02"), **BTC}
        async with listening(simulator, **keys) as listener:
            await until(lambda: len(listener.notes) == 3, WAIT_S)
            told = "\n".join(listener.notes)
            assert "the server is known to have 1m, 5m, 1h, 1d only" in told
            assert "candles:BTCUSDT:15m: the server says INVALID_CHANNEL" in told
            assert "candles:BTCUSDT:15m cannot be read: HTTP 422" in told
            simulator.candle("BTCUSDT", "1m", SystemClock().now_ms() - 120_000, "64000")
            (candle,) = await listener.count(Candle, 1)
            assert (candle.interval, candle.closed, candle.close_px) == ("1m", True, Decimal(64000))
            assert listener.states() == {"stream:account": "open", "rest:account": "open"}


async def test_an_eleventh_channel_is_left_to_rest_and_said_so() -> None:
    async with TradeReadySimulator() as simulator:
        charts = tuple(f"C{n}USDT:1m" for n in range(11))
        async with listening(simulator, candles=charts, poll_s=Decimal("0.02")) as listener:
            await until(subscribed(simulator, 10), WAIT_S)
            assert listener.notes == ["no room among 10 subscriptions, read over REST only: candles:C10USDT:1m"]
            simulator.candle("C10USDT", "1m", SystemClock().now_ms() - 120_000, "7")
            (candle,) = await listener.count(Candle, 1)
            assert candle.symbol == "C10USDT"


async def test_more_than_ten_symbols_are_filtered_from_the_whole_market() -> None:
    async with TradeReadySimulator() as simulator:
        many = tuple(f"C{n}USDT" for n in range(11))
        async with listening(simulator, tickers=many, ticker_ms=0) as listener:
            await until(subscribed(simulator, 1), WAIT_S)
            await simulator.tick("OTHERUSDT", "1")
            await simulator.tick("C3USDT", "2")
            (ticker,) = await listener.count(Ticker, 1)
            assert ticker.symbol == "C3USDT"


async def test_a_flood_of_the_whole_market_leaves_the_newest_price_of_each_symbol() -> None:
    market: dict[str, Any] = {"tickers": ("all",), "ticker_ms": 100}
    async with TradeReadySimulator() as simulator, listening(simulator, **market) as listener:
        await until(subscribed(simulator, 1), WAIT_S)
        for price in range(1, 201):
            for symbol in ("AUSDT", "BUSDT", "CUSDT"):
                await simulator.tick(symbol, str(price))
        newest = {"AUSDT": 200, "BUSDT": 200, "CUSDT": 200}
        await until(lambda: {t.symbol: int(t.px) for t in listener.of(Ticker)} == newest, WAIT_S)
        assert len(listener.of(Ticker)) < 600


async def test_what_is_kept_of_a_flood_is_bounded() -> None:
    newest = Newest(limit=2)
    origin = Origin("tradeready", "mine", "stream:account", 0)
    for symbol, price in (("A", 1), ("B", 1), ("A", 2), ("C", 1)):
        newest.put(b"", Ticker(origin=origin, symbol=symbol, px=Decimal(price), at_ms=None))
    kept = [(ticker.symbol, ticker.px) for _, ticker in await newest.take()]
    assert (kept, newest.dropped) == ([("A", 2), ("C", 1)], 2)


# -- what the server never pushes -------------------------------------------------------------------------------


async def test_an_order_filled_without_any_frame_is_found_over_rest_once() -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, **ORDERS) as listener:
        await polled(simulator, "/trade/orders")
        name = await simulator.order("BTCUSDT", "buy", "0.5", "64000.5")
        (trade,) = await listener.count(SourceTrade, 1)
        assert (trade.symbol, trade.size, trade.px, trade.ref) == ("BTCUSDT", Decimal("0.5"), Decimal("64000.5"), name)
        assert trade.origin.channel == "rest:account"
        await polled(simulator, "/trade/orders")
        assert len(listener.of(SourceTrade)) == 1


async def test_a_pushed_order_is_not_told_again_by_rest() -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, **ORDERS) as listener:
        await until(subscribed(simulator, 1), WAIT_S)
        simulator.pushes = True
        await simulator.order("BTCUSDT", "buy", "0.5")
        await listener.count(SourceTrade, 1)
        await polled(simulator, "/trade/orders")
        assert len(listener.of(SourceTrade)) == 1


async def test_t8_an_order_frame_nobody_asked_for_is_no_trade_of_ours() -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, **BTC) as listener:
        await until(subscribed(simulator, 1), WAIT_S)
        simulator.pushes = True
        await simulator.order("BTCUSDT", "buy", "0.5")
        await simulator.tick("BTCUSDT", "1")
        await listener.count(Ticker, 1)
        assert listener.of(SourceTrade) == []


async def test_each_state_of_an_order_is_told_once_and_its_execution_when_it_is_over() -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, **ORDERS) as listener:
        await polled(simulator, "/trade/orders")
        name = await simulator.order("BTCUSDT", "buy", "1", status="pending")
        await listener.count(AgentNotice, 1)
        await simulator.order("BTCUSDT", "buy", "1", status="partially_filled", order_id=name, executed="0.4")
        await listener.count(AgentNotice, 2)
        await simulator.order("BTCUSDT", "buy", "1", status="cancelled", order_id=name, executed="0.4")
        (trade,) = await listener.count(SourceTrade, 1)
        assert trade.size == Decimal("0.4")
        assert [notice.rule for notice in listener.of(AgentNotice)] == ["pending", "partially_filled"]


async def test_a_working_order_is_followed_though_a_hundred_newer_ones_push_it_off_the_page() -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, **ORDERS) as listener:
        await polled(simulator, "/trade/orders")
        name = await simulator.order("BTCUSDT", "buy", "1", status="pending")
        await listener.count(AgentNotice, 1)
        for _ in range(101):
            await simulator.order("ETHUSDT", "buy", "1")
        await simulator.order("BTCUSDT", "buy", "1", order_id=name)
        await listener.count(SourceTrade, 102)
        assert [trade.ref for trade in listener.of(SourceTrade) if trade.symbol == "BTCUSDT"] == [name]


async def test_a_working_order_the_page_just_listed_is_not_asked_for_alone() -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, **ORDERS) as listener:
        await polled(simulator, "/trade/orders")
        for _ in range(5):
            await simulator.order("SOLUSDT", "buy", "3", "190", "pending")
        await listener.count(AgentNotice, 5)
        await polled(simulator, "/trade/orders", 3)
        assert not [request for request in simulator.requests if "/trade/order/" in request]


async def test_at_a_start_only_the_trades_of_the_last_day_are_told() -> None:
    async with TradeReadySimulator() as simulator:
        old = await simulator.order("BTCUSDT", "buy", "1")
        simulator.orders[old]["filled_at"] = "2026-05-04T09:30:00Z"
        await simulator.order("BTCUSDT", "buy", "1", status="rejected")
        recent = await simulator.order("BTCUSDT", "sell", "1")
        async with listening(simulator, **ORDERS) as listener:
            await listener.count(SourceTrade, 1)
            later = await simulator.order("BTCUSDT", "buy", "1", status="rejected")
            (notice,) = await listener.count(AgentNotice, 1)
            assert notice.ref == later
            assert [trade.ref for trade in listener.of(SourceTrade)] == [recent]


async def test_all_pages_are_read_at_a_start() -> None:
    async with TradeReadySimulator() as simulator:
        for _ in range(250):
            await simulator.order("BTCUSDT", "buy", "1")
        async with listening(simulator, **ORDERS) as listener:
            told = await listener.count(SourceTrade, 250)
            assert [trade.ref for trade in told] == list(simulator.orders)


async def test_a_portfolio_is_told_when_it_changed_also_back_to_what_it_was() -> None:
    async with (
        TradeReadySimulator() as simulator,
        listening(simulator, portfolio=True, poll_s=Decimal("0.01")) as listener,
    ):
        for number, equity in enumerate(("10000", "10050", "10000"), start=1):
            simulator.equity = equity
            await listener.count(SourcePortfolio, number)
            await polled(simulator, "/portfolio", 2)
            assert [str(fact.equity_usd) for fact in listener.of(SourcePortfolio)][-1] == equity
            assert len(listener.of(SourcePortfolio)) == number


class Timed(TradeReadySimulator):
    """Knows when it answered, so that no stall of this test can shorten a pause."""

    def __init__(self) -> None:
        super().__init__()
        self.answered_s: list[float] = []

    def _listed(self, request: web.Request) -> web.Response:
        self.answered_s.append(asyncio.get_running_loop().time())
        return super()._listed(request)


async def test_a_429_is_obeyed_and_is_no_outage() -> None:
    async with Timed() as simulator, listening(simulator, **ORDERS) as listener:
        await polled(simulator, "/trade/orders")
        simulator.limited, simulator.retry_after = 1, 1
        answered = len(simulator.answered_s)
        await until(lambda: simulator.limited == 0 and len(simulator.answered_s) > answered + 1, WAIT_S)
        times = simulator.answered_s[answered - 1 :]
        assert max(later - earlier for earlier, later in itertools.pairwise(times)) >= 1.0
        assert [status.state for status in listener.of(Status) if "rest" in status.origin.channel] == ["open"]


@pytest.mark.parametrize(("times", "asked"), [(1, 99_999), (10_000, 0)])
async def test_a_429_that_silences_the_polling_closes_its_channel(times: int, asked: int) -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, **ORDERS) as listener:
        await until(lambda: set(listener.states().values()) == {"open"}, WAIT_S)
        simulator.limited, simulator.retry_after = times, asked
        await until(lambda: listener.states() == {"stream:account": "open", "rest:account": "closed"}, WAIT_S)
        assert "HTTP 429" in listener.source.channels()[1].detail


async def test_rest_that_fails_closes_its_channel_and_opens_it_again() -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, **ORDERS) as listener:
        await until(lambda: set(listener.states().values()) == {"open"}, WAIT_S)
        simulator.rest_refuse_with = 503
        await until(lambda: listener.states() == {"stream:account": "open", "rest:account": "closed"}, WAIT_S)
        simulator.rest_refuse_with = None
        await simulator.order("BTCUSDT", "buy", "1")
        await listener.count(SourceTrade, 1)
        assert listener.states()["rest:account"] == "open"


# -- how it ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011])
async def test_t11_whatever_ended_it_the_connection_comes_back_and_subscribes_again(code: int) -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, **BTC) as listener:
        await until(subscribed(simulator, 1), WAIT_S)
        await simulator.cut(code)
        await until(lambda: simulator.handshakes == 2 and subscribed(simulator, 1)(), WAIT_S)
        await simulator.tick("BTCUSDT", "1")
        await listener.count(Ticker, 1)
        assert [status.state for status in listener.of(Status)] == ["open", "closed", "open"]


async def test_t12_silence_ends_the_connection_and_any_frame_is_a_sign_of_life() -> None:
    beat = Heartbeat(ping_s=0.5, pong_s=20.0)
    async with TradeReadySimulator(heartbeat=beat) as simulator, listening(simulator, stale_s=4.0, **BTC) as listener:
        await until(lambda: any(len(s.said) > 9 for s in simulator.sessions), WAIT_S)  # more than stale_s of pings
        assert simulator.handshakes == 1
        simulator.silent = True
        await until(lambda: "closed" in [status.state for status in listener.of(Status)], WAIT_S)
        assert "SILENT" in next(s.detail for s in listener.of(Status) if s.state == "closed")


async def test_t10_a_bad_key_is_final_everywhere_and_never_shown() -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, key="ak_live_wr0ng", **ORDERS) as listener:
        with pytest.raises(CredentialRefused) as refusal:
            await asyncio.wait_for(listener.task, WAIT_S)
        assert listener.states() == {"stream:account": "refused", "rest:account": "refused"}
        assert "wr0ng" not in str(refusal.value) + str(listener.events)
        assert simulator.handshakes == 1


@pytest.mark.parametrize("code", [1008, 4001, 4401])
async def test_a_close_code_that_means_the_key_is_final(code: int) -> None:
    async with TradeReadySimulator() as simulator, listening(simulator, **BTC) as listener:
        await until(subscribed(simulator, 1), WAIT_S)
        await simulator.cut(code)
        with pytest.raises(CredentialRefused):
            await asyncio.wait_for(listener.task, WAIT_S)


@pytest.mark.parametrize("keys", [{}, {"candles": ()}])
def test_a_source_without_any_channel_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TradeReadySource("mine", TradeReadyOptions(**keys), KEY, SystemClock(), lambda: 0.0)


def test_a_source_without_a_key_is_refused() -> None:
    with pytest.raises(ConfigError):
        TradeReadySource("mine", TradeReadyOptions(**BTC), {}, SystemClock(), lambda: 0.0)


@pytest.mark.parametrize(
    "keys", [{"tickers": ("BTC USDT",)}, {"candles": ("BTCUSDT",)}, {"candles": ("B/T:1m",)}, {"agent": ""}]
)
def test_what_is_no_symbol_or_candle_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TradeReadyOptions(**keys)


@pytest.mark.parametrize(("key", "outcome"), [(API_KEY, "pass"), ("ak_live_wr0ng", "fail")])
async def test_the_doctor_tries_socket_and_rest(key: str, outcome: str) -> None:
    async with TradeReadySimulator() as simulator:
        options = TradeReadyOptions(url=simulator.url, orders=True)
        source = TradeReadySource("mine", options, {"api_key": SecretStr(key)}, SystemClock(), lambda: 0.0)
        checks = await handshakes(source)
        assert [(check.name, check.level) for check in checks] == [
            ("channel mine/stream:account", outcome),
            ("channel mine/rest:account", outcome),
        ]
        assert "wr0ng" not in str(checks)
