"""Named fault points: nothing by default, and exactly what was asked for when armed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from executor import faults


@pytest.fixture(autouse=True)
def _disarmed():
    yield
    faults.set_handler(None)


def test_by_default_a_point_is_a_function_that_does_nothing():
    assert faults.point is faults.nothing
    assert faults.point("signed") is None


def test_without_the_variable_nothing_is_armed():
    faults.arm({})
    assert faults.point is faults.nothing


def test_the_nth_time_a_point_is_reached_fails_and_no_other():
    faults.arm({faults.VARIABLE: "signed:2:raise"})
    faults.point("received")
    faults.point("signed")
    with pytest.raises(faults.FaultInjected):
        faults.point("signed")
    faults.point("signed")


@pytest.mark.parametrize(("kind", "number"), [("enospc", errno.ENOSPC), ("eio", errno.EIO)])
def test_a_plus_fails_from_the_nth_time_onward(kind, number):
    faults.arm({faults.VARIABLE: f"ledger_write:2+:{kind}"})
    faults.point("ledger_write")
    for _ in range(3):
        with pytest.raises(OSError, match="fault point ledger_write") as failed:
            faults.point("ledger_write")
        assert failed.value.errno == number


@pytest.mark.parametrize("text", ["signed", "signed:1:melt", "nowhere:1:kill", "signed:x:kill", "signed:1:kill:more"])
def test_what_cannot_be_armed_is_an_error_and_no_silent_nothing(text):
    with pytest.raises(ValueError, match="not name:nth:kind"):
        faults.arm({faults.VARIABLE: text})


def test_a_handler_in_this_process_hears_of_every_point_for_a_while():
    heard: list[str] = []
    with faults.handling(heard.append):
        faults.point("received")
        faults.point("first_byte_sent", None)
    faults.point("signed")
    assert heard == ["received", "first_byte_sent"]


def test_what_a_file_says_is_armed_when_it_changes_and_counted_from_then(tmp_path):
    path = tmp_path / "fault"
    faults.arm({faults.VARIABLE: f"@{path}"})
    faults.point("signed")
    path.write_text("signed:2:raise", "utf-8")
    faults.point("signed")
    with pytest.raises(faults.FaultInjected):
        faults.point("signed")
    path.write_text("", "utf-8")
    faults.point("signed")


class Wire:
    written = b""

    def write(self, data):
        self.written += data


def test_only_a_kill_leaves_the_first_byte_of_a_request_on_the_wire():
    wire = Wire()
    faults.arm({faults.VARIABLE: "first_byte_sent:1:raise"})
    with pytest.raises(faults.FaultInjected):
        faults.point("first_byte_sent", wire)
    assert wire.written == b""


def test_kill_ends_the_process_at_once_and_says_where():
    code = "from executor import faults; faults.point('signed'); print('alive')"
    environ = {**os.environ, faults.VARIABLE: "signed:1:kill"}
    ended = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, check=False, text=True)
    assert ended.returncode == -signal.SIGKILL
    assert (ended.stdout, ended.stderr.strip()) == ("", "fault point signed: kill")


def test_every_point_in_the_code_has_its_line_in_the_table():
    from pathlib import Path
    from re import findall

    root = Path(faults.__file__).parent
    sources = [path.read_text("utf-8") for path in root.rglob("*.py") if path.name != "faults.py"]
    used = {name for text in sources for name in findall(r'faults\.point(?:\(|, )"(\w+)"', text)}
    assert used == set(faults.POINTS)
