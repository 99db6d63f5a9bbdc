"""What the copying strategies share: a trade another system reports becomes an entry of ours, in our size."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from executor.api import Options as BaseOptions
from executor.api import SourceTrade, Strategy, StrategyView, TargetPosition, TradeIntent, Wish

Above0 = Annotated[Decimal, Field(gt=0)]
Whole = Annotated[Decimal, Field(ge=1, decimal_places=0)]
PCT = Decimal(100)


class CopiedTrades(Strategy):
    """Copies what opens as entries; what only closes is computed from the book of what was copied.

    Where a system trades spot, each sell only closes: it never opens anything here. A close that leaves next to
    nothing of the book closes all of it: their sizes are rounded in dollars, so the last one seldom fits to the digit.
    """

    inline: ClassVar[bool] = True  # plain arithmetic: needs no thread

    class Options(BaseOptions):
        """At most one size: ``multiplier`` of what was traded (1 unless told), ``notional_usd`` or ``equity_pct``.

        ``symbols`` maps what the system calls a market to the perp, where the names differ (``PEPE/USDT: kPEPE``).
        ``stop_pct`` puts a stop so many percent from each entry's price.
        ``flat_within_pct``: a close that leaves less of the book than this closes it.
        """

        multiplier: Above0 | None = None
        notional_usd: Above0 | None = None
        equity_pct: Above0 | None = None
        leverage: Whole | None = None
        stop_pct: Annotated[Decimal, Field(gt=0, lt=100)] | None = None
        symbols: dict[str, str] = Field(default_factory=dict)
        flat_within_pct: Annotated[Decimal, Field(ge=0, lt=50)] = Decimal(1)

        @model_validator(mode="after")
        def _one_size(self) -> Self:
            if [self.multiplier, self.notional_usd, self.equity_pct].count(None) < 2:
                raise ValueError("give at most one of multiplier, notional_usd and equity_pct")
            return self

    def __init__(self, options: Options) -> None:
        self.options = options

    def on_trade(self, fact: SourceTrade, view: StrategyView) -> Sequence[Wish]:
        """An entry for what opens; nothing for what closes, which is closed without being asked for."""
        coin = self.options.symbols.get(fact.symbol) or view.coin or fact.symbol
        if fact.reduce_only:
            return (TargetPosition(coin=coin, size=Decimal(0)),) if self._ends(fact, view.book(coin)) else ()
        if not self.enters(fact, view):
            return ()
        entry = self.entry(fact, view, coin)
        return () if entry is None else (entry,)

    def enters(self, fact: SourceTrade, view: StrategyView) -> bool:  # noqa: ARG002  # for others to look at
        """Whether an entry is copied now."""
        return True

    def entry(self, fact: SourceTrade, view: StrategyView, coin: str) -> TradeIntent | None:
        """What opens, in our size; ``None`` where nothing does, or it cannot be sized.

        A size speaks of the whole trade: core cuts it to the part that opens. Dollars speak of that part alone.
        """
        chosen = self.options
        size, usd, opening = None, chosen.notional_usd, opened(fact, view.book(coin))
        if opening <= 0:
            return None
        if usd is None and chosen.equity_pct is None:
            size, whole_usd = copied(fact, coin, chosen.multiplier or Decimal(1))
            usd = None if whole_usd is None else whole_usd * opening
            if size is None and usd is None:
                return None
        return TradeIntent(
            coin=coin,
            side=fact.side,
            size=size,
            notional_usd=usd,
            equity_pct=chosen.equity_pct,
            leverage=chosen.leverage,
            stop_px=None if chosen.stop_pct is None else self._stop_px(chosen.stop_pct, fact, view, coin),
        )

    def _stop_px(self, stop_pct: Decimal, fact: SourceTrade, view: StrategyView, coin: str) -> Decimal:
        """Below a long, above a short."""
        return reference_px(fact, view, coin) * (1 - fact.side.sign * stop_pct / PCT)

    def _ends(self, fact: SourceTrade, book: Decimal) -> bool:
        """Whether a trade closes the book, but for what rounding leaves."""
        size, held = size_of(fact), -book * fact.side.sign
        return held > 0 and size is not None and held - size <= held * self.options.flat_within_pct / PCT


def opened(fact: SourceTrade, book: Decimal) -> Decimal:
    """Which part of a trade opens or adds, 0 to 1: on a book of the other side only what goes beyond it."""
    size, against = size_of(fact), -book * fact.side.sign
    if against <= 0:
        return Decimal(1)
    return max(Decimal(0), 1 - against / size) if size else Decimal(0)


def units(symbol: str, coin: str) -> Decimal:
    """How many of the system's coins are one of the venue's: a ``kPEPE`` is a thousand PEPE."""
    return Decimal(1000) if coin[:1] == "k" and symbol.upper().startswith(coin[1:].upper()) else Decimal(1)


def copied(fact: SourceTrade, coin: str, multiplier: Decimal) -> tuple[Decimal | None, Decimal | None]:
    """Our size of it as the system gave its own: in the venue's units of the coin, or in dollars."""
    if fact.size is None:
        return None, None if fact.quote_size is None else fact.quote_size * multiplier
    return fact.size * multiplier / units(fact.symbol, coin), None


def reference_px(fact: SourceTrade, view: StrategyView, coin: str) -> Decimal:
    """The venue's price; the system's own while the venue's is not known. Without any there is no stop, so no entry."""
    quote = view.quotes.get(coin)
    px = None if quote is None else quote.ask or quote.mark
    if px is None and fact.px is not None:
        px = fact.px * units(fact.symbol, coin)
    if px is None:
        raise ValueError(f"no price of {coin} to put its stop by")
    return px


def size_of(fact: SourceTrade) -> Decimal | None:
    """How much was traded, in base units, if that can be told."""
    if fact.size is not None or fact.quote_size is None or not fact.px:
        return fact.size
    return fact.quote_size / fact.px
