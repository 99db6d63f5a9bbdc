"""Numbers look as the venue writes them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.paper import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "0.0"), ("-0.0", "0.0"), ("1800", "1800.0"), ("1E+5", "100000.0"), ("0.0200", "0.02"), ("-1.5", "-1.5")],
)
def test_decimals_are_plain_and_whole_numbers_end_in_point_zero(value, text):
    assert numbers.wire(Decimal(value)) == text


def test_rounding_only_when_asked():
    assert numbers.wire(Decimal("1.23456789")) == "1.23456789"
    assert numbers.usd(Decimal("1.2345675")) == "1.234568"


def test_fees_are_cut_never_rounded_up():
    assert numbers.cents(Decimal("0.0000019")) == Decimal("0.000001")


def test_trigger_conditions_carry_bare_numbers():
    assert numbers.bare(Decimal("2200.0")) == "2200"
    assert numbers.bare(Decimal(0)) == "0"


def test_a_share_of_nothing_is_nothing():
    assert numbers.ratio(Decimal(1), Decimal(0)) == 0
