"""What is open when the worker starts with another configuration still goes the way its agent goes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from story import Story

from executor.core import events as ev
from executor.core.intents import TradeIntent
from executor.core.types import Side

D = Decimal


def against(s: Story, size: str = "1") -> None:
    """Alice buys; what we hold of hers is the opposite, by a strategy that was ``inverse`` then and is not now."""
    mirrored: dict[str, Any] = {"side": Side.SELL, "book_after": -D(size)}
    s.long(size, received=mirrored, intents=(TradeIntent(coin="BTC", side=Side.SELL, size=D(size)),))
    assert s.held() == -D(size)


def test_what_was_opened_against_an_agent_is_closed_with_its_own_after_the_strategy_was_changed():
    s = Story()
    against(s)
    s.short("0.25")
    assert s.held() == D("-0.75")
    s.short("0.75")
    assert (s.held(), s.refusals()) == (0, [])


def test_an_agent_that_turns_after_the_strategy_was_changed_closes_what_is_held_and_opens_once_flat():
    s = Story()
    against(s)
    s.set("exit", "wait")
    s.short(3)
    assert [(leg.kind, leg.side) for leg in s.state.live.values()] == [("entry", Side.SELL), ("exit", Side.BUY)]
    assert s.held() == -1
    s.answer_all()
    s.settle()
    assert s.held() == -2


def test_what_is_held_only_because_its_close_was_none_keeps_no_entry_that_is_out_from_being_closed():
    s = Story()
    s.long(1)
    s.set("entry", "wait")
    s.short(2)
    (close,) = s.planned("exit")
    s.venue["BTC"] = D(1)  # the answer said filled, and nothing had happened
    s.auto = False
    s.command(ev.ClaimVoided, key=close.key, cloid=close.cloid, coin="BTC", size=D(1))
    assert s.held() == 1
    s.long(1)
    assert [owed.side for owed in s.state.exits.values()] == [Side.SELL, Side.BUY]
