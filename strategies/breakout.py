"""An example on candles: long above the highest high of the last ones, out (or short) below the lowest low."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import Field

from executor.api import Candle, Remember, Strategy, StrategyView, TargetPosition, Wish, on_candles
from executor.api import Options as BaseOptions

Above0 = Annotated[Decimal, Field(gt=0)]


class Breakout(Strategy):
    """A channel breakout on one coin, for a source that has candles (``tradeready``).

    Not meant to earn money: it shows how a strategy trades for itself. It says which position it wants and the program
    does the rest; the last highs and lows are in its memory, so that a restart changes nothing.
    """

    inline: ClassVar[bool] = True

    class Options(BaseOptions):
        """``coin`` as the venue names it. ``notional_usd`` for each entry. ``stop_pct`` away from the close."""

        coin: str
        interval: str = "5m"
        lookback: Annotated[int, Field(ge=2, le=500)] = 20
        notional_usd: Above0
        stop_pct: Annotated[Decimal, Field(gt=0, lt=100)] | None = None
        short: bool = False

    def __init__(self, options: Options) -> None:
        self.options: Breakout.Options = options

    @on_candles()
    def candle(self, candle: Candle, view: StrategyView) -> Sequence[Wish]:
        """One complete candle; those of other coins and intervals, and old ones told again, say nothing."""
        chosen = self.options
        newest = view.memory.get("open_at_ms", 0)
        if (view.coin, candle.interval) != (chosen.coin, chosen.interval) or candle.open_at_ms <= newest:
            return ()
        seen: list[Any] = view.memory.get("seen", [])
        now = [str(candle.high_px), str(candle.low_px)]
        kept = Remember(memory={"open_at_ms": candle.open_at_ms, "seen": [*seen, now][-chosen.lookback :]})
        if len(seen) < chosen.lookback:
            return (kept,)
        return (kept, *self.breakout(candle, seen, view))

    def breakout(self, candle: Candle, seen: Sequence[Any], view: StrategyView) -> Sequence[Wish]:
        """The position to hold from here on; none where the close is inside of the channel."""
        book = view.book(self.options.coin)
        if candle.close_px > max(Decimal(high) for high, _ in seen):
            return () if book > 0 else (self.hold(1, candle),)
        if candle.close_px < min(Decimal(low) for _, low in seen):
            wanted = -1 if self.options.short else 0
            return () if book == wanted else (self.hold(wanted, candle),)
        return ()

    def hold(self, direction: int, candle: Candle) -> TargetPosition:
        """One unit in the book, up or down; on our account that unit is ``notional_usd``."""
        chosen = self.options
        away = 1 - direction * (chosen.stop_pct or 0) / Decimal(100)
        stop_px = candle.close_px * away if direction and chosen.stop_pct else None
        return TargetPosition(
            coin=chosen.coin, size=Decimal(direction), notional_usd=chosen.notional_usd, stop_px=stop_px
        )
