"""What a risk rule promises: one verdict, never an exception, nothing kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from executor.api import Exposure, Proposal, Side, Verdict
from executor.core.verdict import unwritable
from executor.testing.conformance.inputs import COIN, HUGE, NOW_MS, TINY
from executor.testing.conformance.results import Results

D = Decimal

USUAL = Proposal(
    coin=COIN, side=Side.BUY, size=D(2), cap_px=D(100), leverage=D(3), asset_max_leverage=40, has_stop=False
)
QUIET = Exposure(
    now_ms=NOW_MS, equity_usd=D(1000), long_usd={}, short_usd={}, open_coins=(), entries_at_ms=(), last_entry_ms={},
    day_pnl_usd=D(0), day_start_equity_usd=D(1000), files_present=(), latched=(),
)  # fmt: skip


def moments() -> Iterator[tuple[Proposal, Exposure]]:
    """Ordinary ones first."""
    yield USUAL, QUIET
    yield replace(USUAL, side=Side.SELL, has_stop=True, final=True), QUIET
    busy = replace(
        QUIET, long_usd={COIN: D(500)}, open_coins=(COIN, "ETH"), entries_at_ms=(NOW_MS - 10, NOW_MS - 5),
        last_entry_ms={COIN: NOW_MS - 5}, day_pnl_usd=D(-400),
    )  # fmt: skip
    yield USUAL, busy
    for size in (HUGE, TINY):
        yield replace(USUAL, size=size, cap_px=size, leverage=HUGE), busy
    yield USUAL, replace(QUIET, equity_usd=D(0), day_start_equity_usd=D(0))
    yield USUAL, replace(QUIET, equity_usd=D(-10), day_pnl_usd=-HUGE, now_ms=0)
    yield (
        replace(USUAL, coin="NOSUCHCOIN"),
        replace(busy, short_usd={COIN: HUGE}, files_present=("/x",), latched=("x",)),
    )


def check_rule(kind: type[Any], options: Any, results: Results) -> None:
    """Build it and have it judge every moment twice."""
    try:
        rule = kind.from_options(options)
    except Exception as error:  # noqa: BLE001 a stranger's constructor may raise anything
        results.fail("construction", f"{type(error).__name__}: {error}")
        return
    results.passed("construction", "from its options")
    name = getattr(rule, "name", None)
    named = isinstance(name, str) and isinstance(getattr(rule, "watches", None), tuple)
    results.judge("name and watches", named, str(name), "name is a text, watches a tuple of paths")
    if not named:
        return
    for n, (proposal, exposure) in enumerate(moments(), 1):
        if not _judged(rule, n, proposal, exposure, results):
            return
    results.passed("verdicts", f"{n} moments judged, each the same twice")


def _judged(rule: Any, n: int, proposal: Proposal, exposure: Exposure, results: Results) -> bool:
    try:
        first, second = rule.check(proposal, exposure), rule.check(proposal, exposure)
    except (Exception, SystemExit) as error:  # noqa: BLE001 what is looked for
        results.fail(f"moment {n}", f"raised {type(error).__name__}: {error}; it would refuse as RULE_FAILED")
        return False
    wrong = _wrong(rule, first, proposal) or ("it keeps something: twice is not the same" if first != second else "")
    if wrong:
        results.fail(f"moment {n}", wrong)
    return not wrong


def _wrong(rule: Any, verdict: object, proposal: Proposal) -> str:
    if not isinstance(verdict, Verdict):
        return f"returned {type(verdict).__name__}, not a Verdict"
    if verdict.rule != rule.name or verdict.outcome not in ("pass", "shrink", "refuse"):
        return f"a verdict of {verdict.rule!r} that says {verdict.outcome!r}"
    if verdict.outcome == "refuse" and not verdict.reason:
        return "it refuses without a reason code"
    if odd := unwritable(verdict):
        return odd
    if verdict.outcome != "shrink":
        return ""
    if verdict.allowed_size is None and verdict.allowed_leverage is None:
        return "it shrinks to nothing it names"
    grown = verdict.allowed_size is not None and not _within(verdict.allowed_size, proposal.size)
    return f"it allows {verdict.allowed_size} of {proposal.size}" if grown else ""


def _within(allowed: object, most: Decimal) -> bool:
    """NaN is within nothing, and compared it would raise."""
    return isinstance(allowed, Decimal) and allowed.is_finite() and 0 <= allowed <= most
