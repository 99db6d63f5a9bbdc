"""The market moved by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.paper.feeds import ManualMarket


def test_a_quote_is_a_level_a_side_with_the_mark_in_the_middle():
    ticks = []
    market = ManualMarket()
    market.attach(ticks.append)
    market.set_quote("BTC", 99, "101", size=3)
    [tick] = ticks
    assert (tick.bids, tick.asks) == (((99, 3),), ((101, 3),))
    assert (tick.mark, tick.oracle) == (100, 100)


def test_marks_books_and_funding_move_alone():
    ticks = []
    market = ManualMarket()
    market.attach(ticks.append)
    market.set_levels("BTC", [(99, 1), (98, 2)], [])
    market.set_mark("BTC", 50)
    market.set_funding("BTC", "0.0001")
    book, mark, funding = ticks
    assert (book.mark, book.asks) == (None, ())
    assert (mark.bids, mark.mark) == (None, 50)
    assert (funding.mark, funding.funding) == (None, Decimal("0.0001"))


def test_nothing_can_be_said_before_somebody_listens():
    with pytest.raises(RuntimeError, match="not attached"):
        ManualMarket().set_mark("BTC", 1)
