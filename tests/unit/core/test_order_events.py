"""Events about orders: a plain leg needs no word about triggers, brackets or flips."""

from __future__ import annotations

from decimal import Decimal

from executor.core.order_events import LegPlanned, RequestClosed, SendStarted
from executor.core.types import Side

D = Decimal


def test_a_plain_leg_is_no_trigger_no_bracket_and_waits_for_nothing() -> None:
    leg = LegPlanned(
        at_ms=0,
        cloid="0x1",
        leg="entry",
        attempt=1,
        coin="BTC",
        side=Side.BUY,
        size=D(1),
        limit_px=D(100),
        reduce_only=False,
    )
    assert (leg.trigger_px, leg.bracket, leg.wait_flat, leg.good_until_ms) == (None, None, False, None)


def test_a_request_names_no_oids_and_no_coin_unless_it_cancels_or_sets_leverage() -> None:
    sent = SendStarted(
        at_ms=0,
        request_id="r",
        purpose="entry",
        signer="s",
        nonce=1,
        expires_after_ms=None,
        vault=None,
        action={},
        cloids=("0x1",),
    )
    assert (sent.oids, sent.coin) == ((), None)
    assert RequestClosed(at_ms=0, request_id="r", result="answered").text == ""
