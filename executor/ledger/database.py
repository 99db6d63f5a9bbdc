"""The SQLite file: opened with private modes, brought to the current schema, its errors put into words."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

from executor.errors import LedgerError, LedgerTooNew
from executor.ledger.codec import TOO_NEW_REMEDY

Durability = Literal["full", "normal"]

APPLICATION_ID = 0x0F7AC1ED
"""Marks the file as a ledger, so that no other database is taken for one."""

WAL_BYTES = 2**20
"""The size the WAL is kept at where nobody is in the way."""

_BUSY_S = 2.0
"""How long another program's lock is waited for. Readers lock nobody out, so it is a foreign writer's."""

_CHECKPOINT_PAGES = 4_000
"""When a commit must move the WAL into the file itself (16 MB); ``SqliteLedger.tend`` does it earlier, when idle."""

DAMAGED_REMEDY = (
    "the file is damaged: keep a copy of it, then restore a backup or move the file away and start with a new one; "
    "positions and orders are read from the venue either way"
)
_FAULTS: Mapping[str, tuple[str, str]] = {
    "SQLITE_FULL": ("the disk is full", "free some space on the disk of the ledger; exits still go out meanwhile"),
    "SQLITE_IOERR": ("the disk reports an error", "check the disk and its free space"),
    "SQLITE_BUSY": ("another program keeps the ledger locked", "end whatever else writes to this file"),
    "SQLITE_LOCKED": ("another program keeps the ledger locked", "end whatever else writes to this file"),
    "SQLITE_READONLY": ("the ledger may not be written", "check owner and modes of the file and its folder"),
    "SQLITE_CANTOPEN": ("the ledger cannot be opened", "check that the path exists and its owner and modes"),
    "SQLITE_PERM": ("the ledger may not be opened", "check owner and modes of the file and its folder"),
    "SQLITE_CONSTRAINT": ("somebody else wrote to this ledger", "run one worker per ledger; restart this one"),
    "SQLITE_CORRUPT": ("the ledger is damaged", DAMAGED_REMEDY),
    "SQLITE_NOTADB": ("the file is no ledger", DAMAGED_REMEDY),
}


_OF_THE_SYSTEM = {
    errno.ENOSPC: "SQLITE_FULL",
    errno.EDQUOT: "SQLITE_FULL",
    errno.EIO: "SQLITE_IOERR",
    errno.EROFS: "SQLITE_READONLY",
    errno.EACCES: "SQLITE_PERM",
}
"""What the system says in SQLite's words."""


def as_ledger_error(error: Exception, path: Path) -> LedgerError:
    """The error as a user should read it, with what to do about it."""
    number = error.errno if isinstance(error, OSError) else None
    name = getattr(error, "sqlite_errorname", None) or _OF_THE_SYSTEM.get(number or 0, "")
    family = "_".join(name.split("_")[:2])
    what, remedy = _FAULTS.get(family, ("the ledger cannot be used", DAMAGED_REMEDY))
    return LedgerError(f"{what}: {path} ({error})", remedy)


class Guard:
    """Turns whatever SQLite or the file system raises within into ``LedgerError``; our own errors pass."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # A damaged file shows as any of these: wrong types in columns, text that is no UTF-8, missing tables.
        if isinstance(error, (sqlite3.Error, OSError, OverflowError, ValueError, TypeError, KeyError)):
            raise as_ledger_error(error, self._path) from error


def connect_writer(path: Path, durability: Durability) -> sqlite3.Connection:
    """A connection for the one writer. A new file is made 0600, a new folder 0700."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S)
    try:
        db.execute(f"PRAGMA synchronous = {durability.upper()}")
        db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def connect_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection; works while a worker writes and when none runs."""
    if not path.is_file():
        raise LedgerError(f"there is no ledger at {path}", "start the worker once (executor run), or check ledger.path")
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=_BUSY_S)
    try:
        version = _known_version(db, path)
        if version < len(_migrations()):
            raise LedgerError(f"{path} was written by an older version", "start the worker once: it updates the file")
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date in one transaction."""
    is_new = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    version = 0 if is_new else _known_version(db, path)
    if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise LedgerError(f"{path} lies where SQLite cannot use a WAL", "put the ledger on a local disk")
    steps = _migrations()
    if version < len(steps):
        script = "\n".join(step.read_text(encoding="utf-8") for step in steps[version:])
        marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {len(steps)};"
        db.executescript(f"BEGIN IMMEDIATE;\n{script}\n{marks}\nCOMMIT;")


def _known_version(db: sqlite3.Connection, path: Path) -> int:
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LedgerError(f"{path} is a database, but no ledger of this program", "check ledger.path")
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > len(_migrations()):
        raise LedgerTooNew(f"{path} was written by a newer version (schema {version})", TOO_NEW_REMEDY)
    return version


def _migrations() -> list[Path]:
    """The numbered scripts in order: the n-th leads from version n-1 to n."""
    return sorted((Path(__file__).parent / "migrations").glob("[0-9]*.sql"))
