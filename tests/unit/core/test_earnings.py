"""earnings: fills, funding and marks alone make gains and losses; trades and failures are counted in order, once."""

from __future__ import annotations

from decimal import Decimal
from itertools import count, permutations

import pytest
from story import T0, Story

from executor.core import events as ev
from executor.core.earnings import KEEP_FUNDINGS, funding_events
from executor.core.evolve import evolve
from executor.core.exposure import exposure_of
from executor.core.facts import AccountFact, Fill, Funding, PositionFact
from executor.core.spent import midnight_ms
from executor.core.state import Day, DeskState, Earnings
from executor.core.types import Side

D = Decimal
TIDS = count(1)


def fill(size: str, start: str = "0", pnl: str = "0", fee: str = "0", at: int = 1, coin: str = "BTC") -> ev.FillSeen:
    """A fill of a signed size, ``at`` so many seconds after the first read."""
    signed, at_ms = D(size), T0 + at * 1000
    side = Side.BUY if signed > 0 else Side.SELL
    one = Fill(next(TIDS), 1, None, coin, side, D(100), abs(signed), D(fee), D(pnl), D(start), at_ms)
    return ev.FillSeen(at_ms=at_ms, account="main", fill=one, cloid=None)


def read(
    equity: str = "1000", unrealized: str = "0", size: str = "0", at: int = 0, skipped: tuple[str, ...] = ()
) -> ev.AccountRead:
    position = PositionFact("BTC", D(size), D(100), 3, False, None, D(0), D(unrealized))
    positions = (position,) if D(size) else ()
    fact = AccountFact(positions, D(equity), D(0), D(55), T0 + at * 1000)
    return ev.AccountRead(at_ms=T0 + at * 1000, account="main", fact=fact, skipped=skipped)


def paid(usd: str, at: int = 1, coin: str = "BTC") -> ev.FundingSeen:
    return ev.FundingSeen(at_ms=T0, account="main", funding=Funding(coin, D(usd), T0 + at * 1000))


def folded(*events: ev.Event) -> DeskState:
    state = DeskState("main")
    for event in events:
        evolve(state, event)
    return state


# -- money --------------------------------------------------------------------------------------------------------


def test_gains_are_what_fills_closed_less_fees_and_with_funding():
    state = folded(read(), fill("1", fee="0.5"), paid("-2"), fill("-1", start="1", pnl="10", fee="0.5", at=2))
    assert state.earnings.realized_usd == state.day.realized_usd == D(7)


def test_what_came_before_the_first_read_is_in_what_it_found():
    state = folded(read(unrealized="-30", size="1"), fill("-1", start="1", pnl="10", at=0), paid("5", at=-9))
    assert state.earnings == Earnings(since_ms=T0, start_unrealized_usd=D(-30))
    assert state.losses_in_a_row == 0


def test_funding_counts_once_however_often_it_is_told():
    state = folded(read(), paid("-2"), paid("-2"), paid("-2", coin="ETH"))
    assert state.day.realized_usd == -4
    assert state.last_funding_ms == T0 + 1000
    told = [Funding("ETH", D(-2), T0 + 1000), Funding("SOL", D(3), T0 + 9), Funding("SOL", D(3), T0 + 9)]
    assert [event.funding.coin for event in funding_events(state, told, T0)] == ["SOL"]  # type: ignore[attr-defined]  # funding events


def test_what_is_remembered_of_funding_has_an_end():
    state = folded(read(), *(paid("1", at=second) for second in range(1, 2 * KEEP_FUNDINGS + 2)))
    assert len(state.seen_fundings) == KEEP_FUNDINGS
    assert state.day.realized_usd == 2 * KEEP_FUNDINGS + 1


def _seen(s: Story, name: str, size: str, pnl: str) -> None:
    one = Fill(next(TIDS), 7, name, "BTC", Side.SELL, D(90), D(size), D(0), D(pnl), D(size), s.now + 1)
    s.note([ev.FillSeen(at_ms=s.now, account="main", fill=one, cloid=name)])


def test_a_loss_an_answer_tells_counts_before_its_fills_come_and_once():
    s = Story()
    s.state.day = Day(start_ms=midnight_ms(T0))
    s.long(2)
    s.price(90)
    s.short(2)  # the venue answers that it is closed; nothing was pushed yet
    [name] = s.state.untold
    for left_untold in (-20, -10, 0):
        exposure = exposure_of(s.state, s.now, s.market, ())
        assert (exposure.day_pnl_usd, exposure.drawdown_usd) == (-20, 20)
        assert s.state.day.realized_usd == -20 - left_untold
        _seen(s, name, "1", "-10") if left_untold else None
    assert s.state.untold == {}


def test_a_loss_an_answer_told_is_taken_back_with_the_answers_claim():
    s = Story()
    s.long(2)
    s.price(90)
    s.short(2)
    [name] = s.state.untold
    s.note([ev.ClaimVoided(at_ms=s.now, account="main", cloid=name, coin="BTC", size=D(2))])
    assert (s.state.untold, s.state.position("BTC").size) == ({}, 2)


# -- the peak -----------------------------------------------------------------------------------------------------


def test_a_deposit_is_no_gain_and_a_withdrawal_no_loss():
    state = folded(read("1000"), read("9000", at=1), read("200", at=2))
    assert (state.earnings.index_usd, state.earnings.peak_usd) == (0, 0)


def test_the_peak_is_the_highest_of_realised_and_unrealised_and_stays():
    opened = (read(), fill("1", fee="1"))
    state = folded(*opened, read(unrealized="50", size="1", at=2), read(unrealized="-20", size="1", at=3))
    assert (state.earnings.index_usd, state.earnings.peak_usd) == (-21, 49)


def test_a_read_that_knows_a_close_before_its_fill_makes_no_peak():
    """It shows the loss as gone that nobody counted yet."""
    losing = read(unrealized="-100", size="1")
    state = folded(losing, read(size="0", at=3))
    assert state.earnings.peak_usd == 0
    evolve(state, fill("-1", start="1", pnl="-100", at=2))
    evolve(state, read(at=4))
    assert (state.earnings.index_usd, state.earnings.peak_usd) == (0, 0)


def test_a_read_that_left_coins_out_makes_no_peak():
    state = folded(
        read(), read(unrealized="9", size="1", at=1), read(unrealized="70", size="1", at=3, skipped=("ETH",))
    )
    assert state.earnings.peak_usd == 0
    evolve(state, read(unrealized="70", size="1", at=4))
    assert state.earnings.peak_usd == 70


def test_the_drawdown_is_measured_by_the_market_now_and_its_percentage_by_what_was_had():
    s = Story()
    s.state.earnings = Earnings(since_ms=1, realized_usd=D(500), index_usd=D(500), peak_usd=D(700))
    s.state.equity_usd = D(1800)
    exposure = exposure_of(s.state, s.now, s.market, ())
    assert (exposure.drawdown_usd, exposure.peak_equity_usd) == (200, 2000)
    s.long(1)
    s.price(50)
    assert exposure_of(s.state, s.now, s.market, ()).drawdown_usd == 250
    s.price(500)
    assert exposure_of(s.state, s.now, s.market, ()).drawdown_usd == 0


# -- trades in a row ----------------------------------------------------------------------------------------------

LOSS = (("1", "0", "0"), ("-1", "1", "-5"))
GAIN = (("1", "0", "0"), ("-1", "1", "5"))


def trades(*rounds: tuple[tuple[str, str, str], ...]) -> DeskState:
    fills = [fill(size, start, pnl, at=i) for i, (size, start, pnl) in enumerate(sum(rounds, ()), 1)]
    return folded(read(), *fills)


@pytest.mark.parametrize(
    ("rounds", "losses"), [((LOSS,), 1), ((LOSS, LOSS), 2), ((LOSS, GAIN), 0), ((LOSS, GAIN, LOSS), 1)]
)
def test_losses_in_a_row_are_counted_until_a_gain(rounds, losses):
    assert trades(*rounds).losses_in_a_row == losses


def test_a_trade_is_from_flat_to_flat_however_often_it_was_reduced():
    adds = (("1", "0", "0"), ("1", "1", "0"), ("-1", "2", "-5"), ("-0.5", "1", "9"))
    assert trades(adds).losses_in_a_row == 0
    assert trades(adds).open_trades == {"BTC": D(4)}
    state = trades((*adds, ("-0.5", "0.5", "-6")))
    assert (state.losses_in_a_row, state.open_trades) == (1, {})


def test_going_through_zero_closes_one_trade_and_opens_the_next():
    state = trades((("1", "0", "0"), ("-3", "1", "-5")))
    assert (state.losses_in_a_row, state.open_trades) == (1, {"BTC": D(0)})


def test_fees_and_funding_make_a_gain_a_loss():
    state = folded(read(), fill("1", fee="3"), paid("-3"), fill("-1", start="1", pnl="5", at=2))
    assert state.losses_in_a_row == 1


def test_what_brought_nothing_is_neither_loss_nor_gain():
    assert trades(LOSS, (("1", "0", "0"), ("-1", "1", "0"))).losses_in_a_row == 1


def test_funding_of_a_coin_that_is_flat_belongs_to_no_trade():
    assert folded(read(), paid("-3")).open_trades == {}


def test_each_fill_counts_once_in_whatever_order_feeds_tell_of_it():
    told = [fill("1"), fill("-1", start="1", pnl="-5", fee="1", at=2), fill("1", coin="ETH", fee="2")]
    for some in permutations(told * 2, 4):
        if {event.fill.tid for event in some} == {event.fill.tid for event in told}:
            state = folded(read(), *some)
            assert state.earnings.realized_usd == -8


# -- failures in a row ----------------------------------------------------------------------------------------------


def test_rejected_and_unknown_entries_count_once_each_and_an_execution_ends_the_row():
    s = Story()
    s.set("entry", "reject", "unknown", "reject")
    s.long(1)
    s.long(1, coin="ETH")
    assert s.state.failures_in_a_row == 2
    s.resolve("entry", "rejected")
    assert s.state.failures_in_a_row == 2
    s.long(1, coin="SOL")
    assert s.state.failures_in_a_row == 3
    s.long(1, coin="SOL")
    assert s.state.failures_in_a_row == 0


def test_what_turns_out_to_have_executed_ends_the_row_too():
    s = Story()
    s.set("entry", "unknown")
    s.long(1)
    s.resolve("entry", "part")
    assert s.state.failures_in_a_row == 0


def test_a_fill_told_before_the_answer_ends_the_row():
    s = Story()
    s.state.failures_in_a_row = 4
    s.set("entry", "wait")
    s.long(1)
    leg = s.state.legs_of("BTC", "entry")[0]
    one = Fill(99, 1, leg.cloid, "BTC", Side.BUY, D(100), D(1), D(0), D(0), D(0), s.now)
    s.note([ev.FillSeen(at_ms=s.now, account="main", key=leg.key, fill=one, cloid=leg.cloid)])
    assert s.state.failures_in_a_row == 0


def test_exits_and_stops_that_fail_are_no_failed_entries():
    s = Story()
    s.long(1)
    s.set("exit", "reject", "unknown")
    s.set("stop", "reject")
    s.stop(90)
    s.short(1)
    assert s.state.failures_in_a_row == 0


# -- resets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ("drawdown", (60, 3, 4)),
        ("consecutive_losses", (100, 0, 4)),
        ("consecutive_failures", (100, 3, 0)),
        ("daily_loss", (100, 3, 4)),
    ],
)
def test_a_breaker_that_is_reset_measures_anew_and_no_other(rule, left):
    state = DeskState("main", losses_in_a_row=3, failures_in_a_row=4)
    state.earnings = Earnings(since_ms=1, index_usd=D(60), peak_usd=D(100))
    evolve(state, ev.BreakerReset(at_ms=1, account="main", rule=rule, by="cli"))
    assert (state.earnings.peak_usd, state.losses_in_a_row, state.failures_in_a_row) == left
