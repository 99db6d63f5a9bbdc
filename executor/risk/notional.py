"""Caps in US dollars: of one order, of one coin's position, of everything together (design.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from executor.api import Exposure, Proposal, Side, Verdict
from executor.risk.base import ZERO, Above0, BaseRule, Dollars, RuleOptions, cap, carried_usd


class UsdCap(RuleOptions):
    """The most, in US dollars, by the price cap of the order."""

    max_usd: Above0


@dataclass(frozen=True, slots=True)
class MaxOrderNotional(BaseRule[UsdCap]):
    """No single order above ``max_usd``."""

    Options: ClassVar[type[UsdCap]] = UsdCap
    name: ClassVar[str] = "max_order_notional"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Measure the order alone."""
        limit_usd = self.options.max_usd
        return cap(self, "MAX_ORDER_NOTIONAL", proposal, Dollars(proposal.notional_usd, limit_usd, limit_usd))


@dataclass(frozen=True, slots=True)
class MaxPositionNotional(BaseRule[UsdCap]):
    """No coin above ``max_usd`` on one side, whatever of its open and unresolved orders should fill."""

    Options: ClassVar[type[UsdCap]] = UsdCap
    name: ClassVar[str] = "max_position_notional"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Measure the coin on the proposal's side, with the proposal."""
        limit_usd, before_usd = self.options.max_usd, carried_usd(exposure, proposal.coin, proposal.side)
        after_usd = before_usd + proposal.notional_usd
        return cap(self, "MAX_POSITION_NOTIONAL", proposal, Dollars(after_usd, limit_usd, limit_usd - before_usd))


@dataclass(frozen=True, slots=True)
class MaxGrossExposure(BaseRule[UsdCap]):
    """Not above ``max_usd`` over all coins, each by its larger side."""

    Options: ClassVar[type[UsdCap]] = UsdCap
    name: ClassVar[str] = "max_gross_exposure"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Measure all coins, the proposal's coin with the proposal on its side."""
        limit_usd = self.options.max_usd
        others_usd = _gross_usd(exposure, but=proposal.coin)
        same_usd = carried_usd(exposure, proposal.coin, proposal.side)
        opposite_usd = carried_usd(exposure, proposal.coin, proposal.side.opposite)
        after_usd = others_usd + max(same_usd + proposal.notional_usd, opposite_usd)
        over_anyway = others_usd + opposite_usd > limit_usd
        room_usd = Decimal(0) if over_anyway else limit_usd - others_usd - same_usd
        return cap(self, "MAX_GROSS_EXPOSURE", proposal, Dollars(after_usd, limit_usd, room_usd))


@dataclass(frozen=True, slots=True)
class MaxNetExposure(BaseRule[UsdCap]):
    """Not above `max_usd` net, long less short or short less long, over all coins.

    What may still fill counts on the proposal's side only, what is held against it only in other coins: a flip closes
    its own coin's position first.
    """

    Options: ClassVar[type[UsdCap]] = UsdCap
    name: ClassVar[str] = "max_net_exposure"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Measure the net on the proposal's side, with the proposal."""
        limit_usd = self.options.max_usd
        carried = exposure.long_usd if proposal.side is Side.BUY else exposure.short_usd
        against_usd = (-usd_ * proposal.side.sign for c, usd_ in exposure.held_usd.items() if c != proposal.coin)
        before_usd = sum(carried.values(), ZERO) - sum((max(usd_, ZERO) for usd_ in against_usd), ZERO)
        after_usd = before_usd + proposal.notional_usd
        return cap(self, "MAX_NET_EXPOSURE", proposal, Dollars(after_usd, limit_usd, limit_usd - before_usd))


def _gross_usd(exposure: Exposure, but: str) -> Decimal:
    long_usd, short_usd = exposure.long_usd, exposure.short_usd
    coins = (long_usd.keys() | short_usd.keys()) - {but}
    return sum((max(long_usd.get(c, Decimal(0)), short_usd.get(c, Decimal(0))) for c in coins), Decimal(0))
