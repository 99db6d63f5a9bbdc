"""Single fields of untrusted JSON: what is let through, exactly, and what is refused in which words."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from executor.sources.fields import Refusal, agree, epoch_stamp, flag, iso_stamp, need, number, positive, shown, text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (None, None),
        (1, "1"),
        (Decimal("0.10"), "0.10"),
        ("0.10", "0.10"),
        ("+1.5e2", "150"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e-12", "1e-12"),
        (9_999_999_999_999_999, "9999999999999999"),
    ],
)
def test_numbers_are_exact(value: Any, number: str | None) -> None:
    assert positive(value, "f") == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "WRONG_TYPE"),
        ([], "WRONG_TYPE"),
        ({}, "WRONG_TYPE"),
        (0, "NOT_POSITIVE"),
        (-1, "NOT_POSITIVE"),
        (Decimal("-0"), "NOT_POSITIVE"),
        ("nan", "BAD_NUMBER"),
        ("inf", "BAD_NUMBER"),
        ("", "BAD_NUMBER"),
        ("1 ", "BAD_NUMBER"),
        ("1_0", "BAD_NUMBER"),
        ("0x1", "BAD_NUMBER"),
        ("1e9999", "BAD_NUMBER"),
        ("\u0661", "BAD_NUMBER"),
        ("1" * 65, "BAD_NUMBER"),
        (10**16, "OUT_OF_RANGE"),
        (Decimal("9.9e-13"), "OUT_OF_RANGE"),
        ("1." + "0" * 27 + "1", "OUT_OF_RANGE"),
        (10**4000, "OUT_OF_RANGE"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_anything_but_a_sane_positive_number_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(Refusal) as refusal:
        positive(value, "f")
    assert (refusal.value.reason, refusal.value.field) == (reason, "f")


def test_trailing_zeros_do_not_make_a_number_too_precise() -> None:
    assert positive("1." + "0" * 40, "f") == 1


@pytest.mark.parametrize("value", ["a b", "x" * 200, "\u00e9", "a-1_2:3/4"])
def test_printable_text_is_kept_as_it_is(value: str) -> None:
    assert text(value, "f") == value


@pytest.mark.parametrize("value", [None, ""])
def test_empty_text_is_absent(value: str | None) -> None:
    assert text(value, "f") is None


@pytest.mark.parametrize("value", ["\n", "a\tb", "\u202ea", "\u200b", "\ud800", " a", "a ", " ", "x" * 201, "\x7f"])
def test_text_that_would_spoil_a_table_is_refused(value: str) -> None:
    with pytest.raises(Refusal) as refusal:
        text(value, "f")
    assert refusal.value.reason == "BAD_TEXT"
    assert refusal.value.detail.isascii()


@pytest.mark.parametrize("value", [0, 1, True, [], {}])
def test_other_types_are_no_text(value: Any) -> None:
    with pytest.raises(Refusal, match="WRONG_TYPE"):
        text(value, "f")


@pytest.mark.parametrize("value", [True, False, None])
def test_flags_are_booleans_or_absent(value: bool | None) -> None:
    assert flag(value, "f") is value


@pytest.mark.parametrize("value", [0, 1, "true", "", []])
def test_nothing_else_is_a_flag(value: Any) -> None:
    with pytest.raises(Refusal, match="WRONG_TYPE"):
        flag(value, "f")


@pytest.mark.parametrize(
    ("value", "at_ms"),
    [
        ("2026-05-04T09:30:00Z", 1_777_887_000_000),
        ("2026-05-04T09:30:00.123456+00:00", 1_777_887_000_123),
        ("2026-05-04 11:30:00+02:00", 1_777_887_000_000),
        ("2000-01-01T00:00:00Z", 946_684_800_000),
        (None, None),
        ("", None),
    ],
)
def test_iso_times_with_a_zone_are_exact(value: Any, at_ms: int | None) -> None:
    assert iso_stamp(value, "f") == at_ms


@pytest.mark.parametrize(
    "value", ["2026-05-04T09:30:00", "2026-05-04", "x", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z"]
)
def test_other_times_are_refused(value: str) -> None:
    with pytest.raises(Refusal, match="BAD_TIMESTAMP"):
        iso_stamp(value, "f")


@pytest.mark.parametrize(
    ("value", "at_ms"),
    [
        (1_777_887_000, 1_777_887_000_000),
        (Decimal("1777887000.25"), 1_777_887_000_250),
        (1_777_887_000_250, 1_777_887_000_250),
        ("1777887000", 1_777_887_000_000),
        ("2026-05-04T09:30:00Z", 1_777_887_000_000),
        (1_234_567_890, 1_234_567_890_000),
        (None, None),
    ],
)
def test_epoch_times_are_seconds_or_by_their_magnitude_milliseconds(value: Any, at_ms: int | None) -> None:
    assert epoch_stamp(value, "f") == at_ms


@pytest.mark.parametrize("value", [1_777_887_000_000_000, 1, "soon"])
def test_implausible_epoch_times_are_refused(value: Any) -> None:
    with pytest.raises(Refusal, match="BAD_TIMESTAMP"):
        epoch_stamp(value, "f")


def test_two_places_must_agree() -> None:
    assert agree(None, 2, "f") == 2
    assert agree(1, None, "f") == 1
    assert agree(Decimal("1.0"), Decimal(1), "f") == 1
    with pytest.raises(Refusal, match="FIELD_CONFLICT"):
        agree(1, 2, "f")


def test_what_is_needed_must_be_there() -> None:
    assert need(0, "f") == 0
    with pytest.raises(Refusal, match="MISSING_FIELD"):
        need(None, "f")


@pytest.mark.parametrize(
    "value", ["x" * 1000, 10**4000, {"a": [1] * 9999}, [[[]]], None, True, "\x1b\ud800", Decimal("1e9")]
)
def test_untrusted_values_are_shown_short_and_plain(value: Any) -> None:
    said = shown(value)
    assert len(said) < 200
    assert said.isascii()
    assert said.isprintable()


@pytest.mark.parametrize(
    ("value", "found"), [("-0.5", "-0.5"), (0, "0"), (Decimal("-0"), "0"), ("12", "12"), (-3, "-3")]
)
def test_a_number_may_have_any_sign(value: Any, found: str) -> None:
    assert number(value, "f") == Decimal(found)
    assert number(None, "f") is None


@pytest.mark.parametrize(("value", "reason"), [("1e99", "OUT_OF_RANGE"), ("-nan", "BAD_NUMBER"), ([], "WRONG_TYPE")])
def test_a_number_is_exact_and_sane(value: Any, reason: str) -> None:
    with pytest.raises(Refusal) as refusal:
        number(value, "f")
    assert refusal.value.reason == reason


def test_a_time_of_a_frame_s_whole_length_is_refused_at_once() -> None:
    """It was looked at in each way to cut it in two: hours of the worker's loop for one frame."""
    began_s = time.process_time()
    with pytest.raises(Refusal):
        epoch_stamp("1" * 100_000 + "x", "f")
    assert time.process_time() - began_s < 5
