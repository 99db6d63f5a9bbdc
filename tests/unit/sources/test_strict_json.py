"""Frames are read exactly; whatever is not one plain JSON object is refused with its reason."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.sources.fields import Refusal
from executor.sources.strict_json import parse_object


def test_numbers_keep_every_digit() -> None:
    parsed = parse_object('{"a": 0.1, "b": 1e-9, "c": 12345678901234567890, "d": 0.10}')
    assert parsed == {"a": Decimal("0.1"), "b": Decimal("1e-9"), "c": 12345678901234567890, "d": Decimal("0.1")}
    assert str(parsed["d"]) == "0.10"
    assert type(parsed["c"]) is int


def test_bytes_are_utf8() -> None:
    assert parse_object('{"a": "\u00e9"}'.encode()) == {"a": "\u00e9"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "INVALID_JSON"),
        ("{", "INVALID_JSON"),
        ("{}x", "INVALID_JSON"),
        ("\ufeff{}", "INVALID_JSON"),
        ("{'a': 1}", "INVALID_JSON"),
        ('{"a": 01}', "INVALID_JSON"),
        ('{"a": "\n"}', "INVALID_JSON"),
        ("[]", "NOT_AN_OBJECT"),
        ("null", "NOT_AN_OBJECT"),
        ('{"a": NaN}', "BAD_NUMBER"),
        ('{"a": Infinity}', "BAD_NUMBER"),
        ('{"a": -Infinity}', "BAD_NUMBER"),
        ('{"a": 1e99999999999999999999}', "BAD_NUMBER"),
        ('{"a": ' + "9" * 5000 + "}", "BAD_NUMBER"),
        ('{"a": 1, "a": 1}', "DUPLICATE_KEY"),
        ('{"x": {"a": 1, "b": 2, "a": 3}}', "DUPLICATE_KEY"),
        (b"\xff", "NOT_UTF8"),
        ('{"a":' * 5000, "TOO_DEEP"),
        ("[" * 100_000, "TOO_DEEP"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_anything_else_is_refused(raw: str | bytes, reason: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_object(raw)
    assert refusal.value.reason == reason
    assert refusal.value.detail.isascii()


def test_the_limit_is_on_the_frame() -> None:
    assert parse_object("{}", limit=2) == {}
    with pytest.raises(Refusal, match="FRAME_TOO_LARGE"):
        parse_object("{ }", limit=2)


@pytest.mark.timeout(5)
def test_finding_a_repeated_key_takes_no_longer_than_reading() -> None:
    keys = ",".join(f'"k{n}":0' for n in range(90_000))
    with pytest.raises(Refusal, match="DUPLICATE_KEY"):
        parse_object(f'{{{keys},"k89999":1}}')
