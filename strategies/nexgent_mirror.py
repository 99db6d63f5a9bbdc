"""Hold on the perp what a Nexgent agent holds on Solana: entries, DCA, partial take-profits, its stop, its close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from executor.api import Options as BaseOptions
from executor.api import Quote, Remember, SourcePosition, Strategy, StrategyView, TargetPosition, Wish, plain

Above0 = Annotated[Decimal, Field(gt=0)]
Whole = Annotated[Decimal, Field(ge=1, decimal_places=0)]
Row = dict[str, Any]

_PRICE = Context(prec=5)  # the venue's own precision: a stop that stands as it was asked for is not placed again


class Unmapped(ValueError):
    """A token that no perp is configured for: it is not traded, and the record says so."""


class Perp(BaseModel):
    """The perp that stands for a token. ``units`` is how many tokens one of the perp's is: 1 kBONK is 1000 BONK."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    coin: str
    units: Above0

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, value: Any) -> Any:
        """``kBONK`` alone says both: the venue counts coins with a ``k`` before a capital in thousands."""
        if isinstance(value, dict) and isinstance(value.get("units"), int | float | str):
            try:  # behind this validator a number is no longer JSON's, and strictness would want a Decimal
                return {**value, "units": Decimal(str(value["units"]))}
            except ArithmeticError:
                return value
        if not isinstance(value, str):
            return value
        return {"coin": value, "units": Decimal(1000 if value[:1] == "k" and value[1:2].isupper() else 1)}


class NexgentMirror(Strategy):
    """One target per coin: what all the agent's positions of it add up to, in our size.

    What shrinks or closes there closes our share, by core, also when this fails. A position's first purchase is one
    full size; more (DCA) adds in proportion, a partial take-profit takes away in proportion.
    """

    inline: ClassVar[bool] = True  # plain arithmetic: needs no thread

    class Options(BaseOptions):
        """``symbols`` maps tokens to perps, by mint address (safest: anybody may call a token BONK) or by symbol.

        Exactly one size for the first purchase: ``multiplier`` of the agent's own, ``notional_usd``, or ``equity_pct``
        (percent of the account's equity, as notional). ``follow_stop`` keeps a stop where the agent's is.
        """

        symbols: dict[str, Perp]
        multiplier: Above0 | None = None
        notional_usd: Above0 | None = None
        equity_pct: Above0 | None = None
        leverage: Whole | None = None
        follow_stop: bool = True

        @field_validator("symbols")
        @classmethod
        def _some(cls, symbols: dict[str, Perp]) -> dict[str, Perp]:
            if not symbols:
                raise ValueError("name at least one token, for example {BONK: kBONK}")
            return symbols

        @model_validator(mode="after")
        def _one_size(self) -> Self:
            if [self.multiplier, self.notional_usd, self.equity_pct].count(None) != 2:
                raise ValueError("give exactly one of multiplier, notional_usd and equity_pct")
            return self

    def __init__(self, options: Options) -> None:
        self.options: NexgentMirror.Options = options
        self._by_symbol = {name.upper(): perp for name, perp in options.symbols.items()}

    def on_position(self, fact: SourcePosition, view: StrategyView) -> Sequence[Wish]:
        """The coin's target after this state of one position, and what is to be remembered of it."""
        rows: dict[str, Row] = dict(view.memory.get("positions", {}))
        perp = self.perp_of(fact)
        if perp is None:
            if fact.size == 0:
                return ()
            raise Unmapped(f"no perp is configured for {fact.symbol} ({fact.token}): add it to symbols")
        if fact.size == 0:
            rows.pop(fact.position_id, None)
        else:
            rows[fact.position_id] = self._row(fact, perp, rows.get(fact.position_id, {}), view.quotes.get(perp.coin))
        held = [row for row in rows.values() if (row["coin"], row["agent"]) == (perp.coin, fact.agent.agent_id)]
        return self._target(perp, held), Remember(memory={"positions": rows})

    def perp_of(self, fact: SourcePosition) -> Perp | None:
        """By the exact address first; a symbol is read in any case."""
        return self.options.symbols.get(fact.token) or self._by_symbol.get(fact.symbol.upper())

    def _row(self, fact: SourcePosition, perp: Perp, before: Mapping[str, Any], quote: Quote | None) -> Row:
        row = {
            "coin": perp.coin,
            "agent": fact.agent.agent_id,
            "held": plain(fact.size),
            "units": plain(perp.units),
            "first": before.get("first") or plain(fact.bought or fact.size),
            "stop": before.get("stop"),
        }
        told = [plain(fact.stop_pct), plain(fact.entry_px)]
        if before.get("told") != told or row["stop"] is None:  # only then: the market's moves shall not move the stop
            row["stop"] = plain(stop_px(fact, perp, quote)) or None
        return {**row, "told": told}

    def _target(self, perp: Perp, held: Sequence[Row]) -> TargetPosition:
        """All in proportion to each position's first purchase; the stop is the last one of the positions' to be met."""
        size = sum((Decimal(row["held"]) / Decimal(row.get("units") or perp.units) for row in held), Decimal(0))
        share = sum((Decimal(row["held"]) / Decimal(row["first"]) for row in held), Decimal(0))
        stops = [Decimal(row["stop"]) for row in held if row["stop"]]
        chosen = self.options
        return TargetPosition(
            coin=perp.coin,
            size=size * (chosen.multiplier or 1),
            notional_usd=_part(chosen.notional_usd, share),
            equity_pct=_part(chosen.equity_pct, share),
            leverage=chosen.leverage,
            stop_px=min(stops) if stops and len(stops) == len(held) and chosen.follow_stop else None,
        )


def stop_px(fact: SourcePosition, perp: Perp, quote: Quote | None) -> Decimal | None:
    """The agent's stop as a price of the perp: as far from the perp's price now as the agent's is from the token's.

    The server stops at entry times (1 + percent / 100): -32 below the entry, 25 a locked gain above it. A gain that the
    price has not reached cannot be meant so: seed 002 writes the distance of a loss without its sign, and is taken so.
    """
    now_px = _px(fact, perp, quote)
    if fact.stop_pct is None or now_px is None:
        return None
    now = fact.mark_px / fact.entry_px if fact.mark_px and fact.entry_px else Decimal(1)
    level = 1 + fact.stop_pct / 100
    if fact.stop_pct > 0 and level >= now:
        level = 1 - fact.stop_pct / 100
    return _PRICE.plus(now_px * level / now) if level > 0 else None


def _px(fact: SourcePosition, perp: Perp, quote: Quote | None) -> Decimal | None:
    """The perp's price; where the venue shows none, the token's own in dollars."""
    if quote is not None and quote.mark is not None:
        return quote.mark
    if quote is not None and quote.bid is not None and quote.ask is not None:
        return (quote.bid + quote.ask) / 2
    token_px = fact.mark_px or fact.entry_px
    return None if token_px is None or fact.quote_usd is None else token_px * fact.quote_usd * perp.units


def _part(whole: Decimal | None, share: Decimal) -> Decimal | None:
    return None if whole is None or share <= 0 else whole * share
