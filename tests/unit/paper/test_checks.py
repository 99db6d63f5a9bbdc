"""The tables behind refusals: when a trigger is reached, what a batch may not hold."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.hyperliquid.error_strings import STATUS_REASONS
from executor.paper import checks
from executor.paper.model import Order


def armed(tpsl: str, is_buy: bool) -> Order:
    one = Decimal(1)
    return Order(1, "0xme", "ETH", is_buy, one, one, one, None, True, 0, trigger_px=Decimal(100), tpsl=tpsl)


@pytest.mark.parametrize(
    ("tpsl", "is_buy", "below", "at", "above"),
    [("sl", False, True, True, False), ("tp", False, False, True, True), ("sl", True, False, True, True),
     ("tp", True, True, True, False)],
)  # fmt: skip
def test_a_trigger_is_reached_on_its_own_side_and_at_its_price(tpsl, is_buy, below, at, above):
    order = armed(tpsl, is_buy)
    assert [checks.reached(order, Decimal(px)) for px in (99, 100, 101)] == [below, at, above]
    assert not checks.reached(order, None)


@pytest.mark.parametrize("reason", ["TICK_SIZE", "MIN_NOTIONAL", "INSUFFICIENT_MARGIN", "INVALID_TRIGGER_PX"])
def test_a_refusal_has_the_history_status_of_its_reason(reason):
    assert STATUS_REASONS[checks.refuse(reason).status] == reason


def test_a_bracket_is_one_plain_parent_and_triggers_of_different_kinds(desk):
    entry = desk.order("buy", "1", "2001", "Ioc")
    stop = desk.order("sell", "1", "1710", ro=True, tpsl="sl", trigger="1900")
    for batch in ([stop, stop], [entry, entry], [entry, stop, stop]):
        assert checks.prevalidate(desk.state, batch, "normalTpsl") == checks.BAD_GROUPING
    assert checks.prevalidate(desk.state, [entry], "positionTpsl") == checks.BAD_GROUPING
    assert checks.prevalidate(desk.state, [entry, stop], "normalTpsl") is None
    assert checks.prevalidate(desk.state, [entry, entry], {"p": 3}) is None
    assert checks.prevalidate(desk.state, [entry], "normalTpsl") == checks.NO_CHILDREN, "an entry alone is grouped na"


@pytest.mark.parametrize("size", ["1" * 30, "1" + "0" * 25])
def test_the_largest_size_there_is_is_judged_like_any_other(desk, size):
    assert desk.place("buy", size, "2001", "Ioc")["error"].startswith("Insufficient margin")
    desk.place("buy", "1", "2001", "Ioc")
    assert desk.place("sell", size, "1999", "Ioc", ro=True)["filled"]["totalSz"] == "1.0"


@pytest.mark.parametrize(("coin", "most"), [("ETH", "150000"), ("SOL", "500000"), ("BNB", "20000"), ("ATOM", "500000")])
def test_an_order_has_a_largest_value_by_the_coins_leverage(desk, coin, most):
    px = {"ETH": 2000, "SOL": 100, "BNB": 1000, "ATOM": 10}[coin]
    desk.quote(coin, str(px), str(px * 2))
    desk.engine.fund(desk.account().user, Decimal(10) ** 9)
    desk.leverage(coin, 5, cross=True)
    over = Decimal(most) + 1
    assert desk.place("buy", str(over), str(px), coin=coin)["error"].startswith(checks.TOO_LARGE)
    assert "resting" in desk.place("buy", most, str(px), coin=coin)


def test_a_brackets_children_close_what_its_parent_opens(desk):
    entry = desk.order("buy", "1", "2001", "Ioc")
    same_side = desk.order("buy", "1", "2310", ro=True, tpsl="sl", trigger="2100")
    other_coin = desk.order("sell", "1", "1710", coin="BTC", ro=True, tpsl="sl", trigger="1900")
    for stop in (same_side, other_coin):
        assert checks.prevalidate(desk.state, [entry, stop], "normalTpsl") is not None
    assert checks._bad_grouping([entry, same_side], "normalTpsl") == checks.BAD_GROUPING
    assert checks._bad_grouping([entry, other_coin], "normalTpsl") == checks.BAD_GROUPING


def test_without_any_price_there_is_no_band(desk):
    assert checks.prevalidate(desk.state, [desk.order("buy", "1", "1", coin="SOL")], "na") is None
