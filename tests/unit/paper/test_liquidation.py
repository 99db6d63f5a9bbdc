"""Accounts that cannot carry themselves at mark are closed, first into the book, then by the backstop (6.7)."""

from __future__ import annotations

from decimal import Decimal

from executor.paper.exchange import total_usd
from executor.paper.model import lost

USER = "0x" + "a1" * 20
D = Decimal


def fills(desk):
    return desk.state.fills[USER]


def test_a_cross_account_below_maintenance_is_closed_into_the_book(desk):
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


def test_a_thin_book_leaves_the_rest_for_the_next_mark(desk):
    desk.place("buy", "90", "2001", "Ioc")
    desk.quote("ETH", "1928", "1930", size="40")
    assert desk.size() == 50
    desk.quote("ETH", "1850", "1851")
    assert desk.size() == 0


def test_liquidation_orders_are_not_on_record(desk):
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
