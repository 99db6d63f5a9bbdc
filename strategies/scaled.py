"""Do what the agent does, in another size."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from executor.api import StrategyView, Trade, TradeIntent
from strategies.follow import Follow

Above0 = Annotated[Decimal, Field(gt=0)]
Whole = Annotated[Decimal, Field(ge=1, decimal_places=0)]


class Scaled(Follow):
    """As ``Follow``, but entries are sized by the options. Exits stay our share of what the agent closes."""

    class Options(Follow.Options):
        """Exactly one size: ``multiplier`` of the agent's, or ``notional_usd`` or ``equity_pct`` for each entry.

        ``equity_pct`` is percent of the account's equity, as notional. ``leverage`` replaces the action's own.
        """

        multiplier: Above0 | None = None
        notional_usd: Above0 | None = None
        equity_pct: Above0 | None = None
        leverage: Whole | None = None

        @model_validator(mode="after")
        def _one_size(self) -> Self:
            if [self.multiplier, self.notional_usd, self.equity_pct].count(None) != 2:
                raise ValueError("give exactly one of multiplier, notional_usd and equity_pct")
            return self

    def __init__(self, options: Options) -> None:
        self.options: Scaled.Options = options

    def trade(self, action: Trade, view: StrategyView) -> TradeIntent:
        """The action's side in our size."""
        chosen = self.options
        return TradeIntent(
            coin=view.coin,
            side=action.side,
            size=None if chosen.multiplier is None else action.size * chosen.multiplier,
            notional_usd=chosen.notional_usd,
            equity_pct=chosen.equity_pct,
            leverage=action.leverage if chosen.leverage is None else chosen.leverage,
        )
