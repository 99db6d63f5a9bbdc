"""parse.py: recorded answers become facts; one broken field is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executor.core.facts import Fill, Funding, LeverageFact, OpenOrder, OrderFact, PositionFact
from executor.core.types import Quote, Side
from executor.errors import VenueAnswerOdd
from executor.hyperliquid import parse

DATA = Path(__file__).parents[2] / "data" / "hyperliquid"
D = Decimal


def recorded(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text())["response"]


ME = "0x" + "a" * 40


def fill_of_me(obj: object) -> Fill:
    return parse.parse_fill(obj, ME)


def fills_of_me(obj: object) -> tuple[Fill, ...]:
    return parse.parse_fills(obj, ME)


def account_json() -> dict[str, Any]:
    """The recorded account (2023), with the ``time`` key every answer has had since."""
    return {**recorded("get_user_state"), "time": 1708622398623}


def fills_json(name: str) -> list[dict[str, Any]]:
    """Recorded fills (2023), with the ``tid`` key every fill has had since."""
    return [{**row, "tid": i} for i, row in enumerate(recorded(name))]


def test_the_recorded_account() -> None:
    account = parse.parse_account(account_json())
    assert account.equity_usd == D("1182.312496")
    assert account.withdrawable_usd == D("1010.57173")
    assert account.margin_used_usd == D("171.740766")
    assert account.at_ms == 1708622398623
    assert account.positions[0] == PositionFact(
        "BTC", D("-0.00785"), D("26951.0"), 20, True, D("173198.69592357"), D("10.582271"), D("-0.08007")
    )
    assert account.positions[1].liquidation_px is None


def test_an_isolated_position_and_a_flat_row() -> None:
    state = account_json()
    position = state["assetPositions"][0]["position"]
    isolated = {**position, "leverage": {"type": "isolated", "value": 3, "rawUsd": "-95.0"}}
    flat = {**position, "szi": "0.0", "entryPx": None}
    state["assetPositions"] = [{"type": "oneWay", "position": isolated}, {"type": "oneWay", "position": flat}]
    (only,) = parse.parse_account(state).positions
    assert (only.leverage, only.is_cross) == (3, False)


@pytest.mark.parametrize("name", ["get_user_fills", "get_user_fills_by_time"])
def test_the_recorded_fills(name: str) -> None:
    rows = fills_json(name)
    fills = parse.parse_fills(rows, ME)
    assert len(fills) == len(rows)
    assert fills[0] == Fill(
        0,
        189324432,
        None,
        "SUI",
        Side.SELL,
        D("1.3189"),
        D("142.7"),
        D(0),
        D("-0.25686"),
        D("4623.5"),
        1683245884863,
        crossed=True,
        liquidation=False,
    )


def todays_fill(**more: Any) -> Fill:
    row = {**fills_json("get_user_fills")[0], "side": "B", "crossed": False, "cloid": "0x1", "fee": "-0.01", **more}
    return parse.parse_fill(row, ME)


def test_todays_fill_with_cloid() -> None:
    fill = todays_fill()
    assert (fill.cloid, fill.side, fill.crossed, fill.liquidation, fill.fee_usd) == (
        "0x1",
        Side.BUY,
        False,
        False,
        D("-0.01"),
    )


@pytest.mark.parametrize(
    ("whose", "ours"),
    [({"liquidatedUser": ME.upper().replace("X", "x")}, True), ({"liquidatedUser": "0x2"}, False), ({}, True)],
    ids=["ours", "another's", "nobody named"],
)
def test_a_liquidation_is_ours_unless_it_is_said_to_be_anothers(whose: dict[str, str], ours: bool) -> None:
    """Who buys what somebody else is liquidated of has it in his fill too."""
    assert todays_fill(liquidation={**whose, "markPx": "1", "method": "market"}).liquidation is ours


def test_a_fee_counts_in_dollars_alone() -> None:
    """A spot purchase pays in what was bought: 14 PURR are not 14 dollars."""
    assert [todays_fill(**token).fee_usd for token in ({"feeToken": "USDC"}, {}, {"feeToken": "PURR"})] == [
        D("-0.01"),
        D("-0.01"),
        D(0),
    ]


@pytest.mark.parametrize("coin", ["@107", "PURR/USDC", "#12", "+12", "xyz:NVDA"])
def test_what_is_no_perp_of_the_first_dex_is_left_out(coin: str) -> None:
    fills = [todays_fill(coin=name) for name in ("BTC", coin, "kPEPE")]
    assert [fill.coin for fill in parse.perps_only(fills)] == ["BTC", "kPEPE"]
    row = {**recorded("get_frontend_open_orders")[0], "coin": coin}
    assert parse.parse_open_orders([row]) == ()


def test_the_recorded_children_of_a_resting_parent_protect_nothing_yet() -> None:
    """They stand under their parent and on their own; one that rests alone is armed."""
    rows = recorded("get_frontend_open_orders")
    assert [order.oid for order in parse.parse_open_orders(rows)] == [3184595905]
    target, stop = parse.parse_open_orders(rows[:2])
    assert stop == OpenOrder(
        3184595906,
        None,
        "INJ",
        Side.SELL,
        D("9.1954"),
        D("12.5"),
        D("12.5"),
        True,
        D("9.995"),
        "Stop Market",
        False,
        stop.at_ms,
    )
    assert (stop.is_stop, target.is_target) == (True, True)


@pytest.mark.parametrize(
    ("kind", "condition", "is_stop"),
    [
        ("Stop Limit", "Triggered", False),
        ("Stop Limit", "Price below 9.995", True),
        ("Stop Market", "Triggered", True),
        ("Take Profit Limit", "Triggered", False),
    ],
)
def test_a_stop_limit_that_has_fired_and_rests_is_no_stop_any_more(kind: str, condition: str, is_stop: bool) -> None:
    row = {**recorded("get_frontend_open_orders")[1], "orderType": kind, "triggerCondition": condition}
    (order,) = parse.parse_open_orders([row])
    assert (order.is_stop, order.is_target) == (is_stop, False)
    assert order.trigger_px is not None


def test_an_order_listed_twice_counts_once() -> None:
    [row] = recorded("get_frontend_open_orders")[:1]
    assert len(parse.parse_open_orders([row, row])) == 1


def test_the_recorded_history_reads_like_order_updates() -> None:
    history = recorded("historical_orders")
    facts = parse.parse_order_updates(history)
    assert len(facts) == len(history)
    assert facts[0].status == "iocCancelRejected"
    assert facts[0].at_ms == 1755863118217
    assert facts[0].order is not None
    assert facts[0].order.trigger_px is None


def test_an_order_status_is_the_order_or_that_it_is_not_known() -> None:
    row = recorded("historical_orders")[0]
    known = parse.parse_order_status({"status": "order", "order": row})
    assert (known,) == parse.parse_order_updates([row])
    assert parse.parse_order_status({"status": "unknownOid"}) == OrderFact(None, "", 0)


def test_a_short_order_update_has_no_order_type() -> None:
    order = {
        "coin": "BTC",
        "side": "B",
        "limitPx": "1.0",
        "sz": "0.5",
        "oid": 1,
        "timestamp": 2,
        "origSz": "1.0",
        "cloid": "0x1",
        "reduceOnly": True,
    }
    (fact,) = parse.parse_order_updates([{"order": order, "status": "open", "statusTimestamp": 3}])
    assert fact.order == OpenOrder(1, "0x1", "BTC", Side.BUY, D(1), D("0.5"), D(1), True, None, "", False, 2)


def test_the_recorded_book() -> None:
    book = recorded("get_l2_snapshot")
    sizes = [D(side[0]["sz"]) for side in book["levels"]]
    assert parse.parse_l2_book(book) == Quote(D("2.111"), D("2.1124"), None, book["time"], *sizes)
    assert parse.parse_l2_book({"levels": [[], []], "time": 7}) == Quote(None, None, None, 7)


def test_a_bbo_may_lack_a_side() -> None:
    frame = {"coin": "BTC", "time": 7, "bbo": [None, {"px": "2.5", "sz": "1", "n": 1}]}
    assert parse.parse_bbo(frame) == ("BTC", Quote(None, D("2.5"), None, 7, None, D(1)))


def test_a_level_without_a_size_still_has_a_price() -> None:
    frame = {"coin": "BTC", "time": 7, "bbo": [{"px": "2.4"}, None]}
    assert parse.parse_bbo(frame) == ("BTC", Quote(D("2.4"), None, None, 7))


def test_the_leverage_setting_and_the_mark_price() -> None:
    data = {"user": "0x1", "coin": "ETH", "leverage": {"type": "cross", "value": 7}, "maxTradeSzs": ["1", "1"]}
    assert parse.parse_leverage(data) == LeverageFact("ETH", 7, True)
    assert parse.parse_mark({"coin": "ETH", "ctx": {"markPx": "1.5"}}) == ("ETH", D("1.5"))


FILL = fills_json("get_user_fills")[0]
ORDER = recorded("get_frontend_open_orders")[0]


@pytest.mark.parametrize(
    ("read", "obj", "problem"),
    [
        (parse.parse_account, None, "clearinghouseState: expected an object"),
        (parse.parse_account, {}, "marginSummary: expected an object"),
        (parse.parse_account, {**account_json(), "time": None}, "time: expected an integer"),
        (parse.parse_account, {**account_json(), "assetPositions": [1]}, r"assetPositions\[\]: expected an object"),
        (parse.parse_leverage, {"coin": "A", "leverage": {"type": "both", "value": 1}}, "leverage.type"),
        (
            parse.parse_leverage,
            {"coin": "A", "leverage": {"type": "cross", "value": "1"}},
            "value: expected an integer",
        ),
        (fills_of_me, {}, "fills: expected an array"),
        (fills_of_me, [{**FILL, "tid": None}], "tid: expected an integer"),
        (fill_of_me, {**FILL, "px": "NaN"}, "px: expected a decimal string"),
        (fill_of_me, {**FILL, "side": "S"}, "side: expected B or A"),
        (fill_of_me, {**FILL, "liquidation": True}, "liquidation: expected an object"),
        (parse.parse_open_orders, [{**ORDER, "children": None}], "children: expected an array"),
        (parse.parse_open_orders, [{**ORDER, "children": [1]}], r"children\[\]: expected an object"),
        (parse.parse_open_orders, [{**ORDER, "children": [{}]}], "oid: expected an integer"),
        (parse.parse_open_orders, [{**ORDER, "triggerPx": None}], "triggerPx: expected a decimal string"),
        (parse.parse_order_status, {"status": "somewhere"}, "orderStatus.status"),
        (parse.parse_order_status, {"status": "order"}, "order: expected an object"),
        (parse.parse_order_updates, [1], r"orderUpdates\[\]: expected an object"),
        (parse.parse_bbo, {"coin": "A", "time": 1, "bbo": [None]}, "bbo: expected a bid and an offer"),
        (parse.parse_bbo, {"coin": "A", "time": 1, "bbo": [None, 3]}, "level: expected an object"),
        (parse.parse_l2_book, None, "l2Book: expected an object"),
        (parse.parse_l2_book, {"levels": [[]]}, "l2Book.levels: expected bids and offers"),
        (parse.parse_l2_book, {"levels": [[], {}]}, r"levels\[\]: expected an array"),
        (parse.parse_mark, {"coin": "A", "ctx": {"markPx": None}}, "markPx: expected a decimal string"),
    ],
)
def test_odd_shapes_name_the_field(read: Callable[[object], object], obj: object, problem: str) -> None:
    with pytest.raises(VenueAnswerOdd, match=problem):
        read(obj)


def test_funding_that_was_paid_is_below_zero() -> None:
    delta = {"type": "funding", "coin": "ETH", "usdc": "-3.625312", "szi": "49.14", "fundingRate": "0.0000417"}
    row = {"time": 1681222254710, "hash": "0xa1", "delta": delta}
    assert parse.parse_fundings([row]) == (Funding("ETH", D("-3.625312"), 1681222254710),)


@pytest.mark.parametrize("rows", [{}, [3], [{"time": 1}], [{"time": 1, "delta": {"coin": "ETH"}}]])
def test_odd_funding_is_told(rows: object) -> None:
    with pytest.raises(VenueAnswerOdd):
        parse.parse_fundings(rows)
