"""What TradeReady's server is told and what its frames mean (signal-protocols.md sections 4.2, 4.3, 4.7; T1-T9)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from executor.core.source_events import AgentNotice, Candle, Malformed, Origin, SourcePortfolio, SourceTrade, Ticker
from executor.core.types import Agent, Side
from executor.sources.replay import DECODERS
from executor.sources.seen import Overtaken, Seen
from executor.sources.tradeready_wire import PONG, Ack, Ping, ServerError, agent_of, decode, marks, plan

D = Decimal
ORIGIN = Origin("tradeready", "mine", "stream:account", 1_777_887_060_000)
AT = "2026-05-04T09:30:00.120Z"
AT_MS = 1_777_887_000_120
ORDER = {"order_id": "o1", "status": "filled", "symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": "0.5"}
FILL = {"executed_price": "64000.5", "executed_quantity": "0.5", "fee": "3.2", "filled_at": AT}
CANDLE = {"time": AT, "open": "1", "high": "3", "low": "0.5", "close": "2", "volume": "0"}


def decoded(frame: Any) -> Any:
    return decode(frame if isinstance(frame, str | bytes) else json.dumps(frame), ORIGIN)


def order(**more: Any) -> Any:
    return decoded({"channel": "orders", "data": {**ORDER, **more}})


# -- what is said -----------------------------------------------------------------------------------------------


def said(*tickers: str, candles: tuple[tuple[str, str], ...] = (), orders: bool = False) -> list[dict[str, Any]]:
    made = plan(tickers, candles, orders=orders, portfolio=orders)
    return [json.loads(one.message) for one in made.subscriptions]


def test_subscriptions_have_the_servers_shape_not_the_documented_one() -> None:
    assert said("btcusdt", candles=(("ETHUSDT", "1m"),), orders=True) == [
        {"action": "subscribe", "channel": "orders"},
        {"action": "subscribe", "channel": "portfolio"},
        {"action": "subscribe", "channel": "ticker", "symbol": "BTCUSDT"},
        {"action": "subscribe", "channel": "candles", "symbol": "ETHUSDT", "interval": "1m"},
    ]


def test_a_subscription_is_known_by_the_key_the_server_acknowledges() -> None:
    made = plan(("BTCUSDT",), (("ETHUSDT", "1m"),), orders=True, portfolio=False)
    assert [one.key for one in made.subscriptions] == ["orders", "ticker:BTCUSDT", "candles:ETHUSDT:1m"]


@pytest.mark.parametrize("tickers", [("all",), ("ALL", "BTCUSDT"), ("btcusdt", "All")])
def test_the_whole_market_is_one_subscription_and_never_the_silent_one(tickers: tuple[str, ...]) -> None:
    assert said(*tickers) == [{"action": "subscribe", "channel": "ticker_all"}]
    assert plan(tickers, (), orders=False, portfolio=False).symbols is None


def test_more_symbols_than_there_is_room_for_are_taken_from_the_whole_market() -> None:
    many = tuple(f"C{n}USDT" for n in range(11))
    made = plan(many, (), orders=False, portfolio=False)
    assert [one.key for one in made.subscriptions] == ["ticker:all"]
    assert (made.every_ticker, made.symbols) == (True, frozenset(many))
    assert len(plan(many[:10], (), orders=False, portfolio=False).subscriptions) == 10


def test_eight_symbols_beside_three_other_channels_are_too_many_too() -> None:
    made = plan(tuple(f"C{n}" for n in range(8)), (("A", "1m"),), orders=True, portfolio=True)
    assert [one.key for one in made.subscriptions] == ["orders", "portfolio", "ticker:all", "candles:A:1m"]


def test_what_finds_no_room_is_named_for_rest() -> None:
    charts = tuple((f"C{n}", "1m") for n in range(12))
    made = plan((), charts, orders=True, portfolio=False)
    assert len(made.subscriptions) == 10
    assert made.left_out == ("candles:C9:1m", "candles:C10:1m", "candles:C11:1m")
    assert not made.every_ticker


def test_the_same_thing_twice_is_asked_for_once() -> None:
    assert len(said("BTCUSDT", "btcusdt", candles=(("A", "1m"), ("A", "1m")))) == 2


def test_the_pong_satisfies_the_server_and_its_documents() -> None:
    assert json.loads(PONG) == {"action": "pong", "type": "pong"}


# -- what is heard ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["ticker:BTCUSDT", "ticker:all", "orders", "portfolio", "battle:7"])
@pytest.mark.parametrize("kind", ["subscribed", "unsubscribed"])
def test_t1_an_acknowledgement_is_no_order(kind: str, channel: str) -> None:
    assert decoded({"type": kind, "channel": channel}) == Ack(channel, kind == "subscribed")


@pytest.mark.parametrize("code", ["INVALID_CHANNEL", "UNKNOWN_ACTION", "SUBSCRIPTION_LIMIT"])
def test_t2_the_servers_errors(code: str) -> None:
    assert decoded({"type": "error", "code": code, "message": "no"}) == ServerError(code, "no")


def test_t2_an_error_that_says_nothing_is_one_still() -> None:
    assert decoded({"type": "error", "code": 5}) == ServerError("ERROR", "")


def test_t3_a_ping() -> None:
    assert decoded({"type": "ping"}) == Ping()


def test_t4_a_price_is_exact() -> None:
    data = {"price": "3001.20", "quantity": "0.4", "timestamp": AT, "is_buyer_maker": True}
    event = decoded({"channel": "ticker", "symbol": "ETHUSDT", "data": data})
    assert event == Ticker(origin=ORIGIN, symbol="ETHUSDT", px=D("3001.20"), at_ms=AT_MS)
    assert decoded({"channel": "ticker", "data": {**data, "symbol": "ETHUSDT"}}) == event


@pytest.mark.parametrize("closed", [True, False])
def test_t5_a_candle_says_whether_it_is_closed(*, closed: bool) -> None:
    frame = {"channel": "candles", "symbol": "BTCUSDT", "interval": "1m"}
    event = decoded({**frame, "data": {**CANDLE, "is_closed": closed}})
    assert isinstance(event, Candle)
    assert (event.closed, event.open_at_ms, event.close_px, event.volume) == (closed, AT_MS, D(2), D(0))


def test_t5_a_candle_that_does_not_say_is_not_closed_and_may_call_its_time_open_time() -> None:
    renamed = {**{k: v for k, v in CANDLE.items() if k != "time"}, "open_time": AT_MS}
    event = decoded({"channel": "candles", "symbol": "B", "interval": "1m", "data": renamed})
    assert (event.closed, event.open_at_ms) == (False, AT_MS)


def test_t6_a_filled_order_is_a_trade_under_its_id() -> None:
    assert order(**FILL) == SourceTrade(
        origin=ORIGIN,
        agent=Agent("tradeready", "account"),
        symbol="BTCUSDT",
        side=Side.BUY,
        size=D("0.5"),
        quote_size=None,
        px=D("64000.5"),
        ref="o1",
        at_ms=AT_MS,
    )


def test_t6_rest_calls_the_executed_quantity_by_another_name() -> None:
    listed = {**FILL, "executed_qty": "0.4"}
    del listed["executed_quantity"]
    assert order(**listed).size == D("0.4")


def test_t6_a_sell_only_reduces() -> None:
    assert order(**FILL, side="sell").reduce_only


def test_t6_a_filled_order_with_all_optional_keys_absent_is_filled_whole() -> None:
    event = order()
    assert (event.size, event.px, event.at_ms) == (D("0.5"), None, None)


@pytest.mark.parametrize("status", ["cancelled", "expired"])
def test_t6_what_was_executed_before_the_end_is_a_trade(status: str) -> None:
    assert order(status=status, executed_quantity="0.2", executed_price="64000").size == D("0.2")


@pytest.mark.parametrize("status", ["pending", "partially_filled", "cancelled", "rejected", "expired"])
@pytest.mark.parametrize("executed", [None, "0", "0.00"])
def test_t6_everything_else_is_a_notice(status: str, executed: str | None) -> None:
    event = order(status=status, executed_quantity=executed, rejected_reason="no money")
    assert isinstance(event, AgentNotice)
    assert (event.kind, event.rule, event.ref, event.reason) == ("order", status, "o1", "no money")


def test_t6_a_part_of_a_working_order_is_no_trade_yet() -> None:
    assert isinstance(order(status="partially_filled", executed_quantity="0.2"), AgentNotice)


def test_t6_a_filled_order_that_names_no_quantity_is_nothing_to_trade_by() -> None:
    assert isinstance(order(quantity=None), AgentNotice)


@pytest.mark.parametrize("cash", [None, "900.5"])
def test_t7_a_portfolio_with_or_without_its_cash(cash: str | None) -> None:
    data = {"total_equity": "1000", "unrealized_pnl": "-3.5", "realized_pnl": "0", "timestamp": AT}
    event = decoded({"channel": "portfolio", "data": data if cash is None else {**data, "available_cash": cash}})
    assert isinstance(event, SourcePortfolio)
    assert (event.equity_usd, event.unrealized_pnl_usd, event.at_ms) == (D(1000), D("-3.5"), AT_MS)
    assert event.available_usd == (None if cash is None else D(cash))


@pytest.mark.parametrize("kind", ["update", "trade", "status"])
def test_t9_a_battle_says_nothing_to_us_whatever_its_type(kind: str) -> None:
    assert decoded({"channel": "battle", "battle_id": "b", "type": kind, "score": 1}) is None
    assert decoded({"channel": "new_channel", "data": {}}) is None
    assert decoded({"type": "welcome"}) is None


@pytest.mark.parametrize(
    ("frame", "reason", "field"),
    [
        ({"channel": "ticker", "symbol": "A", "data": {"price": "x"}}, "BAD_NUMBER", "price"),
        ({"channel": "ticker", "symbol": "A", "data": {"price": "-1"}}, "NOT_POSITIVE", "price"),
        ({"channel": "ticker", "symbol": "A"}, "MISSING_FIELD", "price"),
        ({"channel": "ticker", "data": {"price": "1"}}, "MISSING_FIELD", "symbol"),
        ({"channel": "ticker", "symbol": "A", "data": [1]}, "WRONG_TYPE", "data"),
        ({"channel": "candles", "symbol": "A", "data": CANDLE}, "MISSING_FIELD", "interval"),
        ({"channel": "orders", "data": {**ORDER, "order_id": None}}, "MISSING_FIELD", "order_id"),
        ({"channel": "orders", "data": {**ORDER, "side": "hold"}}, "BAD_SIDE", "side"),
        ({"channel": "portfolio", "data": {}}, "MISSING_FIELD", "total_equity"),
        ({"channel": 5}, "WRONG_TYPE", "channel"),
        ({}, "MISSING_FIELD", "channel"),
        ("[]", "NOT_AN_OBJECT", ""),
        (b"\xff", "NOT_UTF8", ""),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(frame: Any, reason: str, field: str) -> None:
    event = decoded(frame)
    assert isinstance(event, Malformed)
    assert (event.reason, event.field, event.agent_id) == (reason, field, "account")


def test_frames_belong_to_the_account_of_their_channel() -> None:
    assert agent_of(Origin("tradeready", "mine", "rest:alice", 5)).agent_id == "alice"
    assert agent_of(Origin("tradeready", "mine", "odd", 5)).agent_id == "unknown"


@pytest.mark.parametrize(
    ("first", "second", "again"),
    [
        (order(**FILL), order(**{**FILL, "fee": "9"}), True),
        (order(status="pending"), order(status="pending"), True),
        (order(status="pending"), order(status="partially_filled"), False),
        (order(status="pending"), order(**FILL), False),
    ],
)
def test_an_order_in_a_state_is_told_once(first: Any, second: Any, *, again: bool) -> None:
    seen = Seen()
    one, other = marks(first), marks(second)
    assert one is not None
    assert other is not None
    assert seen.fresh(one)
    assert seen.fresh(other) is not again


def test_prices_and_moving_candles_may_repeat() -> None:
    frame = {"channel": "candles", "symbol": "A", "interval": "1m", "data": CANDLE}
    assert marks(decoded(frame)) is None
    assert marks(decoded({"channel": "ticker", "symbol": "A", "data": {"price": "1"}})) is None


def test_of_a_recording_only_facts_are_played() -> None:
    play = DECODERS["tradeready"]
    assert isinstance(play(json.dumps({"channel": "orders", "data": {**ORDER, **FILL}}), ORIGIN), SourceTrade)
    assert [play(raw, ORIGIN) for raw in ('{"type":"ping"}', '{"type":"subscribed","channel":"orders"}')] == [None] * 2
    assert isinstance(play("{", ORIGIN), Malformed)


def bought(at: str | None, side: str = "buy", symbol: str = "BTCUSDT") -> Any:
    return order(**{**FILL, "filled_at": at, "side": side, "symbol": symbol})


def test_a_buy_that_comes_to_light_after_a_later_sell_is_late() -> None:
    overtaken = Overtaken()
    trades = [bought("2026-05-04T09:30:00Z"), bought("2026-05-04T09:30:05Z", "sell"), bought("2026-05-04T09:30:04Z")]
    trades += [bought("2026-05-04T09:30:05Z"), bought("2026-05-04T09:30:04Z", symbol="ETHUSDT"), bought(None)]
    trades += [bought("2026-05-04T09:30:01Z", "sell"), bought("2026-05-04T09:30:04Z")]
    assert [overtaken.late(trade) for trade in trades] == [False, False, True, False, False, False, False, True]


def test_a_sell_stamped_far_ahead_does_not_make_every_later_buy_late() -> None:
    overtaken = Overtaken()
    trades = [bought("2027-05-04T09:30:00Z", "sell"), bought("2026-05-04T09:31:04Z"), bought("2026-05-04T09:31:06Z")]
    assert [overtaken.late(trade) for trade in trades] == [False, True, False]


def test_what_was_sold_is_remembered_of_so_many_symbols() -> None:
    overtaken = Overtaken(limit=1)
    for symbol in ("A", "B"):
        assert not overtaken.late(bought("2026-05-04T09:30:05Z", "sell", symbol))
    assert [overtaken.late(bought("2026-05-04T09:30:00Z", symbol=symbol)) for symbol in ("A", "B")] == [False, True]
