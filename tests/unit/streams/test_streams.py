"""What stream clients make of frames: one style of dict, values by the server's maths, the pace of seed 004."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from executor.sources.connection import Connection, Item, Received
from executor.sources.reconnect import Stop
from executor.streams import AgentExchangeWS, FractradeWS, HalyrdWS, NexgentWebSocket, StreamClient
from executor.streams.client import BACKOFF
from executor.streams.handlers import Caller
from executor.streams.nexgent import valued
from executor.streams.tradeready import merged


class Unused(Connection):
    """A connection nothing is said on."""

    def __init__(self) -> None:
        pass


def test_the_pauses_double_from_one_second_to_sixty() -> None:
    assert [BACKOFF.delay_s(failures, failures * 10, 1.0) for failures in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_handler_gets_the_flat_fields_of_the_page_and_the_frame_of_the_server() -> None:
    data = {"price": "1.5", "timestamp": "2026-05-04T09:30:00Z"}
    frame = {"channel": "ticker", "symbol": "BTCUSDT", "data": data}
    assert merged(frame) == {**data, "symbol": "BTCUSDT", "channel": "ticker", "data": data}
    candle = merged({"channel": "candles", "symbol": "B", "interval": "1m", "data": {"time": "t", "close": "2"}})
    assert (candle["open_time"], candle["interval"], candle["close"], candle["data"]["time"]) == ("t", "1m", "2", "t")


def test_the_example_of_the_facts_half_sold_at_an_unchanged_price_is_worth_what_the_server_says() -> None:
    bought = {"purchasePrice": 0.001, "purchaseAmount": 1000, "currentPrice": 0.001}
    position = valued(bought | {"remainingAmount": 400, "realizedProfitSol": 0.5})
    assert position["positionValueSol"] == pytest.approx(0.4)
    assert position["profitLossPercent"] == pytest.approx(50)


def test_without_a_price_nothing_is_computed() -> None:
    assert valued({"purchasePrice": 1, "purchaseAmount": 2}) == {"purchasePrice": 1, "purchaseAmount": 2}


def test_dollars_follow_the_pair_of_prices() -> None:
    position = valued({
        "purchasePrice": 1.0, "purchaseAmount": 10, "purchasePriceUsd": 100.0,
        "currentPrice": 2.0, "currentPriceUsd": 240.0,
    })  # fmt: skip
    assert (position["positionValueUsd"], position["profitLossUsd"], position["profitLossPercent"]) == (2400, 1200, 120)


@pytest.mark.parametrize(
    "client",
    [
        AgentExchangeWS("ak_live_x"),
        NexgentWebSocket("https://host", "token", "agent"),
        HalyrdWS(),
        FractradeWS("key", "secret", "agent"),
    ],
)
def test_an_odd_frame_ends_no_feed(client: StreamClient) -> None:
    for raw in (
        "[]",
        "{",
        "{}",
        '{"type":1}',
        '{"channel":"ticker"}',
        '{"type":"position_update"}',
        '{"event":7}',
        b"\xff",
    ):
        client._read(Unused(), raw)
    client._read(Unused(), json.dumps({"type": "initial_data", "data": {"positions": [1]}}))


HUGE = "1" + "0" * 400
"""A whole number in JSON, and more than any float holds."""
PRICED = '{{"type":"price_update","data":{{"tokenAddress":"a","price":{}}}}}'


def test_a_price_beyond_all_floats_is_left_out_and_the_next_counts() -> None:
    client = NexgentWebSocket("https://host", "token", "agent")
    position = {"id": "1", "tokenAddress": "A", "purchasePrice": 1.5, "purchaseAmount": 2.0}
    client._read(Unused(), json.dumps({"type": "initial_data", "data": {"positions": [position]}}))
    client._read(Unused(), PRICED.format(HUGE))
    assert client.positions == [position]
    client._read(Unused(), PRICED.format("3.0"))
    assert client.positions[0]["positionValueSol"] == 6


async def test_a_price_beyond_all_floats_ends_no_batches() -> None:
    client = NexgentWebSocket("https://host", "token", "agent", batch_s=0.001)
    client.positions = [{"id": "1", "tokenAddress": "A", "purchasePrice": 1.5, "purchaseAmount": 2.0}]
    batches = asyncio.create_task(client._in_batches(0.001))
    async with asyncio.timeout(20):
        for price in (HUGE, "3.0"):
            client._read(Unused(), PRICED.format(price))
            while client._marks:
                await asyncio.sleep(0.001)
    batches.cancel()
    await asyncio.wait([batches])
    assert client.positions[0]["positionValueSol"] == 6


class Saying(Unused):
    """A connection on which whatever comes has already been said."""

    def __init__(self, *raws: str) -> None:
        self.raws = raws

    async def run(self, deliver: Callable[[Item], None]) -> Stop | None:
        for raw in self.raws:
            deliver(Received(raw, 0))
        await asyncio.sleep(0)
        return None


class Listening(StreamClient):
    """A client of given connections that tells of frames with a ``price``."""

    def __init__(self, *connections: Connection) -> None:
        super().__init__()
        self.given = connections

    def _connect(self) -> Sequence[Connection]:
        return self.given

    def _heard(self, connection: Connection, frame: dict[str, Any], raw: str | bytes) -> None:
        self._tell("price", float(frame["price"]))


async def test_what_an_odd_frame_broke_is_told_to_on_error_and_the_next_frame_is_read() -> None:
    client = Listening(Saying(f'{{"price":{HUGE}}}', "{}", '{"price":2}'))
    errors: list[type] = []
    prices: list[float] = []
    client.on_error()(lambda error: errors.append(type(error)))
    client._handlers.on("price")(prices.append)
    await client.connect()
    assert (errors, prices) == ([OverflowError, KeyError], [2.0])


async def test_a_handler_of_errors_that_raises_is_not_told_of_its_own_errors_for_ever() -> None:
    client = Listening(Saying("{}", '{"price":2}'))
    called: list[Exception] = []

    @client.on_error()
    async def broken(error: Exception) -> None:
        called.append(error)
        if len(called) < 50:
            raise ValueError("here too")

    await client.connect()
    assert [type(error) for error in called] == [KeyError]


class Broken(Unused):
    """A connection with a mistake of its own."""

    async def run(self, deliver: Callable[[Item], None]) -> Stop | None:
        raise AssertionError("a mistake")


class Endless(Unused):
    """A connection that stays open."""

    ended = False

    async def run(self, deliver: Callable[[Item], None]) -> Stop | None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True
        return None


async def test_a_connection_that_breaks_takes_the_others_along() -> None:
    other = Endless()
    with pytest.raises(AssertionError):
        await Listening(other, Broken()).connect()
    assert other.ended


async def test_what_runs_beside_the_connections_does_not_end_unseen() -> None:
    class Beside(Listening):
        def _beside(self) -> Sequence[Any]:
            return (self.fail(),)

        async def fail(self) -> None:
            raise LookupError("nobody awaits this")

    errors: list[Exception] = []
    client = Beside(Endless())
    client.on_error()(errors.append)
    running = asyncio.create_task(client.connect())
    async with asyncio.timeout(20):
        while not errors:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert [type(error) for error in errors] == [LookupError]


@pytest.mark.parametrize(
    ("client", "frame"),
    [
        (NexgentWebSocket("https://host", "t0ken/1", "agent"), {"type": "error", "data": {"message": "bad %s\x1b[2J"}}),
        (AgentExchangeWS("t0ken/1"), {"type": "error", "code": "%s", "message": "bad %s\x1b[2J"}),
    ],
)
@pytest.mark.parametrize("spelling", ["t0ken/1", "t0ken%2F1"])
def test_a_servers_words_are_logged_without_the_key_it_repeats_and_without_control_characters(
    caplog: pytest.LogCaptureFixture, client: StreamClient, frame: dict[str, Any], spelling: str
) -> None:
    client._read(Unused(), json.dumps(frame).replace("%s", spelling))
    assert "bad ***?[2J" in caplog.text
    assert "t0ken" not in caplog.text
    assert "\x1b" not in caplog.text


async def test_a_handler_that_raises_is_told_of_and_the_next_is_called_in_order() -> None:
    failed: list[BaseException] = []
    heard: list[int] = []
    caller = Caller(lambda _, error: failed.append(error))

    async def later(number: int) -> None:
        await asyncio.sleep(0)
        heard.append(number)

    running = asyncio.create_task(caller.run())
    caller.call(later, 1)
    caller.call(lambda: 1 // 0)
    caller.call(heard.append, 2)
    caller.call(later, 3)
    await caller.rest(20)
    assert heard == [1, 2, 3]
    assert [type(error) for error in failed] == [ZeroDivisionError]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def cancelled_within() -> None:
    """Awaits a task of its own that was cancelled."""
    task = asyncio.create_task(asyncio.sleep(9))
    task.cancel()
    await task


def stop_iteration() -> None:
    next(iter(()))


@pytest.mark.parametrize(
    ("handler", "kind"), [(cancelled_within, asyncio.CancelledError), (stop_iteration, RuntimeError)]
)
async def test_no_exception_of_a_handler_ends_the_calling(
    caplog: pytest.LogCaptureFixture, handler: Callable[[], Any], kind: type[BaseException]
) -> None:
    failed: list[BaseException] = []
    heard: list[int] = []
    caller = Caller(lambda _, error: failed.append(error))
    running = asyncio.create_task(caller.run())
    caller.call(handler)
    caller.call(heard.append, 1)
    await caller.rest(5)
    assert heard == [1]
    assert [type(error) for error in failed] == [kind]
    assert handler.__name__ in caplog.text
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("instead", [None, ValueError()])
async def test_a_handler_that_swallows_our_cancelling_does_not_go_on_for_ever(instead: Exception | None) -> None:
    begun = asyncio.Event()
    caller = Caller(lambda *_: None)

    async def stubborn() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if instead is not None:
                raise instead from None

    running = asyncio.create_task(caller.run())
    caller.call(stubborn)
    await begun.wait()
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=20)
    running.cancel()
    assert done
