"""What is built is canonical, signed like the SDK would, and survives the server's re-serialisation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgpack
from hyperliquid.utils.signing import float_to_wire
from hypothesis import given
from hypothesis import strategies as st

from executor.core.types import Side
from executor.hyperliquid import wire
from executor.hyperliquid.meta import parse_meta
from executor.hyperliquid.symbols import SymbolProblem, resolve

NUMBERS = st.decimals(0, 10**9, places=6)
CLOIDS = st.none() | st.integers(0, 2**128 - 1).map(lambda n: f"0x{n:032x}")
ASSETS = st.integers(0, 2**32 - 1)
LIMITS = st.builds(
    wire.limit_order,
    ASSETS,
    st.sampled_from(Side),
    NUMBERS,
    NUMBERS,
    tif=st.sampled_from(["Ioc", "Gtc", "Alo"]),
    reduce_only=st.booleans(),
    cloid=CLOIDS,
)
TPSL: list[Literal["sl", "tp"]] = ["sl", "tp"]
TRIGGERS = st.builds(
    wire.trigger_order,
    ASSETS,
    st.sampled_from(Side),
    NUMBERS,
    NUMBERS,
    trigger_px=NUMBERS,
    tpsl=st.sampled_from(TPSL),
    is_market=st.booleans(),
    cloid=CLOIDS,
)
ACTIONS = (
    st.builds(wire.order_action, st.lists(LIMITS | TRIGGERS, max_size=5), st.sampled_from(["na", "normalTpsl"]))
    | st.builds(wire.cancel_action, st.lists(st.tuples(ASSETS, st.integers(0, 2**64 - 1)), max_size=5))
    | st.builds(wire.update_leverage_action, ASSETS, st.integers(1, 50), st.booleans())
)


@given(value=st.floats(0, 10**7).map(lambda f: Decimal(f"{f:.6f}")))
def test_numbers_are_written_like_the_sdk_writes_them(value: Decimal) -> None:
    assert wire.decimal_to_wire(value) == float_to_wire(float(value))


@given(value=st.decimals(-(10**12), 10**12, places=8))
def test_numbers_are_read_back_exactly(value: Decimal) -> None:
    text = wire.decimal_to_wire(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert text != "-0"
    assert "." not in text or not text.endswith(("0", "."))


@given(action=ACTIONS)
def test_what_is_built_is_canonical_to_the_byte(action: dict[str, Any]) -> None:
    received = msgpack.unpackb(msgpack.packb(action))
    assert msgpack.packb(wire.canonical_action(received)) == msgpack.packb(action)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
)


@given(kind=st.sampled_from(sorted(wire.SCHEMAS)) | JSON, rest=st.dictionaries(st.sampled_from("abopstrf"), JSON))
def test_any_json_is_an_action_or_a_value_error(kind: object, rest: dict[str, object]) -> None:
    try:
        canonical = wire.canonical_action({**rest, "type": kind})
    except ValueError:
        return
    assert wire.canonical_action(canonical) == canonical


UNIVERSE = parse_meta(
    {"universe": [{"name": name, "szDecimals": 0, "maxLeverage": 5} for name in ("BTC", "ETH", "kPEPE", "SUI", "S")]}
)


@given(
    text=st.text(max_size=50) | st.sampled_from(UNIVERSE.coins).flatmap(lambda c: st.text(max_size=6).map(c.__add__))
)
def test_any_text_is_a_listed_coin_or_a_refusal(text: str) -> None:
    answer = resolve(text, UNIVERSE)
    assert isinstance(answer, SymbolProblem) or UNIVERSE.asset(answer) is not None
