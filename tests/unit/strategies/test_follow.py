"""What follow makes of each action."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from executor.api import SetStop, SetTarget, Side, StopIntent, Strategy, TargetIntent, Trade, TradeIntent
from strategies.follow import Follow

D = Decimal
FOLLOW: Strategy = Follow(Follow.Options())


def test_it_trades_what_the_agent_trades_on_the_venues_coin(action: Any, view: Any) -> None:
    expected = TradeIntent(coin="BTC", side=Side.BUY, size=D(2), leverage=D(3))
    assert FOLLOW.on_action(action(Trade, leverage=D(3)), view(0)) == (expected,)


def test_without_a_leverage_it_leaves_that_to_the_account(action: Any, view: Any) -> None:
    expected = TradeIntent(coin="BTC", side=Side.SELL, size=D(2), leverage=None)
    assert FOLLOW.on_action(action(Trade, side=Side.SELL), view(0)) == (expected,)


def test_a_stop_stands_where_the_agent_says(action: Any, view: Any) -> None:
    expected = StopIntent(coin="BTC", trigger_px=D(90))
    assert FOLLOW.on_action(action(SetStop, trigger_px=D(90)), view(5)) == (expected,)


@pytest.mark.parametrize(("book", "fraction"), [(4, "0.5"), (-4, "0.5"), (2, "1"), (1, "1"), (0, "1")])
def test_a_target_takes_its_fraction_of_the_agents_book(action: Any, view: Any, book: int, fraction: str) -> None:
    expected = TargetIntent(coin="BTC", trigger_px=D(110), fraction=D(fraction))
    assert FOLLOW.on_action(action(SetTarget, trigger_px=D(110)), view(book)) == (expected,)


@pytest.mark.parametrize("kind", [SetStop, SetTarget])
def test_without_a_trigger_price_nothing_is_wanted(action: Any, view: Any, kind: type[Any]) -> None:
    assert FOLLOW.on_action(action(kind), view(5)) == ()


def test_it_has_no_options_and_needs_no_thread() -> None:
    assert Follow.inline
    with pytest.raises(ValidationError):
        Follow.Options(size=1)  # type: ignore[call-arg]  # the mistake under test
