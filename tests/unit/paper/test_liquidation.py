"""Accounts that cannot carry themselves at mark are closed, first into the book, then by the backstop (6.7)."""

from __future__ import annotations

from decimal import Decimal

from executor.paper.exchange import total_usd
from executor.paper.model import lost

USER = "0x" + "a1" * 20
D = Decimal


def fills(desk):
    return desk.state.fills[USER]


def test_a_cross_account_below_maintenance_is_closed_into_the_book(desk_with):
    desk = desk_with(partial_liquidation_usd=D(200_000))
    desk.place("buy", "90", "2001", "Ioc")
    resting = desk.rest("buy", "0.1", "1000")
    desk.engine.take()
    desk.quote("ETH", "1928", "1930")
    assert desk.size() == 0
    row = fills(desk)[-1]
    assert row["liquidation"] == {"liquidatedUser": USER, "markPx": "1929.0", "method": "market"}
    assert row["fee"] == "0.0"
    assert desk.status(resting) == "liquidatedCanceled"
    pushes = desk.engine.take()
    assert pushes.system_cancels[USER] == [{"coin": "ETH", "oid": resting}]
    assert pushes.liquidations[USER][0]["liquidated_user"] == USER


def test_just_above_maintenance_nothing_happens(desk):
    desk.place("buy", "90", "2001", "Ioc")
    desk.mark("ETH", "1930")
    assert desk.size() == 90


def test_far_below_the_backstop_takes_position_and_margin(desk):
    desk.place("buy", "90", "2001", "Ioc")
    before = total_usd(desk.state)
    desk.quote("ETH", "1899", "1901")
    assert desk.size() == 0
    assert fills(desk)[-1]["liquidation"]["method"] == "backstop"
    assert desk.account().raw_usd == 0
    assert total_usd(desk.state) == before + 90 * 1900


def test_an_isolated_position_goes_alone_and_its_loss_is_bounded_by_its_purse(desk):
    desk.leverage("ETH", 20, cross=False)
    desk.place("buy", "10", "2001", "Ioc")
    other = desk.rest("buy", "0.01", "50000", coin="BTC")
    stop = desk.rest("sell", "10", "1710", ro=True, tpsl="sl", trigger="1850")
    free = desk.account().raw_usd
    desk.quote("ETH", "1899", "1901")
    assert desk.size() == 0
    assert desk.account().raw_usd == free
    assert desk.status(stop) == "liquidatedCanceled"
    assert desk.status(other) == "open"


def test_an_isolated_position_in_time_returns_what_is_left(desk):
    desk.leverage("ETH", 20, cross=False)
    desk.place("buy", "10", "2001", "Ioc")
    free = desk.account().raw_usd
    desk.quote("ETH", "1934", "1935", mark="1934")
    assert fills(desk)[-1]["liquidation"]["method"] == "market"
    assert 0 < desk.account().raw_usd - free < 400


def test_a_thin_book_leaves_the_rest_for_the_next_mark(desk_with):
    desk = desk_with(partial_liquidation_usd=D(200_000))
    desk.place("buy", "90", "2001", "Ioc")
    desk.quote("ETH", "1928", "1930", size="40")
    assert desk.size() == 50
    desk.quote("ETH", "1850", "1851")
    assert desk.size() == 0


def test_liquidation_orders_are_not_on_record(desk_with):
    desk = desk_with(partial_liquidation_usd=D(200_000))
    desk.place("buy", "90", "2001", "Ioc")
    desk.quote("ETH", "1928", "1930")
    assert fills(desk)[-1]["oid"] not in desk.state.orders


def test_nobody_is_liquidated_while_a_book_to_close_into_is_lost(desk):
    desk.place("buy", "80", "2001", "Ioc")
    desk.place("buy", "0.01", "100010", "Ioc", coin="BTC")
    desk.engine.on_market(lost("BTC"), desk.now_ms)
    desk.quote("ETH", "1899", "1901")
    assert desk.size() == 80, "a cross account is closed as a whole, BTC too"
    desk.quote("BTC", "99990", "100010")
    assert desk.size() == 0


def test_an_isolated_position_asks_for_its_own_book_alone(desk):
    desk.leverage("ETH", 20, cross=False)
    desk.place("buy", "10", "2001", "Ioc")
    desk.engine.on_market(lost("BTC"), desk.now_ms)
    desk.engine.on_market(lost("ETH"), desk.now_ms)
    desk.mark("ETH", "1900")
    assert desk.size() == 10
    desk.quote("ETH", "1899", "1901")
    assert desk.size() == 0


def held(desk, sz="90"):
    """A cross long of 90 ETH: more than 100,000 USD."""
    desk.place("buy", sz, "2001", "Ioc")
    desk.quote("ETH", "1928", "1930")


def test_of_a_large_position_a_fifth_goes_first(desk):
    resting = desk.rest("buy", "0.1", "1000")
    held(desk)
    assert desk.size() == 72
    assert fills(desk)[-1]["sz"] == "18.0"
    assert desk.status(resting) == "liquidatedCanceled"


def test_while_half_a_minute_lasts_the_rest_goes_whole_and_after_it_a_fifth_again(desk_with):
    for later_ms, left in ((29_999, "0"), (30_000, "57.6")):
        desk = desk_with()
        held(desk)
        desk.now_ms += later_ms
        desk.mark("ETH", "1915")
        assert desk.size() == D(left)


def test_a_position_of_the_bound_itself_goes_whole(desk_with):
    desk = desk_with(partial_liquidation_usd=90 * D(1929))
    held(desk)
    assert desk.size() == 0


def test_a_fifth_is_rounded_up_to_what_can_be_traded(desk):
    held(desk, "90.0001")
    assert desk.size() == D("72.0000")


def test_each_large_position_of_a_cross_account_loses_its_fifth_in_the_same_step(desk_with):
    desk = desk_with()
    desk.engine.fund(USER, D(10_000))
    desk.place("buy", "90", "2001", "Ioc")
    desk.place("buy", "1.5", "100010", "Ioc", coin="BTC")
    desk.quote("BTC", "99990", "100010")
    desk.quote("ETH", "1829", "1831")
    assert (desk.size(), desk.size("BTC")) == (72, D("1.2"))


def test_the_backstop_takes_a_large_position_whole(desk):
    desk.place("buy", "90", "2001", "Ioc")
    desk.quote("ETH", "1899", "1901")
    assert desk.size() == 0
