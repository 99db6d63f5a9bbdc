"""Mangled commands, by HTTP body and control socket: each is a command as it is written, or is refused with a word."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from mangle import HEAVY, Mangler

from executor.app.control import EFFECTS, ControlServer
from executor.server.commands import BadCommand, parse_command

SEED = int(os.environ.get("FUZZ_SEED", "20261122"))
FULL = pytest.mark.full
LINES = tuple(
    json.dumps(line)
    for line in (
        {"command": "pause", "account": "main", "rule": None},
        {"command": "reset", "account": None, "rule": "daily_loss"},
        {"command": "flatten"},
    )
)


def understood(raw: bytes) -> bool:
    """Whether another parser reads one of our commands in it."""
    try:
        return json.loads(raw)["command"] in EFFECTS
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


@pytest.mark.parametrize("count", [2_000, pytest.param(20_000, marks=FULL)])
def test_a_mangled_command_is_what_it_says_or_none(count):
    refused = 0
    for number, raw in enumerate(Mangler(SEED, LINES).many(count)):
        try:
            command = parse_command(raw)
        except BadCommand:
            refused += 1
            continue
        assert understood(raw), (SEED, number, raw)
        assert command.name in EFFECTS
    assert refused > count / 3
    for make in HEAVY:
        for line in LINES:
            with pytest.raises(BadCommand):
                parse_command(make(line.encode()))


@pytest.mark.parametrize("count", [100, pytest.param(2_000, marks=FULL)])
async def test_a_mangled_line_on_the_control_socket_is_answered_and_the_next_one_works(tmp_path, count):
    taken = []
    server = ControlServer(tmp_path / "live.sock", lambda *words: taken.append(words) or ["main"])
    await server.start()
    try:
        for number, raw in enumerate(Mangler(SEED, LINES).many(count)):
            line, before = raw.replace(b"\n", b" "), len(taken)
            answer = await _said(tmp_path / "live.sock", line + b"\n")
            if answer:
                assert {"error", "command"} & set(json.loads(answer)), (SEED, number, raw)
            assert len(taken) == before or understood(line), (SEED, number, raw)
        assert json.loads(await _said(tmp_path / "live.sock", LINES[0].encode() + b"\n"))["command"] == "pause"
    finally:
        await server.close()


async def _said(path, line):
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(line)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""  # a line far beyond the limit is cut off while it comes
    finally:
        writer.close()
