"""wire.py: number text, builders in the venue's key order, and the server's re-serialisation."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.types import Side
from executor.hyperliquid import wire

CLOID = "0x" + "AB" * 16
ORDER = {"a": 1, "b": True, "p": "100", "s": "0.5", "r": False, "t": {"limit": {"tif": "Ioc"}}}
ADDRESS = "0x" + "Ab" * 20


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("100000.0", "100000"),
        ("1E+5", "100000"),
        ("1E-8", "0.00000001"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("0.10", "0.1"),
        ("-1.50", "-1.5"),
        ("1.123456780000", "1.12345678"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
    ],
)
def test_numbers_are_plain_text_without_trailing_zeros(value: str, text: str) -> None:
    assert wire.decimal_to_wire(Decimal(value)) == text


@pytest.mark.parametrize("value", ["1.123456789", "1E-9", "NaN", "Infinity"])
def test_numbers_the_wire_cannot_carry_are_refused_not_rounded(value: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|not a number"):
        wire.decimal_to_wire(Decimal(value))


def test_a_limit_order_has_the_exact_key_order() -> None:
    order = wire.limit_order(4, Side.BUY, Decimal("1670.10"), Decimal("0.0147"), tif="Ioc")
    assert list(order.items()) == [
        ("a", 4),
        ("b", True),
        ("p", "1670.1"),
        ("s", "0.0147"),
        ("r", False),
        ("t", {"limit": {"tif": "Ioc"}}),
    ]


def test_a_trigger_order_is_reduce_only_and_market_unless_told_otherwise() -> None:
    order = wire.trigger_order(
        1, Side.SELL, Decimal(90), Decimal(1), trigger_px=Decimal("100.50"), tpsl="sl", cloid=CLOID
    )
    assert list(order) == ["a", "b", "p", "s", "r", "t", "c"]
    assert order["r"] is True
    assert order["b"] is False
    assert list(order["t"]["trigger"].items()) == [("isMarket", True), ("triggerPx", "100.5"), ("tpsl", "sl")]


def test_actions_have_the_exact_key_order() -> None:
    assert list(wire.order_action([ORDER]).items()) == [("type", "order"), ("orders", [ORDER]), ("grouping", "na")]
    assert wire.cancel_action([(1, 2)]) == {"type": "cancel", "cancels": [{"a": 1, "o": 2}]}
    by_cloid = wire.cancel_by_cloid_action([(1, CLOID)])
    assert by_cloid == {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": CLOID}]}
    leverage = wire.update_leverage_action(3, 5, False)
    assert list(leverage.items()) == [("type", "updateLeverage"), ("asset", 3), ("isCross", False), ("leverage", 5)]


BUILT = [
    wire.order_action([ORDER, {**ORDER, "c": CLOID.lower()}], "normalTpsl"),
    wire.order_action(
        [wire.trigger_order(1, Side.SELL, Decimal(9), Decimal(1), trigger_px=Decimal(10), tpsl="tp", is_market=False)]
    ),
    wire.cancel_action([(1, 2**40)]),
    wire.cancel_by_cloid_action([(1, CLOID.lower())]),
    wire.update_leverage_action(0, 10, True),
    {"type": "noop"},
    {"type": "order", "orders": [], "grouping": {"p": 3}, "builder": {"b": ADDRESS.lower(), "f": 10}},
    {"type": "cancel", "cancels": [], "f": True},
    {"type": "modify", "oid": 7, "order": ORDER, "a": True},
    {"type": "batchModify", "modifies": [{"oid": CLOID.lower(), "order": ORDER}]},
    {"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": -5},
    {"type": "topUpIsolatedOnlyMargin", "asset": 1, "leverage": "3.5"},
    {"type": "scheduleCancel"},
    {"type": "scheduleCancel", "time": 1700000000000},
    {"type": "setReferrer", "code": "ABC"},
    {"type": "createSubAccount", "name": "x"},
    {"type": "subAccountTransfer", "subAccountUser": ADDRESS.lower(), "isDeposit": True, "usd": 1},
    {
        "type": "subAccountSpotTransfer",
        "subAccountUser": ADDRESS.lower(),
        "isDeposit": True,
        "token": "T",
        "amount": "1",
    },
    {"type": "vaultTransfer", "vaultAddress": ADDRESS.lower(), "isDeposit": False, "usd": 1},
    {"type": "twapOrder", "twap": {"a": 1, "b": True, "s": "1", "r": False, "m": 5, "t": True}},
    {"type": "twapCancel", "a": 1, "t": 2},
    {"type": "agentEnableDexAbstraction"},
    {"type": "agentSetAbstraction", "abstraction": "u"},
    {"type": "evmUserModify", "usingBigBlocks": True},
]


@pytest.mark.parametrize("action", BUILT, ids=lambda action: action["type"])
def test_what_is_canonical_stays_as_it_is_key_order_included(action: wire.Action) -> None:
    assert repr(wire.canonical_action(action)) == repr(action)


def test_every_schema_is_tried_above() -> None:
    assert {action["type"] for action in BUILT} == set(wire.SCHEMAS)


def _reversed(value: object) -> object:
    if isinstance(value, dict):
        return {key: _reversed(item) for key, item in reversed(value.items())}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("action", BUILT, ids=lambda action: action["type"])
def test_another_key_order_is_put_right(action: wire.Action) -> None:
    mixed = _reversed(action)
    assert isinstance(mixed, dict)
    assert repr(wire.canonical_action(mixed)) == repr(action)


def test_explicit_defaults_unknown_keys_zeros_and_capitals_are_not_hashed() -> None:
    sent = {
        "type": "order",
        "orders": [{**ORDER, "p": "100.00", "c": None, "extra": 1}],
        "grouping": "na",
        "builder": {"b": ADDRESS, "f": 1},
        "surplus": True,
    }
    assert wire.canonical_action(sent) == {
        "type": "order",
        "orders": [ORDER],
        "grouping": "na",
        "builder": {"b": ADDRESS.lower(), "f": 1},
    }
    assert wire.canonical_action({"type": "cancel", "cancels": [], "f": False}) == {"type": "cancel", "cancels": []}


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({}, "unknown action type None"),
        ({"type": "withdrawEverything"}, "unknown action type 'withdrawEverything'"),
        ({"type": ["order"]}, "unknown action type"),
        ({"type": "order", "orders": {}, "grouping": "na"}, "orders: expected an array"),
        ({"type": "order", "orders": [3], "grouping": "na"}, "orders: expected an object"),
        ({"type": "order", "orders": [ORDER]}, "missing field `grouping`"),
        ({"type": "order", "orders": [ORDER], "grouping": "all"}, "grouping: expected one of"),
        ({"type": "order", "orders": [{**ORDER, "a": True}], "grouping": "na"}, "a: expected an integer"),
        ({"type": "order", "orders": [{**ORDER, "a": -1}], "grouping": "na"}, "a: expected an integer"),
        ({"type": "order", "orders": [{**ORDER, "b": "B"}], "grouping": "na"}, "b: expected a boolean"),
        ({"type": "order", "orders": [{**ORDER, "p": 100}], "grouping": "na"}, "p: expected a decimal"),
        ({"type": "order", "orders": [{**ORDER, "p": "1e5"}], "grouping": "na"}, "p: expected a decimal"),
        ({"type": "order", "orders": [{**ORDER, "p": "0.123456789"}], "grouping": "na"}, "p: more than 8 decimals"),
        ({"type": "order", "orders": [{**ORDER, "c": "0x1"}], "grouping": "na"}, "c: expected a cloid"),
        ({"type": "order", "orders": [{**ORDER, "t": {"limit": {"tif": "ioc"}}}], "grouping": "na"}, "t: limit: tif"),
        ({"type": "setReferrer", "code": 1}, "code: expected a string"),
        ({"type": "setReferrer", "code": None}, "code: expected a string"),
        ({"type": "updateLeverage", "asset": 1, "isCross": True, "leverage": 2**32}, "leverage: expected an integer"),
    ],
)
def test_what_does_not_fit_the_schema_says_where(sent: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        wire.canonical_action(sent)
