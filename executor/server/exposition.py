"""Counters, histograms and gauges in the Prometheus text format, version 0.0.4.

The number of series is bounded: what comes after ``MAX_SERIES`` label sets of one name is counted under ``other``, so
that no sender can fill the memory by inventing names.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from executor.core.identity import plain

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_SERIES = 500
MAX_LABEL = 64
BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)

Labels = tuple[tuple[str, str], ...]
"""Pairs of name and value. An empty value is no label at all, as Prometheus reads it."""


def labels(**values: str | None) -> Labels:
    """The labels that have a value, the value cut to what is sane."""
    return tuple((name, value[:MAX_LABEL]) for name, value in values.items() if value)


class Counters:
    """One name's counters, by labels."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._counts: dict[Labels, int] = {}

    def add(self, key: Labels) -> None:
        """Count one more."""
        key = _bounded(self._counts, key)
        self._counts[key] = self._counts.get(key, 0) + 1

    def lines(self) -> Iterator[str]:
        """The text of all of them."""
        return gauge_lines(self.name, self.text, self._counts.items(), kind="counter")


class Histograms:
    """One name's histograms of durations, by labels."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._series: dict[Labels, list[int]] = {}

    def observe(self, key: Labels, duration_ms: int) -> None:
        """Count one duration; one below zero (two clocks) counts as zero."""
        key = _bounded(self._series, key)
        counts = self._series.setdefault(key, [0] * (len(BUCKETS_MS) + 2))
        counts[bisect_left(BUCKETS_MS, duration_ms)] += 1
        counts[-1] += max(0, duration_ms)

    def lines(self) -> Iterator[str]:
        """The text of all of them; buckets are cumulative, in seconds."""
        yield from _head(self.name, self.text, "histogram")
        for key, (*counts, total_ms) in self._series.items():
            seen = 0
            for bound, count in zip(_BOUNDS, counts, strict=True):
                seen += count
                yield _line(f"{self.name}_bucket", (*key, ("le", bound)), seen)
            yield _line(f"{self.name}_sum", key, _seconds(total_ms))
            yield _line(f"{self.name}_count", key, seen)


def gauge_lines(name: str, text: str, rows: Iterable[tuple[Labels, object]], kind: str = "gauge") -> Iterator[str]:
    """The text of one name's values, numbers as they print themselves."""
    yield from _head(name, text, kind)
    for key, value in rows:
        yield _line(name, key, value)


def _bounded(series: Mapping[Labels, object], key: Labels) -> Labels:
    if key in series or len(series) < MAX_SERIES:
        return key
    return tuple((name, "other") for name, _ in key)


def _seconds(duration_ms: int) -> str:
    return plain(Decimal(duration_ms) / 1000)


_BOUNDS = (*map(_seconds, BUCKETS_MS), "+Inf")


def _head(name: str, text: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _line(name: str, key: Labels, value: object) -> str:
    inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in key)
    return f"{name}{{{inner}}} {value}" if inner else f"{name} {value}"


def _escaped(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode()
    return clean.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
