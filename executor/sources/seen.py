"""Remembers the newest things told, so that what a socket and a back-fill both bring is emitted once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from executor.core.source_events import SourceTrade, said_at_ms
from executor.ports import Frame


class Marks(NamedTuple):
    """By what something told is known from before, and what it leaves for later."""

    known_by: tuple[Hashable, ...]
    leaves: tuple[Hashable, ...]


def once(*identity: Hashable) -> Marks:
    """Known by what it leaves: one identity."""
    return Marks((identity,), (identity,))


def heard_ms(frames: Iterable[Frame], otherwise_ms: int) -> int:
    """When the newest frame in the journal came in; the other time where no worker ever listened to this source."""
    return max((frame.received_at_ms for frame in frames), default=otherwise_ms)


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


class Overtaken:
    """Tells an entry that comes to light after a later exit of the same symbol: entering on it now would be too late.

    A back-fill is read while the socket goes on, so what it tells may be older than what was told meanwhile; and an
    exit of what nobody knew to be held leaves no trace in the agent's book that would show it. A stamp far ahead counts
    as the receipt, as it does downstream: one wrong exit would make every entry of its symbol too late for good.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._left_ms: dict[str, int] = {}

    def late(self, trade: SourceTrade) -> bool:
        """Whether this is such an entry; an exit is remembered."""
        if trade.at_ms is None:
            return False
        at_ms, left_ms = said_at_ms(trade.at_ms, trade.origin.received_at_ms), self._left_ms.get(trade.symbol)
        if not trade.reduce_only:
            return left_ms is not None and at_ms < left_ms
        self._left_ms[trade.symbol] = max(at_ms, left_ms or 0)
        if len(self._left_ms) > self._limit:
            del self._left_ms[next(iter(self._left_ms))]
        return False
