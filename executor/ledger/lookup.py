"""Finding events in a ledger file without reading all of it, in one consistent moment.

The index in the file may lag behind the log; the few events it does not know yet are indexed in this connection's
memory, for the length of the moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from executor.ledger.codec import clean
from executor.ledger.database import Guard, connect_reader
from executor.ledger.index import TABLES, pack_key, unpack_key, write_index
from executor.ledger.log import to_stored
from executor.ledger.status import Latest
from executor.ledger.views import Document, frame_view
from executor.ports import Stored

FRAME = "SELECT id, received_at_ms, source, channel, data FROM frames WHERE id = ?"

_SHADOWED = ("actions", "legs", "sends", "touched", "latest")
_SHADOW = "CREATE TEMP VIEW all_{} AS SELECT * FROM main.{} UNION ALL SELECT * FROM temp.{}"
_STORY = (
    "SELECT DISTINCT e.seq, e.kind, e.body FROM all_touched t JOIN events e ON e.seq = t.seq WHERE t.key = ? ORDER BY 1"
)
_BY_ID = "SELECT seq FROM all_actions WHERE action_id = ? ORDER BY key IS NULL, seq DESC LIMIT 1"
_BY_KEY = (
    "SELECT seq FROM all_touched t JOIN events e USING (seq)"
    " WHERE t.key = ? AND e.kind IN ('ActionReceived', 'DuplicateSeen') ORDER BY e.kind, seq LIMIT 1"
)


class Lookup:
    """A read-only connection to the ledger at ``path``. Everything but ``rows`` needs a ``moment``."""

    def __init__(self, path: Path) -> None:
        self.guard = Guard(path)
        with self.guard:
            self._db = connect_reader(path)
        try:
            with self.guard:
                self._shadow_index()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _shadow_index(self) -> None:
        """Make an empty copy of each index table in memory, and views that show file and memory as one."""
        self._db.execute("PRAGMA temp_store = MEMORY")
        for table in TABLES:
            made = self.one("SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = ?", table)[0]
            self._db.execute(made.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
        for table in _SHADOWED:
            self._db.execute(_SHADOW.replace("{}", table))

    @contextmanager
    def moment(self) -> Iterator[None]:
        """One read transaction with the whole index; the part of it in memory goes again at the end."""
        with self.guard:
            self._db.execute("BEGIN")
            try:
                self._index_tail()
                yield
            finally:
                self._db.execute("ROLLBACK")

    def _index_tail(self) -> None:
        row = self.one("SELECT value FROM meta WHERE name = 'indexed'")
        indexed = int(row[0]) if row else 0
        tail = self.stored("SELECT seq, kind, body FROM events WHERE seq > ? ORDER BY seq", indexed)
        write_index(self._db, indexed + 1, [item.event for item in tail])

    def rows(self, query: str, *values: object) -> Iterator[Any]:
        """The rows of a query, as they are asked for."""
        return self._db.execute(query, values)

    def one(self, query: str, *values: object) -> Any:
        """The first row of a query, or ``None``."""
        return self._db.execute(query, values).fetchone()

    def stored(self, query: str, *values: object) -> list[Stored]:
        """The events of a query for (seq, kind, body)."""
        return [to_stored(row) for row in self._db.execute(query, values)]

    def event(self, seq: int) -> Stored:
        """The event of that number."""
        return self.stored("SELECT seq, kind, body FROM events WHERE seq = ?", seq)[0]

    def find(self, action_id: str) -> Stored | None:
        """The ``ActionReceived``, else ``FrameRefused`` or suspected ``DuplicateSeen``, of a sender's id or a key.

        The newest of several.
        """
        row = self.one(_BY_ID, clean(action_id)) or self.one(_BY_KEY, pack_key(action_id.lower()))
        return None if row is None else self.event(row[0])

    def planned_for(self, cloid: str) -> str | None:
        """The key of the action an order was planned for; ``None`` where no order is called so."""
        row = self.one("SELECT key FROM all_legs WHERE cloid = ? AND key IS NOT NULL LIMIT 1", clean(cloid).lower())
        return None if row is None else unpack_key(row[0])

    def story(self, key: str) -> list[Stored]:
        """All events of an action, and the newest start of a worker: it made what was out then unknown."""
        stored = self.stored(_STORY, pack_key(key))
        start = self.one("SELECT max(seq) FROM all_latest WHERE kind = 'ProcessStarted'")[0]
        if not stored or start is None or start < stored[0].seq:
            return stored
        return sorted([*stored, self.event(start)], key=lambda item: item.seq)

    def frames_of(self, stored: Iterable[Stored]) -> dict[int, Document]:
        """The raw frames these events came from, by id."""
        ids = {number for item in stored if (number := getattr(item.event, "frame_id", None)) is not None}
        rows = [row for number in ids if (row := self.one(FRAME, number)) is not None]
        return {row[0]: frame_view(row) for row in rows}

    def latest(self) -> Latest:
        """The newest event of each kind that replaces the one before."""
        rows = self._db.execute("SELECT kind, account, part, max(seq) FROM all_latest GROUP BY 1, 2, 3").fetchall()
        return {(kind, account, part): self.event(seq) for kind, account, part, seq in rows}
