"""pause, resume, flatten, reset: to a running worker over its 0600 Unix socket, else written into the ledger."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from executor.app.control_socket import STANDING, beside, is_trusted, listen_on, place
from executor.config import Loaded
from executor.config.overlay import did_you_mean
from executor.errors import ConfigError, ExecutorError
from executor.ledger.reader import LedgerReader
from executor.server.commands import BadCommand, Command, parse_command

if TYPE_CHECKING:
    from executor.app.identity import Trader

log = structlog.get_logger("executor.control")

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


class ControlServer:
    """Takes one JSON line per connection: ``{"command", "account", "rule"}``, and answers each with one."""

    def __init__(self, path: Path, take: Take, standing: Callable[[], dict[str, Any]] = dict) -> None:
        self._path = place(path)
        self._take = take
        self._standing = standing
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; the socket is the user's alone. Raises ``ConfigError`` where something else stands in its place."""
        self._server = await asyncio.start_unix_server(self._serve, sock=listen_on(self._path), limit=MAX_LINE)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(reader, writer)
            if answer is None:
                return
            writer.write(orjson.dumps(answer) + b"\n")
            async with asyncio.timeout(TIMEOUT_S):
                await writer.drain()
        except (TimeoutError, ConnectionError) as error:
            log.warning("nobody took the answer to a command", action="command_failed", error=str(error))
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any] | None:
        """``None`` for who left without a word."""
        if not is_trusted(writer.get_extra_info("socket")):
            return {"error": "commands are taken from the worker's own user alone"}
        try:
            line = await _line(reader)
            if line.strip() == STANDING:
                return self._standing()
            return carry_out(self._take, parse_command(line), "cli") if line else None
        except BadCommand as error:
            log.warning("a command was not understood", action="command_failed", error=str(error))
            return {"error": str(error)}


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await reader.readline()
    except TimeoutError:
        raise BadCommand(f"no command came within {TIMEOUT_S:g} s") from None
    except ValueError:
        raise BadCommand(f"a command has at most {MAX_LINE} bytes") from None


def carry_out(take: Take, command: Command, by: str) -> dict[str, Any]:
    """Carry out a command and say what it does; one that cannot be is answered with the reason."""
    try:
        accounts = take(command.name, command.account, by, command.rule)
    except KeyError:
        return {"error": f"there is no account {command.account!r}"}
    except ExecutorError as error:
        return {"error": error.message}
    except Exception:  # a bug: the log is told, and whoever asked gets an answer
        log.exception("a command failed", action="command_failed", command=command.name)
        return {"error": "this failed; the worker's log says why"}
    return {"command": command.name, "accounts": accounts, "worker": True, "effect": EFFECTS[command.name]}


def command(loaded: Loaded, name: str, account: str | None = None, rule: str | None = None) -> dict[str, Any]:
    """Carry out a command, whether or not a worker runs."""
    names = [trader.name for trader in loaded.config.accounts]
    if account is not None and account not in names:
        raise ConfigError(f"there is no account {account!r}", f"accounts are: {', '.join(names)}")
    if rule is not None:
        _require_breaker(loaded, rule)
    request = {"command": name, "account": account, "rule": rule}
    answer = _ask_worker(beside(loaded.config.ledger.path), request)
    if answer is None:
        return _write_down(loaded, name, [account] if account else names, rule)
    if "error" in answer:
        raise ExecutorError(str(answer["error"]), "see `executor status`")
    return answer


def _require_breaker(loaded: Loaded, rule: str) -> None:
    """Raises for what can never have fired: no configured rule that latches, and no latch of the record."""
    from executor.app.compose import rules
    from executor.execution.worker import SIGNER_CONFLICT
    from executor.risk.breakers import may_latch

    known = {SIGNER_CONFLICT, *(one.name for one in rules(loaded) if may_latch(one))}
    if rule not in known and loaded.config.ledger.path.exists():
        with LedgerReader(loaded.config.ledger.path) as reader:
            known |= {fired["rule"] for account in reader.status()["accounts"] for fired in account["breakers"]}
    if rule not in known:
        raise ConfigError(f"there is no breaker '{rule}'", did_you_mean(rule, sorted(known)))


def _ask_worker(path: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    """The worker's answer; ``None`` where none runs. Only the user's own worker is told, and believed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(TIMEOUT_S)
        try:
            link.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise _unanswered(f"{path} cannot be used: {error.strerror or error}") from None
        if not is_trusted(link):
            raise _unanswered(f"{path} belongs to another user")
        try:
            link.sendall(orjson.dumps(request) + b"\n")
            answer = orjson.loads(_read_line(link))
        except (OSError, orjson.JSONDecodeError):
            raise _unanswered("it is not known whether the command was taken") from None
    return answer if isinstance(answer, dict) else {"error": "the worker gave an odd answer"}


def _unanswered(what: str) -> ExecutorError:
    return ExecutorError(f"the worker did not answer: {what}", "see `executor status`, then try again")


def _read_line(link: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n") and len(received) < MAX_LINE and (chunk := link.recv(MAX_LINE)):
        received += chunk
    return received


def _write_down(loaded: Loaded, name: str, accounts: list[str], rule: str | None) -> dict[str, Any]:
    """No worker runs: the command is recorded, and is the first thing the next one knows."""
    from executor.app.identity import traders
    from executor.app.locking import hold, hold_files

    who = traders(loaded)
    answer = {"command": name, "accounts": accounts, "worker": False}
    with hold(loaded, who), hold_files(loaded):
        _record(loaded, who, name, accounts, rule)
        if name == "flatten":
            return {**answer, **_flatten_now(loaded, who, accounts)}
    return {**answer, "effect": EFFECTS[name]}


def _record(loaded: Loaded, who: Mapping[str, Trader], name: str, accounts: list[str], rule: str | None) -> None:
    from executor.app import compose
    from executor.clock import SystemClock
    from executor.execution.worker import command_event

    clock = SystemClock()
    ledger = compose.open_ledger(loaded, who, clock)
    try:
        ledger.commit([], [command_event(name, one, "cli", rule, clock.now_ms()) for one in accounts])
    finally:
        ledger.close(clean=ledger.was_clean)


def _flatten_now(loaded: Loaded, who: Mapping[str, Trader], accounts: list[str]) -> dict[str, Any]:
    """Flatten needs the venue: a worker without sources runs until every account is flat."""
    from executor.app.main import run_flatten

    done = run_flatten(loaded, who, accounts)
    effect = "everything is closed" if done else "recorded, not done yet: start the worker, or run it again"
    return {"effect": effect, "done": done}
