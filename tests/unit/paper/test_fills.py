"""Positions, fees and fill rows after trades (hyperliquid.md sections 1.4, 6.10, 6.11)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.paper import info
from executor.paper.fills import Trade, direction

D = Decimal
USER = "0x" + "a1" * 20


@pytest.mark.parametrize(
    ("start", "change", "text"),
    [
        ("0", "1", "Open Long"), ("1", "1", "Open Long"), ("2", "-1", "Close Long"), ("1", "-1", "Close Long"),
        ("0", "-1", "Open Short"), ("-1", "-1", "Open Short"), ("-2", "1", "Close Short"), ("-1", "1", "Close Short"),
        ("1", "-3", "Long > Short"), ("-1", "3", "Short > Long"),
    ],
)  # fmt: skip
def test_the_direction_text_says_what_happened(start, change, text):
    assert direction(D(start), D(change)) == text


def test_entry_is_weighted_on_increases_unchanged_on_decreases_and_new_after_a_flip(desk):
    desk.place("buy", "1", "2001", "Ioc")
    desk.quote("ETH", "2099", "2101")
    desk.place("buy", "3", "2101", "Ioc")
    assert desk.position().entry_px == D(2076)
    desk.place("sell", "2", "2099", "Ioc")
    assert desk.position().entry_px == D(2076)
    desk.place("sell", "5", "2099", "Ioc")
    assert (desk.size(), desk.position().entry_px) == (-3, 2099)


BUILDER = {"b": "0x" + "cc" * 20, "f": 25}
"""2.5 basis points."""


def with_builder(desk, *orders, grouping="na"):
    desk.account().builder_fees[BUILDER["b"]] = BUILDER["f"]
    action = {"type": "order", "orders": list(orders), "grouping": grouping, "builder": BUILDER}
    answer = desk.send(action)["response"]["data"]["statuses"]
    assert "error" not in answer[0]
    return answer


def test_an_approved_builders_fee_is_charged_on_top_and_named(desk):
    before = desk.account().raw_usd
    with_builder(desk, desk.order("buy", "1", "2001", "Ioc"))
    [row] = desk.state.fills[USER]
    assert (row["fee"], row["builderFee"]) == ("1.4007", "0.50025")
    assert before - desk.account().raw_usd == 2001 + D("1.4007")


def test_partials_put_together_name_the_whole_of_the_builders_fee(desk):
    desk.levels("ETH", "1999:10", "2001:1 2002:1")
    with_builder(desk, desk.order("buy", "2", "2002", "Ioc"))
    [whole] = info.aggregated(desk.state.fills[USER])
    each = [D(row["builderFee"]) for row in desk.state.fills[USER]]
    assert (len(each), D(whole["builderFee"])) == (2, sum(each))


def test_a_resting_order_and_the_children_of_a_bracket_owe_the_builder_when_they_fill(desk):
    entry = desk.order("buy", "1", "1995")
    stop = desk.order("sell", "1", "1710", ro=True, tpsl="sl", trigger="1900")
    with_builder(desk, entry, stop, grouping="normalTpsl")
    desk.quote("ETH", "1989", "1991")
    desk.quote("ETH", "1899", "1901")
    assert [row["builderFee"] for row in desk.state.fills[USER]] == ["0.49875", "0.47475"]


def test_a_position_stop_owes_the_builder_too_and_without_one_nothing_is_named(desk):
    desk.place("buy", "1", "2001", "Ioc")
    with_builder(desk, desk.order("sell", "0", "1710", ro=True, tpsl="sl", trigger="1900"), grouping="positionTpsl")
    desk.quote("ETH", "1899", "1901")
    first, second = desk.state.fills[USER]
    assert "builderFee" not in first
    assert second["builderFee"] == "0.47475"


def test_a_modified_order_still_owes_its_builder(desk):
    [status] = with_builder(desk, desk.order("buy", "1", "1990"))
    changed = desk.order("buy", "1", "2001")
    assert desk.send({"type": "modify", "oid": status["resting"]["oid"], "order": changed, "a": True})["status"] == "ok"
    assert desk.state.fills[USER][0]["builderFee"] == "0.50025"


def test_closed_pnl_is_gross_and_the_fee_truncated_to_six_decimals(desk):
    desk.place("buy", "0.0123", "2001", "Ioc")
    desk.quote("ETH", "2099", "2101")
    desk.place("sell", "0.0123", "2099", "Ioc")
    opened, closed = desk.state.fills[desk.account().user]
    assert opened["closedPnl"] == "0.0"
    assert opened["fee"] == "0.011075", "0.0110755… is cut, not rounded"
    assert closed["closedPnl"] == "1.2054"
    paid = D(opened["fee"]) + D(closed["fee"])
    assert desk.account().raw_usd == 10_000 + D("1.2054") - paid
    assert (closed["startPosition"], closed["side"], closed["feeToken"], closed["twapId"]) == (
        "0.0123",
        "A",
        "USDC",
        None,
    )


def test_the_trade_id_depends_on_both_order_ids_and_fits_fifty_bits():
    one = Trade("ETH", D(1), D(1), 10, 20).tid
    assert one == Trade("ETH", D(2), D(2), 10, 20).tid
    assert one != Trade("ETH", D(1), D(1), 20, 10).tid
    assert 0 <= one < 2**50


def test_an_isolated_position_takes_its_margin_along_and_gives_it_back(desk):
    desk.leverage("ETH", 10, cross=False)
    desk.place("buy", "1", "2001", "Ioc")
    fee = D("0.90045")
    assert desk.account().raw_usd == D("10000") - D("200.1")
    assert desk.position().raw_usd == D("200.1") - 2001 - fee
    desk.place("sell", "0.5", "1999", "Ioc")
    purse = D("200.1") - fee - 2
    assert desk.position().raw_usd + desk.size() * 1999 == purse / 2
    desk.place("sell", "0.5", "1999", "Ioc", ro=True)
    assert desk.position() is None
    fees = sum(D(f["fee"]) for f in desk.state.fills[desk.account().user])
    assert desk.account().raw_usd == 10_000 - 2 - fees


def test_an_isolated_flip_starts_a_fresh_purse(desk):
    desk.leverage("ETH", 10, cross=False)
    desk.place("buy", "1", "2001", "Ioc")
    desk.place("sell", "3", "1999", "Ioc")
    fee = D(desk.state.fills[desk.account().user][-1]["fee"])
    assert desk.position().raw_usd == 2 * D("199.9") + 2 * 1999 - fee


def test_a_fill_carries_its_cloid_only_when_there_is_one(desk):
    cloid = "0x" + "0" * 31 + "7"
    desk.place("buy", "1", "2001", "Ioc", cloid=cloid)
    desk.place("buy", "1", "2001", "Ioc")
    first, second = desk.state.fills[desk.account().user]
    assert first["cloid"] == cloid
    assert "cloid" not in second


def test_trades_are_printed_with_the_takers_side_and_both_users(desk):
    desk.rest("buy", "1", "1990")
    desk.quote("ETH", "1970", "1980")
    desk.place("buy", "1", "1980", "Ioc", user="0x" + "b2" * 20)
    sold, bought = desk.state.trades["ETH"]
    assert (sold["side"], sold["users"][0]) == ("A", desk.account().user)
    assert (bought["side"], bought["users"][0]) == ("B", "0x" + "b2" * 20)
