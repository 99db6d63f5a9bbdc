"""The demo and a replay, as a newcomer runs them."""

from __future__ import annotations

import json
import os

import forked
import pytest

CONFIG = """
version: 1
sources: [{name: fractrade, type: fractrade, agents: [agent-uuid]}]
accounts: [{name: main}]
routes: [{source: fractrade}]
risk: [{rule: max_order_notional, max_usd: 20000}]
server: {enabled: false}
"""


def frame(action_id, side, size, second):
    position = {"asset": "BTC", "size": size, "side": side, "leverage": 3, "exchange": "hyperliquid"}
    stamp = f"2026-05-04T09:30:{second:02}.000Z"
    action = {
        "action_id": action_id,
        "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
        "agent_id": "agent-uuid",
        "config": {"position": position},
        "created_at": stamp,
        "status": "PENDING",
    }
    record = {"received_at": stamp, "source": "fractrade", "channel": "agent:agent-uuid", "frame": json.dumps(action)}
    return json.dumps(record)


FRAMES = [
    frame("entry", "LONG", 0.1, 0),
    frame("entry", "LONG", 0.1, 0),
    frame("huge", "LONG", 25, 5),
    json.dumps({"received_at": "2026-05-04T09:30:07.000Z", "source": "fractrade", "channel": "executor", "frame": "{"}),
    frame("close", "SHORT", 25.1, 12),
]


@pytest.fixture
def run(tmp_path):
    environ = {**os.environ, "HOME": str(tmp_path), "EXECUTOR_LOCK_DIR": str(tmp_path / "locks")}

    def run(*args, within_s=60):
        done = forked.run(args, env=environ, cwd=tmp_path, timeout_s=within_s)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


def test_the_demo_ends_well_within_a_minute_and_says_what_it_is_about(run):
    done = run("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("LONG", "SHORT", "stop", "target", "duplicate", "malformed", "refused", "PnL", "stop fired"):
        assert word in done.stdout, word
    assert "MAX_ORDER_NOTIONAL — " in done.stdout


@pytest.mark.timeout(150)
@pytest.mark.full
def test_with_all_systems_every_one_trades_and_every_trap_is_survived(run):
    done = run("demo", "--all", "--json", within_s=120)
    document = json.loads(done.stdout)
    systems = {one["system"]: one for one in document["systems"]}
    assert set(systems) == {"fractrade", "nexgent", "halyrd", "tradeready"}
    for one in systems.values():
        assert [trap["trap"] for trap in one["traps"] if not trap["survived"]] == [], done.stderr
        assert min(one["signals"], one["orders"], one["fills"]) > 0
    traps = " ".join(trap["trap"] for one in systems.values() for trap in one["traps"])
    for trap in ("mute socket", "code 1000", "HTTP 401", "HTTP 403", "pong", "nobody subscribed to", "before the snap"):
        assert trap in traps
    assert systems["fractrade"]["refusals"] == [{"reason": "MAX_ORDER_NOTIONAL", "count": 1}]
    assert systems["halyrd"]["positions"] == []
    assert done.returncode == 0


@pytest.mark.parametrize(("all_systems", "parts"), [((), set()), (("--all",), {"systems"})])
def test_a_demo_cut_short_is_one_document_and_says_that_it_is_not_complete(run, all_systems, parts):
    done = run("demo", *all_systems, "--seconds", "3", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["summary"]["complete"] is False
    assert {"actions", "orders", "fills", "positions", "summary", *parts} == set(document)
    assert sum(one["signals"] for one in document.get("systems", [])) <= len(document["actions"])


def test_recorded_frames_are_replayed_into_a_ledger_of_their_own(run, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "frames.jsonl").write_text("\n".join(FRAMES) + "\n")
    done = run("replay", "frames.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    outcomes = {row["action_id"]: (row["outcome"], row["reason"]) for row in document["actions"]}
    assert outcomes == {
        "entry": ("executed", None),
        "huge": ("refused", "MAX_ORDER_NOTIONAL"),
        "close": ("executed", None),
    }
    assert document["summary"]["duplicates"] == 1
    assert document["summary"]["malformed"] == [{"reason": "INVALID_JSON", "count": 1}]
    assert document["positions"] == []
    assert not (tmp_path / "var/dry_run.db").exists()
    again = json.loads(run("replay", "frames.jsonl", "--json").stdout)
    assert again["fills"] == document["fills"]
    assert "malformed 1: INVALID_JSON — " in run("replay", "frames.jsonl").stdout


@pytest.mark.parametrize(("line", "said"), [("", "no frame"), ("{", "line 1"), ('{"source": "x"}', "line 1")])
def test_a_file_that_holds_no_frames_is_an_error_with_the_remedy(run, tmp_path, line, said):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "frames.jsonl").write_text(line)
    done = run("replay", "frames.jsonl")
    assert done.returncode == 2
    assert said in done.stderr
    assert "remedy:" in done.stderr
