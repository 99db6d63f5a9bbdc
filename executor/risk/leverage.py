"""A cap on leverage: the rule that is asked first and may change what all others see (design.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from executor.api import Exposure, Proposal, Verdict, plain
from executor.risk.base import AtLeast1, BaseRule, RuleOptions


class LeverageCap(RuleOptions):
    """The most leverage; a whole number, as the venue's setting is one."""

    max: AtLeast1


@dataclass(frozen=True, slots=True)
class MaxLeverage(BaseRule[LeverageCap]):
    """Not more than ``max`` times; with ``shrink``, clamped to it and to the coin's own maximum."""

    Options: ClassVar[type[LeverageCap]] = LeverageCap
    name: ClassVar[str] = "max_leverage"

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        """Measure the leverage; above the coin's own maximum alone, only ``shrink`` says anything: judge refuses."""
        shrink = self.options.on_breach == "shrink"
        most = min(self.options.max, proposal.asset_max_leverage) if shrink else self.options.max
        value, limit = f"{plain(proposal.leverage)}x", f"{most}x"
        if proposal.leverage <= most:
            return self.passes(value, limit)
        if shrink:
            return Verdict(self.name, "shrink", value, limit, "MAX_LEVERAGE", allowed_leverage=Decimal(most))
        return self.refuses("MAX_LEVERAGE", value, limit)
