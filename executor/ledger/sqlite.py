"""The ledger in one SQLite file: the append-only record that is written before anything is sent.

A commit touches two tables only, ``events`` and ``frames``. What the log is looked up by (keys, nonces, actions,
legs) is kept in memory for the newest few hundred events and moved into the file in batches: when ``tend`` is called
in a quiet moment, at the latest with the commit that makes the batch full. Opening the file catches up first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from executor import faults
from executor.core.events import ActionReceived, Event, SendStarted
from executor.errors import LedgerError
from executor.ledger.codec import clean, encode
from executor.ledger.database import DAMAGED_REMEDY, WAL_BYTES, Durability, Guard, connect_writer
from executor.ledger.index import pack_key, write_index
from executor.ledger.log import read_events
from executor.ledger.stamp import Stamp
from executor.ledger.unseen import Unseen
from executor.ports import Frame, KnownKey, Stored, keys_in

INDEX_BATCH = 512
"""How many events the index in the file may lag behind the log."""

_CHECK_BYTES = 64 * 2**20
"""After an unclean stop a file up to this size is checked whole (about 0.1 s); a larger one only at its end."""

_ADD_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?)"
_KNOWN = "SELECT fingerprint, received_at_ms FROM keys WHERE key = ?"
_ADD_FRAME = "INSERT INTO frames VALUES (?, ?, ?, ?, ?)"


class SqliteLedger:
    """``ports.Ledger`` on a file. One writer: a second one's first commit fails.

    ``durability`` is ``full`` (a commit survives a power cut) or ``normal`` (it survives kill -9; a power cut may
    take the last ones). ``now_ms`` is written down once, as the time the ledger was made. Raises ``LedgerTooNew``,
    ``LedgerMismatch`` or ``LedgerError``, each with a remedy.
    """

    def __init__(self, path: Path | str, *, stamp: Stamp, durability: Durability = "full", now_ms: int = 0) -> None:
        self._path = Path(path)
        self._guard = Guard(self._path)
        self._pending: list[Event] = []
        self._fresh: dict[str, KnownKey] = {}
        self._absent: set[str] = set()
        self._unseen = Unseen()
        self._in_use = False
        self._nonces: dict[str, int] = {}
        with self._guard:
            self._db = connect_writer(self._path, durability)
        try:
            with self._guard:
                self._open(stamp, now_ms)
        except BaseException:
            self._db.close()
            raise

    # -- opening and closing --------------------------------------------------------------------------------

    def _open(self, stamp: Stamp, now_ms: int) -> None:
        meta = dict(self._db.execute("SELECT name, value FROM meta"))
        self._is_new = "mode" not in meta
        self._was_clean = meta.get("clean") == "1"
        kept = stamp if self._is_new else stamp.joined(Stamp.of(meta))
        if not (self._is_new or self._was_clean):
            self._check_after_crash()
        self._last_seq = self._number("SELECT max(seq) FROM events")
        self._last_frame = self._reserved = self._number("SELECT max(id) FROM frames")
        created = [("created_at_ms", str(now_ms))] if self._is_new else []
        self._transact(lambda: self._set_meta(*kept.rows(), *created))
        self.accounts = tuple(kept.addresses)
        self._note([item.event for item in self.read(int(meta.get("indexed", 0)))])
        self._catch_up()
        self._nonces.update(self._db.execute("SELECT signer, last FROM nonces"))

    def _check_after_crash(self) -> None:
        size = self._path.stat().st_size
        whole = size <= _CHECK_BYTES
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0] if whole else "ok"
        tail = "SELECT max(seq) - min(seq) + 1 - count(*) FROM (SELECT seq FROM events ORDER BY seq DESC LIMIT 1000)"
        if verdict != "ok" or self._number(tail) != 0:
            raise LedgerError(f"the ledger is damaged: {self._path} ({verdict})", DAMAGED_REMEDY)

    def opened(self) -> None:
        """Mark the ledger as in use now; the first commit does it too.

        From then until ``close(clean=True)``, whoever opens it next sees an unclean stop.
        """
        self._transact(lambda: self._set_meta(("clean", "0")))
        self._in_use = True

    def close(self, *, clean: bool = False) -> None:
        """Release the file. ``clean`` tells the next start that nothing was cut short."""
        try:
            if clean:
                self._catch_up()
                self._transact(lambda: self._set_meta(("clean", "1")))
        finally:
            self._db.close()

    @property
    def is_new(self) -> bool:
        """Whether opening it made it."""
        return self._is_new

    @property
    def was_clean(self) -> bool:
        """Whether the worker before this one closed it in order; false for a new ledger."""
        return self._was_clean

    # -- writing --------------------------------------------------------------------------------------------

    def reserve_frame(self) -> int:
        """The id the next frame will have; each call counts one on, until a commit with frames or a failed one."""
        self._reserved += 1
        return self._reserved

    def commit(self, frames: Sequence[Frame], events: Sequence[Event]) -> int:
        """Write all of it in one transaction and return the last ``seq``; raises ``LedgerError``, writing nothing.

        An ``ActionReceived`` whose key is known already is refused: no action is ever recorded as new twice.
        """
        try:
            with self._guard:
                self._refuse_known(events)
                due = self._write(frames, events)
        except LedgerError:
            self._undo()
            raise
        self._last_seq += len(events)
        if frames:
            self._last_frame = self._reserved = self._last_frame + len(frames)
        self._note(events)
        if due:
            self._indexed_all()
        return self._last_seq

    def _write(self, frames: Sequence[Frame], events: Sequence[Event]) -> bool:
        """Whether the index in the file was caught up with it."""
        first = self._last_seq + 1
        rows = [(seq, event.account, type(event).__name__, encode(event)) for seq, event in enumerate(events, first)]
        run = self._run
        run("BEGIN IMMEDIATE")
        for number, frame in enumerate(frames, self._last_frame + 1):
            data = clean(frame.data) if isinstance(frame.data, str) else frame.data
            run(_ADD_FRAME, (number, frame.received_at_ms, frame.source, frame.channel, data))
        faults.point("ledger_write")
        self._db.executemany(_ADD_EVENT, rows)
        due = len(self._pending) + len(events) >= INDEX_BATCH
        if due:
            self._index([*self._pending, *events], first - len(self._pending))
        if not self._in_use:
            self._set_meta(("clean", "0"))
        run("COMMIT")
        faults.point("ledger_committed")
        self._in_use = True
        return due

    def _undo(self) -> None:
        self._reserved = self._last_frame
        if self._db.in_transaction:
            # Some errors end the transaction themselves; if this fails too, the next BEGIN tells.
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def _refuse_known(self, events: Sequence[Event]) -> None:
        keys = [event.key for event in events if type(event) is ActionReceived and event.key is not None]
        if len(set(keys)) < len(keys) or any(key not in self._absent and self.known(key) for key in keys):
            raise LedgerError(f"an action is already recorded: {keys}", "this is a bug: report it; nothing was written")

    # -- the index ------------------------------------------------------------------------------------------

    def tend(self) -> None:
        """Housekeeping for a quiet moment: move the index into the file, the WAL into the main file.

        Takes milliseconds and waits for nobody. Call it on a timer when nothing is going on; without it the same
        work is done by some commit.
        """
        self._catch_up()
        with self._guard:
            self._unseen.learn(self._db)
        wal = self._path.with_name(self._path.name + "-wal")
        with self._guard:
            if not wal.exists() or wal.stat().st_size <= WAL_BYTES:
                return
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        # The first write after it starts the WAL anew and waits for the disk: better this one than an order's.
        self._transact(lambda: self._set_meta(("tended", str(self._last_seq))))

    def _note(self, events: Sequence[Event]) -> None:
        """Remember what the index in the file does not know yet."""
        self._pending += events
        self._absent.clear()
        for key, known in keys_in(events):
            self._fresh[key] = known
            self._unseen.add(key)
        for event in events:
            if isinstance(event, SendStarted):
                signer = event.signer.lower()
                self._nonces[signer] = max(event.nonce, self._nonces.get(signer, 0))

    def _catch_up(self) -> None:
        if self._pending:
            self._transact(lambda: self._index(self._pending, self._last_seq - len(self._pending) + 1))
            self._indexed_all()

    def _index(self, events: Sequence[Event], first_seq: int) -> None:
        write_index(self._db, first_seq, events)
        self._set_meta(("indexed", str(first_seq + len(events) - 1)))

    def _indexed_all(self) -> None:
        self._pending.clear()
        self._fresh.clear()

    # -- reading --------------------------------------------------------------------------------------------

    def known(self, key: str) -> KnownKey | None:
        """Whether this action ever came before."""
        fresh = self._fresh.get(key)
        if fresh is not None:
            return fresh
        row = None if self._unseen.certain(key) else self._look_up(key)
        if row is None:
            self._absent.add(key)
            return None
        return KnownKey(*row)

    def _look_up(self, key: str) -> tuple[str, int] | None:
        with self._guard:
            row: tuple[str, int] | None = self._db.execute(_KNOWN, (pack_key(key),)).fetchone()
        return row

    def last_nonce(self, signer: str) -> int:
        """The highest nonce ever taken for this signer, 0 if none."""
        return self._nonces.get(signer.lower(), 0)

    @property
    def last_seq(self) -> int:
        """The newest event's number; 0 for an empty ledger."""
        return self._last_seq

    def read(self, after: int = 0, limit: int | None = None, account: str | None = None) -> Iterator[Stored]:
        """Events in order from ``after`` (exclusive); only those filed under ``account`` if one is given."""
        return read_events(self._db, self._guard, after, limit, account)

    # -- snapshots ------------------------------------------------------------------------------------------

    def save_snapshot(self, seq: int, name: str, document: bytes) -> None:
        """Keep a folded state as of ``seq``; the newest two of a name stay."""

        def write() -> None:
            self._db.execute("INSERT INTO snapshots (name, seq, document) VALUES (?, ?, ?)", (name, seq, document))
            self._db.execute(
                "DELETE FROM snapshots WHERE name = ?1 AND id NOT IN"
                " (SELECT id FROM snapshots WHERE name = ?1 ORDER BY seq DESC, id DESC LIMIT 2)",
                (name,),
            )

        self._transact(write)

    def load_snapshot(self, name: str) -> tuple[int, bytes] | None:
        """The newest folded state of that name and its ``seq``."""
        with self._guard:
            query = "SELECT seq, document FROM snapshots WHERE name = ? ORDER BY seq DESC, id DESC LIMIT 1"
            row = self._db.execute(query, (name,)).fetchone()
        return None if row is None else (int(row[0]), bytes(row[1]))

    # -- small tools ----------------------------------------------------------------------------------------

    def _transact(self, write: Callable[[], None]) -> None:
        try:
            with self._guard:
                self._run("BEGIN IMMEDIATE")
                write()
                self._run("COMMIT")
        except LedgerError:
            self._undo()
            raise

    def _run(self, statement: str, values: Sequence[object] = ()) -> None:
        faults.point("ledger_write")
        self._db.execute(statement, values)

    def _set_meta(self, *rows: tuple[str, str]) -> None:
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def _number(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0] or 0)
