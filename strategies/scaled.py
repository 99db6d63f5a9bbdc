"""Do what the agent does, in another size."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from executor.api import StrategyView, Trade, TradeIntent
from strategies.follow import Follow

Above0 = Annotated[Decimal, Field(gt=0)]
Percent = Annotated[Decimal, Field(gt=0, lt=100)]
Whole = Annotated[Decimal, Field(ge=1, decimal_places=0)]


class Scaled(Follow):
    """As ``Follow``, but entries are sized by the options. Exits stay our share of what the agent closes."""

    class Options(Follow.Options):
        """Exactly one size: ``multiplier`` of the agent's, ``notional_usd``, ``equity_pct`` or ``risk_pct`` per entry.

        ``equity_pct`` is percent of the account's equity, as notional; ``risk_pct`` percent of it that is lost when the
        stop fires at its price: it needs ``stop_pct``, the stop's distance from the price in percent. With ``stop_pct``
        each entry goes out with such a stop, which the agent's own replaces when it comes. ``leverage`` replaces the
        action's own.
        """

        multiplier: Above0 | None = None
        notional_usd: Above0 | None = None
        equity_pct: Above0 | None = None
        risk_pct: Percent | None = None
        stop_pct: Percent | None = None
        leverage: Whole | None = None

        @model_validator(mode="after")
        def _one_size(self) -> Self:
            if [self.multiplier, self.notional_usd, self.equity_pct, self.risk_pct].count(None) != 3:
                raise ValueError("give exactly one of multiplier, notional_usd, equity_pct and risk_pct")
            if self.risk_pct is not None and self.stop_pct is None:
                raise ValueError("risk_pct needs stop_pct: the size follows from the distance of the stop")
            return self

        @property
        def notional_pct(self) -> Decimal | None:
            """Percent of equity as notional: what loses ``risk_pct`` of it over ``stop_pct``."""
            if self.risk_pct is None or self.stop_pct is None:
                return self.equity_pct
            return self.risk_pct / self.stop_pct * 100

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
            equity_pct=chosen.notional_pct,
            leverage=action.leverage if chosen.leverage is None else chosen.leverage,
            stop_px=self.stop_px(action, view),
        )

    def stop_px(self, action: Trade, view: StrategyView) -> Decimal | None:
        """``stop_pct`` beyond the price the entry meets; without that price it raises, and nothing opens."""
        if self.options.stop_pct is None:
            return None
        touch = view.quote and (view.quote.ask if action.side.sign > 0 else view.quote.bid)
        if not touch:
            raise LookupError(f"no price of {view.coin} to tell where its stop belongs")
        return touch * (1 - action.side.sign * self.options.stop_pct / 100)
