"""Who may still go when a limit is short, and that an exit always may."""

from __future__ import annotations

import pytest
from executor.backoff import MINUTE_MS
from executor.ports import Lane
from executor.venue.budgets import THROTTLE_MS, Budgets

A, B = "0x" + "aa" * 20, "0x" + "bb" * 20


@pytest.mark.parametrize(
    ("used", "going"),
    [
        (0, {Lane.CLOSE, Lane.RESIZE, Lane.ENTRY, Lane.READ}),
        (719, {Lane.CLOSE, Lane.RESIZE, Lane.ENTRY, Lane.READ}),
        (720, {Lane.CLOSE, Lane.RESIZE, Lane.ENTRY}),
        (960, {Lane.CLOSE, Lane.RESIZE}),
        (1140, {Lane.CLOSE}),
        (5000, {Lane.CLOSE}),
    ],
)
def test_each_lane_leaves_the_rest_to_the_lanes_above(used: int, going: set[Lane]) -> None:
    budgets = Budgets()
    budgets.spend(used, 0)
    assert {lane for lane in Lane if budgets.may(lane, 1, 0)} == going


def test_after_a_429_reads_and_entries_keep_still_and_protection_goes_on() -> None:
    budgets = Budgets()
    budgets.throttled(1_000)
    assert {lane for lane in Lane if budgets.may(lane, 1, 1_000)} == {Lane.CLOSE, Lane.RESIZE}
    assert budgets.wait_ms(Lane.ENTRY, 1, 1_000) == THROTTLE_MS
    assert all(budgets.may(lane, 1, 1_000 + THROTTLE_MS) for lane in Lane)


@pytest.mark.parametrize(
    ("in_flight", "going"),
    [(0, set(Lane)), (60, {Lane.CLOSE, Lane.RESIZE, Lane.ENTRY}), (98, {Lane.CLOSE}), (99, set())],
)
def test_posts_in_flight_stay_below_one_hundred(in_flight: int, going: set[Lane]) -> None:
    budgets = Budgets()
    budgets.posts_in_flight = in_flight
    assert {lane for lane in Lane if budgets.may_post(lane, 0)} == going


def test_client_messages_a_minute_are_bounded() -> None:
    budgets = Budgets()
    budgets.messages.add(2_000, 0)
    assert not budgets.may_post(Lane.CLOSE, 0)
    assert budgets.may_post(Lane.CLOSE, MINUTE_MS)


@pytest.mark.parametrize(
    ("left", "going"),
    [(500, set(Lane)), (199, set(Lane) - {Lane.ENTRY}), (49, {Lane.CLOSE, Lane.READ}), (0, {Lane.CLOSE})],
)
def test_the_last_requests_of_an_account_are_kept_for_exits(left: int, going: set[Lane]) -> None:
    budgets = Budgets()
    budgets.seed_address(A, 10_000 - left, 10_000)
    assert {lane for lane in Lane if budgets.address_allows(A, lane, 1)} == going
    assert budgets.address_allows(B, Lane.ENTRY, 1), "an account never asked about is not held back"


def test_what_an_account_sends_is_counted_until_the_venue_tells_its_own_number() -> None:
    budgets = Budgets()
    budgets.spend_address(A, 5)
    assert "address:" + A not in budgets.report(0)
    budgets.seed_address(A, 10, 10_000)
    budgets.spend_address(A, 5)
    assert budgets.report(0)["address:" + A] == (15, 10_000)


def test_the_report_names_every_limit() -> None:
    budgets = Budgets()
    budgets.spend(3, 0)
    assert budgets.report(0) == {
        "ip_weight": (3, 1200),
        "socket_opens": (0, 30),
        "messages": (0, 2000),
        "posts_in_flight": (0, 100),
    }
