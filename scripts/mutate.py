"""Breaks one guard after the other in a copy of the code, and shows that the tests named for it fail; see
``scripts/mutations``.

``tests/proof/guards.yaml`` lists the guards: what is broken, in which file, which text becomes which, and the tests
that must notice. A copy that still passes, or a text that is not found exactly once, is an error.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

ROOT = Path(__file__).parents[1]
GUARDS = ROOT / "tests" / "proof" / "guards.yaml"
PAGE = ROOT / "docs" / "reliability.md"
MARK = re.compile(r"(<!-- measured: mutations -->\n).*?(<!-- until here -->)", re.DOTALL)
PYTEST = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "-m", ""]
COPIED = ("executor", "strategies", "tests", "scripts", "docs", "pyproject.toml", "config.yaml", "README.md")
FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)
LIMIT_S = 300


@dataclass(frozen=True)
class Guard:
    """``old`` stands once in ``file``; with ``new`` in its place at least one of ``tests`` must fail."""

    name: str
    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What the tests said: ``failing`` is empty when nobody noticed."""

    guard: Guard
    failing: tuple[str, ...]
    seconds: float
    output: str


def guards() -> list[Guard]:
    """Every guard of the list."""
    rows = yaml.safe_load(GUARDS.read_text())
    return [Guard(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def problem_of(guard: Guard) -> str:
    """Why this guard cannot be tried; empty when it can."""
    path = ROOT / guard.file
    if not path.exists():
        return f"{guard.name}: {guard.file} does not exist"
    times = path.read_text().count(guard.old)
    return "" if times == 1 else f"{guard.name}: its text stands {times} times in {guard.file}"


def copy_tree(folder: Path) -> None:
    """What the tests need, without what they make."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)


def run_tests(folder: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run some tests on the copy; it goes before the installed project, in subprocesses of tests too."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-m",
        "",
        *tests,
    ]
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"no end within {LIMIT_S} s"
    return done.returncode, done.stdout + done.stderr


def attempt(guard: Guard) -> Found:
    """Break it in a copy and see who notices."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        folder = Path(name)
        copy_tree(folder)
        broken = folder / guard.file
        broken.write_text(broken.read_text().replace(guard.old, guard.new))
        code, output = run_tests(folder, guard.tests)
    failing = tuple(FAILED.findall(output)) if code == 1 else ()
    return Found(guard, failing, time.monotonic() - began, output)


def sound(tests: Sequence[str]) -> str:
    """Whether the unbroken copy passes; otherwise what it said."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        copy_tree(Path(name))
        code, output = run_tests(Path(name), tests)
    return "" if code == 0 else output[-4000:]


def as_page(found: Sequence[Found]) -> str:
    """The table of docs/reliability.md."""
    rows = [
        f"| {f.guard.breaks} | `{f.guard.file}` | `{f.failing[0] if f.failing else 'NOBODY NOTICED'}` |" for f in found
    ]
    return "\n".join(["| broken | where | a test that then fails |", "| --- | --- | --- |", *rows]) + "\n"


def _noticed(found: Found) -> str:
    return f"`{found.failing[0]}`" if found.failing else "NOBODY NOTICED"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/mutations", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="guards to break; all without any")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/reliability.md")
    return parser.parse_args()


def main() -> int:
    options, console = arguments(), Console()
    chosen = [guard for guard in guards() if not options.names or guard.name in options.names]
    problems = [problem for guard in chosen if (problem := problem_of(guard))]
    if problems or not chosen:
        console.print("\n".join(problems) or "no such guard", style="red")
        return 2
    if output := sound(sorted({test for guard in chosen for test in guard.tests})):
        console.print(output)
        console.print("the unbroken code fails already", style="red")
        return 2
    found = []
    with Progress(console=console) as progress:
        task = progress.add_task("breaking", total=len(chosen))
        for guard in chosen:
            progress.update(task, description=guard.name)
            found.append(attempt(guard))
            progress.advance(task)
    show(console, found)
    if options.write and len(chosen) == len(guards()):
        PAGE.write_text(MARK.sub(lambda m: m[1] + as_page(found) + m[2], PAGE.read_text()))
    return 0 if all(f.failing for f in found) else 1


def show(console: Console, found: Sequence[Found]) -> None:
    table = Table("guard", "broken", "a test that then fails", "s")
    for f in found:
        seen = f.failing[0] if f.failing else "[red]nobody noticed"
        table.add_row(f.guard.name, f.guard.breaks, seen, f"{f.seconds:.0f}")
    console.print(table)
    for f in found:
        if not f.failing:
            console.print(f"{f.guard.name}:\n{f.output[-1500:]}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
