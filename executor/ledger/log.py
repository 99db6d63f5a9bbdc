"""Reading the events of an open ledger file in order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from executor.ledger.codec import decode
from executor.ledger.database import Guard
from executor.ports import Stored

PAGE = 512
"""Events per query: no read transaction lasts while the caller works on what it got."""

_READ = "SELECT seq, kind, body FROM events WHERE seq > ?1 AND ?3 IS NULL ORDER BY seq LIMIT ?2"
_READ_ACCOUNT = "SELECT seq, kind, body FROM events WHERE seq > ?1 AND account = ?3 ORDER BY seq LIMIT ?2"


def read_events(
    db: sqlite3.Connection, guard: Guard, after: int = 0, limit: int | None = None, account: str | None = None
) -> Iterator[Stored]:
    """Events in order from ``after`` (exclusive), at most ``limit``; only those filed under ``account`` if given."""
    query = _READ if account is None else _READ_ACCOUNT
    while limit is None or limit > 0:
        size = PAGE if limit is None else min(PAGE, limit)
        with guard:
            page = [to_stored(row) for row in db.execute(query, (after, size, account))]
        yield from page
        if len(page) < size:
            return
        after = page[-1].seq
        limit = None if limit is None else limit - size


def to_stored(row: tuple[int, str, str]) -> Stored:
    """A row (seq, kind, body) as the event it holds."""
    seq, kind, body = row
    return Stored(seq, decode(kind, body))
