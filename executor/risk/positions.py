"""A cap on how many coins are held at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from executor.api import Exposure, Proposal, Verdict
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
