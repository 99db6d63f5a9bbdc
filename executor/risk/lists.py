"""Which coins and which directions may be opened at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from executor.api import Exposure, Proposal, Side, Verdict
from executor.risk.base import BaseRule, RefuseOnly

Direction = Literal["long", "short"]

_COIN = re.compile(r"(\w+:)?[A-Za-z0-9]+(?<!.USDT)(?<!.USDC)", re.ASCII | re.IGNORECASE)


def _venue_coin(text: str) -> str:
    """The coin as the venue writes it. A pair would never match, and a deny list that never matches is a trap."""
    if not _COIN.fullmatch(text):
        raise ValueError(f"'{text}' is no coin of the venue's: write BTC, not BTC-PERP, BTC/USDC or BTCUSDT")
    return text.casefold()


Coin = Annotated[str, AfterValidator(_venue_coin)]


class CoinLists(RefuseOnly):
    """Coins as the venue names them, in any case. Without ``allow``, all but ``deny`` may be opened."""

    allow: Annotated[frozenset[Coin], Field(min_length=1)] | None = None
    deny: frozenset[Coin] = frozenset()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.allow is None and not self.deny:
            raise ValueError("give allow, deny or both: a list of coins")
        return self


@dataclass(frozen=True, slots=True)
class Symbols(BaseRule[CoinLists]):
    """Only the coins allowed, never one denied; denied wins."""

    Options: ClassVar[type[CoinLists]] = CoinLists
    name: ClassVar[str] = "symbols"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Look the coin up."""
        coin, allow = proposal.coin.casefold(), self.options.allow
        if coin in self.options.deny:
            return self.refuses("SYMBOL_DENIED", proposal.coin, f"not {_words(self.options.deny)}")
        limit = "any not denied" if allow is None else _words(allow)
        return self.word(allow is not None and coin not in allow, "SYMBOL_NOT_ALLOWED", proposal.coin, limit)


class Directions(RefuseOnly):
    """The directions that may be opened."""

    allow: Annotated[frozenset[Direction], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Sides(BaseRule[Directions]):
    """Only long, or only short."""

    Options: ClassVar[type[Directions]] = Directions
    name: ClassVar[str] = "sides"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Look the direction up that the order opens."""
        direction = "long" if proposal.side is Side.BUY else "short"
        return self.word(direction not in self.options.allow, "SIDE_NOT_ALLOWED", direction, _words(self.options.allow))


def _words(names: frozenset[str] | frozenset[Direction]) -> str:
    return ", ".join(sorted(names))
