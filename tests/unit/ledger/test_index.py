"""The rows each event adds to the index."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.core import events as ev
from executor.core.facts import AccountFact
from executor.core.types import Side
from executor.ledger import index
from executor.ledger.index import STATEMENTS, TABLES, pack_key, rows_of, unpack_key

KEY = "ab" * 16
SENT = ev.SendStarted(
    at_ms=1,
    account="main",
    request_id="r",
    purpose="entry",
    signer="0xS",
    nonce=5,
    expires_after_ms=None,
    vault=None,
    action={},
    cloids=("0x1", "0x2"),
)


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.binary(min_size=16, max_size=16).map(bytes.hex))
def test_any_key_comes_back(key: str) -> None:
    assert unpack_key(pack_key(key)) == key


def test_a_derived_key_takes_sixteen_bytes() -> None:
    assert pack_key(KEY) == b"\xab" * 16


@given(st.text(), st.text())
def test_different_keys_stay_different(one: str, other: str) -> None:
    clean_text = all(not "\ud800" <= c <= "\udfff" for c in one + other)
    assert one == other or not clean_text or pack_key(one) != pack_key(other)


def test_an_event_belongs_to_its_key_else_to_its_order() -> None:
    keyed = ev.LegAbsent(at_ms=1, key=KEY, cloid="0x1")
    assert list(rows_of(3, keyed)) == [("touched", (pack_key(KEY), 3))]
    assert list(rows_of(3, ev.LegAbsent(at_ms=1, cloid="0x1"))) == [("by_cloid", (3, "0x1"))]
    assert list(rows_of(3, ev.AlarmRaised(at_ms=1, code="c", text="t"))) == []


def test_a_request_belongs_to_each_of_its_orders_and_raises_the_nonce() -> None:
    assert list(rows_of(3, SENT)) == [
        ("nonces", ("0xs", 5)),
        ("sends", ("r", "0x1")),
        ("by_cloid", (3, "0x1")),
        ("sends", ("r", "0x2")),
        ("by_cloid", (3, "0x2")),
    ]


def test_only_a_suspected_duplicate_makes_its_key_known() -> None:
    """Any other repeat's key is known already, by its action."""
    again = ev.DuplicateSeen(at_ms=2, key=KEY, frame_id=1, channel="c")
    twin = ev.DuplicateSeen(at_ms=2, key=KEY, frame_id=1, channel="c", suspected=True, fingerprint="f")
    touched = ("touched", (pack_key(KEY), 3))
    assert list(rows_of(3, again)) == [touched]
    assert list(rows_of(3, twin)) == [touched, ("keys", (pack_key(KEY), "f", 2))]


def test_a_suspected_duplicate_is_found_by_its_own_id_and_told_with_the_action_that_counts() -> None:
    own = {"fingerprint": "f", "action_id": "mine", "twin": KEY}
    twin = ev.DuplicateSeen(at_ms=2, key="k2", frame_id=1, channel="c", suspected=True, **own)
    assert list(rows_of(3, twin))[2:] == [("actions", (3, None, "mine", 1)), ("touched", (pack_key(KEY), 3))]


def test_an_incomplete_read_does_not_replace_a_complete_one() -> None:
    fact = AccountFact((), Decimal(0), Decimal(0), Decimal(0), 1)
    whole = ev.AccountRead(at_ms=1, account="main", fact=fact)
    partial = ev.AccountRead(at_ms=1, account="main", fact=fact, skipped=("BTC",))
    assert list(rows_of(3, whole)) == [("latest", ("AccountRead", "main", "", 3))]
    assert list(rows_of(4, partial)) == [("latest", ("AccountRead", "main", "partial", 4))]


@pytest.fixture
def db() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.executescript((Path(index.__file__).parent / "migrations" / "001_initial.sql").read_text(encoding="utf-8"))
    return made


def test_every_statement_fits_the_schema(db: sqlite3.Connection) -> None:
    for statement in STATEMENTS.values():
        db.execute(statement, (1,) * statement.count("?"))
    for table in TABLES:
        db.execute(f"SELECT * FROM {table}")  # the names are constants of ours
    db.close()


def test_one_batch_finds_the_orders_it_brings_itself(db: sqlite3.Connection) -> None:
    planned = ev.LegPlanned(
        at_ms=1,
        account="main",
        key=KEY,
        cloid="0x1",
        leg="entry",
        attempt=1,
        coin="BTC",
        side=Side.BUY,
        size=Decimal(1),
        limit_px=Decimal(1),
        reduce_only=False,
    )
    closed = ev.RequestClosed(at_ms=1, account="main", request_id="r", result="ok")
    index.write_index(db, 5, [planned, SENT, ev.LegAbsent(at_ms=1, cloid="0x1"), closed])
    assert db.execute("SELECT key, seq FROM touched ORDER BY seq").fetchall() == [
        (pack_key(KEY), n) for n in (5, 6, 7, 8)
    ]
    db.close()
