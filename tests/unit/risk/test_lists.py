"""Coins and directions: allowed, denied, and lists that could never match."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from executor.core.types import Side
from executor.risk.lists import Sides, Symbols


@pytest.mark.parametrize(
    ("options", "coin", "expected"),
    [
        ({"allow": ["btc", "ETH"]}, "BTC", ("", "BTC", "btc, eth")),
        ({"allow": ["ETH"]}, "BTC", ("SYMBOL_NOT_ALLOWED", "BTC", "eth")),
        ({"deny": ["kPEPE"]}, "BTC", ("", "BTC", "any not denied")),
        ({"deny": ["KPEPE"]}, "kPEPE", ("SYMBOL_DENIED", "kPEPE", "not kpepe")),
        ({"allow": ["BTC"], "deny": ["BTC"]}, "BTC", ("SYMBOL_DENIED", "BTC", "not btc")),
    ],
)
def test_coins_are_allowed_and_denied_in_any_case_and_denied_wins(
    words: Any, options: dict[str, Any], coin: str, expected: tuple[str, ...]
) -> None:
    assert words(Symbols, options, coin=coin) == expected


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "allow, deny or both"),
        ({"allow": []}, "at least 1"),
        ({"deny": ["BTC-PERP"]}, "write BTC, not BTC-PERP"),
        ({"deny": ["BTC/USDC"]}, "write BTC, not BTC-PERP"),
        ({"deny": ["BTCUSDT"]}, "write BTC, not BTC-PERP"),
        ({"deny": ["btcusdc"]}, "write BTC, not BTC-PERP"),
        ({"allow": [""]}, "no coin"),
    ],
)
def test_a_list_that_could_never_match_is_an_error(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Symbols.Options(**options)


def test_coins_of_other_markets_and_odd_names_can_be_listed() -> None:
    options = Symbols.Options.model_validate({"allow": ["xyz:GOLD", "0G", "USDC"]})
    assert sorted(options.allow or ()) == ["0g", "usdc", "xyz:gold"]


@pytest.mark.parametrize(
    ("allow", "side", "expected"),
    [
        (["long"], Side.BUY, ("", "long", "long")),
        (["long"], Side.SELL, ("SIDE_NOT_ALLOWED", "short", "long")),
        (["short"], Side.BUY, ("SIDE_NOT_ALLOWED", "long", "short")),
        (["long", "short"], Side.SELL, ("", "short", "long, short")),
    ],
)
def test_only_the_allowed_directions_open(words: Any, allow: list[str], side: Side, expected: tuple[str, ...]) -> None:
    assert words(Sides, {"allow": allow}, side=side) == expected


@pytest.mark.parametrize("options", [{}, {"allow": []}, {"allow": ["both"]}])
def test_directions_are_long_and_short(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="allow"):
        Sides.Options(**options)
