"""The engine's door: cancels, batches, budgets, scheduled cancels, what is not simulated."""

from __future__ import annotations

from decimal import Decimal

GONE = "Order was never placed, already canceled, or filled. asset=1"
CLOID = "0x" + "0" * 31 + "7"


def test_unknown_canceled_filled_and_wrongly_named_orders_cannot_be_told_apart(desk):
    oid = desk.rest("buy", "1", "1900")
    assert desk.cancel(oid, coin="BTC") == {"error": GONE.replace("asset=1", "asset=0")}
    assert desk.cancel(oid) == "success"
    assert desk.cancel(oid) == {"error": GONE}
    assert desk.cancel(1) == {"error": GONE}
    filled = desk.place("buy", "1", "2001", "Ioc")["filled"]["oid"]
    assert desk.cancel(filled) == {"error": GONE}


def test_nobody_cancels_anothers_order(desk):
    oid = desk.rest("buy", "1", "1900", user="0x" + "b2" * 20)
    assert desk.cancel(oid) == {"error": GONE}


def test_a_cloid_under_two_orders_means_the_live_one(desk):
    desk.rest("buy", "1", "1900", cloid=CLOID)
    action = {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": CLOID}]}
    assert desk.send(action)["response"]["data"]["statuses"] == ["success"]
    live = desk.rest("buy", "1", "1900", cloid=CLOID)
    assert desk.send(action)["response"] == {"type": "cancel", "data": {"statuses": ["success"]}}
    assert desk.status(live) == "canceled"


def test_fast_cancels_refuse_triggers(desk):
    desk.place("buy", "1", "2001", "Ioc")
    oid = desk.rest("sell", "1", "1710", ro=True, tpsl="sl", trigger="1900")
    assert "error" in desk.cancel(oid, f=True)
    assert desk.cancel(oid) == "success"


def test_more_than_two_hundred_orders_are_refused_whole_and_cost_nothing(desk):
    orders = [desk.order("buy", "0.01", "1900")] * 201
    answer = desk.send({"type": "order", "orders": orders, "grouping": "na"})
    assert answer == {"status": "err", "response": "Signed action over weight limit of 200."}
    assert desk.account().requests == 0
    assert len(desk.place_all(*orders[:200])) == 200
    assert desk.account().requests == 200


def test_an_empty_batch_has_its_own_error(desk):
    assert desk.place_all() == [{"error": "Orders are empty."}]


def test_prevalidation_may_answer_at_the_top(desk_with):
    desk = desk_with(prevalidation="top_level")
    answer = desk.send({"type": "order", "orders": [], "grouping": "na"})
    assert answer == {"status": "err", "response": "Orders are empty."}


def test_unlisted_and_delisted_assets_are_refused(desk):
    for asset_id in (3, 9_999):
        wire = desk.order("buy", "1", "1900") | {"a": asset_id}
        assert desk.place_all(wire) == [{"error": f"Order has invalid asset. asset={asset_id}"}]


def test_a_scheduled_cancel_needs_volume_then_cancels_everything_once(desk):
    oid = desk.rest("buy", "1", "1900")
    action = {"type": "scheduleCancel", "time": desk.now_ms + 5000}
    text = "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $0.00."
    assert desk.send(action) == {"status": "err", "response": text}
    assert desk.send({"type": "scheduleCancel"})["status"] == "err", "clearing is gated too"
    desk.account().volume_usd = Decimal(1_000_000)
    assert desk.send(action | {"time": desk.now_ms + 4999})["status"] == "err"
    assert desk.send(action)["status"] == "ok"
    desk.engine.advance(desk.now_ms + 4999)
    assert desk.status(oid) == "open"
    desk.engine.advance(desk.now_ms + 5000)
    assert desk.status(oid) == "scheduledCancel"


def test_a_scheduled_cancel_that_is_too_early_is_told_so_before_all_else(desk):
    text = "Scheduled cancel time too early, must be at least 5 seconds from now."
    assert desk.send({"type": "scheduleCancel", "time": 1}) == {"status": "err", "response": text}


def test_scheduled_cancels_fire_ten_times_a_day(desk):
    desk.account().volume_usd = Decimal(1_000_000)
    desk.now_ms -= desk.now_ms % 86_400_000 - 86_400_000
    for _ in range(10):
        assert desk.send({"type": "scheduleCancel", "time": desk.now_ms + 5000})["status"] == "ok"
        desk.now_ms += 5000
        desk.engine.advance(desk.now_ms)
    too_often = {"status": "err", "response": "Too many scheduled cancels triggered for the day. Limit is 10."}
    assert desk.send({"type": "scheduleCancel", "time": desk.now_ms + 5000}) == too_often
    assert desk.send({"type": "scheduleCancel"})["status"] == "ok", "there is nothing to clear, and it may be cleared"
    desk.now_ms += 86_400_000 - desk.now_ms % 86_400_000
    assert desk.send({"type": "scheduleCancel", "time": desk.now_ms + 5000})["status"] == "ok", "at 00:00 UTC anew"


def test_a_builder_needs_approval(desk):
    action = {"type": "order", "orders": [desk.order("buy", "1", "1900")], "grouping": "na"}
    builder = {"b": "0x" + "cc" * 20, "f": 10}
    answer = desk.send(action | {"builder": builder})["response"]["data"]["statuses"]
    assert answer == [{"error": "Builder fee has not been approved."}]
    desk.account().builder_fees[builder["b"]] = 10
    assert "resting" in desk.send(action | {"builder": builder})["response"]["data"]["statuses"][0]


def test_a_builder_gets_a_tenth_of_a_percent_at_most(desk):
    action = {"type": "order", "orders": [desk.order("buy", "1", "1900")], "grouping": "na"}
    desk.account().builder_fees["0x" + "cc" * 20] = 1000
    answers = [
        desk.send(action | {"builder": {"b": "0x" + "cc" * 20, "f": f}})["response"]["data"]["statuses"][0]
        for f in (100, 101)
    ]
    assert [set(answer) for answer in answers] == [{"resting"}, {"error"}]


def test_noop_does_nothing_and_foreign_actions_are_refused_by_name(desk):
    assert desk.send({"type": "noop"})["status"] == "ok"
    assert "not simulated" in desk.send({"type": "vaultTransfer"})["response"]


def test_single_modify_answers_default_or_err(desk):
    oid = desk.rest("buy", "1", "1900")
    action = {"type": "modify", "oid": oid, "order": desk.order("buy", "1", "1890")}
    assert desk.send(action) == {"status": "ok", "response": {"type": "default"}}
    assert desk.send(action)["response"] == "Cannot modify canceled or filled order asset=1"
    bad = action | {"order": desk.order("buy", "1.00001", "1890")}
    assert desk.send(bad)["response"] == "Order has invalid size. asset=1"


def test_time_never_goes_back(desk):
    desk.engine.advance(desk.now_ms - 1000)
    assert desk.state.now_ms == desk.now_ms


def test_news_of_unknown_coins_is_passed_over(desk):
    desk.quote("NOPE", "1", "2")
    assert "NOPE" not in desk.state.markets
