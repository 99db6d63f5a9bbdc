"""The state file keeps what the venue remembers, no more, and refuses what it cannot read."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import pytest

from executor.hyperliquid import limits
from executor.hyperliquid.meta import parse_meta
from executor.paper import triggers, views
from executor.paper.exchange import Exchange
from executor.paper.feeds import default_meta
from executor.paper.gate import Gate
from executor.paper.model import Account, Leverage, Position
from executor.paper.state import StateFile, StateFileError, revive

USER = "0x" + "a1" * 20


def restored(path):
    """A fresh exchange, brought to where the file left it."""
    fresh = Exchange(parse_meta(default_meta()))
    file = StateFile(path)
    file.load(fresh.state, Gate())
    file.close()
    return fresh.state


def rows(path, table):
    db = sqlite3.connect(path)
    [(found,)] = db.execute(f"SELECT count(*) FROM {table}")
    db.close()
    return found


@pytest.fixture
def old_orders(desk, tmp_path):
    """A file with more finished orders than the venue remembers, among them a live one that is older than all."""
    path = tmp_path / "paper.db"
    live = desk.rest("buy", "0.1", "1000")
    first = desk.rest("buy", "0.1", "1001")
    desk.cancel(first)
    file = StateFile(path)
    file.save(desk.state, desk.engine.take(), Gate())
    for _ in range(limits.ORDERS_REMEMBERED + 20):
        desk.cancel(desk.rest("buy", "0.1", "1001"))
    file.save(desk.state, desk.engine.take(), Gate())
    file.close()
    return path, live, first


def test_orders_the_venue_forgot_are_deleted_and_stay_forgotten_after_a_restart(desk, old_orders):
    path, live, first = old_orders
    assert rows(path, "orders") == limits.ORDERS_REMEMBERED
    state = restored(path)
    assert views.order_status(state, USER, first) == {"status": "unknownOid"}
    assert views.order_status(state, USER, live)["order"]["status"] == "open"
    assert list(state.history[USER]) == list(desk.state.history[USER])


def test_what_an_earlier_version_never_deleted_goes_at_the_next_start(old_orders):
    path, live, _ = old_orders
    db = sqlite3.connect(path)
    moved = "INSERT INTO orders SELECT oid - 1000000, json_set(row, '$.oid', oid - 1000000) FROM orders WHERE oid > ?"
    db.execute(moved, (live,))
    db.commit()
    db.close()
    state = restored(path)
    assert len(state.orders) == limits.ORDERS_REMEMBERED
    assert live in state.orders
    assert min(state.orders) == live
    assert rows(path, "orders") == limits.ORDERS_REMEMBERED


def test_fills_beyond_the_reachable_go_at_the_next_start(desk, tmp_path):
    path = tmp_path / "paper.db"
    desk.place("buy", "1", "2001", "Ioc")
    file = StateFile(path)
    file.save(desk.state, desk.engine.take(), Gate())
    file.close()
    db = sqlite3.connect(path)
    db.executemany(
        "INSERT INTO fills (user, row) SELECT user, ? FROM fills LIMIT 1", [("{}",)] * limits.FILLS_REACHABLE
    )
    db.commit()
    db.close()
    assert restored(path).fills[USER] == [{}] * limits.FILLS_REACHABLE
    assert rows(path, "fills") == limits.FILLS_REACHABLE


def test_an_armed_stop_still_waits_after_a_restart(desk, tmp_path):
    path = tmp_path / "paper.db"
    desk.place("buy", "1", "2001", "Ioc")
    oid = desk.rest("sell", "1", "1710", ro=True, tpsl="sl", trigger="1900")
    file = StateFile(path)
    file.save(desk.state, desk.engine.take(), Gate())
    file.close()
    assert [order.oid for order in triggers.armed(restored(path), "ETH")] == [oid]


def test_a_newer_file_is_refused(tmp_path):
    path = tmp_path / "paper.db"
    StateFile(path).close()
    db = sqlite3.connect(path)
    db.execute("UPDATE facts SET value = '2' WHERE name = 'version'")
    db.commit()
    db.close()
    with pytest.raises(StateFileError, match="version 2"):
        StateFile(path)


def test_orders_on_a_coin_no_longer_listed_are_refused(desk, tmp_path):
    desk.rest("buy", "1", "1900")
    file = StateFile(tmp_path / "paper.db")
    file.save(desk.state, desk.engine.take(), Gate())
    other = Exchange(
        parse_meta({"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40}], "marginTables": []})
    )
    with pytest.raises(StateFileError, match="ETH"):
        file.load(other.state, Gate())
    file.close()


def test_rows_come_back_with_their_types():
    row = {
        "user": "0xme", "raw_usd": "1.50", "positions": {"ETH": {"szi": "-2", "entry_px": "3", "raw_usd": "0"}},
        "leverage": {"ETH": {"is_cross": False, "value": 3}}, "volume_usd": "7",
    }  # fmt: skip
    account = revive(Account, row)
    assert account.raw_usd == Decimal("1.50")
    assert account.positions["ETH"] == Position(Decimal(-2), Decimal(3))
    assert account.leverage["ETH"] == Leverage(False, 3)
