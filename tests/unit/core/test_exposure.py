"""exposure: what the account carries in the worst case, at mark or cap price, whichever is worse."""

from __future__ import annotations

from decimal import Decimal

from story import T0, Story, quote

from executor.core.exposure import day_pnl_usd, exposure_of, open_coins, unrealized_usd
from executor.core.position import Position
from executor.core.spent import DAY_MS, midnight_ms
from executor.core.state import Day, Leverage

D = Decimal


def shown(s: Story):
    return exposure_of(s.state, s.now, s.market, ())


def test_an_empty_account_carries_nothing():
    exposure = shown(Story())
    assert (exposure.long_usd, exposure.short_usd, exposure.open_coins) == ({}, {}, [])


def test_positions_count_at_the_mark_on_their_own_side():
    s = Story()
    s.long(2)
    s.short(1, coin="ETH")
    s.price(110)
    exposure = shown(s)
    assert exposure.long_usd == {"BTC": 220, "ETH": 0}
    assert exposure.short_usd == {"BTC": 0, "ETH": 100}


def test_whatever_may_still_fill_counts_whole_on_its_side():
    s = Story()
    s.set("entry", "unknown", "wait")
    s.long(1)
    s.long(2, coin="ETH")
    s.short(3, coin="SOL")
    exposure = shown(s)
    assert exposure.long_usd == {"BTC": D("100.5"), "ETH": 201, "SOL": 0}
    assert exposure.short_usd == {"BTC": 0, "ETH": 0, "SOL": 300}  # the mark: a sell's cap lies below it
    s.resolve("entry", "absent")
    assert "BTC" not in shown(s).long_usd


def test_a_flip_counts_the_opening_leg_beside_what_still_has_to_go():
    s = Story()
    s.long(1)
    s.set("exit", "wait")
    s.short(3)
    exposure = shown(s)
    assert (exposure.long_usd["BTC"], exposure.short_usd["BTC"]) == (100, 200)


def test_an_exit_that_is_only_planned_frees_nothing():
    s = Story()
    s.long(1)
    s.set("exit", "wait")
    s.short(1)
    assert shown(s).long_usd["BTC"] == 100


def test_without_a_mark_the_entry_price_and_the_venues_last_word_count():
    s = Story()
    s.state.positions["BTC"] = Position("BTC", size=D(2), entry_px=D(70), unrealized_pnl_usd=D(-5))
    s.state.positions["ETH"] = Position("ETH")
    s.quotes.clear()
    assert shown(s).long_usd == {"BTC": 140}
    assert unrealized_usd(s.state, s.market) == -5


def test_the_days_pnl_is_realised_and_what_moved_since_midnight():
    s = Story()
    s.long(2)
    s.short(1, coin="ETH")
    s.price(110)
    s.price(105, "ETH")
    today = {"start_ms": midnight_ms(T0), "start_equity_usd": D(900)}
    s.state.day = Day(realized_usd=D(-7), start_unrealized_usd=D(4), **today)
    assert unrealized_usd(s.state, s.market) == 15
    assert day_pnl_usd(s.state, s.now, s.market) == 4
    exposure = exposure_of(s.state, s.now, s.market, ("/x",))
    assert (exposure.day_pnl_usd, exposure.day_start_equity_usd) == (4, 900)
    assert exposure.files_present == ("/x",)


def test_yesterdays_loss_is_not_todays_before_the_first_read_of_the_day():
    s = Story()
    s.state.day = Day(start_ms=midnight_ms(T0), start_equity_usd=D(900), realized_usd=D(-150))
    s.now = midnight_ms(T0) + DAY_MS - 1
    assert (shown(s).day_pnl_usd, shown(s).day_start_equity_usd) == (-150, 900)
    s.now += 1
    assert (shown(s).day_pnl_usd, shown(s).day_start_equity_usd) == (0, s.state.equity_usd)


def test_latched_breakers_and_recent_entries_are_shown():
    s = Story()
    s.long(1)
    s.state.breakers["daily_loss"] = None
    exposure = shown(s)
    assert exposure.latched == ("daily_loss",)
    assert exposure.entries_at_ms == [s.now]
    assert exposure.last_entry_ms == {"BTC": s.now}
    assert exposure.equity_usd == 100_000


def test_open_coins_have_a_position_or_an_entry_under_way():
    s = Story()
    s.long(1)
    s.set("entry", "wait")
    s.long(1, coin="ETH")
    s.stop(90, coin="SOL")
    assert open_coins(s.state) == {"BTC", "ETH"}
    assert quote(3).mark == 3


def test_what_is_held_counts_signed_less_what_an_exit_may_take():
    s = Story()
    s.long(2)
    s.short(3, coin="ETH")
    s.set("exit", "wait")
    s.long(1, coin="ETH")
    s.price(50)
    assert shown(s).held_usd == {"BTC": 100, "ETH": -200}


def test_a_position_an_exit_takes_whole_is_held_no_more():
    s = Story()
    s.long(2)
    s.set("exit", "wait")
    s.short(2)
    assert shown(s).held_usd == {"BTC": 0}


def test_margin_counts_positions_at_their_leverage_and_entries_under_way_whole():
    s = Story()
    s.state.positions["BTC"] = Position("BTC", size=D(-6), entry_px=D(70), leverage=3)
    s.state.positions["ETH"] = Position("ETH", size=D(5), entry_px=D(70))
    s.state.leverage["ETH"] = Leverage(5, False, "confirmed")
    s.state.positions["SOL"] = Position("SOL", size=D(1), entry_px=D(70))
    assert shown(s).margin_used_usd == 200 + 100 + 100
    s.state.margin_used_usd = D(777)
    assert shown(s).margin_used_usd == 777
    s.set("entry", "wait")
    s.state.positions.clear()
    s.long(3, coin="BTC")
    assert shown(s).margin_used_usd == D(777) + D("100.5")
    s.quotes.clear()
    assert shown(s).margin_used_usd == D(777) + D("100.5")


def test_the_way_to_liquidation_is_in_percent_of_the_mark_and_below_zero_behind_it():
    s = Story()
    s.state.positions["BTC"] = Position("BTC", size=D(1), entry_px=D(90), liquidation_px=D(75))
    s.state.positions["ETH"] = Position("ETH", size=D(-1), entry_px=D(90), liquidation_px=D(99))
    s.state.positions["SOL"] = Position("SOL", size=D(-1), entry_px=D(90))
    s.state.positions["ISO"] = Position("ISO", liquidation_px=D(9))
    assert shown(s).liquidation_pct == {"BTC": 25, "ETH": -1}
    s.quotes.clear()
    s.state.positions["BTC"].entry_px = D(0)
    assert shown(s).liquidation_pct == {"ETH": 10}
