"""Caps on how many coins are held at once, altogether and in one direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from executor.api import Exposure, Proposal, Side, Verdict
from executor.risk.base import AtLeast1, BaseRule, RefuseOnly


class OpenCoins(RefuseOnly):
    """The most coins with a position or an entry under way."""

    max: AtLeast1


@dataclass(frozen=True, slots=True)
class MaxOpenPositions(BaseRule[OpenCoins]):
    """Not in more than ``max`` coins at once; adding to one that is open is always within it."""

    Options: ClassVar[type[OpenCoins]] = OpenCoins
    name: ClassVar[str] = "max_open_positions"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Count the open coins, with the proposal's."""
        if proposal.coin in exposure.open_coins:
            return self.passes(f"{proposal.coin} is open", f"{self.options.max} coins")
        count = len(set(exposure.open_coins)) + 1
        return self.word(count > self.options.max, "MAX_OPEN_POSITIONS", f"{count} coins", f"{self.options.max} coins")


@dataclass(frozen=True, slots=True)
class MaxSameDirection(BaseRule[OpenCoins]):
    """Not more than `max` coins long, nor more than `max` short, at once; adding to one of them is within it."""

    Options: ClassVar[type[OpenCoins]] = OpenCoins
    name: ClassVar[str] = "max_same_direction"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Count the coins that are, or may come to be, on the proposal's side, with its own."""
        long = proposal.side is Side.BUY
        carried = exposure.long_usd if long else exposure.short_usd
        same = {coin for coin, amount in carried.items() if amount > 0}
        words, limit = f"coins {'long' if long else 'short'}", self.options.max
        if proposal.coin in same:
            return self.passes(f"{proposal.coin} is one of {len(same)} {words}", f"{limit} {words}")
        count = len(same) + 1
        return self.word(count > limit, "MAX_SAME_DIRECTION", f"{count} {words}", f"{limit} {words}")
