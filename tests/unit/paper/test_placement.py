"""Orders in, answers out: matching, time in force, reduce-only, brackets, modifies (hyperliquid.md 2 and 6)."""

from __future__ import annotations

from decimal import Decimal

import pytest

OTHER = "0x" + "b2" * 20
NO_MATCH = "Order could not immediately match against any resting orders. asset=1"


def test_ioc_fills_level_by_level_at_the_book_prices(desk):
    desk.levels("ETH", "1999:1", "2001:1 2003:1 2010:5")
    status = desk.place("buy", "1.5", "2005", "Ioc")
    assert status["filled"]["totalSz"] == "1.5"
    assert status["filled"]["avgPx"] == "2001.67"
    assert desk.size() == Decimal("1.5")
    assert [f["px"] for f in desk.state.fills["0x" + "a1" * 20]] == ["2001.0", "2003.0"]


@pytest.mark.parametrize("end", ["filled", "canceled"])
def test_ioc_drops_what_does_not_fill_silently(desk_with, end):
    desk = desk_with(ioc_partial_status=end)
    desk.levels("ETH", "1999:1", "2001:0.4")
    status = desk.place("buy", "1", "2001", "Ioc")
    assert status["filled"]["totalSz"] == "0.4"
    assert desk.open_oids() == set()
    assert desk.status(status["filled"]["oid"]) == end


def test_ioc_without_a_match_is_an_error_and_on_record(desk):
    assert desk.place("buy", "1", "2000", "Ioc") == {"error": NO_MATCH}
    [order] = desk.state.orders.values()
    assert desk.status(order.oid) == "iocCancelRejected"


def test_taken_liquidity_is_gone_until_the_market_renews_it(desk):
    desk.levels("ETH", "1999:1", "2001:1")
    assert "filled" in desk.place("buy", "1", "2001", "Ioc")
    assert "error" in desk.place("buy", "1", "2001", "Ioc")
    desk.levels("ETH", "1999:1", "2001:1")
    assert "filled" in desk.place("buy", "1", "2001", "Ioc")


@pytest.mark.parametrize("reply", ["filled", "resting"])
def test_gtc_that_crosses_in_part_rests_with_the_remainder(desk_with, reply):
    desk = desk_with(gtc_partial=reply)
    desk.levels("ETH", "1999:1", "2001:0.4")
    status = desk.place("buy", "1", "2001")
    oid = status[reply]["oid"]
    assert desk.open_oids() == {oid}
    assert desk.state.orders[oid].sz == Decimal("0.6")
    assert status.get("filled", {"totalSz": "0.4"})["totalSz"] == "0.4"


def test_post_only_that_would_match_is_refused_with_the_bbo(desk):
    text = "Post only order would have immediately matched, bbo was 1999@2001. asset=1"
    assert desk.place("buy", "1", "2001", "Alo") == {"error": text}
    assert "resting" in desk.place("buy", "1", "2000.9", "Alo")


def test_a_resting_order_fills_as_maker_at_its_own_price_when_the_market_comes_through(desk):
    oid = desk.rest("buy", "1", "1990")
    desk.quote("ETH", "1970", "1980", size="0.3")
    fill = desk.state.fills["0x" + "a1" * 20][0]
    assert (fill["px"], fill["sz"], fill["crossed"]) == ("1990.0", "0.3", False)
    assert fill["fee"] == "0.08955"
    assert desk.open_oids() == {oid}
    desk.quote("ETH", "1970", "1980")
    assert desk.status(oid) == "filled"


def test_a_market_that_stays_away_does_not_fill(desk):
    desk.rest("buy", "1", "1999")
    desk.quote("ETH", "1998", "1999.1")
    assert desk.size() == 0


def test_two_users_trade_with_each_other_and_share_the_trade_id(desk):
    desk.levels("ETH", "1900:1", "2100:1")
    desk.rest("sell", "1", "2000", user=OTHER)
    desk.place("buy", "1", "2000", "Ioc")
    (mine,), (theirs,) = (desk.state.fills[u] for u in ("0x" + "a1" * 20, OTHER))
    assert mine["tid"] == theirs["tid"]
    assert (mine["crossed"], theirs["crossed"]) == (True, False)
    assert desk.size() == -desk.size(user=OTHER) == 1


def test_price_then_time_decides_who_is_filled_first(desk):
    desk.levels("ETH", "1900:1", "2100:1")
    first = desk.rest("sell", "1", "2000", user=OTHER)
    second = desk.rest("sell", "1", "2000", user=OTHER)
    better = desk.rest("sell", "1", "1999", user=OTHER)
    desk.place("buy", "2", "2000", "Ioc")
    assert [desk.status(oid, OTHER) for oid in (better, first, second)] == ["filled", "filled", "open"]


def test_own_resting_orders_expire_instead_of_trading_with_their_owner(desk):
    desk.levels("ETH", "1900:1", "2100:1")
    maker = desk.rest("sell", "1", "2000")
    assert desk.place("buy", "1", "2000", "Ioc") == {"error": NO_MATCH}
    assert desk.status(maker) == "selfTradeCanceled"
    assert desk.size() == 0


def test_reduce_only_is_clipped_to_the_position_and_never_flips(desk):
    desk.place("buy", "1", "2001", "Ioc")
    status = desk.place("sell", "5", "1999", "Ioc", ro=True)
    assert status["filled"]["totalSz"] == "1.0"
    assert desk.size() == 0


def test_reduce_only_without_a_position_to_reduce_is_refused(desk):
    wanted = {"error": "Reduce only order would increase position. asset=1"}
    assert desk.place("sell", "1", "1999", "Ioc", ro=True) == wanted
    desk.place("buy", "1", "2001", "Ioc")
    assert desk.place("buy", "1", "2001", "Ioc", ro=True) == wanted


def test_a_resting_reduce_only_order_shrinks_with_the_position_and_ends_with_it(desk):
    desk.place("buy", "2", "2001", "Ioc")
    oid = desk.rest("sell", "2", "2100", ro=True)
    desk.place("sell", "1.5", "1999", "Ioc")
    assert desk.state.orders[oid].sz == Decimal("0.5")
    desk.engine.take()
    closing = desk.place("sell", "0.5", "1999", "Ioc", ro=True)["filled"]["oid"]
    pushes = desk.engine.take()
    rows = {r["order"]["oid"]: r["status"] for r in pushes.order_updates["0x" + "a1" * 20]}
    assert rows == {closing: "filled", oid: "reduceOnlyCanceled"}
    assert not pushes.system_cancels


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"px": "2000.123"}, "Price must be divisible by tick size. asset=1"),
        ({"sz": "0.001", "px": "1999"}, "Order must have minimum value of $10. asset=1"),
        ({"sz": "0"}, "Order has zero size. asset=1"),
        ({"sz": "1000", "px": "2000"}, "Insufficient margin to place order. asset=1"),
        ({"sz": "1.00001"}, "Order has invalid size. asset=1"),
        ({"px": "0"}, "Order has invalid price. asset=1"),
        ({"px": "400"}, "Order price cannot be more than 80% away from the reference price asset=1"),
        ({"px": "10001"}, "Order price cannot be more than 80% away from the reference price asset=1"),
    ],
)
def test_each_mistake_has_the_venues_own_words(desk, change, text):
    assert desk.place("buy", **({"sz": "1", "px": "2000", "tif": "Gtc"} | change)) == {"error": text}


@pytest.mark.parametrize("px", ["401", "9999"])
def test_prices_inside_the_band_stand(desk, px):
    side = "buy" if px == "401" else "sell"
    assert "resting" in desk.place(side, "0.1", px)


def test_ten_dollars_are_measured_on_the_limit_price_and_a_whole_close_is_exempt(desk):
    assert "error" in desk.place("buy", "0.0052", "1900")
    assert "resting" in desk.place("buy", "0.0053", "1900", user=OTHER)
    desk.place("buy", "0.0055", "2001", "Ioc")
    assert "error" in desk.place("sell", "0.004", "1999", "Ioc")
    desk.quote("ETH", "1500", "1501")
    assert "error" in desk.place("sell", "0.005", "1500", "Ioc", ro=True)
    assert "filled" in desk.place("sell", "0.0055", "1500", "Ioc", ro=True)


def test_one_bad_order_refuses_a_batch_before_any_is_looked_at(desk):
    good, bad = desk.order("buy", "1", "1900"), desk.order("buy", "1.00001", "1900")
    assert desk.place_all(good, bad) == [{"error": "Order has invalid size. asset=1"}]
    assert desk.state.orders == {}


def test_orders_of_a_batch_stand_or_fall_alone(desk):
    statuses = desk.place_all(desk.order("buy", "1", "2000.123"), desk.order("buy", "1", "1900"))
    assert ["error" in s for s in statuses] == [True, False]


def bracket(desk, entry_sz="1", entry_px="2001", tif="Ioc"):
    return (
        desk.order("buy", entry_sz, entry_px, tif),
        desk.order("sell", entry_sz, "1710", ro=True, tpsl="sl", trigger="1900"),
        desk.order("sell", entry_sz, "1980", ro=True, tpsl="tp", trigger="2200"),
    )


def test_children_wait_for_the_trigger_once_the_parent_is_full(desk):
    entry, *children = desk.place_all(*bracket(desk), grouping="normalTpsl")
    assert entry["filled"]["totalSz"] == "1.0"
    assert children == ["waitingForTrigger"] * 2
    assert len(desk.open_oids()) == 2


def test_children_wait_for_the_fill_while_the_parent_rests_and_go_with_it(desk):
    entry, *children = desk.place_all(*bracket(desk, entry_px="1950", tif="Gtc"), grouping="normalTpsl")
    oid = entry["resting"]["oid"]
    assert children == ["waitingForFill"] * 2
    desk.mark("ETH", "1800")
    assert len(desk.open_oids()) == 3, "inactive children do not trigger"
    assert desk.cancel(oid) == "success"
    assert desk.open_oids() == set()


def test_a_parent_that_fills_later_arms_its_children(desk):
    entry, *_ = desk.place_all(*bracket(desk, entry_px="1950", tif="Gtc"), grouping="normalTpsl")
    desk.levels("ETH", "1940:5", "1950:5")
    assert desk.status(entry["resting"]["oid"]) == "filled"
    assert {o.phase.value for o in desk.state.live_orders("0x" + "a1" * 20)} == {"armed"}


def test_a_parent_that_fills_in_part_leaves_the_position_naked(desk):
    desk.levels("ETH", "1999:1", "2001:0.4")
    entry, *children = desk.place_all(*bracket(desk), grouping="normalTpsl")
    assert entry["filled"]["totalSz"] == "0.4"
    assert children == ["waitingForFill"] * 2
    assert desk.open_oids() == set()
    assert desk.size() == Decimal("0.4")


def test_a_parent_that_is_refused_takes_its_children_along(desk):
    assert desk.place_all(*bracket(desk, entry_px="2000"), grouping="normalTpsl") == [{"error": NO_MATCH}] * 3
    assert desk.open_oids() == set()


def test_a_stop_that_cannot_stand_is_refused_alone_and_the_entry_is_naked(desk):
    entry, stop, target = bracket(desk)
    stop = desk.order("sell", "1", "1980", ro=True, tpsl="sl", trigger="2010")
    answers = desk.place_all(entry, stop, target, grouping="normalTpsl")
    assert "filled" in answers[0]
    assert answers[1] == {"error": "Invalid TP/SL price. asset=1"}
    assert answers[2] == "waitingForTrigger"


def test_grouped_stops_must_be_reduce_only_or_the_batch_is_refused(desk):
    entry, *_ = bracket(desk)
    loose = desk.order("sell", "1", "1710", tpsl="sl", trigger="1900")
    assert desk.place_all(entry, loose, grouping="normalTpsl") == [{"error": "TP/SL orders must be reduce-only."}]


def test_position_stops_close_whatever_is_there_when_they_fire(desk):
    desk.place("buy", "1", "2001", "Ioc")
    stop = desk.order("sell", "0", "1710", ro=True, tpsl="sl", trigger="1900")
    assert desk.place_all(stop, grouping="positionTpsl") == ["waitingForTrigger"]
    desk.place("buy", "2", "2001", "Ioc")
    desk.quote("ETH", "1889", "1891")
    assert desk.size() == 0


def test_nobody_has_staked_what_priority_costs(desk):
    entry = desk.order("buy", "1", "2001", "Ioc")
    refused = {"error": "Insufficient delegatable balance for priority order"}
    assert desk.place_all(entry, entry, grouping={"p": 1}) == [refused, refused]
    assert desk.size() == 0
    assert "filled" in desk.place_all(entry, grouping={"p": 0})[0]


def modify(desk, oid, wire, **flags):
    return desk.send({"type": "batchModify", "modifies": [{"oid": oid, "order": wire}], **flags})["response"]["data"][
        "statuses"
    ][0]


def test_modify_gives_a_new_oid_and_announces_both_legs(desk):
    cloid = "0x" + "0" * 31 + "7"
    oid = desk.rest("buy", "1", "1900", cloid=cloid)
    desk.engine.take()
    status = modify(desk, oid, desk.order("buy", "2", "1890", cloid=cloid))
    new = status["resting"]["oid"]
    assert new != oid
    rows = {r["order"]["oid"]: r["status"] for r in desk.engine.take().order_updates["0x" + "a1" * 20]}
    assert rows == {oid: "canceled", new: "open"}
    assert desk.state.orders[new].tif == "Alo", "a plain modify turns GTC into post-only"
    by_cloid = modify(desk, cloid, desk.order("buy", "2", "1880", cloid=cloid))
    assert by_cloid["resting"]["oid"] not in (oid, new)


@pytest.mark.parametrize("tif", ["Ioc", "Gtc"])
def test_a_plain_modify_never_takes(desk, tif):
    oid = desk.rest("buy", "1", "1900")
    assert "error" in modify(desk, oid, desk.order("buy", "1", "2005", tif))
    assert desk.open_oids() == {oid}
    assert "filled" in modify(desk, oid, desk.order("buy", "1", "2005", tif), a=True)


def test_a_plain_modify_cannot_become_a_trigger_but_always_place_can(desk):
    desk.place("buy", "1", "2001", "Ioc")
    oid = desk.rest("sell", "1", "1710", ro=True, tpsl="sl", trigger="1900")
    wire = desk.order("sell", "1", "1728", ro=True, tpsl="sl", trigger="1920")
    assert "error" in modify(desk, oid, wire)
    new = modify(desk, oid, wire, a=True)["resting"]["oid"]
    assert desk.open_oids() == {new}


def test_a_replacement_that_is_refused_says_that_the_old_order_is_gone(desk):
    oid = desk.rest("buy", "1", "1900")
    error = modify(desk, oid, desk.order("buy", "1", "2005", "Alo"))["error"]
    assert error.startswith("Error placing new order during modify: Post only order would have immediately matched")
    assert desk.open_oids() == set()
    oid = desk.rest("buy", "1", "1900")
    action = {"type": "modify", "oid": oid, "order": desk.order("buy", "900", "1900")}
    refused = "Error placing new order during modify: Insufficient margin to place order. asset=1"
    assert desk.send(action) == {"status": "err", "response": refused}
    assert desk.open_oids() == set()


def test_a_modify_finds_no_order_of_another_coin(desk):
    oid = desk.rest("buy", "1", "1900")
    wire = desk.order("buy", "0.01", "90000", coin="BTC")
    assert modify(desk, oid, wire) == {"error": "Cannot modify canceled or filled order asset=0"}
    placed = modify(desk, oid, wire, a=True)["resting"]["oid"]
    assert desk.open_oids() == {oid, placed}


def test_modifying_what_is_gone_needs_always_place(desk):
    oid = desk.rest("buy", "1", "1900")
    desk.cancel(oid)
    wire = desk.order("buy", "1", "1890")
    assert modify(desk, oid, wire) == {"error": "Cannot modify canceled or filled order asset=1"}
    assert "resting" in modify(desk, oid, wire, a=True)


def test_duplicate_cloids_are_taken_or_refused_by_rule(desk_with):
    cloid = "0x" + "0" * 31 + "7"
    for rule, second in (("accept", "resting"), ("reject", "error")):
        desk = desk_with(duplicate_cloid=rule)
        desk.rest("buy", "1", "1900", cloid=cloid)
        assert second in desk.place("buy", "1", "1900", cloid=cloid)


def test_a_resting_order_that_can_no_longer_be_paid_is_canceled_at_the_match(desk):
    oid = desk.rest("buy", "90", "1990")
    desk.account().raw_usd -= 9_500
    desk.quote("ETH", "1970", "1980")
    assert desk.status(oid) == "marginCanceled"
    assert desk.engine.take().system_cancels["0x" + "a1" * 20] == [{"coin": "ETH", "oid": oid}]


def test_too_many_open_orders_refuse_triggers_and_reduce_only_first(desk_with):
    desk = desk_with(max_open_orders=2)
    desk.place("buy", "1", "2001", "Ioc")
    desk.account().volume_usd = Decimal(5_000_000)
    desk.rest("buy", "0.1", "1900")
    desk.rest("buy", "0.1", "1900")
    assert desk.place("sell", "1", "2100", ro=True) == {"error": "Too many open orders. asset=1"}
    assert "resting" in desk.place("buy", "0.1", "1900")
    assert "error" in desk.place("buy", "0.1", "1900")
