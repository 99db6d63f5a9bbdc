"""Identities: the same from the same, different from anything different, well-formed, and never by name or size."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.core.identity import CLOID_TAG, action_key, cloid, fingerprint, is_ours, plain, real_id
from executor.core.types import ActionType, Side

D = Decimal
ADDRESS = "0xAbCdEf0000000000000000000000000000000001"

BY_EVENT: dict[str, Any] = {
    "system": "fractrade",
    "sender_id": None,
    "agent_id": "a",
    "action_type": ActionType.TRADE,
    "event_id": "e",
    "symbol": "BTC",
    "side": Side.BUY,
    "reduce_only": False,
    "trigger_px": None,
}
ORDER: dict[str, Any] = {"network": "mainnet", "address": ADDRESS, "key": "k", "leg": "entry", "attempt": 0}


def key(**more: Any) -> str | None:
    return action_key(**(BY_EVENT | more))


def order_id(**more: Any) -> str:
    return cloid(**(ORDER | more))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (D("1.50"), "1.5"),
        (D("1.5"), "1.5"),
        (D("1E+3"), "1000"),
        (D("1000"), "1000"),
        (D("1E-7"), "0.0000001"),
        (D("-0.0"), "0"),
        (D("0.000"), "0"),
        (D("-2.10"), "-2.1"),
    ],
)
def test_equal_numbers_have_one_plain_text(value: Decimal | None, expected: str) -> None:
    assert plain(value) == expected


@given(st.decimals(-(10**9), 10**9, places=8))
def test_plain_text_is_the_number_without_exponent(value: Decimal) -> None:
    assert Decimal(plain(value)) == value
    assert "E" not in plain(value)


@pytest.mark.parametrize("value", [None, "", *(name.value for name in ActionType), ActionType.TRADE.value.lower()])
def test_an_action_name_or_nothing_is_no_id(value: str | None) -> None:
    assert real_id(value) is None


@pytest.mark.parametrize("value", ["1", " ", "9f1c", "EXECUTE"])
def test_any_other_text_is_an_id(value: str) -> None:
    assert real_id(value) == value


def test_identities_are_the_same_on_every_machine_and_in_every_version() -> None:
    # Recomputed by hand from length-prefixed BLAKE2b: were they to change, a restart would send orders twice.
    assert key() == "73516f31ed1e086c8fec564a9686e87d"
    assert key(sender_id="9f1c") == "4234b295e76fab8f9c20ab4b3406664f"
    assert order_id() == "0xf7accc907ca51a697264a4c888dd6c47"


def test_a_senders_id_decides_alone() -> None:
    assert key(sender_id="9f1c") == key(sender_id="9f1c", agent_id="b", event_id=None, symbol="ETH", side=Side.SELL)
    assert key(sender_id="9f1c") != key(sender_id="9f1d")
    assert key(sender_id="9f1c") != key(sender_id="9f1c", system="nexgent")


def test_without_any_id_there_is_no_key() -> None:
    assert key(event_id=None) is None
    assert key(event_id="", sender_id="") is None


@pytest.mark.parametrize(
    "change",
    [
        {"system": "nexgent"},
        {"agent_id": "b"},
        {"action_type": ActionType.STOP_LOSS},
        {"event_id": "f"},
        {"symbol": "ETH"},
        {"side": Side.SELL},
        {"reduce_only": True},
        {"trigger_px": D(0)},
        {"trigger_px": D(90)},
        {"sender_id": "e"},
        {"agent_id": "ae", "event_id": ""},
    ],
)
def test_whatever_makes_it_another_action_makes_another_key(change: dict[str, Any]) -> None:
    assert key(**change) != key()


def test_a_key_reads_the_trigger_price_as_a_number() -> None:
    assert key(trigger_px=D("90.0")) == key(trigger_px=D(90))


@given(st.lists(st.tuples(st.text(), st.text()), min_size=2, max_size=2, unique=True))
def test_neighbouring_fields_do_not_run_into_each_other(fields: list[tuple[str, str]]) -> None:
    (agent_a, event_a), (agent_b, event_b) = fields
    one = key(agent_id=agent_a, event_id=f"e{event_a}")
    assert one != key(agent_id=agent_b, event_id=f"e{event_b}")
    assert fingerprint(agent_a, event_a) != fingerprint(agent_b, event_b)


@pytest.mark.parametrize(
    ("one", "other"), [(("ab", "c"), ("a", "bc")), (("a", ""), ("", "a")), (("a",), ("a", "")), ((), ("",))]
)
def test_fingerprints_do_not_collide_by_concatenation(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert fingerprint(*one) != fingerprint(*other)
    assert re.fullmatch("[0-9a-f]{16}", fingerprint(*one))


def test_any_text_that_json_can_carry_can_be_an_id() -> None:
    assert key(sender_id="\ud800") != key(sender_id="\ud801")


@given(st.text(), st.text(), st.integers(0, 99))
def test_a_cloid_is_16_bytes_of_hex_and_ours(an_action: str, leg: str, attempt: int) -> None:
    one = order_id(key=an_action, leg=leg, attempt=attempt)
    assert re.fullmatch("0x[0-9a-f]{32}", one)
    assert one == order_id(key=an_action, leg=leg, attempt=attempt)
    assert is_ours(one)


@pytest.mark.parametrize(
    "change",
    [
        {"network": "testnet"},
        {"address": ADDRESS.replace("1", "2")},
        {"key": "l"},
        {"leg": "exit"},
        {"attempt": 1},
        {"key": "ke", "leg": "ntry"},
    ],
)
def test_another_network_account_action_leg_or_attempt_is_another_order(change: dict[str, Any]) -> None:
    assert order_id(**change) != order_id()


def test_the_case_an_address_is_written_in_does_not_matter() -> None:
    assert order_id(address=ADDRESS.lower()) == order_id(address=ADDRESS.upper().replace("0X", "0x")) == order_id()


@pytest.mark.parametrize(
    ("client_order_id", "ours"),
    [(None, False), ("", False), ("0x" + "0" * 32, False), (CLOID_TAG + "0" * 28, True), ("0xF7AC" + "0" * 28, True)],
)
def test_our_orders_carry_the_tag_in_any_case(client_order_id: str | None, ours: bool) -> None:
    assert is_ours(client_order_id) is ours
