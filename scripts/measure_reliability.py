"""Runs the tests behind every promise of docs/reliability.md and writes down what they found; see
``scripts/reliability``.

``tests/proof/promises.yaml`` lists the promises. Tests tell figures of their own by pytest's ``record_property``: those
that begin with "most" are kept as the largest, all others are added up.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console

ROOT = Path(__file__).parents[1]
PROMISES = ROOT / "tests" / "proof" / "promises.yaml"
PAGE = ROOT / "docs" / "reliability.md"
MARK = re.compile(r"(<!-- measured: promises -->\n).*?(<!-- until here -->)", re.DOTALL)
COUNT = re.compile(r"(\d+) cases")
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", ""]


@dataclass(frozen=True)
class Promise:
    """``asked`` is the target; ``again`` another command that shows it, if there is one."""

    promise: str
    asked: str
    tests: tuple[str, ...]
    again: str = ""


@dataclass(frozen=True)
class Figures:
    """What one promise's tests found."""

    cases: int
    failed: int
    seconds: float
    told: dict[str, float]


def promises() -> list[Promise]:
    """Every promise of the list."""
    return [Promise(**{**row, "tests": tuple(row["tests"])}) for row in yaml.safe_load(PROMISES.read_text())]


def collected(tests: Sequence[str]) -> list[str]:
    """The cases these tests have today."""
    done = subprocess.run([*PYTEST, "--collect-only", *tests], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 5):
        raise SystemExit(f"cannot collect {' '.join(tests)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return [line for line in done.stdout.splitlines() if "::" in line]


def measured(promise: Promise) -> Figures:
    """Run one promise's tests, the long tier too."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [*PYTEST, "-n", "2", "--dist", "worksteal", f"--junitxml={report}", *promise.tests]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if not report.exists():
            raise SystemExit(done.stdout[-4000:] + done.stderr[-4000:])
        return figures(ET.parse(report).getroot())


def of_report(report: ET.Element, promise: Promise) -> Figures:
    """One promise's part of a report of a whole run."""
    chosen = ET.Element("chosen")
    chosen.extend(case for case in report.iter("testcase") if any(_is_of(case, test) for test in promise.tests))
    return figures(chosen)


def _is_of(case: ET.Element, test: str) -> bool:
    path, _, name = test.partition("::")
    where = path.removesuffix(".py").replace("/", ".")
    told, of = str(case.get("classname")), str(case.get("name"))
    return (told == where or told.startswith(f"{where}.")) and (not name or of == name or of.startswith(f"{name}["))


def figures(report: ET.Element) -> Figures:
    """The figures of a JUnit report."""
    cases = list(report.iter("testcase"))
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    seconds = sum(float(case.get("time", 0)) for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    return Figures(len(cases) - skipped, failed, seconds, _told(case.iter("property") for case in cases))


def _told(groups: Iterable[Iterable[ET.Element]]) -> dict[str, float]:
    told: Counter[str] = Counter()
    for one in (one for group in groups for one in group):
        name, value = str(one.get("name")), float(str(one.get("value")))
        told[name] = max(told[name], value) if name.startswith("most ") else told[name] + value
    return dict(told)


def row(promise: Promise, found: Figures) -> str:
    """One line of the page's table."""
    told = "".join(f"; {name}: {value:,.10g}" for name, value in found.told.items())
    seen = f"{found.cases} cases, {found.failed} failed{told}; {found.seconds:,.0f} s"
    how = f"`{promise.again}`" if promise.again else "<br>".join(f"`{test}`" for test in promise.tests)
    return f"| {promise.promise} | {promise.asked} | {seen} | {how} |"


def stale() -> list[str]:
    """What of the page is not of today's promises and tests."""
    page = PAGE.read_text()
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines() if line.startswith("| ")}
    cases = collected(sorted({test.split("::")[0] for promise in promises() for test in promise.tests}))
    return [p for promise in promises() if (p := stale_row(promise, rows.get(promise.promise), cases))]


def stale_row(promise: Promise, line: str | None, cases: Sequence[str]) -> str:
    """Why this line of the page is old; empty when it is not."""
    if line is None:
        return f"not measured: {promise.promise}"
    told = COUNT.search(line)
    today = sum(any(_names(case, test) for test in promise.tests) for case in cases)
    if promise.asked not in line or told is None or int(told[1]) != today:
        return f"measured with {told[1] if told else 'no'} cases, today there are {today}: {promise.promise}"
    return "" if ", 0 failed" in line else f"not kept: {promise.promise}"


def _names(case: str, test: str) -> bool:
    return case == test or case.startswith((f"{test}[", f"{test}::", f"{test}/"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/reliability", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="run nothing; fail where the page is old")
    parser.add_argument("--report", type=Path, help="run nothing; read `scripts/test --full --junitxml=FILE`'s report")
    options, console = parser.parse_args(), Console()
    report = None if options.report is None else ET.parse(options.report).getroot()
    if options.check:
        problems = stale()
        console.print("\n".join(problems) or "docs/reliability.md is of today's tests", markup=False)
        return 1 if problems else 0
    rows, failed = [], 0
    for promise in promises():
        with console.status(promise.promise):
            found = measured(promise) if report is None else of_report(report, promise)
        rows.append(row(promise, found))
        failed += found.failed
        console.print(rows[-1], markup=False)
    today = dt.datetime.now(dt.UTC).date()
    head = f"Measured on {today}.\n\n| promised | asked | measured | again |\n| --- | --- | --- | --- |\n"
    PAGE.write_text(MARK.sub(lambda m: m[1] + head + "\n".join(rows) + "\n" + m[2], PAGE.read_text()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
