"""SQLite's errors, put into words."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from executor.errors import LedgerError, LedgerTooNew
from executor.ledger.database import Guard, as_ledger_error


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SQLITE_FULL", "the disk is full"),
        ("SQLITE_IOERR_FSYNC", "the disk reports an error"),
        ("SQLITE_BUSY_SNAPSHOT", "another program keeps the ledger locked"),
        ("SQLITE_READONLY_DBMOVED", "may not be written"),
        ("SQLITE_CANTOPEN_ISDIR", "cannot be opened"),
        ("SQLITE_CONSTRAINT_PRIMARYKEY", "somebody else wrote"),
        ("SQLITE_CORRUPT_INDEX", "is damaged"),
        ("SQLITE_NOTADB", "is no ledger"),
        ("SQLITE_NEVER_SEEN", "cannot be used"),
    ],
)
def test_every_family_of_errors_has_words_and_a_remedy(name: str, words: str) -> None:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorname = name
    told = as_ledger_error(error, Path("l.db"))
    assert words in told.message
    assert "as SQLite says it" in told.message
    assert "l.db" in told.message
    assert told.remedy


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("x"), OSError(28, "No space"), ValueError("x"), KeyError("x")]
)
def test_what_a_damaged_file_can_raise_becomes_a_ledger_error(error: Exception) -> None:
    with pytest.raises(LedgerError) as told, Guard(Path("l.db")):
        raise error
    assert told.value.__cause__ is error


def test_our_own_errors_and_interrupts_pass() -> None:
    with pytest.raises(LedgerTooNew), Guard(Path("l.db")):
        raise LedgerTooNew("as it was")
    with pytest.raises(KeyboardInterrupt), Guard(Path("l.db")):
        raise KeyboardInterrupt
