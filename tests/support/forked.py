"""Runs the command line in real processes that share the interpreter's start: a mother has loaded it, and forks.

Each has a pid, signals, files, an environment, an exit code and the interpreter's own end, as if started by itself.
What is about the start (words in the list of processes, a terminal, ``python -m``) is still tested by ``exec``.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

SCRIPT = str(Path(sys.executable).with_name("executor"))
CAN_FORK = hasattr(os, "pidfd_open")
"""Elsewhere than on Linux every process is started by itself."""

READ_LATER = {"PYTHONASYNCIODEBUG"}
"""Variables of Python's that are not for the start of the interpreter."""

LOADED = (
    "executor.cli.main", "executor.cli.story", "executor.cli.tables", "executor.cli.words", "executor.app.main",
    "executor.app.control", "executor.app.doctor", "executor.app.mirror", "executor.app.web", "executor.paper.server",
    "executor.config.loading", "executor.ledger.reader",
)  # fmt: skip
PID_WIDTH = 10
LARGEST = 2**17
"""A request in bytes: words and environment of one process."""


# -- in the tests -----------------------------------------------------------------------------------------------------


class Forked:
    """What asyncio's ``Process`` offers, of a process whose mother reports its end."""

    def __init__(self, pid: int, report: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._loop.add_reader(report, self._on_end)

    def _on_end(self) -> None:
        self._loop.remove_reader(self._report)
        self.returncode = _exit_code(self._report)
        self._ended.set()

    async def wait(self) -> int | None:
        await self._ended.wait()
        return self.returncode

    def send_signal(self, how: int) -> None:
        if self.returncode is not None:
            raise ProcessLookupError
        with contextlib.suppress(ProcessLookupError):  # it ended just now, and that is not known here yet
            os.kill(self.pid, how)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def outlast(started_at: str | None, now_ms: int) -> None:
    """Wait until a worker's start, by the venue's clock as it knows it, is past here too: at most a second.

    One slow answer sets that clock wrong by half its delay; a signal stamped before the start would be looked up first.
    """
    if started_at is not None:
        ahead_s = datetime.fromisoformat(started_at).timestamp() - now_ms / 1000
        await asyncio.sleep(min(max(0.0, ahead_s + 0.002), 1.0))


async def start(words: Sequence[str], *, log: Any, env: Mapping[str, str], cwd: Path) -> Any:
    """``executor`` with these words, both streams into a file: an asyncio process, or one as good."""
    if not CAN_FORK:
        return await start_by_exec(words, log=log, env=env, cwd=cwd)
    return Forked(*_fork(words, log.fileno(), log.fileno(), env, cwd))


async def start_by_exec(words: Sequence[str], *, log: Any, env: Mapping[str, str], cwd: Path) -> Any:
    """The same with an interpreter of its own, and so with its words in the list of processes."""
    return await asyncio.create_subprocess_exec(SCRIPT, *words, stdout=log, stderr=log, env=env, cwd=cwd)


def run(
    words: Sequence[str], *, env: Mapping[str, str], cwd: Path, merged: bool = False, timeout_s: float = 40
) -> subprocess.CompletedProcess[str]:
    """``executor`` with these words, to its end; ``merged``: what it says on stderr is in ``stdout`` too."""
    with TemporaryFile() as out, TemporaryFile() as err:
        streams = (out, out if merged else err)
        if CAN_FORK:
            code = _ended(*_fork(words, *(one.fileno() for one in streams), env, cwd), timeout_s)
        else:
            command, nothing = [SCRIPT, *words], subprocess.DEVNULL
            code = subprocess.run(
                command, stdin=nothing, stdout=streams[0], stderr=streams[1], env=env, cwd=cwd, timeout=timeout_s,
                check=False,
            ).returncode  # fmt: skip
        said = [(stream.seek(0), stream.read().decode())[1] for stream in (out, err)]
    return subprocess.CompletedProcess([SCRIPT, *words], code, *said)


def _ended(pid: int, report: int, timeout_s: float) -> int:
    with selectors.DefaultSelector() as selector:
        selector.register(report, selectors.EVENT_READ)
        if not selector.select(timeout_s):
            os.kill(pid, signal.SIGKILL)
            raise TimeoutError(f"process {pid} did not end within {timeout_s} s")
    return _exit_code(report)


def _exit_code(report: int) -> int:
    told = os.read(report, 64)
    os.close(report)
    return int(told)


def _fork(words: Sequence[str], out: int, err: int, env: Mapping[str, str], cwd: Path) -> tuple[int, int]:
    """A process of the mother's: its pid, and where its exit code will be told."""
    ours, theirs = os.pipe()
    request = json.dumps({"argv": [SCRIPT, *words], "env": dict(env), "cwd": str(cwd)}).encode()
    with Path(os.devnull).open("rb") as nothing:
        socket.send_fds(_mother(_of_python(env)), [request], [nothing.fileno(), out, err, theirs])
    os.close(theirs)
    return int(os.read(ours, PID_WIDTH)), ours


def _of_python(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What an interpreter heeds when it starts: processes of another such environment have another mother."""
    heeded = (name for name in env if name.startswith("PYTHON") or name in ("LANG", "LC_ALL", "LC_CTYPE"))
    return tuple((name, env[name]) for name in sorted(heeded) if name not in READ_LATER)


@cache
def _mother(of_python: tuple[tuple[str, str], ...]) -> socket.socket:
    """The way to this test process' own mother of a kind."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, __file__, str(theirs.fileno())]
    env = {"PATH": os.environ["PATH"], **dict(of_python)}
    mother = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=env, stdin=subprocess.DEVNULL)
    theirs.close()

    def end() -> None:
        ours.close()
        mother.wait()

    atexit.register(end)
    return ours


# -- in the mother ----------------------------------------------------------------------------------------------------


def _load() -> None:
    """Import what a worker and the commands need; nothing of it may start a thread or look at the environment."""
    for name in LOADED:
        importlib.import_module(name)
    from executor import plugins

    for group in plugins.GROUPS:
        for info in plugins.discover(group):
            if info.origin.startswith(plugins.DISTRIBUTION):
                info.load()


def mother(control: socket.socket) -> None:
    """Fork for every request until the tests' end; returns in every child as well."""
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data is not None:
                _report(selector, key.fd, *key.data)
                continue
            request, fds, _, _ = socket.recv_fds(control, LARGEST, 4)
            if not request:
                return
            *streams, report = fds
            pid = os.fork()
            if pid == 0:
                selector.close()
                control.close()
                _become(json.loads(request), streams)
                return
            for stream in streams:
                os.close(stream)
            os.write(report, f"{pid:{PID_WIDTH}}".encode())
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, report))


def _report(selector: selectors.BaseSelector, ended: int, pid: int, report: int) -> None:
    selector.unregister(ended)
    os.close(ended)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(report, str(os.waitstatus_to_exitcode(status)).encode())
    os.close(report)


def _become(request: dict[str, Any], streams: Sequence[int]) -> None:
    """The process that was asked for."""
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = request["argv"]
    from executor import faults
    from executor.__main__ import main

    faults.arm(os.environ)  # the one module that looks at the environment when it is imported
    main()


if __name__ == "__main__":
    sys.path[0] = str(Path(SCRIPT).parent)
    _load()
    gc.freeze()
    mother(socket.socket(fileno=int(sys.argv[1])))
