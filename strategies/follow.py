"""Do what the agent does, as it says it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from executor.api import (
    Action,
    Intent,
    SetStop,
    SetTarget,
    StopIntent,
    StrategyView,
    TargetIntent,
    Trade,
    TradeIntent,
    share,
)
from executor.api import Options as BaseOptions


class Follow:
    """The action as given: size, leverage, stop and target.

    What closes is not decided here: core computes every exit from the agent's book, whatever a strategy returns
    (also when it returns nothing, or fails). A strategy shapes what opens, and where stops and targets stand.
    """

    inline: ClassVar[bool] = True  # plain arithmetic: needs no thread

    class Options(BaseOptions):
        """Nothing to set."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def on_action(self, action: Action, view: StrategyView) -> Sequence[Intent]:
        """One intent for each action; the coin is the view's, since the action's symbol is only the sender's word."""
        match action:
            case Trade():
                return (self.trade(action, view),)
            case SetStop(trigger_px=Decimal() as px):
                return (StopIntent(coin=view.coin, trigger_px=px),)
            case SetTarget(trigger_px=Decimal() as px):
                return (TargetIntent(coin=view.coin, trigger_px=px, fraction=share(action.size, view.book_after)),)
        return ()  # a stop or target without a price is none

    def trade(self, action: Trade, view: StrategyView) -> TradeIntent:
        """The part to change in a strategy of your own: how large, and at which leverage."""
        return TradeIntent(coin=view.coin, side=action.side, size=action.size, leverage=action.leverage)
