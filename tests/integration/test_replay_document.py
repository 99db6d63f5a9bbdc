"""What a replay came to: every action of the ledger, the profit of every account, positions at the last prices."""

from __future__ import annotations

from decimal import Decimal

from received import received

from executor import config, plugins
from executor.app.replay import VirtualClock, came_to
from executor.core import events as ev
from executor.core.facts import AccountFact, PositionFact
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp

NOW_MS = 1_760_000_000_000


def d(value):
    return Decimal(value)


def numbered(number):
    return received(key=f"{number:032x}", action_id=f"a{number}")


def fact(equity_usd, *positions):
    return AccountFact(positions, d(equity_usd), d(equity_usd), d(0), NOW_MS)


def test_a_replay_counts_every_action_and_earns_on_every_account(tmp_path):
    text = "version: 1\naccounts: [{name: main}, {name: two}]\nledger: {path: l.db}\npaper: {equity_usd: 1000}\n"
    loaded = config.load_text(text, tmp_path / "config.yaml", [], {}, plugins)
    stamp = Stamp("dry_run", "custom", {"main": "0xaa", "two": "0xbb"})
    ledger = SqliteLedger(loaded.config.ledger.path, stamp=stamp, now_ms=NOW_MS)
    ledger.commit([], [numbered(number) for number in range(201)])
    held = PositionFact("BTC", d(2), d(100), 3, False, None, d(0), d(0))
    read = ev.AccountRead(at_ms=NOW_MS, account="two", fact=fact(990, held))
    ledger.commit([], [read])
    ledger.close()

    now = PositionFact("BTC", d(2), d(100), 3, False, None, d(0), d(10))
    told = came_to(loaded, [], {"main": fact(950), "two": fact(1010, now)}, VirtualClock(NOW_MS))
    assert told["summary"]["actions"] == len(told["actions"]) == 201
    assert Decimal(told["summary"]["pnl_usd"]) == -40
    assert [(row["account"], row["mark_px"], row["unrealized_pnl"]) for row in told["positions"]] == [
        ("two", "105", "10")
    ]
