"""Candles from prices, minute by minute and put together."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.paper.candles import Candles

T0 = 1_763_000_040_000 - 1_763_000_040_000 % 180_000
D = Decimal


@pytest.fixture
def candles() -> Candles:
    it = Candles()
    for offset, px in ((0, 10), (30_000, 14), (59_999, 12), (60_000, 9), (120_000, 11)):
        it.add("ETH", D(px), T0 + offset, D(1), 1)
    return it


def test_a_minute_has_its_open_high_low_close_and_volume(candles):
    first = candles.rows("ETH", "1m", T0, None)[0]
    assert {k: first[k] for k in "otThlcvn"} == {
        "t": T0, "T": T0 + 59_999, "o": "10.0", "h": "14.0", "l": "10.0", "c": "12.0", "v": "3.0", "n": 3,
    }  # fmt: skip


def test_longer_candles_join_minutes(candles):
    [row] = candles.rows("ETH", "3m", T0, None)
    assert (row["o"], row["h"], row["l"], row["c"], row["v"]) == ("10.0", "14.0", "9.0", "11.0", "5.0")
    assert row["T"] - row["t"] == 179_999


def test_only_candles_that_touch_the_range_are_shown(candles):
    assert len(candles.rows("ETH", "1m", T0 + 60_000, T0 + 119_999)) == 1
    assert len(candles.rows("ETH", "1m", T0 + 59_999, None)) == 3


def test_an_unknown_coin_has_none_and_an_unknown_interval_is_an_error(candles):
    assert candles.rows("BTC", "1m", 0, None) == []
    with pytest.raises(KeyError):
        candles.rows("ETH", "7m", 0, None)
