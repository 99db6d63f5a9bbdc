"""Leverage, margin mode and isolated margin: what is granted and what is refused (hyperliquid.md 2.8, 6.5, 6.6)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.hyperliquid.meta import parse_meta
from executor.paper import views
from executor.paper.feeds import default_meta
from executor.paper.model import open_markets

D = Decimal
OK = {"status": "ok", "response": {"type": "default"}}


def margin(desk, usd: int, coin: str = "ETH"):
    asset = desk.universe.asset(coin)
    return desk.send({"type": "updateIsolatedMargin", "asset": asset.asset_id, "isBuy": True, "ntli": usd * 1_000_000})


def test_a_flat_coins_setting_is_stored_and_readable(desk):
    assert desk.leverage("ETH", 7, cross=False) == OK
    assert desk.leverage("ETH", 7, cross=False) == OK
    row = views.active_asset(desk.state, desk.account().user, "ETH")["leverage"]
    assert (row["type"], row["value"]) == ("isolated", 7)


@pytest.mark.parametrize("value", [0, 26])
def test_leverage_outside_the_coins_range_is_invalid(desk, value):
    assert desk.leverage("ETH", value, cross=True)["response"] == "Invalid leverage value"


def test_an_isolated_only_coin_refuses_cross_and_defaults_to_isolated(desk):
    assert desk.leverage("VINE", 2, cross=True)["status"] == "err"
    assert views.active_asset(desk.state, desk.account().user, "VINE")["leverage"]["type"] == "isolated"


def test_the_mode_of_a_held_position_is_locked(desk):
    desk.place("buy", "1", "2001", "Ioc")
    assert desk.leverage("ETH", 20, cross=False)["response"] == "Cannot switch leverage type with open position."


def test_raising_leverage_moves_no_collateral_and_lowering_needs_it_there(desk):
    desk.leverage("ETH", 5, cross=False)
    desk.place("buy", "1", "2001", "Ioc")
    purse = desk.position().raw_usd
    assert desk.leverage("ETH", 10, cross=False) == OK
    assert desk.position().raw_usd == purse
    assert desk.leverage("ETH", 3, cross=False)["response"].startswith("Isolated position does not have sufficient")
    margin(desk, 400)
    assert desk.leverage("ETH", 3, cross=False) == OK


def test_lowering_cross_leverage_needs_free_margin(desk):
    desk.place("buy", "60", "2001", "Ioc")
    assert desk.leverage("ETH", 5, cross=True)["status"] == "err"
    assert desk.leverage("ETH", 15, cross=True) == OK


def test_margin_moves_in_and_out_within_the_transfer_rule(desk):
    desk.leverage("ETH", 10, cross=False)
    desk.place("buy", "1", "2001", "Ioc")
    total = desk.account().raw_usd + desk.position().raw_usd
    assert margin(desk, 100) == OK
    assert desk.account().raw_usd + desk.position().raw_usd == total
    assert margin(desk, -90) == OK
    assert margin(desk, -20)["status"] == "err"
    assert margin(desk, 100_000)["status"] == "err"


def test_the_venue_says_which_coins_keep_their_margin():
    meta = default_meta()
    meta["universe"][1]["marginMode"] = "strictIsolated"
    markets = open_markets(parse_meta(meta))
    assert (markets["ETH"].keeps_margin, markets["VINE"].keeps_margin) == (True, False)


@pytest.mark.parametrize(("strict", "status"), [(False, "ok"), (True, "err")])
def test_what_a_strictly_isolated_coin_was_given_is_not_given_back(desk, strict, status):
    desk.state.markets["ETH"].keeps_margin = strict
    desk.leverage("ETH", 10, cross=False)
    desk.place("buy", "1", "2001", "Ioc")
    assert margin(desk, 100) == OK
    assert margin(desk, -50)["status"] == status


def test_margin_needs_an_isolated_position(desk):
    assert margin(desk, 10)["status"] == "err"
    desk.place("buy", "1", "2001", "Ioc")
    assert margin(desk, 10)["status"] == "err"


def test_a_refused_change_of_margin_has_the_venues_own_words(desk):
    assert margin(desk, 10)["response"] == "Cannot update margin for empty position."
    desk.leverage("ETH", 10, cross=False)
    desk.place("buy", "1", "2001", "Ioc")
    desk.place("buy", "0.1", "100010", "Ioc", coin="BTC")
    cross = {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": 1_000_000}
    assert desk.send(cross)["response"] == "Position does not use isolated margin."
    assert margin(desk, 0)["response"] == "Update to isolated margin cannot be zero."
    assert margin(desk, 100_000)["response"] == "Account does not have sufficient margin available for increase."
    assert margin(desk, -100)["response"] == "Position does not have sufficient margin for reduction."
    desk.state.markets["ETH"].keeps_margin = True
    kept = "Cannot remove isolated margin for this asset. To remove margin, reduce the position."
    assert margin(desk, -1)["response"] == kept


def test_top_up_brings_a_position_to_a_leverage(desk):
    desk.leverage("ETH", 10, cross=False)
    desk.place("buy", "1", "2001", "Ioc")
    top_up = {"type": "topUpIsolatedOnlyMargin", "asset": 1, "leverage": "4"}
    assert desk.send(top_up) == OK
    assert desk.position().raw_usd + 2000 == pytest.approx(D(500))
    assert desk.send(top_up | {"leverage": "8"}) == OK
    assert desk.send(top_up | {"asset": 0})["status"] == "err"
