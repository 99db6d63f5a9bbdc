"""What core knows of the market, and how a proposal is valued."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import cast

import pytest

from executor.core.protocols import Market, Proposal, StrategyView, VenueRules
from executor.core.types import Quote, Side

D = Decimal
NO_RULES = cast("VenueRules", None)  # these questions are answered from the quotes alone


def market(bid: int | None, ask: int | None, mark: int | None) -> Market:
    bid_px, ask_px, mark_px = (None if px is None else D(px) for px in (bid, ask, mark))
    return Market(NO_RULES, {"BTC": Quote(bid_px, ask_px, mark_px, 0)})


@pytest.mark.parametrize(("side", "expected"), [(Side.BUY, 101), (Side.SELL, 99)])
def test_a_buy_meets_the_ask_and_a_sell_the_bid(side: Side, expected: int) -> None:
    assert market(99, 101, 100).touch("BTC", side) == expected


@pytest.mark.parametrize("side", Side)
def test_an_empty_side_or_an_unknown_coin_has_no_touch(side: Side) -> None:
    assert market(None, None, 100).touch("BTC", side) is None
    assert market(99, 101, 100).touch("ETH", side) is None


@pytest.mark.parametrize(
    ("bid", "ask", "mark", "expected"),
    [
        (99, 101, 97, D(97)),
        (99, 102, None, D("100.5")),
        (None, 101, None, None),
        (99, None, None, None),
        (None, None, 97, D(97)),
    ],
)
def test_the_mark_is_the_venues_else_the_middle_of_the_book(
    bid: int | None, ask: int | None, mark: int | None, expected: Decimal | None
) -> None:
    assert market(bid, ask, mark).mark("BTC") == expected


def test_an_unknown_coin_has_no_mark() -> None:
    assert market(99, 101, 100).mark("ETH") is None


def test_a_proposal_is_valued_at_its_cap_price() -> None:
    proposal = Proposal("BTC", Side.SELL, D("0.5"), D(300), D(1), 10, has_stop=False)
    assert proposal.notional_usd == 150


def test_a_view_of_nothing_is_empty_and_resolves_nothing() -> None:
    view = StrategyView(0, "main", "BTC", D(0), D(0), D(0), D(0), None)
    assert (dict(view.memory), len(view.books), "x" in view.quotes) == ({}, 0, False)
    assert (view.book("BTC"), view.position("BTC"), view.coin_of("BTC")) == (0, 0, None)
    assert hash(view) == hash(replace(view))


def test_a_view_names_coins_as_the_venue_does() -> None:
    view = StrategyView(
        0, "main", "BTC", D(0), D(0), D(0), D(0), None, books={"BTC": D(2)}, resolve=lambda symbol: (symbol.upper(), "")
    )
    assert (view.coin_of("btc"), view.book("BTC")) == ("BTC", 2)
