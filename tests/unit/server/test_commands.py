"""A command that is not understood is never guessed."""

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.server.commands import BadCommand, Command, parse_command


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"command": "pause"}, Command("pause", None, None)),
        ({"command": "resume", "account": None}, Command("resume", None, None)),
        ({"command": "flatten", "account": "main"}, Command("flatten", "main", None)),
        ({"command": "reset", "rule": "daily_loss", "account": "main"}, Command("reset", "main", "daily_loss")),
    ],
)
def test_commands_of_the_contract_are_read(document, expected):
    assert parse_command(orjson.dumps(document)) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"pause", b"[]", b'"pause"', b"{}", b'{"command": "Pause"}', b'{"command": "buy"}', b'{"command": ["pause"]}',
     b'{"command": "pause", "acount": "main"}', b'{"command": "pause", "account": 1}',
     b'{"command": "flatten", "account": ""}',
     b'{"command": "reset"}', b'{"command": "pause", "rule": "daily_loss"}', b'{"command": "pause"} x', b"\xff"],
)  # fmt: skip
def test_anything_else_is_refused_with_the_reason(body):
    with pytest.raises(BadCommand, match=r".+"):
        parse_command(body)


@pytest.mark.parametrize(
    "body",
    [b'{"command": "pause", "command": "pause"}', b'{"command": "flatten", "account": "main", "account": null}',
     b'{"command": "flatten", "account": {"a": 1, "a": 2}, "account": null}',
     b'{"comm\\u0061nd": "flatten", "command": "pause"}',
     b'{"account": ' + b"[" * 900 + b"]" * 900 + b', "command": "pause", "account": null}'],
)  # fmt: skip
def test_a_command_that_says_a_thing_twice_is_not_carried_out(body):
    with pytest.raises(BadCommand, match="more than once"):
        parse_command(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_refused(body):
    with contextlib.suppress(BadCommand):
        assert parse_command(body).name
