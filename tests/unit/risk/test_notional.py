"""Caps in US dollars: what they measure, on which side, and what they leave when they shrink."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from executor.core.types import Side
from executor.risk.notional import MaxGrossExposure, MaxNetExposure, MaxOrderNotional, MaxPositionNotional

D = Decimal


@pytest.mark.parametrize(
    ("max_usd", "expected"),
    [(600, ("", "600 USD", "600 USD")), ("599.99", ("MAX_ORDER_NOTIONAL", "600 USD", "599.99 USD"))],
)
def test_an_order_is_measured_alone(words: Any, max_usd: Any, expected: tuple[str, ...]) -> None:
    assert words(MaxOrderNotional, {"max_usd": max_usd}, {"long_usd": {"BTC": D(9000)}}) == expected


@pytest.mark.parametrize(
    ("side", "seen", "expected"),
    [
        (Side.BUY, {"long_usd": {"BTC": D(400), "ETH": D(900)}, "short_usd": {"BTC": D(900)}}, ("", "1000 USD")),
        (Side.BUY, {"long_usd": {"BTC": D("400.5")}}, ("MAX_POSITION_NOTIONAL", "1000.5 USD")),
        (Side.SELL, {"long_usd": {"BTC": D(900)}}, ("", "600 USD")),
        (Side.SELL, {"short_usd": {"BTC": D("400.5")}}, ("MAX_POSITION_NOTIONAL", "1000.5 USD")),
    ],
)
def test_a_position_is_measured_on_the_orders_side_of_its_coin(
    words: Any, side: Side, seen: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert words(MaxPositionNotional, {"max_usd": 1000}, seen, side=side) == (*expected, "1000 USD")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"long_usd": {"ETH": D(300)}, "short_usd": {"ETH": D(400), "BTC": D(600)}}, ("", "1000 USD")),
        ({"long_usd": {"BTC": D(1)}, "short_usd": {"ETH": D(400)}}, ("MAX_GROSS_EXPOSURE", "1001 USD")),
        ({"short_usd": {"BTC": D(1001)}}, ("MAX_GROSS_EXPOSURE", "1001 USD")),
    ],
)
def test_gross_exposure_counts_each_coin_by_its_larger_side(
    words: Any, seen: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert words(MaxGrossExposure, {"max_usd": 1000}, seen) == (*expected, "1000 USD")


@pytest.mark.parametrize(
    ("kind", "seen", "allowed"),
    [
        (MaxOrderNotional, {}, "1.666666666666666666666666666"),
        (MaxPositionNotional, {"long_usd": {"BTC": D(200)}}, "1"),
        (MaxGrossExposure, {"long_usd": {"BTC": D(50), "ETH": D(150)}}, "1"),
        (MaxGrossExposure, {"long_usd": {"BTC": D(200)}, "short_usd": {"BTC": D(500)}}, "1"),
    ],
)
def test_a_cap_that_shrinks_allows_the_room_there_is_rounded_down(
    ask: Any, kind: type[Any], seen: dict[str, Any], allowed: str
) -> None:
    verdict = ask(kind, {"max_usd": 500, "on_breach": "shrink"}, seen)
    assert (verdict.outcome, verdict.reason) == ("shrink", kind.name.upper())
    assert verdict.allowed_size == D(allowed)


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (MaxPositionNotional, {"long_usd": {"BTC": D(500)}}),
        (MaxGrossExposure, {"long_usd": {"ETH": D(600)}}),
        (MaxGrossExposure, {"short_usd": {"BTC": D(501)}}),
    ],
)
def test_a_cap_without_any_room_refuses_also_when_it_would_shrink(
    ask: Any, kind: type[Any], seen: dict[str, Any]
) -> None:
    verdict = ask(kind, {"max_usd": 500, "on_breach": "shrink"}, seen)
    assert (verdict.outcome, verdict.reason, verdict.allowed_size) == ("refuse", kind.name.upper(), None)


@pytest.mark.parametrize("kind", [MaxOrderNotional, MaxPositionNotional, MaxGrossExposure])
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "max_usd"),
        ({"max_usd": 0}, "greater than 0"),
        ({"max_usd": "NaN"}, "finite"),
        ({"max_usd": "Infinity"}, "finite"),
        ({"max_usd": 1, "max_eur": 1}, "max_eur"),
        ({"max_usd": 1, "on_breach": "ignore"}, "on_breach"),
    ],
)
def test_options_that_make_no_sense_are_named(kind: type[Any], options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        kind.Options(**options)


@pytest.mark.parametrize(
    ("side", "seen", "expected"),
    [
        (Side.BUY, {"long_usd": {"ETH": D(400)}}, ("", "1000 USD")),
        (Side.BUY, {"long_usd": {"ETH": D(401)}}, ("MAX_NET_EXPOSURE", "1001 USD")),
        (Side.BUY, {"long_usd": {"ETH": D(900)}, "held_usd": {"SOL": D(-500)}}, ("", "1000 USD")),
        (Side.BUY, {"long_usd": {"ETH": D(900)}, "short_usd": {"SOL": D(500)}}, ("MAX_NET_EXPOSURE", "1500 USD")),
        (Side.SELL, {"short_usd": {"ETH": D(900)}, "held_usd": {"SOL": D(500)}}, ("", "1000 USD")),
        (Side.SELL, {"held_usd": {"SOL": D(500), "ETH": D(400)}}, ("", "-300 USD")),
        (Side.SELL, {"short_usd": {"ETH": D(401)}, "held_usd": {"BTC": D(600)}}, ("MAX_NET_EXPOSURE", "1001 USD")),
        (Side.SELL, {"short_usd": {"ETH": D(401)}, "held_usd": {"ETH": D(-401)}}, ("MAX_NET_EXPOSURE", "1001 USD")),
    ],
)
def test_net_exposure_offsets_only_what_is_certainly_held_against_it_in_other_coins(
    words: Any, side: Side, seen: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert words(MaxNetExposure, {"max_usd": 1000}, seen, side=side) == (*expected, "1000 USD")


def test_net_exposure_shrinks_to_what_is_left(ask: Any) -> None:
    seen = {"long_usd": {"ETH": D(1200)}, "held_usd": {"SOL": D(-500)}}
    verdict = ask(MaxNetExposure, {"max_usd": 1000, "on_breach": "shrink"}, seen)
    assert (verdict.outcome, verdict.allowed_size) == ("shrink", D(1))
