"""What holds for any chain of rules over any proposal: nothing grows, refusals stay, caps hold to the last lot."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from executor.core.protocols import Exposure, Proposal, Rule
from executor.core.types import Asset, Side
from executor.core.verdict import Judgement, judge
from executor.risk.breakers import ConsecutiveFailures, ConsecutiveLosses, DailyLoss, Drawdown, KillFile
from executor.risk.leverage import MaxLeverage
from executor.risk.lists import Sides, Symbols
from executor.risk.margin import LiquidationDistance, MarginReserve
from executor.risk.notional import MaxGrossExposure, MaxNetExposure, MaxOrderNotional, MaxPositionNotional
from executor.risk.pace import Cooldown, OrderRate
from executor.risk.positions import MaxOpenPositions, MaxSameDirection
from executor.risk.schedule import Schedule
from executor.risk.stops import RequireStop

D = Decimal
COINS = ("BTC", "ETH", "DOGE")
DECIMALS = {"BTC": 5, "ETH": 4, "DOGE": 0}


class Venue:
    """Lots by the coin's decimals and the venue's ten dollars; the rest of the venue is not asked."""

    min_notional_usd = D(10)

    def floor_size(self, coin: str, size: Decimal) -> Decimal:
        return size.quantize(D(1).scaleb(-DECIMALS[coin]), rounding=ROUND_FLOOR)

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


MONEY = st.decimals(0, 5000, places=2)
LIMITS = st.decimals(1, 10000, places=2)
BREACH = st.sampled_from(["refuse", "shrink"])
BOOKS = st.dictionaries(st.sampled_from(COINS), MONEY)

PROPOSALS = st.builds(
    Proposal,
    coin=st.sampled_from(COINS),
    side=st.sampled_from(Side),
    size=st.decimals("0.00001", "100", places=7),
    cap_px=st.decimals("0.1", "2000", places=4),
    leverage=st.integers(1, 50).map(D),
    asset_max_leverage=st.sampled_from([3, 10, 50]),
    has_stop=st.booleans(),
)
EXPOSURES = st.builds(
    Exposure,
    now_ms=st.just(100_000),
    equity_usd=MONEY,
    long_usd=BOOKS,
    short_usd=BOOKS,
    open_coins=st.frozensets(st.sampled_from(COINS)),
    entries_at_ms=st.lists(st.integers(0, 100_000), max_size=5),
    last_entry_ms=st.dictionaries(st.sampled_from(COINS), st.integers(0, 100_000)),
    day_pnl_usd=st.decimals(-500, 500, places=2),
    day_start_equity_usd=MONEY,
    files_present=st.frozensets(st.sampled_from(["/stop"])),
    latched=st.frozensets(st.sampled_from(["daily_loss", "drawdown", "consecutive_losses"])),
    held_usd=st.dictionaries(st.sampled_from(COINS), st.decimals(-5000, 5000, places=2)),
    drawdown_usd=MONEY,
    peak_equity_usd=MONEY,
    losses_in_a_row=st.integers(0, 4),
    failures_in_a_row=st.integers(0, 4),
    margin_used_usd=MONEY,
    liquidation_pct=st.dictionaries(st.sampled_from(COINS), st.decimals(-10, 100, places=2)),
)


def rule(kind: type[Any], **options: st.SearchStrategy[Any]) -> st.SearchStrategy[Rule]:
    return st.fixed_dictionaries(options).map(lambda given: kind.from_options(kind.Options(**given)))


CAPS = {
    kind: rule(kind, max_usd=LIMITS, on_breach=BREACH)
    for kind in (MaxOrderNotional, MaxPositionNotional, MaxGrossExposure, MaxNetExposure)
}
CAPS[MarginReserve] = rule(MarginReserve, min_pct=st.integers(1, 99), on_breach=BREACH)
LEVERAGE = rule(MaxLeverage, max=st.integers(1, 50), on_breach=BREACH)
OTHERS = (
    rule(MaxOpenPositions, max=st.integers(1, 3)),
    rule(Symbols, deny=st.just(["DOGE"])),
    rule(Sides, allow=st.just(["long"])),
    rule(Cooldown, per_symbol_s=st.integers(1, 100)),
    rule(OrderRate, max=st.integers(1, 5), per_s=st.integers(1, 100)),
    rule(DailyLoss, max_usd=st.integers(1, 600)),
    rule(RequireStop),
    rule(KillFile, path=st.just("/stop")),
    rule(MaxSameDirection, max=st.integers(1, 3)),
    rule(Drawdown, max_pct=st.integers(1, 100)),
    rule(ConsecutiveLosses, max=st.integers(1, 4)),
    rule(ConsecutiveFailures, max=st.integers(1, 4)),
    rule(LiquidationDistance, min_pct=st.integers(1, 50)),
    rule(Schedule, windows=st.just(["thu 00:00-00:01", "00:01-00:02"])),
)
ANY_RULE = st.one_of(*CAPS.values(), LEVERAGE, *OTHERS)
CHAINS = st.lists(st.one_of(*CAPS.values(), LEVERAGE), max_size=4).flatmap(
    lambda caps: st.lists(st.one_of(*OTHERS), max_size=2).map(lambda others: [*caps, *others])
)


# Half of these go through, whole or shrunk: a property of what passes says something only then.
CALM_PROPOSALS = st.builds(
    Proposal,
    coin=st.sampled_from(COINS),
    side=st.sampled_from(Side),
    size=st.decimals("1", "20", places=7),
    cap_px=st.decimals("11", "200", places=4),
    leverage=st.integers(1, 5).map(D),
    asset_max_leverage=st.sampled_from([5, 50]),
    has_stop=st.booleans(),
)
SMALL_BOOKS = st.dictionaries(st.sampled_from(COINS), st.decimals(0, 200, places=2))
CALM = st.builds(
    lambda long_usd, short_usd, margin_usd: Exposure(
        0, D(10_000), long_usd, short_usd, (), (), {}, D(0), D(0), (), (),
        held_usd={coin: long_usd.get(coin, D(0)) - short_usd.get(coin, D(0)) for coin in COINS},
        margin_used_usd=margin_usd,
    ),
    SMALL_BOOKS,
    SMALL_BOOKS,
    st.decimals(0, 2000, places=2),
)  # fmt: skip
ROOMY = st.decimals(600, 3000, places=2)
SHRINKING = [
    rule(kind, max_usd=ROOMY, on_breach=st.just("shrink"))
    for kind in (MaxOrderNotional, MaxPositionNotional, MaxGrossExposure, MaxNetExposure)
]
SHRINKING.append(rule(MarginReserve, min_usd=st.integers(7000, 9000), on_breach=st.just("shrink")))
CLAMP = rule(MaxLeverage, max=st.integers(1, 5), on_breach=st.just("shrink"))


def judged(proposal: Proposal, exposure: Exposure, rules: list[Rule]) -> Judgement:
    return judge(proposal, exposure, rules, Venue())


@given(st.one_of(CALM_PROPOSALS, PROPOSALS), st.one_of(CALM, EXPOSURES), CHAINS)
def test_a_chain_never_enlarges_and_leaves_a_valid_order_or_nothing(
    proposal: Proposal, exposure: Exposure, rules: list[Rule]
) -> None:
    result = judged(proposal, exposure, rules)
    assert result.final_size <= proposal.size
    assert result.leverage <= proposal.leverage
    if result.refusal is None:
        assert result.leverage <= proposal.asset_max_leverage
        assert result.final_size == Venue().floor_size(proposal.coin, result.final_size)
        assert result.final_size * proposal.cap_px >= 10
    else:
        assert result.final_size == 0
        assert result.refusal.outcome == "refuse"
        assert result.refusal.reason
        assert result.refusal in result.verdicts


@given(st.one_of(CALM_PROPOSALS, PROPOSALS), st.one_of(CALM, EXPOSURES), CHAINS, ANY_RULE, st.integers(0, 6))
def test_adding_a_rule_never_turns_a_refusal_into_a_pass_nor_a_smaller_order_into_a_larger(
    proposal: Proposal, exposure: Exposure, rules: list[Rule], added: Rule, place: int
) -> None:
    # The one rule that may help by design clamps a leverage that the coin itself does not allow (design.md section 6).
    assume(proposal.leverage <= proposal.asset_max_leverage or added.name != "max_leverage")
    before = judged(proposal, exposure, rules)
    after = judged(proposal, exposure, [*rules[:place], added, *rules[place:]])
    assert after.final_size <= before.final_size
    assert before.refusal is None or after.refusal is not None


@given(st.one_of(CALM_PROPOSALS, PROPOSALS), st.one_of(CALM, EXPOSURES), CHAINS, st.randoms(use_true_random=False))
def test_the_order_of_the_rules_does_not_change_what_may_go(
    proposal: Proposal, exposure: Exposure, rules: list[Rule], random: Any
) -> None:
    shuffled = random.sample(rules, len(rules))
    one, other = judged(proposal, exposure, rules), judged(proposal, exposure, shuffled)
    assert (one.final_size, one.leverage) == (other.final_size, other.leverage)


@given(CALM_PROPOSALS, CALM, st.lists(st.one_of(*SHRINKING, CLAMP), max_size=4))
def test_caps_hold_for_the_final_order(proposal: Proposal, exposure: Exposure, rules: list[Rule]) -> None:
    result = judged(proposal, exposure, rules)
    assume(result.refusal is None)
    usd = result.final_size * proposal.cap_px
    same, opposite = exposure.long_usd, exposure.short_usd
    if proposal.side is Side.SELL:
        same, opposite = opposite, same
    after = {**same, proposal.coin: same.get(proposal.coin, D(0)) + usd}
    measured = {
        "max_order_notional": usd,
        "max_position_notional": after[proposal.coin],
        "max_gross_exposure": sum(max(after.get(coin, D(0)), opposite.get(coin, D(0))) for coin in COINS),
        "max_net_exposure": sum(after.values()) - sum(_against(exposure, proposal)),
    }
    for one in rules:
        if one.name == "margin_reserve":
            bound = exposure.margin_used_usd + usd / result.leverage
            assert exposure.equity_usd - bound >= one.options.min_usd  # type: ignore[attr-defined]  # it was given
        if one.name in measured:
            assert measured[one.name] <= one.options.max_usd  # type: ignore[attr-defined]  # the caps have it
        if one.name == "max_leverage":
            assert result.leverage <= one.options.max  # type: ignore[attr-defined]  # so has this one


def _against(exposure: Exposure, proposal: Proposal) -> list[Decimal]:
    """What other coins hold against the proposal's side."""
    held = [usd * -proposal.side.sign for coin, usd in exposure.held_usd.items() if coin != proposal.coin]
    return [usd for usd in held if usd > 0]


@given(CALM_PROPOSALS, CALM, st.one_of(*SHRINKING))
def test_a_lone_cap_shrinks_by_no_lot_more_than_it_must(proposal: Proposal, exposure: Exposure, cap: Rule) -> None:
    result = judged(proposal, exposure, [cap])
    if result.refusal or result.final_size == Venue().floor_size(proposal.coin, proposal.size):
        return
    lot = D(1).scaleb(-DECIMALS[proposal.coin])
    larger = replace(proposal, size=result.final_size + lot)
    assert cap.check(larger, exposure).outcome == "shrink"


@given(st.lists(st.tuples(st.sampled_from(COINS), st.sampled_from(Side), st.integers(1, 400)), max_size=20))
def test_entries_judged_one_after_another_never_pass_a_cap_together(entries: list[tuple[str, Side, int]]) -> None:
    """Each entry that may go is counted before the next is judged: parallel actions cannot slip past."""
    gross = MaxGrossExposure.from_options(MaxGrossExposure.Options(max_usd=D(1000), on_breach="shrink"))
    position = MaxPositionNotional.from_options(MaxPositionNotional.Options(max_usd=D(500)))
    books: dict[Side, dict[str, Decimal]] = {Side.BUY: {}, Side.SELL: {}}
    for coin, side, usd in entries:
        proposal = Proposal(coin, side, D(usd), D(1), D(1), 10, has_stop=False)
        exposure = Exposure(0, D(0), books[Side.BUY], books[Side.SELL], (), (), {}, D(0), D(0), (), ())
        size = judged(proposal, exposure, [gross, position]).final_size
        books[side][coin] = books[side].get(coin, D(0)) + size
    largest = [max(books[Side.BUY].get(coin, D(0)), books[Side.SELL].get(coin, D(0))) for coin in COINS]
    assert sum(largest) <= 1000
    assert max(largest) <= 500
