"""Over a full universe of markets: whatever is rounded is valid, near, and on the side it should be."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from executor.core.types import Asset, Side
from executor.hyperliquid import quantise
from executor.hyperliquid.meta import parse_meta

UNIVERSE = parse_meta(
    {
        "universe": [
            {"name": f"C{i}", "szDecimals": i % 6, "maxLeverage": (3, 5, 10, 20, 25, 40)[i % 6]} for i in range(200)
        ]
    }
)
ASSETS = st.sampled_from(UNIVERSE.assets)
PRICES = st.decimals("0.000001", 200_000, places=9, allow_nan=False).filter(bool)
SIZES = st.decimals(0, 10**9, places=10)
SIDES = st.sampled_from(Side)
BPS = st.integers(0, 5000)


def smallest(asset: Asset) -> Decimal:
    return Decimal(1).scaleb(-(6 - asset.sz_decimals))


def tick(asset: Asset, px: Decimal) -> Decimal:
    """The grid's step at a price, worked out from the rule's words rather than the code's."""
    by_figures = Decimal(1).scaleb(px.adjusted() - 4)
    return min(Decimal(1), max(by_figures, smallest(asset)))


@given(asset=ASSETS, size=SIZES)
def test_a_floored_size_is_the_largest_valid_one_below(asset: Asset, size: Decimal) -> None:
    floor = quantise.floor_size(asset, size)
    lot = Decimal(1).scaleb(-asset.sz_decimals)
    assert floor <= size < floor + lot
    assert floor == 0 or quantise.is_valid_size(asset, floor)


@given(asset=ASSETS, px=PRICES)
def test_ticks_are_valid_near_and_on_their_side(asset: Asset, px: Decimal) -> None:
    down, up = quantise.px_down(asset, px), quantise.px_up(asset, px)
    assert down <= px <= up
    assert up - down <= tick(asset, px)
    assert down == 0 or quantise.is_valid_px(asset, down)
    assert quantise.is_valid_px(asset, up)
    assert (down == px) is quantise.is_valid_px(asset, px)


@given(asset=ASSETS, px=PRICES)
def test_valid_prices_are_the_documented_ones(asset: Asset, px: Decimal) -> None:
    digits, exponent = px.normalize().as_tuple()[1:]
    assert isinstance(exponent, int)
    documented = exponent >= 0 or (len(digits) <= 5 and -exponent <= 6 - asset.sz_decimals)
    assert quantise.is_valid_px(asset, px) is documented


@given(asset=ASSETS, px=PRICES)
def test_rounding_what_is_valid_changes_nothing(asset: Asset, px: Decimal) -> None:
    valid = quantise.px_up(asset, px)
    assert quantise.px_down(asset, valid) == quantise.px_up(asset, valid) == valid
    assert quantise.round_trigger_px(asset, valid) == valid


@given(asset=ASSETS, side=SIDES, touch=PRICES, bps=BPS)
def test_an_entry_cap_is_valid_no_worse_than_asked_and_never_inside_the_touch(
    asset: Asset, side: Side, touch: Decimal, bps: int
) -> None:
    touch = quantise.px_up(asset, touch)  # a book shows prices of the grid only
    cap = quantise.entry_cap_px(asset, side, touch, bps)
    asked = touch * (1 + side.sign * Decimal(bps) / 10_000)
    assert quantise.is_valid_px(asset, cap)
    assert side.sign * touch <= side.sign * cap
    assert side.sign * cap <= side.sign * asked


@given(asset=ASSETS, side=SIDES, touch=PRICES, bps=BPS)
def test_an_entry_never_pays_more_than_an_exit_would(asset: Asset, side: Side, touch: Decimal, bps: int) -> None:
    touch = quantise.px_up(asset, touch)
    entry = quantise.entry_cap_px(asset, side, touch, bps)
    leave = quantise.exit_cap_px(asset, side, touch, bps)
    assert quantise.is_valid_px(asset, leave)
    assert side.sign * entry <= side.sign * leave


@given(asset=ASSETS, side=SIDES, px=PRICES)
def test_a_trigger_and_its_limit_are_valid_and_the_limit_is_beyond(asset: Asset, side: Side, px: Decimal) -> None:
    trigger = quantise.round_trigger_px(asset, px)
    limit = quantise.stop_limit_px(asset, side, trigger)
    assert quantise.is_valid_px(asset, trigger)
    assert quantise.is_valid_px(asset, limit)
    assert abs(trigger - px) <= max(tick(asset, px) / 2, smallest(asset))
    assert side.sign * limit >= side.sign * trigger
    at_least = side.sign * trigger * (1 + side.sign * Decimal("0.1"))
    assert side.sign * limit >= at_least or limit == smallest(asset)


@given(asset=ASSETS, size=PRICES)
def test_the_least_price_is_the_lowest_at_which_the_venue_takes_the_size(asset: Asset, size: Decimal) -> None:
    least = quantise.least_px(asset, size)
    assert quantise.is_valid_px(asset, least)
    assert size * least >= quantise.MIN_NOTIONAL_USD
    below = quantise.px_down(asset, least * (1 - Decimal("1e-7")))
    assert size * below < quantise.MIN_NOTIONAL_USD
