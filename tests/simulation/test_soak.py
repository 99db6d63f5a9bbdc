"""The tools around the schedules: made small, kept to be replayed, and the same run in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulated.run import run
from simulated.schedule import schedule
from simulated.shrink import keep, shrink

ROOT = Path(__file__).parents[2]
DIGESTS = """
from simulated.run import run
from simulated.schedule import schedule
for seed in (3, 19, 42):
    print(run(schedule(seed)).digest)
"""


def python(*arguments, **environment):
    """What a process of its own prints."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "support"), **environment}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(600)
def test_a_seed_is_the_same_run_in_every_process():
    """Sets of strings are ordered by a hash that every process salts anew."""
    first, second = (python("-c", DIGESTS, PYTHONHASHSEED=salt) for salt in ("1", "2"))
    assert first == second
    assert len(set(first.split())) == 3


def test_a_failing_schedule_is_made_as_small_as_its_failure_allows():
    whole = schedule(5)
    needed = [whole["steps"][2], whole["steps"][17]]
    runs = []

    def problems_of(one):
        runs.append(one)
        both = all(step in one["steps"] for step in needed)
        return [f"{len(one['steps'])} BTC of 0x12 were lost"] if both else ["another problem"] * (len(runs) % 2)

    assert shrink(whole, problems_of)["steps"] == needed
    assert len(runs) < 300


def test_what_is_kept_is_replayed_as_it_was(tmp_path):
    whole = schedule(3)
    kept = json.loads(keep(whole, ["what was wrong"], tmp_path).read_text(encoding="utf-8"))
    assert kept.pop("found") == ["what was wrong"]
    assert kept == whole
    assert run(kept).digest == run(whole).digest
    assert {path.name for path in (keep(schedule(3, unlimited=True), [], tmp_path), *tmp_path.iterdir())} == {
        "seed-3.json", "unlimited-3.json",
    }  # fmt: skip


def test_soak_plays_the_seeds_it_is_told_and_says_how_it_went():
    told = python("-m", "simulated.soak", "--seeds", "3..4")
    assert "2 schedules, 0 failed" in told
