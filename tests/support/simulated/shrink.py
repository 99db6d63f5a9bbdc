"""Makes a failing schedule small: steps go while it still fails the same way; what is left is kept as a regression."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Schedule = dict[str, Any]

REGRESSIONS = Path(__file__).parents[2] / "simulation" / "regressions"


def kinds(problems: list[str]) -> set[str]:
    """What went wrong, without its numbers and names."""
    return {re.sub(r"\b(BTC|ETH|SOL|agent-\w+)\b|[\d.-]+|0x\w+", "#", problem)[:40] for problem in problems}


def shrink(schedule: Schedule, problems_of: Callable[[Schedule], list[str]], most_runs: int = 300) -> Schedule:
    """The smallest schedule found that still shows one of the same problems: halves first, single steps at last."""
    wanted = kinds(problems_of(schedule))
    runs, size = 0, max(1, len(schedule["steps"]) // 2)
    while runs < most_runs:
        smaller = None
        for at in range(0, len(schedule["steps"]), size):
            steps = schedule["steps"]
            candidate = {**schedule, "steps": steps[:at] + steps[at + size :]}
            runs += 1
            if wanted & kinds(problems_of(candidate)):
                smaller = candidate
                break
        if smaller is not None:
            schedule = smaller
        elif size == 1:
            break
        size = max(1, min(size if smaller is not None else size // 2, len(schedule["steps"])))
    return schedule


def keep(schedule: Schedule, problems: list[str], folder: Path = REGRESSIONS) -> Path:
    """Write a failing schedule where the tests replay it from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'seed' if schedule['heals'] else 'unlimited'}-{schedule['seed']}.json"
    rows = ",\n  ".join(json.dumps(step) for step in schedule["steps"])
    head = {name: schedule[name] for name in ("seed", "heals", "kind")} | {"found": problems[:3]}
    text = json.dumps(head)[1:-1]
    path.write_text(f'{{{text},\n "steps": [\n  {rows}\n ]}}\n', encoding="utf-8")
    return path
