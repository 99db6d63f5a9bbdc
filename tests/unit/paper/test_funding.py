"""Funding is paid at the full hour on the oracle price; longs pay a positive rate (hyperliquid.md section 6.9)."""

from __future__ import annotations

from decimal import Decimal

from executor.paper.funding import HOUR_MS
from executor.paper.model import Tick

USER = "0x" + "a1" * 20
D = Decimal


def next_hour(desk) -> None:
    desk.now_ms += HOUR_MS - desk.now_ms % HOUR_MS
    desk.engine.advance(desk.now_ms)


def set_rate(desk, rate: str) -> None:
    desk.engine.on_market(Tick("ETH", oracle=D(2000), funding=D(rate)), desk.now_ms)


def test_a_long_pays_and_the_row_says_so(desk):
    desk.place("buy", "2", "2001", "Ioc")
    cash = desk.account().raw_usd
    set_rate(desk, "0.0001")
    next_hour(desk)
    assert desk.account().raw_usd == cash - D("0.4")
    [row] = desk.state.fundings[USER]
    assert row["delta"] == {
        "type": "funding", "coin": "ETH", "usdc": "-0.4", "szi": "2.0", "fundingRate": "0.0001", "nSamples": None,
    }  # fmt: skip
    assert row["time"] == desk.now_ms


def test_an_isolated_short_is_paid_into_its_purse(desk):
    desk.leverage("ETH", 5, cross=False)
    desk.place("sell", "2", "1999", "Ioc")
    purse = desk.position().raw_usd
    set_rate(desk, "0.0001")
    next_hour(desk)
    assert desk.position().raw_usd == purse + D("0.4")
    assert desk.position().funding_since_open == D("-0.4")


def test_it_is_paid_once_an_hour(desk):
    desk.place("buy", "2", "2001", "Ioc")
    set_rate(desk, "0.0001")
    next_hour(desk)
    desk.now_ms += HOUR_MS - 1
    desk.engine.advance(desk.now_ms)
    assert len(desk.state.fundings[USER]) == 1
    desk.now_ms += 1
    desk.engine.advance(desk.now_ms)
    assert len(desk.state.fundings[USER]) == 2


def test_changes_reset_what_is_counted_since_them(desk):
    desk.place("buy", "2", "2001", "Ioc")
    set_rate(desk, "0.0001")
    next_hour(desk)
    desk.place("buy", "1", "2001", "Ioc")
    position = desk.position()
    assert (position.funding_since_open, position.funding_since_change) == (D("0.4"), 0)
    assert desk.account().funding_all_time["ETH"] == D("0.4")


def restarted(desk, hours: int):
    """The same accounts in an exchange that was off for so many full hours, and knows no price yet."""
    fresh = type(desk)()
    fresh.state.accounts, fresh.state.fundings = desk.state.accounts, desk.state.fundings
    fresh.state.last_funding_hour = desk.state.last_funding_hour
    fresh.now_ms = desk.now_ms + hours * HOUR_MS
    fresh.engine.advance(fresh.now_ms)
    return fresh


def test_funding_of_the_time_it_was_off_waits_for_oracle_and_rate_and_is_paid_for_each_hour(desk):
    desk.place("buy", "2", "2001", "Ioc")
    begun = desk.now_ms // HOUR_MS
    fresh = restarted(desk, hours=3)
    assert fresh.state.fundings[USER] == []
    fresh.engine.on_market(Tick("ETH", mark=D(2100)), fresh.now_ms)
    assert fresh.state.fundings[USER] == [], "a mark is no oracle"
    cash = fresh.account().raw_usd
    fresh.engine.on_market(Tick("ETH", oracle=D(2200), funding=D("0.0001")), fresh.now_ms)
    rows = fresh.state.fundings[USER]
    assert [row["time"] for row in rows] == [(begun + hour) * HOUR_MS for hour in (1, 2, 3)]
    assert {row["delta"]["usdc"] for row in rows} == {"-0.44"}
    assert len({row["hash"] for row in rows}) == 3
    assert fresh.account().raw_usd == cash - 3 * D("0.44")
    fresh.engine.on_market(Tick("ETH", oracle=D(2200)), fresh.now_ms)
    assert len(fresh.state.fundings[USER]) == 3


def test_what_a_second_restart_finds_unpaid_is_owed_still(desk):
    desk.place("buy", "2", "2001", "Ioc")
    once = restarted(desk, hours=2)
    once.engine.take()
    twice = restarted(once, hours=1)
    assert USER in twice.engine.take().users, "owed hours are in the account's saved row"
    twice.engine.on_market(Tick("ETH", oracle=D(2000), funding=D("0.0001")), twice.now_ms)
    assert len(twice.state.fundings[USER]) == 3


def test_hours_before_a_position_was_opened_are_not_owed(desk):
    fresh = restarted(desk, hours=5)
    fresh.levels("ETH", "1999:10", "2001:10")
    fresh.place("buy", "2", "2001", "Ioc")
    fresh.engine.on_market(Tick("ETH", oracle=D(2000), funding=D("0.0001")), fresh.now_ms)
    assert fresh.state.fundings[USER] == []
