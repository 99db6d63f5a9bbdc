"""The state file refuses what it cannot read."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import pytest

from executor.hyperliquid.meta import parse_meta
from executor.paper.exchange import Exchange
from executor.paper.gate import Gate
from executor.paper.model import Account, Leverage, Position
from executor.paper.state import StateFile, StateFileError, revive


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
