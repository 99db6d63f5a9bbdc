"""Who may still go when a limit is short, and that an exit always may."""

from __future__ import annotations

import itertools

import pytest

from executor.backoff import MINUTE_MS
from executor.ports import Lane
from executor.venue.budgets import THROTTLE_MS, TRIAL_WEIGHT, Budgets


def may(budgets: Budgets, lane: Lane, weight: int, now_ms: int) -> bool:
    """Whether this request may go now."""
    return budgets.wait_ms(lane, weight, now_ms) == 0


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
    assert {lane for lane in Lane if may(budgets, lane, 1, 0)} == going


def test_after_a_429_reads_and_entries_keep_still_and_protection_goes_on() -> None:
    budgets = Budgets()
    budgets.throttled(1_000)
    assert {lane for lane in Lane if may(budgets, lane, 1, 1_000)} == {Lane.CLOSE, Lane.RESIZE}
    assert budgets.wait_ms(Lane.ENTRY, 1, 1_000) == THROTTLE_MS
    budgets.answered()  # an exit went through: that is no leave for the others
    assert not may(budgets, Lane.READ, 1, 1_000)
    assert all(may(budgets, lane, 1, 1_000 + THROTTLE_MS) for lane in Lane)


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
    [
        (500, set(Lane)),
        (199, set(Lane) - {Lane.ENTRY}),
        (0, {Lane.CLOSE, Lane.RESIZE}),
        (-9_951, {Lane.CLOSE}),
    ],
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
        "failures_in_a_row": (0, 3),
    }


# -- the venue in trouble --------------------------------------------------------------------------------------


def in_storm() -> Budgets:
    budgets = Budgets()
    for at_ms in (0, 1_000, 2_000):
        budgets.failed(at_ms)
    return budgets


def test_one_failed_answer_holds_reads_for_a_moment_and_nobody_else() -> None:
    budgets = Budgets()
    budgets.failed(1_000)
    assert {lane for lane in Lane if may(budgets, lane, 1, 1_000)} == set(Lane) - {Lane.READ}
    assert budgets.wait_ms(Lane.READ, 1, 1_000) == 250
    assert may(budgets, Lane.READ, 1, 1_250)


def test_what_was_out_together_fails_once() -> None:
    budgets = Budgets()
    for _ in range(10):
        budgets.failed(1_000)
    assert budgets.failures == 1


def test_in_trouble_one_read_tries_at_a_time_ever_more_seldom_and_the_first_answer_ends_it() -> None:
    budgets, now_ms, tried = Budgets(), 0, []
    budgets.failed(now_ms)
    while now_ms < 60_000:
        now_ms += 50
        for _ in range(5):  # five readers look at the same time
            if may(budgets, Lane.READ, 20, now_ms):
                budgets.spend(20, now_ms, Lane.READ)
                tried.append(now_ms)
                budgets.failed(now_ms)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 8_000
    assert len(tried) <= 14
    budgets.answered()
    assert may(budgets, Lane.READ, 20, now_ms)


@pytest.mark.parametrize(
    ("used", "going"),
    [
        (417, {Lane.CLOSE, Lane.RESIZE, Lane.ENTRY, Lane.READ}),
        (420, {Lane.CLOSE, Lane.RESIZE, Lane.READ}),
        (540, {Lane.CLOSE, Lane.READ}),
        (660, {Lane.CLOSE}),
        (1_200, {Lane.CLOSE}),
    ],
)
def test_in_a_storm_everybody_leaves_more_to_the_exits(used: int, going: set[Lane]) -> None:
    budgets = in_storm()
    budgets.spend(used, 20_000)
    assert {lane for lane in Lane if may(budgets, lane, TRIAL_WEIGHT + 1, 20_000)} == going


def test_in_a_storm_one_cheap_request_at_a_time_finds_out_whether_it_is_over_whatever_was_used() -> None:
    budgets, tried = in_storm(), []
    budgets.spend(1_190, 20_000)
    for now_ms in range(20_000, 80_000, 50):
        if may(budgets, Lane.RESIZE, TRIAL_WEIGHT, now_ms):
            budgets.spend(TRIAL_WEIGHT, now_ms, Lane.RESIZE)
            budgets.failed(now_ms)
            tried.append(now_ms)
    assert tried[0] == 20_000
    assert 5 < len(tried) < 15


def test_one_good_answer_frees_what_protects_while_reads_and_entries_still_keep_still() -> None:
    budgets = Budgets()
    for now_ms in (0, 10_000, 20_000, 30_000):
        budgets.throttled(now_ms)
    budgets.spend(600, 30_000)
    budgets.spend(TRIAL_WEIGHT, 31_000, Lane.RESIZE)
    budgets.answered()
    assert [lane for lane in Lane if may(budgets, lane, TRIAL_WEIGHT, 31_100)] == [Lane.CLOSE, Lane.RESIZE]


def test_in_a_storm_the_same_bytes_again_give_way_to_first_sends() -> None:
    budgets = in_storm()
    budgets.spend(540, 20_000)
    assert budgets.wait_ms(Lane.CLOSE, 1, 20_000) == 0
    assert budgets.wait_ms(Lane.CLOSE, 1, 20_000, again=True) > 0
    budgets.answered()
    assert budgets.wait_ms(Lane.CLOSE, 1, 20_000, again=True) == 0


@pytest.mark.parametrize("fault", ["throttled", "failed"])
def test_ten_minutes_of_429_or_5xx_stay_below_60_percent_however_many_want_to_go(fault: str) -> None:
    """Greedy reads, entries, cancels and resends of every kind beside six exits a second that go at once."""
    budgets, spent = Budgets(), []
    wants = [(lane, weight, again) for lane, weight in ((Lane.READ, 20), (Lane.READ, 2)) for again in (False,)]
    wants += [(Lane.ENTRY, 1, False), (Lane.ENTRY, 1, True), (Lane.RESIZE, 1, False), (Lane.CLOSE, 1, True)]
    for now_ms in range(0, 600_000, 100):
        if now_ms % 1_000 == 0:
            assert budgets.wait_ms(Lane.CLOSE, 1, now_ms) == 0, "the first send of an exit never waits"
            budgets.spend(1, now_ms)
            getattr(budgets, fault)(now_ms)
        for lane, weight, again in wants:
            if budgets.wait_ms(lane, weight, now_ms, again=again) == 0:
                budgets.spend(weight, now_ms, lane)
                getattr(budgets, fault)(now_ms)
        spent.append(budgets.weight.used(now_ms))
    assert max(spent[300:]) <= 720
    assert max(spent) <= 720


def test_cancels_have_a_limit_of_their_own() -> None:
    budgets = Budgets()
    budgets.seed_address(A, 10_000, 10_000)
    assert {lane for lane in Lane if budgets.address_allows(A, lane, 1)} == {Lane.CLOSE, Lane.RESIZE}
    budgets.seed_address(A, 19_960, 10_000)
    assert {lane for lane in Lane if budgets.address_allows(A, lane, 1)} == {Lane.CLOSE}
