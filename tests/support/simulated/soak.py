"""Any number of seeds: progress is shown, a failing one is printed, made small, and kept for the tests to replay."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator

from simulated.run import Result, run
from simulated.schedule import schedule
from simulated.shrink import keep, shrink


def main() -> int:
    """0 where every schedule held, 1 where one did not."""
    options = _options()
    began, cpu_s, failed, done = time.monotonic(), 0.0, 0, 0
    for seed in _seeds(options.seeds):
        if options.minutes and time.monotonic() - began > options.minutes * 60:
            break
        result = run(schedule(seed, unlimited=options.unlimited), show=options.show)
        done, cpu_s = done + 1, cpu_s + result.cpu_s
        if result.problems:
            failed += 1
            _tell(result, options)
        _progress(done, failed, seed, cpu_s)
    print(f"\n{done} schedules, {failed} failed, {cpu_s / max(done, 1):.3f} s of CPU each")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/soak", description="Run simulated schedules.")
    parser.add_argument("--seeds", default="0..", help="A..B, both included, or A.. without an end (default 0..)")
    parser.add_argument("--minutes", type=float, default=0, help="stop after so long (needed where B is left out)")
    parser.add_argument("--unlimited", action="store_true", help="faults never end; safety alone is judged")
    parser.add_argument("--no-shrink", action="store_true", help="only print failing seeds")
    parser.add_argument("--show", action="store_true", help="show the worker's log")
    options = parser.parse_args()
    if options.seeds.endswith("..") and not options.minutes:
        parser.error("seeds without an end need --minutes")
    return options


def _seeds(text: str) -> Iterator[int]:
    first, dots, last = text.partition("..")
    if not dots:
        return iter([int(first)])
    return itertools.count(int(first)) if not last else iter(range(int(first), int(last) + 1))


def _tell(result: Result, options: argparse.Namespace) -> None:
    print(f"\nseed {result.seed} failed:", *result.problems, sep="\n  ", flush=True)
    if options.no_shrink:
        return
    print("  making it small (a minute or two) ...", flush=True)
    whole = schedule(result.seed, unlimited=options.unlimited)
    small = shrink(whole, lambda one: run(one).problems)
    path = keep(small, run(small).problems)
    print(f"  {len(whole['steps'])} steps made {len(small['steps'])}: {path}")


def _progress(done: int, failed: int, seed: int, cpu_s: float) -> None:
    if sys.stdout.isatty() or done % 100 == 0:
        end = "\r" if sys.stdout.isatty() else "\n"
        print(
            f"{done} done, {failed} failed, seed {seed}, {done / max(cpu_s, 0.001):.1f} a second", end=end, flush=True
        )


if __name__ == "__main__":
    sys.exit(main())
