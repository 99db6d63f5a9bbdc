"""quotecheck: an entry is refused where its quote is old, far from the signal's price, or thin; an exit never."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from story import T0, Story, quote

from executor.core import events as ev
from executor.core.protocols import Market
from executor.core.settings import QuoteCheck
from executor.core.types import Side

D = Decimal


def checked(**limits: Any) -> Story:
    """A market of 99 x 3 to 101 x 4, quoted at T0."""
    story = Story({"quote_check": QuoteCheck(**limits)})
    spread = replace(quote(100), bid=D(99), ask=D(101), bid_size=D(3), ask_size=D(4))
    story.quotes |= dict.fromkeys(story.quotes, spread)
    return story


def refusals(story: Story) -> list[tuple[str, str]]:
    return [(event.reason, event.part) for event in story.of(ev.ActionRefused)]


@pytest.mark.parametrize(
    ("side", "reference", "refused"),
    [
        (Side.BUY, "100", False),
        (Side.BUY, "99.99", True),
        (Side.BUY, "102.02", False),
        (Side.BUY, "102.03", True),
        (Side.SELL, "99", False),
        (Side.SELL, "100", False),
        (Side.SELL, "100.01", True),
        (Side.SELL, "98.01", True),
    ],
)
def test_the_price_an_order_meets_may_be_so_far_from_the_signals_to_either_side(
    side: Side, reference: str, refused: bool
) -> None:
    s = checked(max_divergence_bps=D(100))
    s.trade(side, 1, reference_px=reference)
    assert refusals(s) == ([("QUOTE_DIVERGENCE", "entry")] if refused else [])
    assert bool(s.sent) is not refused


def test_a_signal_without_a_price_diverges_from_none() -> None:
    s = checked(max_divergence_bps=D(0))
    s.long(1)
    assert s.sent


def test_a_quote_may_be_so_old() -> None:
    for age_ms, refused in ((5_000, []), (5_001, [("QUOTE_STALE", "entry")])):
        s = checked(max_age_ms=5_000)
        s.now = T0 + age_ms
        s.long(1)
        assert refusals(s) == refused


def test_a_quiet_quote_is_as_old_as_the_silence_of_its_feed() -> None:
    for silent_ms, refused in ((5_000, []), (5_001, [("QUOTE_STALE", "entry")])):
        s = checked(max_age_ms=5_000)
        s.now = T0 + 600_000
        heard_ms = s.now - silent_ms
        s.market = Market(s.market.rules, s.quotes, lambda coin, heard_ms=heard_ms: heard_ms)
        s.long(1)
        assert refusals(s) == refused


def test_a_quote_read_since_its_feed_was_heard_is_as_old_as_itself() -> None:
    s = checked()
    s.market = Market(s.market.rules, s.quotes, {"BTC": T0 - 9_000, "ETH": None}.get)
    assert [s.market.age_ms(coin, T0 + 10) for coin in ("BTC", "ETH")] == [10, 10]


def test_a_quote_of_a_moment_ahead_of_ours_is_of_now() -> None:
    s = checked(max_age_ms=1)
    assert (s.market.age_ms("BTC", T0 - 500), s.market.age_ms("nowhere", T0)) == (0, 0)


@pytest.mark.parametrize(
    ("side", "size", "refused"), [(Side.BUY, 8, 0), (Side.BUY, 9, 1), (Side.SELL, 6, 0), (Side.SELL, 7, 1)]
)
def test_the_best_level_must_hold_so_much_of_the_order(side: Side, size: int, refused: bool) -> None:
    s = checked(min_depth_pct=D(50))
    s.trade(side, size)
    assert refusals(s) == ([("QUOTE_DEPTH", "entry")] if refused else [])


def test_a_depth_nobody_knows_is_none() -> None:
    s = checked(min_depth_pct=D(1))
    s.quotes["BTC"] = quote(100)
    s.long(1)
    assert refusals(s) == [("QUOTE_DEPTH", "entry")]
    assert "unknown size" in s.of(ev.QuoteRejected)[0].detail


def test_nothing_is_checked_unless_asked_for() -> None:
    s = checked()
    s.now = T0 + 10**9
    s.long(1000, reference_px="1")
    assert s.sent
    assert not s.of(ev.QuoteRejected)


def test_every_number_stands_in_the_event_and_no_rule_is_asked() -> None:
    s = checked(max_divergence_bps=D(100))
    s.long(2, reference_px="50")
    (rejected,) = s.of(ev.QuoteRejected)
    detail = "101 is 10200 bps from the signal's 50, at most 100 bps are allowed"
    assert rejected == ev.QuoteRejected(
        at_ms=T0, account="main", key=rejected.key, coin="BTC", side=Side.BUY, size=D(2),
        reason="QUOTE_DIVERGENCE", detail=detail, bid=D(99), ask=D(101), bid_size=D(3), ask_size=D(4),
        reference_px=D(50), age_ms=0,
    )  # fmt: skip
    (refused,) = s.of(ev.ActionRefused)
    assert (refused.key, refused.detail) == (rejected.key, detail)
    assert not s.of(ev.EntryJudged)


def test_age_is_told_before_anything_an_old_quote_says() -> None:
    s = checked(max_age_ms=1, max_divergence_bps=D(1), min_depth_pct=D(1000))
    s.now = T0 + 2
    s.long(1, reference_px="50")
    assert refusals(s) == [("QUOTE_STALE", "entry")]


def test_an_exit_takes_the_price_there_is_and_a_flip_only_loses_its_entry() -> None:
    s = checked(max_age_ms=1, max_divergence_bps=D(1), min_depth_pct=D(100))
    s.long(2, reference_px="101")
    assert s.state.position("BTC").owned == 2
    s.now = T0 + 60_000
    s.short(1, reference_px="1")
    assert (s.state.position("BTC").owned, refusals(s)) == (1, [])
    s.short(3, reference_px="1")
    assert (s.state.position("BTC").owned, refusals(s)) == (0, [("QUOTE_STALE", "entry")])
