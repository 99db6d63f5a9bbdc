"""Remembers the newest things told, so that what a socket and a back-fill both bring is emitted once."""

from __future__ import annotations

from collections.abc import Hashable


class Seen:
    """A bounded memory of marks; the oldest is forgotten first. Identity in the ledger stays the last word."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._marks: dict[Hashable, None] = {}

    def fresh(self, marks: tuple[Hashable, ...]) -> bool:
        """Whether none of these marks was met before; they are from now on."""
        new = not any(mark in self._marks for mark in marks)
        for mark in marks:
            self._marks.pop(mark, None)
            self._marks[mark] = None
        while len(self._marks) > self._limit:
            del self._marks[next(iter(self._marks))]
        return new
