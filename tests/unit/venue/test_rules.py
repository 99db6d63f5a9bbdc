"""The rules give core the venue's arithmetic and nothing else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.protocols import VenueRules
from executor.core.types import Side
from executor.hyperliquid import quantise
from executor.hyperliquid.meta import parse_meta
from executor.testing import META
from executor.venue.rules import HyperliquidRules

RULES = HyperliquidRules(parse_meta(META))
PX, BPS = Decimal("3000.123"), Decimal(50)


def eth() -> VenueRules:
    return RULES


def test_it_answers_what_the_quantiser_answers() -> None:
    asset = RULES.asset("ETH")
    assert asset is not None
    assert RULES.floor_size("ETH", Decimal("1.23456")) == Decimal("1.2345")
    assert RULES.entry_cap_px("ETH", Side.BUY, PX, BPS) == quantise.entry_cap_px(asset, Side.BUY, PX, BPS)
    assert RULES.exit_cap_px("ETH", Side.SELL, PX, BPS) == quantise.exit_cap_px(asset, Side.SELL, PX, BPS)
    assert RULES.trigger_px("ETH", PX) == quantise.round_trigger_px(asset, PX)
    assert RULES.stop_limit_px("ETH", Side.SELL, PX) == quantise.stop_limit_px(asset, Side.SELL, PX)
    assert RULES.min_notional_usd == Decimal(10)
    assert eth().asset("ETH") == asset


def test_a_symbol_is_a_coin_or_a_reason() -> None:
    assert RULES.resolve("ETH-PERP") == ("ETH", "")
    assert RULES.resolve("NOPE") == (None, "UNKNOWN_SYMBOL")


def test_a_coin_that_is_not_listed_has_no_facts_and_no_arithmetic() -> None:
    assert RULES.asset("NOPE") is None
    with pytest.raises(KeyError):
        RULES.floor_size("NOPE", Decimal(1))
