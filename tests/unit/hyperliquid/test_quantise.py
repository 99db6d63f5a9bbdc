"""quantise.py: the venue's own examples of valid sizes and prices, and the direction each rounding takes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.types import Asset, Side
from executor.hyperliquid import quantise

BTC = Asset("BTC", 0, 5, 40)
ONE = Asset("ONE", 1, 1, 10)
WHOLE = Asset("WHOLE", 2, 0, 10)
FINE = Asset("FINE", 3, 7, 10)
D = Decimal


def test_the_minimum_notional_is_ten_dollars() -> None:
    assert D(10) == quantise.MIN_NOTIONAL_USD


@pytest.mark.parametrize(("size", "floor"), [("0.123456", "0.12345"), ("0.00000999", "0"), ("2", "2"), ("0", "0")])
def test_sizes_are_floored_to_the_lot(size: str, floor: str) -> None:
    assert quantise.floor_size(BTC, D(size)) == D(floor)


@pytest.mark.parametrize(
    ("size", "valid"),
    [("0.12345", True), ("0.123450", True), ("0.123456", False), ("0", False), ("-1", False), ("NaN", False)],
)
def test_valid_sizes(size: str, valid: bool) -> None:
    assert quantise.is_valid_size(BTC, D(size)) is valid


@pytest.mark.parametrize(
    ("asset", "px", "valid"),
    [
        (WHOLE, "1234.5", True),
        (WHOLE, "1234.56", False),
        (ONE, "0.01234", True),
        (ONE, "0.012345", False),
        (WHOLE, "123456", True),
        (WHOLE, "12345.6", False),
        (BTC, "123456", True),
        (BTC, "65000.5", False),
        (BTC, "6500.5", True),
        (BTC, "650.55", False),
        (WHOLE, "0.000001", True),
        (WHOLE, "0.0000001", False),
        (BTC, "1234.50", True),
        (BTC, "1E+5", True),
        (BTC, "0", False),
        (BTC, "-5", False),
        (BTC, "NaN", False),
        (BTC, "Infinity", False),
        (FINE, "5", True),
        (FINE, "5.5", False),
    ],
)
def test_valid_prices_are_the_documented_ones(asset: Asset, px: str, valid: bool) -> None:
    assert quantise.is_valid_px(asset, D(px)) is valid


@pytest.mark.parametrize(
    ("asset", "px", "down", "up"),
    [
        (BTC, "65000.7", "65000", "65001"),
        (WHOLE, "9.99999", "9.9999", "10"),
        (WHOLE, "1.23456", "1.2345", "1.2346"),
        (WHOLE, "0.0000014", "0.000001", "0.000002"),
        (WHOLE, "0.0000004", "0", "0.000001"),
        (BTC, "123456", "123456", "123456"),
        (BTC, "0", "0", "0.1"),
        (BTC, "-3", "0", "0.1"),
    ],
)
def test_prices_go_to_the_neighbouring_ticks(asset: Asset, px: str, down: str, up: str) -> None:
    assert quantise.px_down(asset, D(px)) == D(down)
    assert quantise.px_up(asset, D(px)) == D(up)


def test_entry_caps_round_towards_less_risk_but_never_inside_the_touch() -> None:
    assert quantise.entry_cap_px(BTC, Side.BUY, D("65001"), 50) == D(65326)  # 65326.005
    assert quantise.entry_cap_px(BTC, Side.SELL, D("65001"), 50) == D(64676)  # 64675.995
    assert quantise.entry_cap_px(BTC, Side.BUY, D("65001"), 0) == D(65001)
    assert quantise.entry_cap_px(BTC, Side.SELL, D("65000.5"), 0) == D(65000)
    assert quantise.entry_cap_px(BTC, Side.BUY, D("65000.5"), 0) == D(65001)
    assert quantise.entry_cap_px(WHOLE, Side.SELL, D("0.0000004"), 50) == D("0.000001")


def test_exit_caps_round_outward() -> None:
    assert quantise.exit_cap_px(BTC, Side.BUY, D("65001"), D(100)) == D(65652)  # 65651.01
    assert quantise.exit_cap_px(BTC, Side.SELL, D("65001"), D(100)) == D(64350)  # 64350.99
    assert quantise.exit_cap_px(WHOLE, Side.SELL, D("0.000001"), 20_000) == D("0.000001")


def test_a_market_stop_carries_a_limit_ten_percent_beyond_its_trigger() -> None:
    assert quantise.stop_limit_px(BTC, Side.SELL, D("65001")) == D(58500)  # 58500.9
    assert quantise.stop_limit_px(BTC, Side.BUY, D("65001")) == D(71502)  # 71501.1


@pytest.mark.parametrize(("px", "rounded"), [("65000.4", "65000"), ("65000.6", "65001"), ("0.001", "0.1")])
def test_trigger_prices_go_to_the_nearest_tick(px: str, rounded: str) -> None:
    assert quantise.round_trigger_px(BTC, D(px)) == D(rounded)


def test_a_small_size_is_large_enough_from_some_price_on() -> None:
    assert quantise.least_px(BTC, D("0.1")) == 100
    assert quantise.least_px(BTC, D("0.3")) == D("33.4")
