"""Rules about margin: how much of the equity stays free, and how far away liquidation stays."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from executor.api import Exposure, Proposal, Verdict, plain
from executor.risk.base import ZERO, Above0, BaseRule, Dollars, RefuseOnly, RuleOptions, cap

Percent = Annotated[Decimal, Field(gt=0, lt=100, allow_inf_nan=False)]
"""A part of something, in percent."""

_HUNDREDTH = Decimal("0.01")


class Reserve(RuleOptions):
    """What of the equity may not be bound as margin, in US dollars or in percent of it."""

    min_usd: Above0 | None = None
    min_pct: Percent | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.min_usd is None) == (self.min_pct is None):
            raise ValueError("give exactly one of min_usd and min_pct")
        return self

    def reserve_usd(self, equity_usd: Decimal) -> Decimal:
        """The reserve in US dollars."""
        if self.min_usd is not None:
            return self.min_usd
        return max(equity_usd, ZERO) * (self.min_pct or ZERO) / 100


@dataclass(frozen=True, slots=True)
class MarginReserve(BaseRule[Reserve]):
    """Of the equity, at least `min_usd` or `min_pct` percent is not bound as margin; entries under way count whole."""

    Options: ClassVar[type[Reserve]] = Reserve
    name: ClassVar[str] = "margin_reserve"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Measure the margin in use, with the proposal's at its leverage."""
        most_usd = max(exposure.equity_usd - self.options.reserve_usd(exposure.equity_usd), ZERO)
        after_usd = exposure.margin_used_usd + proposal.notional_usd / proposal.leverage
        room_usd = (most_usd - exposure.margin_used_usd) * proposal.leverage
        return cap(self, "MARGIN_RESERVE", proposal, Dollars(after_usd, most_usd, room_usd))


class Distance(RefuseOnly):
    """The least way to liquidation, in percent of the price."""

    min_pct: Percent


@dataclass(frozen=True, slots=True)
class LiquidationDistance(BaseRule[Distance]):
    """No entry that would be liquidated within `min_pct` percent, and none while any open position is that near.

    The entry's own way is what its leverage leaves, as if it stood alone; the positions' are by the venue's word.
    """

    Options: ClassVar[type[Distance]] = Distance
    name: ClassVar[str] = "liquidation_distance"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Look for the shortest way, the proposal's own or a position's."""
        own = (_own_pct(proposal), f"this {proposal.coin} entry")
        held = [(pct, f"the {coin} position") for coin, pct in exposure.liquidation_pct.items()]
        pct, what = min([own, *held])
        value, limit = (
            f"{plain(pct.quantize(_HUNDREDTH, ROUND_FLOOR)) or '0'} % for {what}",
            f"{plain(self.options.min_pct)} %",
        )
        return self.word(pct < self.options.min_pct, "LIQUIDATION_DISTANCE", value, limit)


def _own_pct(proposal: Proposal) -> Decimal:
    """How far the price may go against a new position at this leverage (hyperliquid.md section 6.7).

    Maintenance is half of the initial margin at the coin's highest leverage. The shorter way of the two sides counts.
    """
    maintenance = 1 / (2 * Decimal(proposal.asset_max_leverage))
    return (1 / proposal.leverage - maintenance) / (1 + maintenance) * 100
