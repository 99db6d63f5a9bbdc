"""Where the command socket lies, and that both of its ends are the user's own."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from executor.errors import ConfigError

MAX_PATH = 100
"""Bytes; a Unix socket's address holds 104 to 108, depending on the system."""

STANDING = b'{"command":"standing"}'
"""Asks a worker how it stands; anything else on its socket is a command."""

ANSWER_S = 1.0

_SHORT = Path("/tmp")  # noqa: S108  # only a 0700 folder of our own below it is used
_REMEDY = "name another place in ledger.path: the command socket lies beside the ledger"


def place(path: Path) -> Path:
    """The path, or a short one in a private folder where it is too long for a Unix socket.

    It hangs on nothing but path and user, so that worker and command line always meet. Raises ``ConfigError`` where
    somebody else has made that folder.
    """
    if len(os.fsencode(path)) <= MAX_PATH:
        return path
    folder = _SHORT / f"executor-{os.getuid()}"
    _make_private(folder)
    return folder / f"{blake2b(os.fsencode(path), digest_size=8).hexdigest()}.sock"


def _make_private(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ConfigError(f"{folder} is not a folder that is yours alone", "make the ledger's path shorter")


def listen_on(path: Path) -> socket.socket:
    """A listening socket, 0600 from its first moment; only a socket of our own is taken out of the way."""
    _clear(path)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        link.bind(str(path))
    except OSError as error:
        link.close()
        raise ConfigError(f"the command socket {path} cannot be made: {error.strerror}", _REMEDY) from error
    finally:
        os.umask(before)
    return link


def _clear(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigError(f"{path} stands where the command socket belongs", _REMEDY)
    path.unlink()


def beside(ledger: Path) -> Path:
    """Where the worker on this ledger takes its commands."""
    return place(ledger.with_suffix(".sock"))


def standing(path: Path) -> dict[str, Any] | None:
    """What the worker there says of itself beyond its record (``ledger_failed``); ``None`` where none runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(ANSWER_S)
        try:
            link.connect(str(path))
            if not is_trusted(link):
                return None
            link.sendall(STANDING + b"\n")
            answer = orjson.loads(link.makefile("rb").readline() or b"{}")
        except TimeoutError:
            return {}  # one is there, and busy or halted
        except (OSError, orjson.JSONDecodeError):
            return None
    return answer if isinstance(answer, dict) else {}


def is_trusted(link: socket.socket) -> bool:
    """Whether the other end is this user's or root's, where the system can tell; file modes say the same elsewhere."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid in (0, os.getuid())
