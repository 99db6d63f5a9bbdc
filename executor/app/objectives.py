"""How near an account is to the limits of its risk rules, in Halyrd's words: fractions, and counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from executor.core.exposure import exposure_of
from executor.core.protocols import Exposure
from executor.core.types import ZERO
from executor.server.halyrd_frames import RULES

if TYPE_CHECKING:
    from executor.app.runtime import Runtime


_SHOWN = Context(prec=10)


class Measure(NamedTuple):
    """What a rule measures, and its limit; ``counts`` have no headroom in percent."""

    current: Callable[[Exposure], Decimal]
    limit: Callable[[Any, Exposure], Decimal]
    counts: bool = False


def _part(usd: Decimal, whole_usd: Decimal) -> Decimal:
    return usd / whole_usd if whole_usd > 0 else ZERO


def _gross_usd(exposure: Exposure) -> Decimal:
    coins = {*exposure.long_usd, *exposure.short_usd}
    return sum((max(exposure.long_usd.get(c, ZERO), exposure.short_usd.get(c, ZERO)) for c in coins), ZERO)


MEASURES: Mapping[str, Measure] = {
    "daily_loss": Measure(
        lambda x: _part(max(ZERO, -x.day_pnl_usd), x.day_start_equity_usd),
        lambda options, x: _part(options.limit_usd(x.day_start_equity_usd), x.day_start_equity_usd),
    ),
    "drawdown": Measure(
        lambda x: _part(x.drawdown_usd, x.peak_equity_usd),
        lambda options, x: _part(options.limit_usd(x.peak_equity_usd), x.peak_equity_usd),
    ),
    "max_gross_exposure": Measure(
        lambda x: _part(_gross_usd(x), x.equity_usd), lambda options, x: _part(options.max_usd, x.equity_usd)
    ),
    "consecutive_losses": Measure(
        lambda x: Decimal(x.losses_in_a_row), lambda options, _: Decimal(options.max), counts=True
    ),
    "consecutive_failures": Measure(
        lambda x: Decimal(x.failures_in_a_row), lambda options, _: Decimal(options.max), counts=True
    ),
    "max_open_positions": Measure(
        lambda x: Decimal(len(x.open_coins)), lambda options, _: Decimal(options.max), counts=True
    ),
}
"""The rules with a measure that stands by itself; money as fractions of what the rule measures it against."""


def objectives(runtime: Runtime, account: str) -> list[dict[str, Any]]:
    """``{"rule", "current", "limit", "headroom_pct", "latched"}`` of each such rule of the account."""
    desk = runtime.worker.desks.get(account)
    if desk is None:
        return []
    now_ms = runtime.venue.now_ms()
    exposure = exposure_of(desk.state, now_ms, runtime.worker.market, desk.files_present())
    return [_row(rule, exposure) for rule in desk.settings.rules if rule.name in MEASURES]


def _row(rule: Any, exposure: Exposure) -> dict[str, Any]:
    measure = MEASURES[rule.name]
    current, limit = measure.current(exposure), measure.limit(rule.options, exposure)
    headroom = None if measure.counts or limit <= 0 else _SHOWN.divide((limit - current) * 100, limit)
    return {
        "rule": RULES.get(rule.name, rule.name),
        "current": _SHOWN.plus(current),
        "limit": _SHOWN.plus(limit),
        "headroom_pct": headroom,
        "latched": rule.name in exposure.latched,
    }
