"""What the built-in rules share: option types, how a verdict is worded, and the one way to cap US dollars."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal
from typing import Annotated, ClassVar, Generic, Self, TypeVar

from pydantic import Field

from executor.api import Breach, Exposure, Options, Proposal, Side, Verdict, plain

Above0 = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
"""A limit: a finite number above zero."""

AtLeast1 = Annotated[int, Field(ge=1)]
"""A count."""

ZERO = Decimal(0)

_DOWN = Context(prec=28, rounding=ROUND_DOWN)


class RuleOptions(Options):
    """What every rule takes: refuse what is over the limit, or shrink it to the limit."""

    can_shrink: ClassVar[bool] = True
    """Whether a smaller order may keep the limit; where not, ``shrink`` is warned of when the configuration is read."""

    on_breach: Breach = "refuse"


class RefuseOnly(RuleOptions):
    """For rules whose breach no smaller order would heal: they refuse, whatever ``on_breach`` says."""

    can_shrink: ClassVar[bool] = False


OptionsT = TypeVar("OptionsT", bound=RuleOptions)


@dataclass(frozen=True, slots=True)
class BaseRule(Generic[OptionsT]):
    """A rule is its limits and nothing else: what happened so far comes in with the exposure."""

    options: OptionsT
    name: ClassVar[str]
    inline: ClassVar[bool] = True  # plain arithmetic: needs no thread

    @classmethod
    def from_options(cls, options: OptionsT) -> Self:
        """The rule with these limits."""
        return cls(options)

    @property
    def watches(self) -> tuple[str, ...]:
        """No files."""
        return ()

    def passes(self, value: str, limit: str) -> Verdict:
        """Within the limit."""
        return Verdict(self.name, "pass", value, limit)

    def refuses(self, reason: str, value: str, limit: str, *, latch: bool = False) -> Verdict:
        """Over the limit; ``latch`` keeps it so until the breaker is reset."""
        return Verdict(self.name, "refuse", value, limit, reason, latch=latch)

    def word(self, breach: bool, reason: str, value: str, limit: str) -> Verdict:
        """Refuse on a breach, else pass."""
        return self.refuses(reason, value, limit) if breach else self.passes(value, limit)


def usd(amount: Decimal) -> str:
    """An amount with its unit, as verdicts word it."""
    return f"{plain(amount)} USD"


def seconds(amount: Decimal) -> str:
    """A time span with its unit, as verdicts word it."""
    return f"{plain(amount)} s"


def carried_usd(exposure: Exposure, coin: str, side: Side) -> Decimal:
    """The coin's worst-case notional on one side: position, open, reserved and unknown orders."""
    held = exposure.long_usd if side is Side.BUY else exposure.short_usd
    return held.get(coin, Decimal(0))


@dataclass(frozen=True, slots=True)
class Dollars:
    """An exposure in US dollars as one rule measures it: ``after_usd`` with the proposal, up to ``max_usd``.

    ``room_usd`` is the largest notional of the proposal that would keep the limit; zero or less if none would.
    """

    after_usd: Decimal
    max_usd: Decimal
    room_usd: Decimal


def cap(rule: BaseRule[OptionsT], reason: str, proposal: Proposal, dollars: Dollars) -> Verdict:
    """Pass within the limit, else refuse, or shrink to the room there is: never to nothing, never upwards."""
    value, limit = usd(dollars.after_usd), usd(dollars.max_usd)
    if dollars.after_usd <= dollars.max_usd:
        return rule.passes(value, limit)
    if rule.options.on_breach == "refuse" or dollars.room_usd <= 0:
        return rule.refuses(reason, value, limit)
    allowed = _DOWN.divide(dollars.room_usd, proposal.worst_px)
    return Verdict(rule.name, "shrink", value, limit, reason, allowed_size=allowed)
