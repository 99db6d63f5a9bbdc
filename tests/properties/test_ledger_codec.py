"""Every event class comes back from the ledger exactly as it went in."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.core.events import KINDS, Event
from executor.core.intents import TradeIntent
from executor.core.types import Side
from executor.ledger.codec import decimal_text, decode, encode

SAFE_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTS = st.integers(-(2**63), 2**63 - 1)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | INTS | SAFE_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SAFE_TEXT, inner, max_size=3),
    max_leaves=6,
)
ABOVE_0 = st.decimals(min_value="1e-9", max_value="1e12", allow_nan=False, allow_infinity=False)
TRADES = st.builds(
    lambda one, amount, **rest: TradeIntent(**{one: amount}, **rest),
    one=st.sampled_from(["size", "notional_usd", "equity_pct"]),
    amount=ABOVE_0,
    coin=SAFE_TEXT,
    side=st.sampled_from(Side),
    leverage=st.none() | ABOVE_0,
    stop_px=st.none() | ABOVE_0,
    target_px=st.none() | ABOVE_0,
)
"""An intent refuses what is none: exactly one size, above zero."""

SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: SAFE_TEXT,
    int: INTS,
    bool: st.booleans(),
    Decimal: DECIMALS,
    Any: JSON,
    object: JSON,
    type(None): st.none(),
    TradeIntent: TRADES,
}


@functools.cache  # made once: to build and describe a strategy costs more than to draw from it
def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type hint as events use them."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint in SIMPLE:
        return SIMPLE[hint]
    if origin is typing.Literal:
        return st.sampled_from(args)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, args))
    if origin is tuple:
        assert args[1:] == (...,), hint
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=3)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{field.name: values(hints[field.name]) for field in dataclasses.fields(hint)})
    return st.sampled_from(hint)  # an enum


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=max(50, settings().max_examples // 4))  # of each of sixty kinds: they share their parts
@given(data=st.data())
def test_every_event_class_round_trips(kind: str, data: st.DataObject) -> None:
    event: Event = data.draw(values(KINDS[kind]))
    back = decode(kind, encode(event))
    assert type(back) is KINDS[kind]
    assert back == event
    assert types_in(dataclasses.asdict(back)) == types_in(dataclasses.asdict(event))


def types_in(value: Any) -> Any:
    """The types inside: equality alone takes 1 for True, and an enum's text for the enum."""
    if isinstance(value, dict):
        return {key: types_in(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(types_in, value))
    return type(value)


@given(DECIMALS)
def test_decimals_are_exact(value: Decimal) -> None:
    assert Decimal(decimal_text(value)) == value


@given(st.decimals(-(10**20), 10**20, places=12))
def test_money_is_written_in_plain_digits(value: Decimal) -> None:
    assert "E" not in decimal_text(value)
