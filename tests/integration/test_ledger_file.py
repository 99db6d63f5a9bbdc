"""The ledger as a file: what the database itself enforces, and what happens to a broken, full or foreign one."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.clock import SystemClock
from executor.core.events import AlarmRaised, Event, SendStarted
from executor.errors import LedgerError, LedgerMismatch, LedgerTooNew
from executor.ledger.reader import LedgerReader
from executor.ledger.sqlite import INDEX_BATCH, SqliteLedger
from executor.ledger.stamp import Stamp
from executor.ports import Frame

STAMP = Stamp("dry_run", "testnet", {"main": "0xAA"})
FRAME = Frame(1_000, "fractrade", "agent:7", "x" * 200)


def alarm(text: str) -> AlarmRaised:
    return AlarmRaised(at_ms=1, code="TEST", text=text)


def sent(nonce: int) -> SendStarted:
    return SendStarted(
        at_ms=1,
        account="main",
        request_id=f"r{nonce}",
        purpose="entry",
        signer="0xs",
        nonce=nonce,
        expires_after_ms=None,
        vault=None,
        action={},
        cloids=(),
    )


def make(path: Path, *events: Event, frames: int = 0) -> SqliteLedger:
    ledger = SqliteLedger(path, stamp=STAMP)
    ledger.opened()
    if events or frames:
        ledger.commit([FRAME] * frames, events)
    return ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "l.db"


def test_file_and_folder_are_the_owners_alone(path: Path) -> None:
    ledger = make(path, alarm("1"))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert len(list(path.parent.iterdir())) == 3
    ledger.close()


@pytest.mark.parametrize("table", ["events", "frames"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET rowid = 99"])
def test_the_database_itself_keeps_the_log_append_only(path: Path, table: str, change: str) -> None:
    make(path, alarm("1"), frames=1).close()
    with sqlite3.connect(path) as other, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(change.format(table))
    other.close()


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
def test_durability_is_the_synchronous_level_of_a_wal(path: Path, durability: str, level: int) -> None:
    ledger = SqliteLedger(path, stamp=STAMP, durability="full" if durability == "full" else "normal")
    assert ledger._db.execute("PRAGMA synchronous").fetchone()[0] == level
    assert ledger._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    ledger.close()


def test_only_an_orderly_close_is_clean(path: Path) -> None:
    first = make(path)
    assert (first.is_new, first.was_clean) == (True, False)
    first.close(clean=True)
    second = make(path)
    assert (second.is_new, second.was_clean) == (False, True)
    second.close()
    third = make(path)
    assert third.was_clean is False
    third.close(clean=True)
    unused = SqliteLedger(path, stamp=STAMP)
    unused.close()
    fourth = SqliteLedger(path, stamp=STAMP)
    assert fourth.was_clean is True
    fourth.close()


def test_a_worker_killed_after_its_first_commit_was_not_clean(path: Path) -> None:
    make(path).close(clean=True)
    second = SqliteLedger(path, stamp=STAMP)
    second.commit([], [alarm("1")])
    second.close()
    third = SqliteLedger(path, stamp=STAMP)
    assert third.was_clean is False
    third.close()


def test_a_ledger_of_another_setting_is_refused_with_the_remedy(path: Path) -> None:
    make(path).close()
    for other in (
        Stamp("live", "testnet", {}),
        Stamp("dry_run", "mainnet", {}),
        Stamp("dry_run", "testnet", {"main": "0xBB"}),
    ):
        with pytest.raises(LedgerMismatch, match="remedy"):
            SqliteLedger(path, stamp=other)
    SqliteLedger(path, stamp=STAMP).close()


def test_accounts_may_be_added_and_are_remembered(path: Path) -> None:
    make(path).close()
    second = SqliteLedger(path, stamp=Stamp("dry_run", "testnet", {"second": "0xBB"}))
    second.close()
    assert sorted(second.accounts) == ["main", "second"]
    with pytest.raises(LedgerMismatch, match="account second"):
        SqliteLedger(path, stamp=Stamp("dry_run", "testnet", {"second": "0xCC"}))
    with pytest.raises(LedgerMismatch, match="name of account 0xaa"):
        SqliteLedger(path, stamp=Stamp("dry_run", "testnet", {"renamed": "0xaa"}))


def test_a_newer_ledger_is_refused_by_writer_and_reader(path: Path) -> None:
    make(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for opened in (lambda: SqliteLedger(path, stamp=STAMP), lambda: LedgerReader(path)):
        with pytest.raises(LedgerTooNew, match="remedy"):
            opened()


def test_another_database_is_not_taken_for_a_ledger(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    for opened in (lambda: SqliteLedger(path, stamp=STAMP), lambda: LedgerReader(path)):
        with pytest.raises(LedgerError, match="no ledger of this program"):
            opened()


def test_a_text_file_is_not_taken_for_a_ledger(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("hello " * 1000)
    for opened in (lambda: SqliteLedger(path, stamp=STAMP), lambda: LedgerReader(path)):
        with pytest.raises(LedgerError, match="the file is no ledger"):
            opened()
    assert path.read_text() == "hello " * 1000


def test_a_path_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="remedy"):
        SqliteLedger(tmp_path / "file" / "l.db", stamp=STAMP)
    with pytest.raises(LedgerError, match="there is no ledger"):
        LedgerReader(tmp_path / "none.db")


def test_a_second_writer_is_stopped_at_its_first_commit(path: Path) -> None:
    first, second = make(path, alarm("1")), SqliteLedger(path, stamp=STAMP)
    first.commit([], [alarm("2")])
    with pytest.raises(LedgerError, match="somebody else wrote"):
        second.commit([], [alarm("other 2")])
    assert [item.seq for item in first.read()] == [1, 2]
    assert second.last_seq == 1
    second.close()
    first.close()


def test_a_reader_that_keeps_the_file_open_does_not_stop_the_writer(path: Path) -> None:
    ledger = make(path, alarm("1"))
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchone()
    for _ in range(INDEX_BATCH):
        ledger.commit([FRAME], [alarm("x" * 3000)])
    started = SystemClock().monotonic_s()
    ledger.tend()
    assert SystemClock().monotonic_s() - started < 1, "tend waited for the reader"
    assert reader.execute("SELECT count(*) FROM events").fetchone()[0] == 1
    reader.close()
    ledger.close()


@pytest.fixture
def small_files() -> Iterator[None]:
    """A real limit on file sizes, for this process: writing past it fails as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def limit_files(size: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def test_a_commit_that_fails_leaves_nothing_and_skips_nothing(path: Path, small_files: None) -> None:
    ledger = make(path, alarm("1"), frames=1)
    full = path.with_name("l.db-wal").stat().st_size
    for n in range(1, 30):
        limit_files(full + 900 * n)  # a little more each time: another page of the transaction is the first to fail
        assert ledger.reserve_frame() == 2
        with pytest.raises(LedgerError, match="remedy"):
            ledger.commit([FRAME], [alarm("big " * 5000), sent(n)])
        limit_files(2**30)
        assert (ledger.last_seq, ledger.last_nonce("0xs")) == (1, 0)
        assert [item.seq for item in ledger.read()] == [1]
    assert ledger.reserve_frame() == 2
    assert ledger.commit([FRAME], [alarm("2"), sent(5)]) == 3
    ledger.close()
    again = SqliteLedger(path, stamp=STAMP)
    assert [item.seq for item in again.read()] == [1, 2, 3]
    assert again.reserve_frame() == 3
    again.close()


def test_a_failed_batch_of_the_index_fails_its_commit_whole(path: Path, small_files: None) -> None:
    ledger = make(path)
    for n in range(INDEX_BATCH - 1):
        ledger.commit([], [sent(n)])
    limit_files(path.with_name("l.db-wal").stat().st_size + 6_000)
    with pytest.raises(LedgerError):
        ledger.commit([], [sent(10_000)])
    limit_files(2**30)
    assert ledger.last_nonce("0xs") == INDEX_BATCH - 2
    ledger.commit([], [sent(10_001)])
    assert ledger.last_nonce("0xs") == 10_001
    ledger.close()
    again = SqliteLedger(path, stamp=STAMP)
    assert (again.last_seq, again.last_nonce("0xs")) == (INDEX_BATCH, 10_001)
    again.close()


def test_only_two_snapshots_of_a_name_stay(path: Path) -> None:
    ledger = make(path)
    for seq in range(5):
        ledger.save_snapshot(seq, "main", b"x")
    ledger.save_snapshot(1, "other", b"x")
    rows = ledger._db.execute("SELECT name, seq FROM snapshots ORDER BY 1, 2").fetchall()
    assert rows == [("main", 3), ("main", 4), ("other", 1)]
    ledger.close()


def test_the_index_can_be_lost_and_is_made_again(path: Path) -> None:
    ledger = make(path, sent(7), alarm("1"))
    ledger.tend()
    ledger.close()
    with sqlite3.connect(path) as db:
        db.executescript("DELETE FROM nonces; DELETE FROM sends; DELETE FROM meta WHERE name = 'indexed';")
    db.close()
    again = SqliteLedger(path, stamp=STAMP)
    assert again.last_nonce("0xs") == 7
    again.close()


def test_tending_keeps_the_wal_small(path: Path) -> None:
    ledger = make(path)
    wal = path.with_name("l.db-wal")
    largest = 0
    for n in range(100):
        ledger.commit([], [alarm("x" * 100_000)])
        largest = max(largest, wal.stat().st_size)
        if n % 5 == 0:
            ledger.tend()
    assert largest < 2 * 2**20
    assert ledger.last_seq == 100
    ledger.close()


def use(path: Path) -> list[int]:
    """Open a ledger as a worker does and touch all of it."""
    ledger = SqliteLedger(path, stamp=STAMP)
    try:
        seqs = [item.seq for item in ledger.read()]
        ledger.known("0" * 32)
        ledger.commit([FRAME], [alarm("after")])
        ledger.tend()
    finally:
        ledger.close()
    with LedgerReader(path) as reader:
        reader.status()
        reader.actions()
        reader.positions()
        reader.journal()
        list(reader.frames())
    return seqs


def copies(path: Path) -> tuple[bytes, bytes]:
    """A ledger in use, as a power cut would leave it: the file and its WAL."""
    ledger = make(path, alarm("1"), frames=3)
    for n in range(60):
        ledger.commit([FRAME], [alarm(f"{n} " * 40), sent(n)])
        if n == 40:
            ledger.tend()
            ledger._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    main, wal = path.read_bytes(), path.with_name("l.db-wal").read_bytes()
    ledger.close()
    return main, wal


def used_or_refused(path: Path) -> list[int]:
    """The seqs a worker finds; none where the file is refused, which must be in words with a remedy."""
    try:
        return use(path)
    except LedgerError as error:
        return [] if error.remedy else [-1]


def spot(seed: int, size: int) -> int:
    """Somewhere below ``size``, all over the place and the same every time."""
    return seed * 2_654_435_761 % size


def lay(folder: Path, main: bytes, wal: bytes) -> Path:
    folder.mkdir()
    (folder / "l.db").write_bytes(main)
    (folder / "l.db-wal").write_bytes(wal)
    return folder / "l.db"


@pytest.mark.parametrize("seed", range(1, 61))
def test_a_copy_cut_short_anywhere_opens_or_is_refused(tmp_path: Path, seed: int) -> None:
    main, wal = copies(tmp_path / "l.db")
    keep_main = len(main) if seed % 3 else spot(seed, len(main))
    keep_wal = len(wal) if seed % 3 == 2 and seed % 2 else spot(seed * 7, len(wal))
    seqs = used_or_refused(lay(tmp_path / "torn", main[:keep_main], wal[:keep_wal]))
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.parametrize("seed", range(1, 41))
def test_a_copy_with_rubbish_in_a_page_opens_or_is_refused(tmp_path: Path, seed: int) -> None:
    main, wal = copies(tmp_path / "l.db")
    at = spot(seed, len(main) // 512) * 512
    rubbish = bytes(spot(seed + i, 251) for i in range(512))
    torn = lay(tmp_path / "torn", main[:at] + rubbish + main[at + 512 :], wal[: spot(seed * 7, len(wal))])
    assert -1 not in used_or_refused(torn)


def unclean(path: Path) -> None:
    """Fifty frames and events of a worker that was cut off; the index is up to date, opening reads few of them."""
    ledger = make(path)
    frames = [Frame(n, "fractrade", "agent:7", f"frame {n} " + "x" * 2_000) for n in range(50)]
    ledger.commit(frames, [alarm(f"event {n}") for n in range(50)])
    ledger.tend()
    ledger.close()


def test_after_an_unclean_stop_a_ledger_without_one_of_its_newest_events_is_refused(path: Path) -> None:
    unclean(path)
    with sqlite3.connect(path) as db:
        db.executescript("DROP TRIGGER events_keep; DELETE FROM events WHERE seq = 25;")
    db.close()
    with pytest.raises(LedgerError, match="the ledger is damaged"):
        SqliteLedger(path, stamp=STAMP)


def test_after_an_unclean_stop_a_ledger_with_rubbish_in_a_page_nobody_reads_at_start_is_refused(path: Path) -> None:
    unclean(path)
    data = bytearray(path.read_bytes())
    page = data.index(b"frame 25 ") // 4096 * 4096
    data[page : page + 100] = b"\xff" * 100
    path.write_bytes(data)
    with pytest.raises(LedgerError, match="the ledger is damaged"):
        SqliteLedger(path, stamp=STAMP)


WRITER = """
import sys
from executor.clock import SystemClock
from executor.core.events import AlarmRaised
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp
ledger = SqliteLedger(sys.argv[1], stamp=Stamp("dry_run", "testnet", {"main": "0xAA"}))
ledger.opened()
while True:
    print(ledger.commit([], [AlarmRaised(at_ms=1, code="X", text="y" * 500)]), flush=True)
"""


def test_every_commit_told_before_a_kill_is_there_afterwards(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        told = 0
        for line in worker.stdout:
            told = int(line)
            if told == 300:
                worker.kill()
    again = SqliteLedger(path, stamp=STAMP)
    assert not again.was_clean
    assert again.last_seq >= told >= 300
    assert [item.seq for item in again.read()] == list(range(1, again.last_seq + 1))
    again.close()


def test_a_copied_file_reads_like_the_original(path: Path, tmp_path: Path) -> None:
    make(path, alarm("1")).close(clean=True)
    shutil.copy(path, tmp_path / "copy.db")
    (tmp_path / "copy.db").chmod(0o400)
    with LedgerReader(tmp_path / "copy.db") as reader:
        assert reader.events()["last_seq"] == 1
