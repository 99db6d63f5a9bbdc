"""Locks between real processes."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.errors import LedgerError, LockHeld
from executor.ledger.locks import acquire

URL = "https://api.hyperliquid.xyz"
HOLDER = """
import sys, time
from pathlib import Path
from executor.ledger.locks import acquire
lock = acquire(sys.argv[2], sys.argv[3], root=Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(tmp_path), URL, "0xAbC"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_of_another_process_is_refused_with_its_holder(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(LockHeld, match=rf"0xabc at {URL}: process {holder.pid}, since 20\d\d-.*Z") as refused:
        acquire(URL, "0xabc", root=tmp_path)
    assert refused.value.exit_code == 4
    assert refused.value.remedy


def test_other_accounts_and_other_exchanges_are_free(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    acquire(URL, "0xother", root=tmp_path).release()
    acquire("http://127.0.0.1:1", "0xabc", root=tmp_path).release()


@pytest.mark.parametrize("spelling", [URL + "/", URL.upper()])
def test_the_spelling_of_the_endpoint_makes_no_difference(
    tmp_path: Path, holder: subprocess.Popen[str], spelling: str
) -> None:
    with pytest.raises(LockHeld):
        acquire(spelling, "0xABC", root=tmp_path)


def test_a_killed_holder_lets_go(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    acquire(URL, "0xabc", root=tmp_path).release()


def test_a_stopped_holder_still_holds(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGSTOP)
    with pytest.raises(LockHeld):
        acquire(URL, "0xabc", root=tmp_path)
    os.kill(holder.pid, signal.SIGCONT)


def test_one_process_cannot_hold_it_twice_but_again_after_letting_go(tmp_path: Path) -> None:
    with acquire(URL, "0x1", root=tmp_path) as lock, pytest.raises(LockHeld, match=str(os.getpid())):
        acquire(URL, "0x1", root=tmp_path)
    lock.release()
    acquire(URL, "0x1", root=tmp_path).release()


def test_an_unreadable_holder_is_said_to_be_unknown(tmp_path: Path) -> None:
    lock = acquire(URL, "0x1", root=tmp_path)
    lock.path.write_text("[")
    with pytest.raises(LockHeld, match="not known yet"):
        acquire(URL, "0x1", root=tmp_path)
    lock.release()


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = acquire(URL, "0x1", root=tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        lock.release()
        acquire(URL, "0x1", root=tmp_path).release()
        child.kill()


def test_the_folder_is_the_users_own_and_can_be_named(tmp_path: Path) -> None:
    code = "from executor.ledger.locks import lock_folder; print(lock_folder())"

    def folder(**env: str) -> str:
        result = subprocess.run(
            [sys.executable, "-c", code], env={"HOME": "/h", **env}, capture_output=True, text=True, check=True
        )
        return result.stdout.strip()

    assert folder() == "/h/.local/state/fractrade-hyperliquid-executor/locks"
    assert folder(XDG_STATE_HOME="/s") == "/s/fractrade-hyperliquid-executor/locks"
    assert folder(XDG_STATE_HOME="/s", EXECUTOR_LOCK_DIR="/l") == "/l"


def test_the_files_are_the_owners_alone(tmp_path: Path) -> None:
    with acquire(URL, "0x1", root=tmp_path / "new") as lock:
        assert stat.S_IMODE(lock.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(lock.path.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="EXECUTOR_LOCK_DIR"):
        acquire(URL, "0x1", root=tmp_path / "file" / "locks")


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    lock = acquire(URL, "0x1", root=tmp_path / "locks")
    lock.release()
    lock.path.unlink()
    victim = tmp_path / "victim"
    victim.write_text("dear")
    lock.path.symlink_to(victim)
    with pytest.raises(LedgerError, match="cannot be used"):
        acquire(URL, "0x1", root=tmp_path / "locks")
    assert victim.read_text() == "dear"


def test_on_a_full_disk_it_is_held_without_its_note(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # writing fails as on a full disk
    try:
        lock = acquire(URL, "0x1", root=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with lock, pytest.raises(LockHeld, match="not known yet"):
        acquire(URL, "0x1", root=tmp_path)
