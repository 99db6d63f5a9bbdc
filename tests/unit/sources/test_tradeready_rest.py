"""TradeReady's REST answers told as the frames its socket should carry."""

from __future__ import annotations

import pytest

from executor.core.source_events import Candle, Origin, SourcePortfolio, SourceTrade
from executor.sources.strict_json import text_of
from executor.sources.tradeready_rest import candles, orders, portfolio
from executor.sources.tradeready_wire import decode

ORIGIN = Origin("tradeready", "mine", "rest:account", 5)
ROW = {"order_id": "o1", "status": "filled", "symbol": "BTCUSDT", "side": "buy", "quantity": "1", "executed_qty": "1"}
OPEN_MS = 1_777_887_000_000


def test_orders_are_told_oldest_first() -> None:
    rows = [{**ROW, "order_id": str(n), "filled_at": f"2026-05-04T09:3{n}:00Z"} for n in (2, 1, 3)]
    told = [decode(text_of(frame), ORIGIN) for frame in orders({"orders": rows, "total": 3})]
    assert [event.ref for event in told if isinstance(event, SourceTrade)] == ["1", "2", "3"]


def test_of_two_orders_of_one_time_the_entry_is_told_first_else_the_one_listed_last() -> None:
    at = {**ROW, "filled_at": "2026-05-04T09:30:00Z"}
    rows = [{**at, "order_id": "c"}, {**at, "order_id": "s", "side": "sell"}, {**at, "order_id": "b"}]
    told = [decode(text_of(frame), ORIGIN) for frame in orders(rows)]
    assert [event.ref for event in told if isinstance(event, SourceTrade)] == ["b", "c", "s"]


def test_a_row_whose_time_cannot_be_read_is_told_first() -> None:
    rows = [{**ROW, "filled_at": "2026-05-04T09:30:00Z"}, {**ROW, "order_id": "odd", "filled_at": "noon"}]
    assert [frame["data"]["order_id"] for frame in orders(rows)] == ["odd", "o1"]  # type: ignore[index]  # an object


def test_a_portfolio_is_one_frame() -> None:
    (frame,) = portfolio({"total_equity": "1000.10", "available_cash": "5"})
    event = decode(text_of(frame), ORIGIN)
    assert isinstance(event, SourcePortfolio)
    assert str(event.equity_usd) == "1000.10"


@pytest.mark.parametrize(
    ("age_ms", "says", "closed"), [(60_000, None, True), (59_999, None, False), (0, True, True), (60_000, False, False)]
)
def test_a_candle_is_closed_once_its_time_is_over_unless_it_says(
    age_ms: int, says: bool | None, *, closed: bool
) -> None:
    row = {"time": OPEN_MS, "open": 1, "high": 1, "low": 1, "close": 1, "volume": 0}
    if says is not None:
        row["is_closed"] = says
    (frame,) = candles({"candles": [row]}, "BTCUSDT", "1m", 60_000, OPEN_MS + age_ms)
    event = decode(text_of(frame), ORIGIN)
    assert isinstance(event, Candle)
    assert event.closed is closed


def test_of_an_unknown_interval_no_candle_is_taken_for_closed() -> None:
    row = {"time": OPEN_MS, "open": 1, "high": 1, "low": 1, "close": 1, "volume": 0}
    (frame,) = candles([row], "BTCUSDT", "15m", None, OPEN_MS * 2)
    assert frame["data"]["is_closed"] is False  # type: ignore[index]  # an object


@pytest.mark.parametrize("body", [None, 7, "x", {}, [1, None], {"orders": 3, "candles": "x"}])
def test_anything_else_tells_nothing(body: object) -> None:
    assert orders(body) == candles(body, "A", "1m", 1, 1) == []
    assert portfolio([]) == []
