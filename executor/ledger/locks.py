"""Locks that keep two workers off one account or one signer, wherever their ledgers lie.

``flock`` on files in a folder of the user's own, outside every ledger's folder: a copied ledger or a second
configuration cannot get around it, and the kernel lets go when the holder dies, however it dies.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import TracebackType

import orjson

from executor.clock import Clock, SystemClock, iso
from executor.errors import LedgerError, LockHeld

FOLDER_ENV = "EXECUTOR_LOCK_DIR"
_APP = "fractrade-hyperliquid-executor"


@dataclass(slots=True)
class HeldLock:
    """One lock, held until ``release`` or the end of the process. ``what`` is what it stands for."""

    path: Path
    what: str
    _fd: int

    def release(self) -> None:
        """Let go; again is no error. The file stays: removing it would race with whoever opens it now."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> HeldLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


def acquire(endpoint: str, subject: str, *, root: Path | None = None, clock: Clock | None = None) -> HeldLock:
    """Take the lock on ``subject`` (an account's or a signer's address) at ``endpoint`` (the exchange's URL).

    Raises ``LockHeld``, saying by whom, when another process (or this one) has it; ``LedgerError`` when the folder
    cannot be used.
    """
    what = f"{subject.lower()} at {endpoint.rstrip('/').lower()}"
    folder = root or lock_folder()
    path = folder / f"{blake2b(what.encode(), digest_size=16).hexdigest()}.lock"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        _lock(fd, path, what)
    except OSError as error:
        raise LedgerError(
            f"the lock folder {folder} cannot be used: {error}", f"point {FOLDER_ENV} at another"
        ) from error
    started = iso((clock or SystemClock()).now_ms())
    with suppress(OSError):  # a full disk: the lock is held without its note, and who flattens must not wait for room
        os.ftruncate(fd, 0)
        os.pwrite(fd, orjson.dumps({"pid": os.getpid(), "since": started, "what": what}), 0)
    return HeldLock(path, what, fd)


def lock_folder() -> Path:
    """Where locks lie: ``EXECUTOR_LOCK_DIR``, else the user's state folder."""
    named = os.environ.get(FOLDER_ENV)
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / _APP / "locks"


def _lock(fd: int, path: Path, what: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        raise LockHeld(
            f"another worker already trades for {what}: {_holder(path)}",
            "stop that worker first; two workers for one account or signer would place orders twice",
        ) from error


def _holder(path: Path) -> str:
    """Who holds it, as far as the file tells: it may be empty in the moment it is taken."""
    try:
        holder = orjson.loads(path.read_bytes())
        return f"process {holder['pid']}, since {holder['since']}"
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return "its process is not known yet"
