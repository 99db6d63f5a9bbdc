"""What stream clients make of frames: one style of dict, values by the server's maths, the pace of seed 004."""

from __future__ import annotations

import asyncio
import json

import pytest

from executor.sources.connection import Connection
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


async def test_a_handler_that_raises_is_told_of_and_the_next_is_called_in_order() -> None:
    failed: list[Exception] = []
    heard: list[int] = []
    caller = Caller(failed.append)

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
