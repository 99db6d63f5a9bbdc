"""Remembers the newest things told, so that what a socket and a back-fill both bring is emitted once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple


class Marks(NamedTuple):
    """By what something told is known from before, and what it leaves for later."""

    known_by: tuple[Hashable, ...]
    leaves: tuple[Hashable, ...]


def once(*identity: Hashable) -> Marks:
    """Known by what it leaves: one identity."""
    return Marks((identity,), (identity,))


class Seen:
    """A bounded memory of marks; the oldest is forgotten first. Identity in the ledger stays the last word."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._marks: dict[Hashable, None] = {}

    def fresh(self, marks: Marks) -> bool:
        """Whether this was not told before; from now on it was."""
        new = not any(mark in self._marks for mark in marks.known_by)
        for mark in marks.leaves:
            self._marks.pop(mark, None)
            self._marks[mark] = None
        while len(self._marks) > self._limit:
            del self._marks[next(iter(self._marks))]
        return new
