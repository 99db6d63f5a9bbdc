"""Seeded schedules through the whole worker in a simulated world, each judged by the oracle.

``scripts/soak --seeds 17..17`` runs one again and shows it. A seed is one run, wherever it runs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from simulated.run import run
from simulated.schedule import schedule

from executor.faults import POINTS

REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.json"))
FEW = 10
"""Schedules in one test: small enough that workers share them evenly."""


@pytest.fixture
def failures(record_property):
    """What went wrong in the schedules of some seeds, by seed; how much was played goes into docs/reliability.md."""

    def played(seeds: range, *, unlimited: bool = False) -> dict[int, list[str]]:
        results = [run(schedule(seed, unlimited=unlimited)) for seed in seeds]
        record_property("schedules", len(results))
        record_property("lives of a worker", sum(result.lives for result in results))
        record_property("orders on the exchange", sum(result.orders for result in results))
        return {result.seed: result.problems for result in results if result.problems}

    return played


@pytest.mark.timeout(240)
@pytest.mark.parametrize("first", range(0, 200, FEW))
def test_every_schedule_of_faults_ends_as_promised(failures, first):
    assert failures(range(first, first + FEW)) == {}


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(200, 2000, 5 * FEW))
def test_many_more_schedules_end_as_promised(failures, first):
    assert failures(range(first, first + 5 * FEW)) == {}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("first", range(0, 20, FEW))
def test_under_faults_without_end_nothing_is_doubled_and_no_cap_is_broken(failures, first):
    assert failures(range(first, first + FEW), unlimited=True) == {}


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(20, 500, 4 * FEW))
def test_under_faults_without_end_for_longer(failures, first):
    assert failures(range(first, first + 4 * FEW), unlimited=True) == {}


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_failed_once_does_not_fail_again(path):
    assert run(json.loads(path.read_text(encoding="utf-8"))).problems == []


@pytest.mark.parametrize("seed", [3, 19])
def test_the_same_seed_is_the_same_run_to_the_last_byte(seed):
    first, second = run(schedule(seed)), run(schedule(seed))
    assert first.events > 50
    assert (first.digest, first.lives, first.orders) == (second.digest, second.lives, second.orders)
    assert run(schedule(seed + 1)).digest != first.digest


def test_the_schedules_of_the_default_run_hold_every_kind_of_step_and_every_crash_point():
    steps = [step for seed in range(200) for step in schedule(seed)["steps"]]
    assert {step["do"] for step in steps} == {
        "signal", "garbage", "move", "thin", "manual", "fault", "pushes", "push_delay", "status_lag", "cut", "dark",
        "refuse", "slow", "handshake", "crash", "restart", "disk", "clock", "command",
    }  # fmt: skip
    assert {step["point"] for step in steps if "point" in step} == set(POINTS)
