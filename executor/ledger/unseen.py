"""Tells of most actions that they never came before without a look into the file: that costs a cold order its time."""

from __future__ import annotations

import sqlite3

from executor.ledger.index import unpack_key

SLICE = 5_000
"""How many of the file's keys are taken in at a time: a few milliseconds."""

_GROUP_DIGITS = 5
_NEXT = "SELECT key FROM keys WHERE key > ? ORDER BY key LIMIT ?"


class Unseen:
    """Which of 2**20 groups have a key in the file, one byte each: of a key in an empty group nobody has to look.

    A key's group is its first hex digits; one that begins otherwise has none and is always looked up. Until the file's
    keys are all taken in, nothing is certain.
    """

    def __init__(self) -> None:
        self._used = bytearray(16**_GROUP_DIGITS)
        self._after: bytes | str = ""
        self.complete = False

    def certain(self, key: str) -> bool:
        """Whether this key is certainly not in the file."""
        group = _group(key)
        return self.complete and group is not None and not self._used[group]

    def add(self, key: str) -> None:
        """A key that is, or will be, in the file."""
        group = _group(key)
        if group is not None:
            self._used[group] = 1

    def learn(self, db: sqlite3.Connection) -> None:
        """Take in the next slice of the keys the file held before; what comes meanwhile is told by ``add``."""
        if self.complete:
            return
        rows = db.execute(_NEXT, (self._after, SLICE)).fetchall()
        for (packed,) in rows:
            self.add(unpack_key(packed))
        self._after = rows[-1][0] if rows else self._after
        self.complete = len(rows) < SLICE


def _group(key: str) -> int | None:
    head = key[:_GROUP_DIGITS]
    try:
        return int(head, 16) if head.isalnum() else None  # int() itself also takes signs, blanks and underscores
    except ValueError:
        return None
