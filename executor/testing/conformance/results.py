"""One row per promise of a plugin, and how it was kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Row:
    """``outcome`` is pass, fail, or skip where there was nothing to look at."""

    check: str
    outcome: Literal["pass", "fail", "skip"]
    detail: str


@dataclass(slots=True)
class Results:
    """The rows so far."""

    rows: list[Row] = field(default_factory=list)

    def passed(self, check: str, detail: str = "") -> None:
        """Kept."""
        self.rows.append(Row(check, "pass", detail))

    def fail(self, check: str, detail: str) -> None:
        """Broken."""
        self.rows.append(Row(check, "fail", detail))

    def skip(self, check: str, detail: str) -> None:
        """Nothing to look at."""
        self.rows.append(Row(check, "skip", detail))

    def judge(self, check: str, kept: bool, good: str, bad: str) -> None:
        """Kept or broken, with the words for each."""
        self.rows.append(Row(check, "pass" if kept else "fail", good if kept else bad))
