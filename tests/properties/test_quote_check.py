"""Whatever is checked of a quote: it lets nothing through that would not go without it, and touches no exit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from story import T0, Story, quote

from executor.core import events as ev
from executor.core.protocols import Market
from executor.core.settings import QuoteCheck
from executor.core.types import Side

D = Decimal
PRICES = st.decimals("90", "110", places=2)
SIZES = st.none() | st.decimals("0", "20", places=1)
CHECKS = st.builds(
    QuoteCheck,
    max_divergence_bps=st.none() | st.integers(1, 2000).map(D),
    max_age_ms=st.none() | st.integers(1, 60_000),
    min_depth_pct=st.none() | st.integers(1, 300).map(D),
)
TRADES = st.lists(
    st.tuples(
        st.sampled_from(Side), st.sampled_from(["1", "2.5", "10"]), st.none() | PRICES, st.sampled_from("ab"),
        st.none() | st.integers(0, 40_000),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


def played(check: QuoteCheck, sizes: tuple[Any, Any], trades: list[Any]) -> Story:
    story = Story({"quote_check": check})
    story.quotes |= dict.fromkeys(story.quotes, replace(quote(100), bid_size=sizes[0], ask_size=sizes[1]))
    for side, size, reference, agent, heard in trades:
        story.now += 7_000
        story.market = Market(story.market.rules, story.quotes, {"BTC": None if heard is None else T0 + heard}.get)
        named = {} if reference is None else {"reference_px": reference}
        story.trade(side, size, agent=agent, **named)
    return story


@given(CHECKS, st.tuples(SIZES, SIZES), TRADES)
def test_an_entry_that_is_let_through_is_the_one_that_would_have_gone_anyway(
    check: QuoteCheck, sizes: tuple[Any, Any], trades: list[Any]
) -> None:
    free, held = played(QuoteCheck(), sizes, trades[:1]), played(check, sizes, trades[:1])
    assert not free.of(ev.QuoteRejected)
    if held.of(ev.QuoteRejected):
        assert [type(event) for event in held.events[-2:]] == [ev.QuoteRejected, ev.ActionRefused]
        assert not held.of(ev.LegPlanned)
    else:
        assert held.events == free.events


@given(CHECKS, st.tuples(SIZES, SIZES), TRADES)
def test_what_was_let_through_keeps_every_limit_and_nothing_that_reduces_is_refused(
    check: QuoteCheck, sizes: tuple[Any, Any], trades: list[Any]
) -> None:
    story = played(check, sizes, trades)
    rejected = {event.key for event in story.of(ev.QuoteRejected)}
    received = {event.key: event for event in story.of(ev.ActionReceived)}
    refused = [event for event in story.of(ev.ActionRefused) if event.key in rejected]
    # where the agent turns round and we hold nothing of its first side, there is nothing for us to close either
    assert all(event.part == "entry" or event.reason == "NO_POSITION" for event in refused)
    assert not {event.key for event in story.of(ev.LegPlanned) if event.leg == "entry"} & rejected
    for judged in story.of(ev.EntryJudged):
        reference = received[judged.key].reference_px
        if check.max_divergence_bps is not None and reference is not None:
            assert abs(judged.touch_px / reference - 1) <= check.max_divergence_bps / 10_000 + D("1e-20")
        if check.min_depth_pct is not None:
            depth = sizes[0] if received[judged.key].side is Side.SELL else sizes[1]
            assert depth is not None
            assert depth * 100 >= check.min_depth_pct * judged.proposed_size
