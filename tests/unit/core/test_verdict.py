"""What judge promises about leverage, refusals, shrinking, the final check, and rules that break."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal

import pytest

from executor.core.protocols import Exposure, Proposal, Rule, Verdict
from executor.core.types import Asset, Side
from executor.core.verdict import REASONS, Judgement, judge

D = Decimal

PROPOSAL = Proposal(
    coin="BTC", side=Side.BUY, size=D("1.2345678"), cap_px=D(100), leverage=D(5), asset_max_leverage=10, has_stop=False
)
EXPOSURE = Exposure(
    now_ms=0,
    equity_usd=D(1000),
    long_usd={},
    short_usd={},
    open_coins=(),
    entries_at_ms=(),
    last_entry_ms={},
    day_pnl_usd=D(0),
    day_start_equity_usd=D(1000),
    files_present=(),
    latched=(),
)


class Venue:
    """Lots of 0.00001 and the venue's ten dollars; the rest of the venue is not asked."""

    min_notional_usd = D(10)

    def floor_size(self, coin: str, size: Decimal) -> Decimal:
        return size.quantize(D("0.00001"), rounding=ROUND_FLOOR)

    def resolve(self, symbol: str) -> tuple[str | None, str]:
        raise NotImplementedError

    def asset(self, coin: str) -> Asset | None:
        raise NotImplementedError

    def entry_cap_px(self, coin: str, side: Side, touch_px: Decimal, slippage_bps: Decimal) -> Decimal:
        raise NotImplementedError

    exit_cap_px = entry_cap_px

    def trigger_px(self, coin: str, px: Decimal) -> Decimal:
        raise NotImplementedError

    def stop_limit_px(self, coin: str, side: Side, trigger_px: Decimal) -> Decimal:
        raise NotImplementedError


@dataclass(frozen=True)
class Says:
    """A rule that gives the verdict a function makes."""

    name: str
    word: Callable[[Proposal], object]
    watches: tuple[str, ...] = ()

    def check(self, proposal: Proposal, exposure: Exposure) -> Verdict:
        return self.word(proposal)  # type: ignore[return-value]  # some of these rules talk rubbish on purpose


def passes(name: str = "calm") -> Says:
    return Says(name, lambda _: Verdict(name, "pass"))


def refuses(name: str, **more: object) -> Says:
    return Says(name, lambda _: Verdict(name, "refuse", reason=name.upper(), **more))  # type: ignore[arg-type]  # of the test's own making


def shrinks(name: str, size: str) -> Says:
    def word(proposal: Proposal) -> Verdict:
        if proposal.size <= D(size):
            return Verdict(name, "pass")
        return Verdict(name, "shrink", reason=name.upper(), allowed_size=D(size))

    return Says(name, word)


def clamps(most: str) -> Says:
    def word(proposal: Proposal) -> Verdict:
        if proposal.leverage <= D(most):
            return Verdict("max_leverage", "pass")
        return Verdict("max_leverage", "shrink", reason="MAX_LEVERAGE", allowed_leverage=D(most))

    return Says("max_leverage", word)


def judged(*rules: Rule, proposal: Proposal = PROPOSAL) -> Judgement:
    return judge(proposal, EXPOSURE, rules, Venue())


def reason(judgement: Judgement) -> str:
    return judgement.refusal.reason if judgement.refusal else ""


def test_without_rules_the_size_only_goes_down_to_the_lot_grid() -> None:
    assert judged() == Judgement(D("1.23456"), D(5), (), None)


def test_every_rule_is_heard_in_both_passes_in_the_configured_order() -> None:
    result = judged(passes("a"), passes("b"))
    assert [v.rule for v in result.verdicts] == ["a", "b", "a", "b"]


def test_the_leverage_rule_is_heard_first_wherever_it_stands() -> None:
    result = judged(passes("a"), clamps("9"))
    assert [v.rule for v in result.verdicts] == ["max_leverage", "a", "max_leverage", "a"]


def test_the_second_pass_sees_the_quantised_order_at_the_same_price() -> None:
    seen: list[Proposal] = []

    def word(proposal: Proposal) -> Verdict:
        seen.append(proposal)
        return Verdict("eye", "pass")

    judged(Says("eye", word))
    assert seen == [PROPOSAL, replace(PROPOSAL, size=D("1.23456"), final=True)]


def test_the_first_refusal_in_order_decides_and_the_others_are_still_heard() -> None:
    result = judged(shrinks("small", "0.5"), refuses("one"), refuses("two", latch=True))
    assert (result.final_size, reason(result)) == (D(0), "ONE")
    assert [v.rule for v in result.verdicts] == ["small", "one", "two"]
    assert result.verdicts[-1].latch


def test_the_smallest_shrink_wins_in_any_order() -> None:
    assert judged(shrinks("a", "0.5"), shrinks("b", "0.25")).final_size == D("0.25")
    assert judged(shrinks("b", "0.25"), shrinks("a", "0.5")).final_size == D("0.25")


def test_every_other_rule_sees_the_size_as_proposed_not_as_shrunk() -> None:
    limit = Says(
        "limit", lambda p: Verdict("limit", "refuse", reason="LIMIT") if p.size > 1 else Verdict("limit", "pass")
    )
    assert reason(judged(shrinks("a", "0.5"), limit)) == "LIMIT"


def test_what_would_still_be_shrunk_at_the_end_is_refused_and_says_so() -> None:
    greedy = Says("greedy", lambda p: Verdict("greedy", "shrink", reason="GREEDY", allowed_size=p.size / 2))
    result = judged(greedy)
    assert (result.final_size, reason(result)) == (D(0), "GREEDY")
    assert [v.outcome for v in result.verdicts] == ["shrink", "refuse"]


def test_a_refusal_of_the_final_order_alone_counts() -> None:
    word = Says("last", lambda p: Verdict("last", "refuse", reason="LAST") if p.final else Verdict("last", "pass"))
    assert reason(judged(word)) == "LAST"


@pytest.mark.parametrize(
    ("size", "expected"),
    [("0.1", ""), ("0.09999", "BELOW_MIN_NOTIONAL"), ("0.000009", "SIZE_BELOW_LOT"), ("0", "SIZE_BELOW_LOT")],
)
def test_what_the_venue_would_not_take_is_refused(size: str, expected: str) -> None:
    assert reason(judged(shrinks("a", size))) == expected
    assert reason(judged(proposal=replace(PROPOSAL, size=D(size)))) == expected


def test_the_venues_own_refusal_names_it_with_numbers_and_units() -> None:
    refusal = judged(proposal=replace(PROPOSAL, size=D("0.05"))).refusal
    assert refusal == Verdict("venue", "refuse", value="5 USD", limit="10 USD", reason="BELOW_MIN_NOTIONAL")


def test_a_clamped_leverage_is_what_all_others_see() -> None:
    seen: list[Decimal] = []

    def word(proposal: Proposal) -> Verdict:
        seen.append(proposal.leverage)
        return Verdict("eye", "pass")

    result = judged(Says("eye", word), clamps("2"))
    assert (result.leverage, result.refusal, seen) == (D(2), None, [D(2), D(2)])


def test_a_refused_leverage_refuses_and_changes_nothing() -> None:
    result = judged(refuses("max_leverage"))
    assert (result.leverage, reason(result)) == (D(5), "MAX_LEVERAGE")


def test_one_leverage_rules_clamp_does_not_hide_a_breach_from_another() -> None:
    strict = Says(
        "max_leverage",
        lambda p: (
            Verdict("max_leverage", "refuse", reason="STRICT") if p.leverage > 4 else Verdict("max_leverage", "pass")
        ),
    )
    assert reason(judged(clamps("2"), strict)) == reason(judged(strict, clamps("2"))) == "STRICT"


def test_leverage_above_the_coins_own_is_refused_unless_a_rule_clamps_it() -> None:
    high = replace(PROPOSAL, leverage=D(20))
    refused = judged(passes(), proposal=high)
    assert refused.refusal == Verdict("venue", "refuse", value="20x", limit="10x", reason="LEVERAGE_ABOVE_ASSET_MAX")
    assert reason(judged(clamps("15"), proposal=high)) == "LEVERAGE_ABOVE_ASSET_MAX"
    assert judged(clamps("10"), proposal=high).leverage == 10


def raises(_: Proposal) -> Verdict:
    raise ZeroDivisionError("no equity")


@pytest.mark.parametrize(
    "word",
    [
        raises,
        lambda _: None,
        lambda _: Verdict("odd", "perhaps"),  # type: ignore[arg-type]  # rubbish on purpose
        lambda _: Verdict("other", "pass"),
        lambda _: Verdict("odd", "refuse"),
        lambda _: Verdict("odd", "shrink", allowed_size=D(1)),
        lambda _: Verdict("odd", "shrink", reason="ODD"),
        lambda _: Verdict("odd", "shrink", reason="ODD", allowed_size=D(2)),
        lambda _: Verdict("odd", "shrink", reason="ODD", allowed_size=D(-1)),
        lambda _: Verdict("odd", "shrink", reason="ODD", allowed_size=D("NaN")),
        lambda _: Verdict("odd", "shrink", reason="ODD", allowed_size=0.5),  # type: ignore[arg-type]  # rubbish on purpose
        lambda _: Verdict("odd", "shrink", reason="ODD", allowed_size=D(1), allowed_leverage=D(1)),
        lambda _: Verdict("odd", "pass", value=5),  # type: ignore[arg-type]  # the ledger could not be read again
        lambda _: Verdict("odd", "pass", limit=object()),  # type: ignore[arg-type]  # nor written with this
        lambda _: Verdict("odd", "refuse", reason=5),  # type: ignore[arg-type]  # rubbish on purpose
        lambda _: Verdict("odd", "refuse", reason="ODD", latch=D(1)),  # type: ignore[arg-type]  # rubbish on purpose
        lambda _: Verdict("odd", "refuse", reason="ODD", ends="never"),  # type: ignore[arg-type]  # rubbish on purpose
        lambda _: sys.exit(4),
        lambda _: Verdict("odd", "pass", allowed_size=D(1)),
        lambda _: Verdict("odd", "pass", allowed_leverage=D(1)),
    ],
)
def test_a_rule_that_breaks_or_talks_rubbish_refuses(word: Callable[[Proposal], object]) -> None:
    result = judged(Says("odd", word))
    assert result.refusal is not None
    assert (result.refusal.rule, result.refusal.reason, result.final_size) == ("odd", "RULE_FAILED", D(0))
    assert result.refusal.value


@pytest.mark.parametrize("allowed", [D(6), D(0), D("-1"), None])
def test_a_leverage_rule_that_would_raise_the_leverage_has_failed(allowed: Decimal | None) -> None:
    word = Verdict("max_leverage", "shrink", reason="ODD", allowed_leverage=allowed)
    result = judged(Says("max_leverage", lambda _: word))
    assert (reason(result), result.leverage) == ("RULE_FAILED", D(5))


def test_a_failure_quotes_the_error_and_no_novel() -> None:
    def word(_: Proposal) -> Verdict:
        raise ValueError("x" * 1000)

    refusal = judged(Says("odd", word)).refusal
    assert refusal is not None
    assert refusal.value.startswith("ValueError: xxx")
    assert len(refusal.value) == 200


def test_each_reason_given_here_is_explained() -> None:
    assert set(REASONS) == {"LEVERAGE_ABOVE_ASSET_MAX", "SIZE_BELOW_LOT", "BELOW_MIN_NOTIONAL", "RULE_FAILED"}
    assert all(text.endswith(".") for text in REASONS.values())
