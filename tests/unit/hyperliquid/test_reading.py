"""reading.py: the value asked for or an error that names the field, for any JSON."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from executor.errors import VenueAnswerOdd
from executor.hyperliquid import reading

ROW: dict[str, Any] = {
    "text": "a",
    "int": 3,
    "number": "1.50",
    "object": {"x": 1},
    "array": [1],
    "null": None,
    "yes": True,
}


def test_every_reader_gives_its_kind() -> None:
    assert reading.text(ROW, "text") == "a"
    assert reading.integer(ROW, "int") == 3
    assert reading.number(ROW, "number") == Decimal("1.5")
    assert reading.number(ROW, "int") == 3
    assert reading.child(ROW, "object") == {"x": 1}
    assert reading.items(ROW, "array") == [1]
    assert reading.optional_text(ROW, "text") == "a"
    assert reading.optional_number(ROW, "number") == Decimal("1.5")


@pytest.mark.parametrize("key", ["null", "absent"])
def test_optional_fields_may_be_null_or_absent(key: str) -> None:
    assert reading.optional_text(ROW, key) is None
    assert reading.optional_number(ROW, key) is None


@pytest.mark.parametrize(
    ("read", "key", "wanted"),
    [
        (reading.text, "int", "a string"),
        (reading.integer, "yes", "an integer"),
        (reading.integer, "text", "an integer"),
        (reading.number, "yes", "a decimal string"),
        (reading.number, "text", "a decimal string"),
        (reading.number, "absent", "a decimal string"),
        (reading.child, "array", "an object"),
        (reading.items, "object", "an array"),
        (reading.optional_text, "int", "a string"),
        (reading.optional_number, "object", "a decimal string"),
    ],
)
def test_anything_else_names_the_field_and_what_was_wanted(
    read: Callable[[dict[str, Any], str], object], key: str, wanted: str
) -> None:
    with pytest.raises(VenueAnswerOdd, match=f"{key}: expected {wanted}"):
        read(ROW, key)


@pytest.mark.parametrize("text", ["1e9999999", "NaN", "Infinity", "+1", ".5", "1.", " 1", "1_0", "", "٣", "9" * 41])
def test_only_plain_ascii_decimals_are_numbers(text: str) -> None:
    assert reading.decimal_or_none(text) is None


def test_numbers_out_of_every_sensible_range_are_none() -> None:
    assert reading.decimal_or_none(10**40) is None
    assert reading.decimal_or_none(-(10**39)) == Decimal(-(10**39))
    assert reading.decimal_or_none(1.5) is None


def test_describing_is_brief_and_never_fails() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert reading.describe(nested) == "an array of 1"
    assert reading.describe(10**9999) == "int"
    assert reading.describe("x" * 999) == "x" * 200
    assert reading.describe({"a": 1, "b": nested}) == "an object with keys a, b"
    assert len(reading.describe({"k" * 999: 1})) == 200
    assert reading.describe(None) == "NoneType"


SIGNATURE = "0x" + "5e" * 31  # a leading zero byte is left out on the wire


@pytest.mark.parametrize("before", [0, 1, 150, 170, 195, 199, 200, 700, 760, 799])
def test_no_part_of_a_signature_is_kept_of_what_somebody_says(before: int) -> None:
    text = "x" * before + f'{{"r":"{SIGNATURE}","s":"{SIGNATURE.upper()}"}}'
    assert "5e5e" not in reading.spoken(text).lower()
    assert "5e5e" not in reading.describe(text).lower()
    assert "5e5e" not in reading.describe({text: 1}).lower()


def test_addresses_and_cloids_are_kept() -> None:
    text = f"User or API Wallet 0x{'a1' * 20} does not exist, cloid 0x{'b2' * 16}"
    assert reading.spoken(text) == text
