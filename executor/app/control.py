"""pause, resume, flatten, reset: to a running worker over its 0600 Unix socket, else written into the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import structlog

from executor.app import compose
from executor.app.identity import traders
from executor.app.locking import hold
from executor.clock import SystemClock
from executor.config import Loaded
from executor.errors import ConfigError, ExecutorError
from executor.execution.worker import command_event

log = structlog.get_logger("executor.control")

COMMANDS = ("pause", "resume", "flatten", "reset")
MAX_PATH = 100
MAX_LINE = 4096
TIMEOUT_S = 5.0

Take = Callable[[str, str | None, str, str | None], list[str]]
"""Carries a command out (``Worker.command``): name, account, by, rule; returns the accounts concerned."""

EFFECTS = {
    "pause": "no new entries; exits and protection go on",
    "resume": "entries may go again",
    "flatten": "everything is being closed; entries stay stopped until resume",
    "reset": "the breaker is reset",
}


def short_path(path: Path) -> Path:
    """The path, or a short one in the runtime folder where it is too long for a Unix socket."""
    if len(str(path)) <= MAX_PATH:
        return path
    from hashlib import blake2b

    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108  # 0600 and a name nobody can guess use of
    return folder / f"executor-{blake2b(str(path).encode(), digest_size=8).hexdigest()}.sock"


class ControlServer:
    """Takes one JSON line per connection: ``{"command", "account", "rule"}``."""

    def __init__(self, path: Path, take: Take) -> None:
        self._path = short_path(path)
        self._take = take
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; the socket is the user's alone."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=MAX_LINE)
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = self._answer(await reader.readline())
                writer.write(orjson.dumps(answer) + b"\n")
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError) as error:
            log.warning("a command was not understood", action="command_failed", error=str(error))
        finally:
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        request = orjson.loads(line)
        return carry_out(self._take, request.get("command"), request.get("account"), "cli", request.get("rule"))


def carry_out(take: Take, name: str, account: str | None, by: str, rule: str | None) -> dict[str, Any]:
    """Carry out a command and say what it does; an unusable one is answered with the reason."""
    try:
        accounts = take(name, account, by, rule)
    except (ValueError, KeyError) as error:
        return {"error": f"cannot {name}: {error}"}
    return {"command": name, "accounts": accounts, "worker": True, "effect": EFFECTS[name]}


def command(loaded: Loaded, name: str, account: str | None = None, rule: str | None = None) -> dict[str, Any]:
    """Carry out a command, whether or not a worker runs."""
    names = [trader.name for trader in loaded.config.accounts]
    if account is not None and account not in names:
        raise ConfigError(f"there is no account {account!r}", f"accounts are: {', '.join(names)}")
    request = {"command": name, "account": account, "rule": rule}
    answer = _ask_worker(short_path(compose.socket_path(loaded)), request)
    if answer is None:
        return _write_down(loaded, name, [account] if account else names, rule)
    if "error" in answer:
        raise ExecutorError(str(answer["error"]), "see `executor status`")
    return answer


def _ask_worker(path: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(TIMEOUT_S)
        try:
            link.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        link.sendall(orjson.dumps(request) + b"\n")
        answer: dict[str, Any] = orjson.loads(_read_line(link))
        return answer


def _read_line(link: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n") and (chunk := link.recv(MAX_LINE)):
        received += chunk
    return received


def _write_down(loaded: Loaded, name: str, accounts: list[str], rule: str | None) -> dict[str, Any]:
    """No worker runs: the command is recorded, and is the first thing the next one knows."""
    clock, who = SystemClock(), traders(loaded)
    if name == "flatten":
        return _flatten_now(loaded, accounts)
    with hold(loaded, who):
        ledger = compose.open_ledger(loaded, who, clock)
        try:
            ledger.commit([], [command_event(name, one, "cli", rule, clock.now_ms()) for one in accounts])
        finally:
            ledger.close(clean=ledger.was_clean)
    return {"command": name, "accounts": accounts, "worker": False, "effect": EFFECTS[name]}


def _flatten_now(loaded: Loaded, accounts: list[str]) -> dict[str, Any]:
    """Flatten needs the venue: a worker without sources runs until every account is flat."""
    from executor.app.main import run_flatten

    done = run_flatten(loaded, accounts)
    effect = "everything is closed" if done else "not everything could be closed in time: run it again"
    return {"command": "flatten", "accounts": accounts, "worker": False, "effect": effect, "done": done}
