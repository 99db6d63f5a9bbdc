"""How facts look to people and programs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.events import WantDropped
from executor.ledger.codec import encode
from executor.ledger.views import event_view, frame_view, number, without


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("1.500"), "1.5"), (Decimal("1E-8"), "0.00000001"), (3, "3"), (Decimal("-0"), "0"), (None, None)],
)
def test_numbers_are_plain_text(value: Decimal | int | None, text: str | None) -> None:
    assert number(value) == text


def test_an_events_own_fields_never_hide_the_common_ones() -> None:
    event = WantDropped(at_ms=0, account="main", key="k", coin="BTC", kind="stop", reason="NO_POSITION")
    assert event_view(7, "WantDropped", encode(event)) == {
        "seq": 7,
        "at": "1970-01-01T00:00:00.000Z",
        "kind": "WantDropped",
        "account": "main",
        "key": "k",
        "data": {"coin": "BTC", "kind": "stop", "reason": "NO_POSITION"},
    }


def test_a_binary_frame_is_told_as_base64() -> None:
    shown = frame_view((1, 0, "s", "c", b"\xff"))
    assert shown == {"received_at": "1970-01-01T00:00:00.000Z", "source": "s", "channel": "c", "frame_base64": "/w=="}


def test_without_leaves_the_original_alone() -> None:
    whole = {"a": 1, "b": 2}
    assert without(whole, "a", "z") == {"b": 2}
    assert whole == {"a": 1, "b": 2}
