"""What the risk rules together say to one proposal (design.md section 6): refuse it, shrink it, or let it pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from executor.core.identity import plain
from executor.core.protocols import Exposure, Proposal, Rule, VenueRules, Verdict
from executor.core.types import ZERO

LEVERAGE_RULE = "max_leverage"
"""The rule that is asked first and may change the leverage all others see."""

VENUE = "venue"
"""The ``rule`` of a verdict that comes from the exchange's own limits."""

REASONS = {
    "LEVERAGE_ABOVE_ASSET_MAX": "The venue allows less leverage on this coin: lower it, or let max_leverage shrink it.",
    "SIZE_BELOW_LOT": "Less than one lot was left of the order: raise the size, or the limit that shrank it.",
    "BELOW_MIN_NOTIONAL": "The order is smaller than the venue takes: raise the size, or the limit that shrank it.",
    "RULE_FAILED": "A risk rule broke, so nothing may open: repair it or take it out; its words are in the verdict.",
}
"""The reason codes given here, each with one plain sentence saying what to do."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is left of a proposal.

    ``final_size`` is on the lot grid, in base units, zero when refused. ``leverage`` is what every rule but
    ``max_leverage`` was shown. ``verdicts`` has each word of both passes, in the order given. ``refusal`` is the
    one that decided, ``None`` when the order may go.
    """

    final_size: Decimal
    leverage: Decimal
    verdicts: tuple[Verdict, ...]
    refusal: Verdict | None


def judge(proposal: Proposal, exposure: Exposure, rules: Sequence[Rule], rules_venue: VenueRules) -> Judgement:
    """Ask every rule about the proposal, then once more about what is left of it; never raises for a rule.

    Every rule is asked, also after a refusal: a breaker must be able to latch, and ``explain`` shows them all.
    """
    rules = sorted(rules, key=lambda rule: rule.name != LEVERAGE_RULE)  # stable: else the configured order
    proposal, first = _first_pass(proposal, exposure, rules)
    if refusal := _refusal(first):
        return Judgement(ZERO, proposal.leverage, first, refusal)
    order = _order(proposal, first, rules_venue)
    last = _final_pass(order, exposure, rules, rules_venue)
    refusal = _refusal(last)
    return Judgement(ZERO if refusal else order.size, order.leverage, first + last, refusal)


def _first_pass(proposal: Proposal, exposure: Exposure, rules: Sequence[Rule]) -> tuple[Proposal, tuple[Verdict, ...]]:
    """The proposal with its leverage clamped, and every rule's word on it."""
    on_leverage = [_ask(rule, proposal, exposure) for rule in rules if rule.name == LEVERAGE_RULE]
    leverage = _clamped(proposal.leverage, on_leverage)
    clamped = proposal if leverage == proposal.leverage else replace(proposal, leverage=leverage)
    others = [_ask(rule, clamped, exposure) for rule in rules if rule.name != LEVERAGE_RULE]
    return clamped, (*on_leverage, *_asset_leverage(clamped), *others)


def _clamped(leverage: Decimal, verdicts: Iterable[Verdict]) -> Decimal:
    """The smallest leverage allowed. Each leverage rule sees what was proposed, so their order does not matter."""
    return min([leverage, *(v.allowed_leverage for v in verdicts if v.allowed_leverage is not None)])


def _asset_leverage(proposal: Proposal) -> list[Verdict]:
    """The venue's own word on the leverage, if it is against."""
    if proposal.leverage <= proposal.asset_max_leverage:
        return []
    limit = f"{proposal.asset_max_leverage}x"
    return [_venue_refuses("LEVERAGE_ABOVE_ASSET_MAX", f"{plain(proposal.leverage)}x", limit)]


def _order(proposal: Proposal, verdicts: Iterable[Verdict], rules_venue: VenueRules) -> Proposal:
    """The final order: the smallest size any rule allows, on the lot grid."""
    allowed = min([proposal.size, *(v.allowed_size for v in verdicts if v.allowed_size is not None)])
    return replace(proposal, size=rules_venue.floor_size(proposal.coin, allowed), final=True)


def _final_pass(
    order: Proposal, exposure: Exposure, rules: Sequence[Rule], rules_venue: VenueRules
) -> tuple[Verdict, ...]:
    """Every rule's word on the final order, and the venue's. Whoever would still shrink it refuses it."""
    if order.size <= 0:
        return (_venue_refuses("SIZE_BELOW_LOT", plain(order.size), f"one lot of {order.coin}"),)
    verdicts = [_ask(rule, order, exposure) for rule in rules]
    words = [v if v.outcome == "pass" else replace(v, outcome="refuse") for v in verdicts]
    least_usd, limit_usd = rules_venue.min_notional_usd, order.size * order.cap_px  # the venue goes by the limit price
    if limit_usd < least_usd:
        words.append(_venue_refuses("BELOW_MIN_NOTIONAL", f"{plain(limit_usd)} USD", f"{plain(least_usd)} USD"))
    return tuple(words)


def _ask(rule: Rule, proposal: Proposal, exposure: Exposure) -> Verdict:
    """The rule's word; a rule that breaks, or says what makes no sense, refuses."""
    try:
        verdict = rule.check(proposal, exposure)
        problem = _problem(rule, verdict, proposal)
    except (Exception, SystemExit) as error:  # noqa: BLE001 a stranger's rule may raise anything: nothing may open
        problem = f"{type(error).__name__}: {error}"
    return _failed(rule, problem) if problem else verdict


def _problem(rule: Rule, verdict: object, proposal: Proposal) -> str:
    """What is wrong with a rule's answer; empty when nothing is."""
    if not isinstance(verdict, Verdict) or verdict.outcome not in ("pass", "shrink", "refuse"):
        return f"not a verdict: {verdict!r}"
    if verdict.rule != rule.name:
        return f"speaks for {verdict.rule!r}"
    if verdict.outcome != "pass" and not verdict.reason:
        return f"gives no reason to {verdict.outcome}"
    return unwritable(verdict) or _bad_allowance(rule, verdict, proposal)


def unwritable(verdict: Verdict) -> str:
    """What the ledger could not write, or not read again: then nothing could open, or start, any more."""
    told: Sequence[object] = (verdict.value, verdict.limit, verdict.reason, verdict.ends, verdict.latch)
    if not all(isinstance(text, str) for text in told[:4]) or not isinstance(told[4], bool):
        return f"value, limit, reason and ends must be text, latch a truth: {told!r}"
    return "" if verdict.ends in ("midnight", "reset") else f"latches until {verdict.ends!r}"


def _bad_allowance(rule: Rule, verdict: Verdict, proposal: Proposal) -> str:
    """Only a shrink allows something: one number, below what was proposed; ``max_leverage`` alone a leverage."""
    given, stray, proposed, least = verdict.allowed_size, verdict.allowed_leverage, proposal.size, 0
    if rule.name == LEVERAGE_RULE:
        given, stray, proposed, least = stray, given, proposal.leverage, 1
    if verdict.outcome != "shrink":
        fits = given is None and stray is None
    else:
        fits = given is not None and stray is None and given.is_finite() and least <= given <= proposed
    return "" if fits else f"{verdict.outcome} with an allowance of {given} and {stray}, of {proposed} proposed"


def _failed(rule: Rule, problem: str) -> Verdict:
    return Verdict(rule.name, "refuse", value=problem[:200], reason="RULE_FAILED")


def _venue_refuses(reason: str, value: str, limit: str) -> Verdict:
    return Verdict(VENUE, "refuse", value=value, limit=limit, reason=reason)


def _refusal(verdicts: Iterable[Verdict]) -> Verdict | None:
    return next((v for v in verdicts if v.outcome == "refuse"), None)
