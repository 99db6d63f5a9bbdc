"""The exact text events have on disk, and what happens to values no text can hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from executor.core.events import KINDS, AlarmRaised, ExitSettled, IntentProposed, SendStarted
from executor.errors import LedgerError, LedgerTooNew
from executor.ledger.codec import clean, decimal_text, decode, encode


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E-8", "0.00000001"),
        ("1.50", "1.50"),
        ("1E+3", "1000"),
        ("0E-12", "0.000000000000"),
        ("-0.1", "-0.1"),
        ("1E+999999", "1E+999999"),
        ("123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789"),
    ],
)
def test_decimals_are_plain_text_unless_absurd(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text


@pytest.mark.parametrize("value", ["NaN", "sNaN", "NaN12", "Infinity", "-Infinity"])
def test_what_is_no_number_is_never_recorded(value: str) -> None:
    with pytest.raises(LedgerError, match="cannot be written"):
        encode(ExitSettled(at_ms=1, coin="BTC", left=Decimal(value)))


def test_a_body_is_compact_json_with_every_field() -> None:
    event = ExitSettled(at_ms=1, account="main", key="k", coin="BTC", left=Decimal("1E+2"))
    expected = '{"at_ms":1,"account":"main","key":"k","coin":"BTC","left":"100"}'
    assert encode(event) == expected


def test_what_was_sent_keeps_its_order_and_types() -> None:
    action: dict[str, Any] = {"type": "order", "orders": [{"b": True, "a": 0, "p": "1.0", "n": None}], "grouping": "na"}
    event = SendStarted(
        at_ms=1,
        request_id="r",
        purpose="entry",
        signer="0x",
        nonce=2**53 + 1,
        expires_after_ms=None,
        vault=None,
        action=action,
        cloids=("0x1",),
    )
    back = decode("SendStarted", encode(event))
    assert isinstance(back, SendStarted)
    assert repr(back.action) == repr(action)
    assert back.nonce == 2**53 + 1


def test_lone_surrogates_become_question_marks() -> None:
    back = decode("AlarmRaised", encode(AlarmRaised(at_ms=1, code="é", text="a\ud800b")))
    assert back == AlarmRaised(at_ms=1, code="é", text="a?b")
    assert clean("é\udfff") == "é?"


def test_integers_above_64_bits_survive() -> None:
    event = IntentProposed(at_ms=2**70, strategy="s", intents=({"n": 2**80},))
    assert decode("IntentProposed", encode(event)) == event


def test_an_object_has_no_place_in_an_event() -> None:
    with pytest.raises(LedgerError, match="object has no place"):
        encode(IntentProposed(at_ms=1, strategy="s", intents=({"x": object()},)))


def test_a_kind_of_a_newer_version_is_refused_as_such() -> None:
    assert "NeverHeardOf" not in KINDS
    with pytest.raises(LedgerTooNew, match="NeverHeardOf"):
        decode("NeverHeardOf", "{}")


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"at_ms":"x","code":"c","text":"t"}', "\x00", '{"at_ms":1,"code":'])
def test_an_unreadable_body_is_refused_with_the_remedy(body: str) -> None:
    with pytest.raises(LedgerError, match="kind AlarmRaised cannot be read") as refused:
        decode("AlarmRaised", body)
    assert refused.value.remedy


def test_what_a_newer_version_added_is_left_out() -> None:
    assert decode("AlarmRaised", '{"at_ms":1,"code":"c","text":"t","new":1}') == AlarmRaised(
        at_ms=1, code="c", text="t"
    )
