"""Do the opposite of what the agent does."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from executor.api import StrategyView, Trade, TradeIntent
from strategies.follow import Follow


class Inverse(Follow):
    """Sells what the agent buys, and buys what it sells; closes our share of it when the agent closes.

    ``opposite`` has the program show this strategy the mirror image of each action: the other side, the negative book,
    a stop where the agent takes its profit, a target where it stops its loss. So there is nothing left to turn around
    here, and what the agent closes is closed for us also where this strategy fails. A stop covers our whole position:
    it stands at the newest of the agent's targets.
    """

    opposite: ClassVar[bool] = True

    class Options(Follow.Options):
        """``multiplier`` of the agent's size. ``leverage`` replaces the action's own."""

        multiplier: Annotated[Decimal, Field(gt=0)] = Decimal(1)
        leverage: Annotated[Decimal, Field(ge=1, decimal_places=0)] | None = None

    def __init__(self, options: Options) -> None:
        self.options: Inverse.Options = options

    def trade(self, action: Trade, view: StrategyView) -> TradeIntent:
        """The mirrored action's side, in our size."""
        chosen = self.options
        leverage = action.leverage if chosen.leverage is None else chosen.leverage
        return TradeIntent(coin=view.coin, side=action.side, size=action.size * chosen.multiplier, leverage=leverage)
