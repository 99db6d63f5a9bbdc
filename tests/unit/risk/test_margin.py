"""margin: a part of the equity stays free, and liquidation stays far away."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from executor.core.types import Side
from executor.risk.margin import LiquidationDistance, MarginReserve

D = Decimal


@pytest.mark.parametrize(
    ("options", "used", "reason", "limit"),
    [
        ({"min_usd": 880}, 0, "", "120 USD"),
        ({"min_usd": "880.01"}, 0, "MARGIN_RESERVE", "119.99 USD"),
        ({"min_pct": 50}, 380, "", "500 USD"),
        ({"min_pct": 50}, "380.01", "MARGIN_RESERVE", "500 USD"),
        ({"min_usd": 5000}, 0, "MARGIN_RESERVE", "0 USD"),
    ],
)
def test_so_much_of_the_equity_is_never_bound(
    words: Any, options: dict[str, Any], used: Any, reason: str, limit: str
) -> None:
    """The order binds 600 / 5 = 120 USD of 1000."""
    told = words(MarginReserve, options, {"margin_used_usd": D(used)})
    assert told == (reason, f"{D(used) + 120} USD", limit)


def test_more_leverage_binds_less(words: Any) -> None:
    assert words(MarginReserve, {"min_usd": 900}, leverage=D(10))[0] == ""
    assert words(MarginReserve, {"min_usd": 900}, leverage=D(1))[0] == "MARGIN_RESERVE"


def test_it_shrinks_to_the_margin_that_is_free(ask: Any) -> None:
    verdict = ask(MarginReserve, {"min_pct": 80, "on_breach": "shrink"}, {"margin_used_usd": D(140)})
    assert (verdict.outcome, verdict.allowed_size) == ("shrink", D(1))
    full = ask(MarginReserve, {"min_pct": 80, "on_breach": "shrink"}, {"margin_used_usd": D(200)})
    assert full.outcome == "refuse"


def test_an_account_that_owes_may_bind_nothing(words: Any) -> None:
    assert words(MarginReserve, {"min_pct": 10}, {"equity_usd": D(-5)})[0] == "MARGIN_RESERVE"


@pytest.mark.parametrize("options", [{}, {"min_usd": 1, "min_pct": 1}])
def test_a_reserve_is_given_in_one_way(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        MarginReserve.Options(**options)


@pytest.mark.parametrize(
    ("leverage", "reason", "value"),
    [(5, "", "14.28 % for this BTC entry"), (10, "LIQUIDATION_DISTANCE", "4.76 % for this BTC entry")],
)
def test_an_entry_must_leave_the_price_room(words: Any, leverage: int, reason: str, value: str) -> None:
    """At 10x of at most 10x, half of the margin is gone after 1/20 of the price."""
    assert words(LiquidationDistance, {"min_pct": 10}, leverage=D(leverage)) == (reason, value, "10 %")


def test_a_position_near_its_end_stops_every_entry(words: Any) -> None:
    seen = {"liquidation_pct": {"ETH": D("9.996"), "SOL": D(80)}}
    told = words(LiquidationDistance, {"min_pct": 10}, seen)
    assert told == ("LIQUIDATION_DISTANCE", "9.99 % for the ETH position", "10 %")
    gone = words(LiquidationDistance, {"min_pct": 1}, {"liquidation_pct": {"ETH": D(0)}}, side=Side.SELL)
    assert gone == ("LIQUIDATION_DISTANCE", "0 % for the ETH position", "1 %")


def test_positions_far_from_it_stop_nothing(words: Any) -> None:
    assert words(LiquidationDistance, {"min_pct": 10}, {"liquidation_pct": {"ETH": D(11)}})[0] == ""


def test_a_smaller_order_would_not_help() -> None:
    assert LiquidationDistance.Options(min_pct=5, on_breach="shrink").can_shrink is False
