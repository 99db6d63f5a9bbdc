"""unseen: of a key that is in the file it never says that it is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from executor.ledger.index import pack_key
from executor.ledger.unseen import SLICE, Unseen

KEY, OTHER = "00ab" * 8, "ffab" * 8


def file_of(keys: Iterable[str]) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE keys (key BLOB PRIMARY KEY) WITHOUT ROWID")
    db.executemany("INSERT OR IGNORE INTO keys VALUES (?)", [(pack_key(key),) for key in keys])
    return db


def test_until_the_file_is_read_nothing_is_certain() -> None:
    assert not Unseen().certain(KEY)


def test_of_what_is_in_the_file_or_was_added_nothing_is_certain() -> None:
    seen = Unseen()
    seen.learn(file_of([KEY]))
    assert not seen.certain(KEY)
    assert seen.certain(OTHER)
    seen.add(OTHER)
    assert not seen.certain(OTHER)


def test_slices_leave_no_key_out() -> None:
    keys = [f"{n * 7919 % 16**5:05x}{n:027x}" for n in range(2 * SLICE)]
    db, seen = file_of(keys), Unseen()
    for _ in range(3):
        assert not seen.complete
        seen.learn(db)
    assert seen.complete
    assert not any(seen.certain(key) for key in keys)
    seen.learn(db)


@given(st.lists(st.text(max_size=40) | st.text("0123456789abcdefABCDEF", min_size=32, max_size=32), max_size=30))
def test_whatever_a_key_looks_like_it_is_not_overlooked(keys: list[str]) -> None:
    seen = Unseen()
    seen.learn(file_of(keys))
    assert seen.complete
    assert not any(seen.certain(key) for key in keys)


def test_a_key_without_hex_digits_in_front_is_always_looked_up() -> None:
    seen = Unseen()
    seen.learn(file_of([]))
    odd = ["", "key-1", "+1234", " 1234", "1_234", "²²²²²", "policy:BTC"]
    assert [key for key in odd if seen.certain(key)] == []
