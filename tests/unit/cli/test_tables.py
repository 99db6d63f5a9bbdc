import io

import pytest
from rich.console import Console

from executor.cli import tables
from executor.cli.tables import ACTIONS, Sheet

ACTION = {
    "action_id": "action-uuid",
    "account": "main",
    "source": "fractrade",
    "agent_id": "agent-uuid",
    "type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
    "symbol": "BTC",
    "received_at": "2026-11-21T23:19:46.123Z",
    "outcome": "refused",
    "reason": "MAX_ORDER_NOTIONAL",
    "legs": [{"leg": "entry", "cloid": "0xf7ac", "outcome": "refused", "size": "0.1", "filled": "0", "avg_px": None}],
}
POSITION = {
    "account": "main",
    "symbol": "ETH",
    "size": "-0.3",
    "entry_px": "3000",
    "mark_px": "2990",
    "unrealized_pnl": "3",
    "leverage": "3",
    "owner": None,
    "stop_px": None,
    "target_px": "2500",
    "unprotected_s": "12.5",
}
STATUS = {
    "ledger": {"path": "var/live.db", "mode": "live", "network": "mainnet", "last_seq": 7, "frames": 2, "clean": False},
    "worker": {
        "mode": "live",
        "started_at": "2026-11-21T23:19:46.123Z",
        "stopped_at": "2026-11-21T23:20:46.123Z",
        "unknown_orders": 2,
    },
    "channels": [
        {"source": "f", "channel": "executor", "state": "refused", "at": None, "code": 403, "detail": "HTTP 403"}
    ],
    "accounts": [
        {"account": "main", "address": "0xa1", "paused": True, "flattening": False, "latched": False, "breakers": []},
        {"account": "b", "paused": False, "flattening": False, "latched": True, "breakers": [{"rule": "daily_loss"}]},
        {"account": "c", "paused": False, "flattening": False, "latched": False, "breakers": []},
    ],
}


def shown(*parts, width=200, terminal=False):
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    for part in parts:
        console.print(part)
    return file.getvalue()


def test_an_action_is_one_row_with_outcome_reason_and_id():
    head, row = shown(*tables.actions({"actions": [ACTION]})).splitlines()
    assert "outcome" in head
    for word in ("11-21 23:19:46", "trade", "BTC", "refused", "MAX_ORDER_NOTIONAL", "entry 0/0.1", "action-uuid"):
        assert word in row


def test_columns_without_a_value_are_left_out():
    head = shown(*tables.actions({"actions": [{**ACTION, "reason": None}]})).splitlines()[0]
    assert "reason" not in head
    assert "outcome" in head


def test_a_position_says_its_direction_owner_and_how_long_it_is_unprotected():
    text = shown(*tables.positions({"positions": [POSITION]}))
    for word in ("SHORT 0.3", "nobody of ours", "target", "2500", "12.5 s", "PnL USD"):
        assert word in text
    assert "stop" not in text


def test_a_shared_position_names_each_holder_with_its_part():
    holdings = [{"agent": "alice", "size": "1"}, {"agent": "bob", "size": "2"}]
    assert "alice 1, bob 2" in shown(*tables.positions({"positions": [{**POSITION, "holdings": holdings}]}))


def test_what_agents_brought_is_a_table_with_gains_and_nobodys_part():
    row = {"account": "main", "agent": "alice", "symbol": "BTC", "size": "-1", "realized_pnl": "12.5", "net": "11.5"}
    text = shown(*tables.agents({"agents": [row, {**row, "agent": None, "size": "0"}]}))
    for word in ("alice", "SHORT 1", "12.5", "net USD", "nobody of ours"):
        assert word in text


@pytest.mark.parametrize("name", ["actions", "orders", "positions", "agents", "journal"])
def test_an_empty_list_is_a_sentence(name):
    (line,) = shown(*tables.SHOWN[name]({name: []})).splitlines()
    assert line.startswith(("no", "nothing"))


def test_status_tells_what_stops_entries():
    text = shown(*tables.status(STATUS))
    for word in (
        "live on mainnet",
        "2 orders unknown",
        "refused",
        "HTTP 403",
        "paused",
        "flattened, breaker daily_loss",
        "go",
    ):
        assert word in text


@pytest.mark.parametrize(
    ("worker", "said"),
    [
        (None, "none ever ran"),
        ({"mode": "live", "started_at": "2026-11-21T23:19:46.123Z", "stopped_at": None}, "ended without a word"),
        (
            {"mode": "live", "started_at": "2026-11-21T23:19:46.123Z", "stopped_at": None, "running": True},
            "; running",
        ),
    ],
)
def test_status_tells_of_the_worker(worker, said):
    assert said in shown(*tables.status({**STATUS, "worker": worker}))


def test_status_tells_what_a_running_worker_has_used_of_its_budgets():
    worker = {"mode": "live", "started_at": "2026-11-21T23:19:46.123Z", "stopped_at": None, "running": True}
    budgets = {"ip_weight": [12, 1200], "address:0xa1": [9_800_000, 10_000_000]}
    text = shown(*tables.status({**STATUS, "worker": {**worker, "budgets": budgets}}))
    assert "ip_weight 12/1200 · address:0xa1 9800000/10000000" in " ".join(text.split())
    assert "budgets" not in shown(*tables.status({**STATUS, "worker": {**worker, "budgets": None}}))


def test_a_narrow_terminal_does_without_spare_columns_and_keeps_codes_whole():
    text = shown(Sheet(ACTIONS, [ACTION]), width=90, terminal=True)
    assert "fractrade" not in text
    assert "entry 0/0.1" not in text
    assert "MAX_ORDER_NOTIONAL" in text
    assert "executed" not in text
    assert "action-uuid" in text
    assert all(len(line) <= 90 for line in text.splitlines())


def test_a_hostile_id_cannot_paint_the_terminal():
    text = shown(*tables.actions({"actions": [{**ACTION, "action_id": "\x1b[2J[bold]x"}]}))
    assert "\x1b" not in text
    assert "\\x1b[2J[bold]x" in text


def test_a_journal_row_is_its_event_and_facts():
    row = {"seq": 3, "at": "2026-11-21T23:19:46.123Z", "kind": "Paused", "account": "main", "data": {"by": "cli"}}
    text = shown(*tables.journal({"journal": [row]}))
    for word in ("3", "Paused", "main", "by=cli"):
        assert word in text


def test_status_tells_of_strategies_that_fail():
    failing = {"strategy": "mine", "failed_at": "2026-11-21T23:19:46.123Z", "fact": "Ticker", "detail": "it hangs"}
    text = shown(*tables.status({**STATUS, "strategies": [failing]}))
    assert "strategies that failed" in text
    assert "it hangs" in text
