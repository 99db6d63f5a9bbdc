"""The state file keeps what the venue remembers, no more, and refuses what it cannot read."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import pytest

from executor.errors import StateFileError
from executor.hyperliquid import limits
from executor.hyperliquid.meta import parse_meta
from executor.paper import triggers, views
from executor.paper.exchange import Exchange
from executor.paper.feeds import default_meta
from executor.paper.gate import Gate
from executor.paper.model import Account, Leverage, Position
from executor.paper.state import StateFile, revive, usable

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


BTC_ALONE = {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40}], "marginTables": []}


def saved(desk, tmp_path):
    file = StateFile(tmp_path / "paper.db")
    file.save(desk.state, desk.engine.take(), Gate())
    file.close()
    return tmp_path / "paper.db"


@pytest.mark.parametrize("held", [True, False])
def test_what_is_still_open_on_a_coin_not_listed_is_refused(desk, tmp_path, held):
    desk.place("buy", "1", "2001", "Ioc") if held else desk.rest("buy", "1", "1900")
    path = saved(desk, tmp_path)
    file = StateFile(path)
    with pytest.raises(StateFileError, match="ETH") as refused:
        file.load(Exchange(parse_meta(BTC_ALONE)).state, Gate())
    file.close()
    assert refused.value.remedy
    with pytest.raises(StateFileError, match="ETH"):
        usable(path, BTC_ALONE)


def test_what_is_over_on_a_coin_not_listed_hinders_nobody_and_is_there_where_it_is_listed(desk, tmp_path):
    desk.place("buy", "1", "2001", "Ioc")
    desk.place("sell", "1", "1999", "Ioc", ro=True)
    path = saved(desk, tmp_path)
    usable(path, BTC_ALONE)
    without = Exchange(parse_meta(BTC_ALONE)).state
    file = StateFile(path)
    file.load(without, Gate())
    file.close()
    assert (without.orders, without.accounts[USER].raw_usd) == ({}, desk.account().raw_usd)
    assert len(restored(path).orders) == 2


BROKEN = {
    "no database": lambda path: path.write_bytes(b"this is no database, and long enough to be seen as none" * 20),
    "a folder": lambda path: path.mkdir(),
    "not ours": lambda path: _altered(path, "CREATE TABLE facts (x)"),
    "odd row": lambda path: _altered(_ours(path), "INSERT INTO accounts VALUES ('0x1', '[1]')"),
    "odd number": lambda path: _altered(_ours(path), "INSERT INTO accounts VALUES ('0x1', '{\"raw_usd\": \"x\"}')"),
    "no row": lambda path: _altered(_ours(path), "INSERT INTO orders VALUES (1, 'nothing')"),
}


def _ours(path):
    StateFile(path).close()
    return path


def _altered(path, statement):
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize("broken", BROKEN)
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(tmp_path, broken):
    path = tmp_path / "paper.db"
    BROKEN[broken](path)
    with pytest.raises(StateFileError, match=r"paper\.db") as refused:
        restored(path)
    assert "move" in refused.value.remedy
    with pytest.raises(StateFileError, match=r"paper\.db"):
        usable(path, default_meta())


def test_a_place_where_no_file_can_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFileError, match=r"paper\.db"):
        StateFile(tmp_path / "file" / "paper.db")


def test_a_file_that_another_program_holds_does_not_stop_the_exchange_for_long(desk, tmp_path):
    path = tmp_path / "paper.db"
    file, other = StateFile(path), sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    [(waits_ms,)] = file._db.execute("PRAGMA busy_timeout")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        file.save(desk.state, desk.engine.take(), Gate())
    other.close()
    file.save(desk.state, desk.engine.take(), Gate())
    file.close()
    assert waits_ms == 200


def test_to_ask_whether_a_file_is_usable_changes_nothing(old_orders):
    path, *_ = old_orders
    before = (path.read_bytes(), path.stat().st_mtime_ns, set(path.parent.iterdir()))
    usable(path, default_meta())
    assert (path.read_bytes(), path.stat().st_mtime_ns, set(path.parent.iterdir())) == before


def test_what_a_running_exchange_wrote_last_is_judged_as_well(desk, tmp_path):
    """It lies beside the file until a checkpoint."""
    path = tmp_path / "paper.db"
    file = StateFile(path)
    desk.rest("buy", "1", "1900")
    file.save(desk.state, desk.engine.take(), Gate())
    with pytest.raises(StateFileError, match="ETH"):
        usable(path, BTC_ALONE)
    file.close()


BEGUN = {
    "empty": lambda path: path.write_bytes(b""),
    "a first start cut short": lambda path: _altered(path, "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT)"),
}


@pytest.mark.parametrize("begun", BEGUN)
def test_a_file_the_exchange_would_begin_with_is_usable_and_stays_as_it_is(tmp_path, begun):
    path = tmp_path / "paper.db"
    BEGUN[begun](path)
    before = path.read_bytes()
    usable(path, default_meta())
    assert path.read_bytes() == before
    assert restored(path).orders == {}


def test_rows_come_back_with_their_types():
    row = {
        "user": "0xme", "raw_usd": "1.50", "positions": {"ETH": {"szi": "-2", "entry_px": "3", "raw_usd": "0"}},
        "leverage": {"ETH": {"is_cross": False, "value": 3}}, "volume_usd": "7",
    }  # fmt: skip
    account = revive(Account, row)
    assert account.raw_usd == Decimal("1.50")
    assert account.positions["ETH"] == Position(Decimal(-2), Decimal(3))
    assert account.leverage["ETH"] == Leverage(False, 3)
