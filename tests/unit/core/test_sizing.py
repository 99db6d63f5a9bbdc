"""Sizes before quantising: exact where they can be, and never more than was asked."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.core.intents import TradeIntent
from executor.core.sizing import entry_size, exit_size, share
from executor.core.types import Side

D = Decimal

SIZES = st.decimals("0.00001", "1000000", places=5)
PRICES = st.decimals("0.000001", "200000", places=6)
MONEY = st.decimals("0.01", "10000000", places=2)
SHARES = st.builds(share, SIZES, SIZES)


def trade(**amount: Decimal) -> TradeIntent:
    return TradeIntent(coin="BTC", side=Side.BUY, **amount)


def lots(size: Decimal) -> Decimal:
    return size.quantize(D("0.00001"), rounding=ROUND_FLOOR)


@pytest.mark.parametrize(
    ("intent", "entry_share", "expected"),
    [
        (trade(size=D(3)), D(1), D(3)),
        (trade(size=D(3)), D("0.5"), D("1.5")),
        (trade(size=D(3)), D(0), D(0)),
        (trade(size=D(3)), D("1.5"), D(3)),
        (trade(size=D(3)), D("-1"), D(0)),
        (trade(notional_usd=D(1000)), D("0.5"), D(10)),
        (trade(equity_pct=D(5)), D("0.5"), D("2.5")),
    ],
)
def test_an_entry_is_sized_by_what_the_intent_names(
    intent: TradeIntent, entry_share: Decimal, expected: Decimal
) -> None:
    assert entry_size(intent, entry_share, worst_px=D(100), equity_usd=D(5000)) == expected


@pytest.mark.parametrize("equity_usd", [D(0), D(-20)])
def test_no_equity_buys_nothing(equity_usd: Decimal) -> None:
    assert entry_size(trade(equity_pct=D(5)), D(1), D(100), equity_usd) == 0


@pytest.mark.parametrize(
    ("fraction", "ours", "expected"),
    [
        (D("0.5"), D(3), D("1.5")),
        (D("0.5"), D(-3), D("1.5")),
        (D(2), D(-3), D(3)),
        (D(-1), D(3), D(0)),
        (D(1), D(0), D(0)),
    ],
)
def test_an_exit_is_a_share_of_what_is_ours(fraction: Decimal, ours: Decimal, expected: Decimal) -> None:
    assert exit_size(fraction, ours) == expected


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(D(1), D(4), D("0.25")), (D(1), D(-4), D("0.25")), (D(5), D(4), D(1)), (D(1), D(0), D(1)), (D(0), D(3), D(0))],
)
def test_a_share_is_a_part_of_the_whole_by_magnitude(part: Decimal, whole: Decimal, expected: Decimal) -> None:
    assert share(part, whole) == expected


def test_a_third_of_three_is_one_and_not_the_lot_below() -> None:
    third = share(D(1), D(3))
    assert lots(exit_size(third, D(3))) == 1
    assert lots(entry_size(trade(size=D(3)), third, D(1), D(0))) == 1


@given(SIZES, SIZES, SIZES)
def test_a_share_of_a_size_is_the_exact_one_on_the_lot_grid(part: Decimal, whole: Decimal, ours: Decimal) -> None:
    exact = min(Fraction(part) / Fraction(whole), Fraction(1)) * Fraction(ours)
    assert Fraction(lots(exit_size(share(part, whole), ours))) == Fraction(int(exact * 100_000), 100_000)


@given(SIZES, SHARES, PRICES, MONEY)
def test_never_more_than_the_asked_size(size: Decimal, part: Decimal, px: Decimal, equity_usd: Decimal) -> None:
    assert 0 <= Fraction(entry_size(trade(size=size), part, px, equity_usd)) <= Fraction(size) * Fraction(part)


@given(MONEY, SHARES, PRICES, MONEY)
def test_never_more_than_the_asked_notional(usd: Decimal, part: Decimal, px: Decimal, equity_usd: Decimal) -> None:
    assert 0 <= Fraction(entry_size(trade(notional_usd=usd), part, px, equity_usd)) * Fraction(px) <= Fraction(usd)


@given(st.decimals("0.001", "500", places=3), SHARES, PRICES, MONEY)
def test_never_more_than_the_asked_share_of_equity(
    percent: Decimal, part: Decimal, px: Decimal, equity_usd: Decimal
) -> None:
    notional = Fraction(entry_size(trade(equity_pct=percent), part, px, equity_usd)) * Fraction(px)
    assert 0 <= notional <= Fraction(equity_usd) * Fraction(percent) / 100


@given(SHARES, st.decimals("-1000000", "1000000", places=5))
def test_an_exit_never_exceeds_its_share_of_the_position(fraction: Decimal, ours: Decimal) -> None:
    assert 0 <= Fraction(exit_size(fraction, ours)) <= Fraction(fraction) * abs(Fraction(ours)) <= abs(Fraction(ours))
