"""The command socket: it is the user's alone, and whatever is said to it is answered and breaks nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import threading

import pytest

from executor.app import control, control_socket
from executor.app.control import ControlServer
from executor.errors import ConfigError, ExecutorError, LedgerError


class Desk:
    """Takes what a worker takes; ``breaks`` is raised instead."""

    def __init__(self):
        self.taken, self.breaks = [], None

    def __call__(self, name, account, by, rule=None):
        if self.breaks is not None:
            raise self.breaks
        if account not in (None, "main"):
            raise KeyError(account)
        self.taken.append((name, account, rule))
        return ["main"]


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
async def path(tmp_path, desk, monkeypatch):
    monkeypatch.setattr(control, "TIMEOUT_S", 0.3)
    before = os.umask(0)  # as lax as it can be
    server = ControlServer(tmp_path / "live.sock", desk)
    try:
        await server.start()
    finally:
        os.umask(before)
    yield tmp_path / "live.sock"
    await server.close()
    assert not (tmp_path / "live.sock").exists()


async def _said(path, sent, *, end=False):
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(sent)
        if end:
            writer.write_eof()
        return json.loads(await asyncio.wait_for(reader.read(), 5))
    finally:
        writer.close()


async def test_it_is_the_users_alone_under_any_umask(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"nonsense\n",
        b"\x00\xff\xfe\n",
        b"[]\n",
        b"null\n",
        b"17\n",
        b"[" * 4000 + b"\n",
        b'"\\ud800"\n',
        b"{}\n",
        b'{"command":null}\n',
        b'{"command":["pause"]}\n',
        b'{"command":{"a":1}}\n',
        b'{"command":"explode"}\n',
        b'{"command":"pause","account":["main"]}\n',
        b'{"command":"pause","account":17}\n',
        b'{"command":"pause","account":"nobody"}\n',
        b'{"command":"reset"}\n',
        b'{"command":"reset","rule":17}\n',
        b'{"command":"pause","rule":"daily_loss"}\n',
        b'{"command":"pause","by":"the boss"}\n',
        b"x" * 200_000 + b"\n",
    ],
    ids=lambda line: repr(line[:40]),
)
async def test_garbage_is_answered_with_what_is_wrong_and_does_nothing(path, desk, line, caplog):
    answer = await _said(path, line)
    assert set(answer) == {"error"}
    assert answer["error"]
    assert desk.taken == []
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(("sent", "end"), [(b'{"command":', False), (b"", False), (b'{"command":"pau', True)])
async def test_who_does_not_finish_is_answered_too(path, desk, sent, end):
    assert set(await _said(path, sent, end=end)) == {"error"}
    assert desk.taken == []


async def test_who_leaves_without_a_word_makes_no_noise(path, desk, caplog):
    _, writer = await asyncio.open_unix_connection(path)
    writer.close()
    assert (await _said(path, b'{"command":"pause"}\n'))["worker"]
    assert [record.name for record in caplog.records if record.name != "asyncio"] == []


async def test_the_slow_keep_nobody_waiting(path, desk):
    slow = [await asyncio.open_unix_connection(path) for _ in range(20)]
    assert (await _said(path, b'{"command":"pause"}\n'))["accounts"] == ["main"]
    for _, writer in slow:
        writer.close()
    assert desk.taken == [("pause", None, None)]


@pytest.mark.parametrize("error", [LedgerError("the disk is full"), RuntimeError("canary"), ValueError("canary")])
async def test_a_command_that_fails_is_answered_without_its_inside(path, desk, error):
    desk.breaks = error
    answer = await _said(path, b'{"command":"flatten"}\n')
    assert answer["error"]
    assert "canary" not in str(answer)


# -- the place ------------------------------------------------------------------------------------------------


async def test_a_socket_left_behind_is_replaced(tmp_path, desk):
    old = control_socket.listen_on(tmp_path / "live.sock")
    old.close()
    server = ControlServer(tmp_path / "live.sock", desk)
    await server.start()
    assert (await _said(tmp_path / "live.sock", b'{"command":"pause"}\n'))["worker"]
    await server.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling"])
def test_what_is_no_socket_of_ours_is_left_alone(tmp_path, kind):
    path, victim = tmp_path / "live.sock", tmp_path / "victim"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(victim)
        if kind == "link":
            victim.write_text("mine")
    with pytest.raises(ConfigError, match="where the command socket belongs"):
        control_socket.listen_on(path)
    assert os.path.lexists(path)
    assert victim.exists() is (kind == "link")


def test_a_path_too_long_goes_into_a_private_folder_whatever_the_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(control_socket, "_SHORT", tmp_path)
    long = tmp_path / ("x" * 120) / "live.sock"
    before = os.umask(0)
    try:
        found = control_socket.place(long)
    finally:
        os.umask(before)
    assert found.parent == tmp_path / f"executor-{os.getuid()}"
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "elsewhere"))
    assert control_socket.place(long) == found


@pytest.mark.parametrize("kind", ["open", "file", "link"])
def test_a_folder_that_others_could_have_made_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(control_socket, "_SHORT", tmp_path)
    folder = tmp_path / f"executor-{os.getuid()}"
    if kind == "open":
        folder.mkdir()
        folder.chmod(0o777)
    elif kind == "file":
        folder.write_text("")
    else:
        (tmp_path / "theirs").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(ConfigError, match="yours alone"):
        control_socket.place(tmp_path / ("x" * 120) / "live.sock")


def test_another_users_end_is_not_trusted(monkeypatch):
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert control_socket.is_trusted(one)
        if os.getuid() != 0:
            monkeypatch.setattr(os, "getuid", lambda: 4711)
            assert not control_socket.is_trusted(one)


# -- the asking side ------------------------------------------------------------------------------------------


def _false_worker(path, answers):
    """Something that listens where a worker would, and says this instead of an answer."""
    link = control_socket.listen_on(path)
    link.listen()

    def serve():
        peer, _ = link.accept()
        with peer:
            peer.recv(4096)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who has read enough hangs up
                peer.sendall(answers)

    thread = threading.Thread(target=serve)
    thread.start()
    return link, thread


@pytest.mark.parametrize("answers", [b"", b"nonsense\n", b"x" * 100_000, b'{"half":'])
def test_an_unreadable_answer_is_an_error_and_no_crash(tmp_path, answers):
    link, thread = _false_worker(tmp_path / "s", answers)
    with link, pytest.raises(ExecutorError, match="not known"):
        control._ask_worker(tmp_path / "s", {"command": "pause"})
    thread.join()


def test_no_answer_in_time_is_an_error_and_no_crash(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "TIMEOUT_S", 0.2)
    with control_socket.listen_on(tmp_path / "s") as link:
        link.listen()
        with pytest.raises(ExecutorError, match="not known"):
            control._ask_worker(tmp_path / "s", {"command": "pause"})


def test_without_a_worker_nobody_is_asked(tmp_path):
    control_socket.listen_on(tmp_path / "dead").close()
    assert control._ask_worker(tmp_path / "dead", {}) is None
    assert control._ask_worker(tmp_path / "nothing", {}) is None


async def test_a_worker_without_a_ledger_says_so_to_who_asks_how_it_stands(tmp_path, desk):
    server = ControlServer(tmp_path / "other.sock", desk, lambda: {"ledger_failed": "the disk is full"})
    await server.start()
    try:
        told = await asyncio.to_thread(control_socket.standing, tmp_path / "other.sock")
    finally:
        await server.close()
    assert told == {"ledger_failed": "the disk is full"}
    assert desk.taken == []


def test_where_no_worker_listens_nobody_stands(tmp_path):
    assert control_socket.standing(tmp_path / "none.sock") is None


async def test_a_worker_that_does_not_answer_is_there_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(control_socket, "ANSWER_S", 0.1)
    halted = control_socket.listen_on(tmp_path / "halted.sock")
    halted.listen()
    try:
        assert await asyncio.to_thread(control_socket.standing, tmp_path / "halted.sock") == {}
    finally:
        halted.close()
