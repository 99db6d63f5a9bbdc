"""The pace of attempts stays inside what reliability.md section A6 promises, for one socket and for ten."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded, to play many outages

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.backoff import MINUTE_MS, POLL_MS, Backoff, Line, Server, Window

FAILURES = st.integers(0, 10**9)
FAILING = st.floats(0, 10**6)
SPREAD = st.floats(0, 1, exclude_max=True)
STABLE_MS = 30_000


@given(FAILURES, FAILING, SPREAD)
def test_no_delay_is_longer_than_the_promised_recovery(failures: int, failing_s: float, spread: float) -> None:
    delay_s = Backoff().delay_s(failures, failing_s, spread)
    assert 0 < delay_s <= (5 if failing_s < 60 else 30)


@given(FAILING, st.integers(0, 30))
def test_jitter_leaves_the_same_share_of_every_delay(failing_s: float, failures: int) -> None:
    whole = Backoff().delay_s(failures, failing_s, 1.0)
    assert Backoff().delay_s(failures, failing_s, 0.0) == pytest.approx(whole * Backoff().least)


def test_delays_double_from_the_first() -> None:
    assert [Backoff().delay_s(n, 0, 1.0) for n in range(5)] == [0.25, 0.5, 1.0, 2.0, 4.0]


@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 50)), max_size=40), st.integers(1, 60))
def test_after_the_wait_it_told_the_amount_fits_and_not_a_moment_earlier(
    steps: list[tuple[int, int]], amount: int
) -> None:
    window, now_ms = Window(100), 0
    for gap_ms, used in steps:
        now_ms += gap_ms
        window.add(used, now_ms)
    wait_ms = window.wait_ms(amount, now_ms, 100)
    assert 0 <= wait_ms <= MINUTE_MS
    if wait_ms > 0:
        assert window.used(now_ms + wait_ms - 1) + amount > 100
    assert window.used(now_ms + wait_ms) + amount <= 100


def test_what_is_a_minute_old_counts_no_more() -> None:
    window = Window(10)
    window.add(7, 1_000)
    assert window.used(1_000 + MINUTE_MS - 1) == 7
    assert window.used(1_000 + MINUTE_MS) == 0


def test_an_amount_that_never_fits_waits_a_minute_at_a_time() -> None:
    assert Window(10).wait_ms(11, 0, 10) == MINUTE_MS


# -- a server that turns everybody away, in virtual time ---------------------------------------------------------


@dataclass(frozen=True)
class Storm:
    """Handshakes and the times, in ms, at which each line stayed for good."""

    attempts: list[int]
    back: list[int]

    def busiest(self, after_ms: int = 0) -> int:
        """The most attempts in any minute from a time on."""
        late = [at for at in self.attempts if at >= after_ms]
        return max((sum(start <= at < start + MINUTE_MS for at in late) for start in late), default=0)


def storm(
    lines: int, heals_ms: int | None, until_ms: int, *, seed: int = 1, stays_ms: int = 0, spare: int = 0
) -> Storm:
    """So many connections to one server that closes each after ``stays_ms``, until it heals."""
    random, server = Random(seed), Server()
    made = [Line(server, random.random, spare=spare if n else 0) for n in range(lines)]
    attempts, back = [], []
    queue: list[tuple[int, int, str]] = [(0, number, "look") for number in range(lines)]
    heapq.heapify(queue)
    while queue and queue[0][0] < until_ms:
        now_ms, number, what = heapq.heappop(queue)
        line = made[number]
        if what == "end":
            line.ended(now_ms, stable=False)
            heapq.heappush(queue, (now_ms, number, "look"))
        elif wait_ms := line.wait_ms(now_ms):
            heapq.heappush(queue, (now_ms + wait_ms, number, "look"))
        else:
            attempts.append(now_ms)
            line.opened(now_ms)
            if heals_ms is not None and now_ms >= heals_ms:
                back.append(now_ms)
            else:
                heapq.heappush(queue, (now_ms + stays_ms, number, "end"))
    return Storm(attempts, back)


@pytest.mark.parametrize("lines", [1, 2, 10])
@pytest.mark.parametrize("stays_ms", [0, 40, 1_000, 10_000])
def test_whoever_accepts_and_closes_sees_at_most_thirty_attempts_in_any_minute_and_ten_in_the_long_run(
    lines: int, stays_ms: int
) -> None:
    for seed in range(3):
        seen = storm(lines, None, 12 * MINUTE_MS, seed=seed, stays_ms=stays_ms)
        assert seen.busiest() <= 30
        assert seen.busiest(after_ms=3 * MINUTE_MS) <= 10


@pytest.mark.parametrize("lines", [1, 2, 10])
@pytest.mark.parametrize("heals_s", [0.3, 2, 7, 23, 41, 59])
def test_it_is_back_within_five_seconds_when_the_server_heals_in_the_first_minute(lines: int, heals_s: float) -> None:
    for seed in range(10):
        seen = storm(lines, int(heals_s * 1000), 10 * MINUTE_MS, seed=seed, stays_ms=5)
        assert len(seen.back) == lines
        assert seen.back[0] <= heals_s * 1000 + 5_000
        assert seen.back[-1] <= heals_s * 1000 + (5_000 if lines <= 2 else 30_000), "ten have a minute's 30 attempts"
        assert seen.busiest() <= 30, "and coming back all at once is no storm"


@pytest.mark.parametrize("lines", [1, 2, 10])
@pytest.mark.parametrize("heals_s", [61, 100, 1_000])
def test_all_are_back_within_a_minute_when_it_heals_later(lines: int, heals_s: float) -> None:
    for seed in range(2):
        seen = storm(lines, int(heals_s * 1000), int((heals_s + 300) * 1000), seed=seed, stays_ms=5)
        assert len(seen.back) == lines
        assert max(seen.back) <= heals_s * 1000 + 60_000


def test_a_lone_line_that_lost_a_stable_connection_is_back_at_once() -> None:
    line = Line(Server(), lambda: 0.0)
    assert line.wait_ms(0) == 0
    line.opened(0)
    pause_s = line.ended(STABLE_MS, stable=True)
    assert (pause_s, line.failures) == (pytest.approx(0.175), 1)
    assert line.wait_ms(STABLE_MS + 175) == 0


def test_ten_lines_that_lost_stable_connections_are_all_back_within_two_seconds() -> None:
    server, random = Server(), Random(1)
    lines = [Line(server, random.random) for _ in range(10)]
    for line in lines:
        assert line.wait_ms(0) == 0
        line.opened(0)
    for line in lines:
        line.ended(10 * MINUTE_MS, stable=True)
    waiting, now_ms = set(lines), 10 * MINUTE_MS
    while waiting:
        for line in sorted(waiting, key=id):
            if not line.wait_ms(now_ms):
                line.opened(now_ms)
                waiting.remove(line)
        now_ms += 50
    assert now_ms <= 10 * MINUTE_MS + 2_000


def test_a_server_may_ask_for_a_longer_pause_and_nobody_is_woken_before() -> None:
    server = Server()
    asked, other = Line(server, lambda: 0.0), Line(server, lambda: 0.0)
    assert asked.wait_ms(0) == 0
    assert asked.ended(0, stable=False, at_least_s=30) == 30
    assert other.wait_ms(5_000) == 0
    other.opened(5_000)
    assert asked.wait_ms(29_999) == 1
    assert asked.wait_ms(30_000) == 0


def test_a_wait_is_told_in_steps_so_that_a_server_that_is_back_is_seen() -> None:
    line = Line(Server(), lambda: 0.0)
    assert line.wait_ms(0) == 0
    line.ended(0, stable=False, at_least_s=30)
    assert line.wait_ms(0) == POLL_MS


def test_one_line_in_trouble_keeps_no_other_from_the_server() -> None:
    server = Server()
    steady, bad, dropped = (Line(server, lambda: 0.5) for _ in range(3))
    for line in (steady, dropped):
        assert line.wait_ms(0) == 0
        line.opened(0)
    now_ms = 0
    while now_ms < 5 * MINUTE_MS:
        wait_ms = bad.wait_ms(now_ms)
        now_ms += wait_ms
        if not wait_ms:
            bad.ended(now_ms, stable=False)
    dropped.ended(now_ms, stable=True)
    assert dropped.wait_ms(now_ms + 250) == 0


def test_extra_sockets_leave_attempts_to_the_one_that_carries_orders() -> None:
    server = Server()
    main, extra = Line(server, lambda: 0.0), Line(server, lambda: 0.0, spare=10)
    for _ in range(20):
        server.trying(main, 0)
    assert extra.wait_ms(0) == POLL_MS
    assert main.wait_ms(0) == 0


@given(st.integers(0, 10**6))
def test_an_endless_outage_overflows_nothing(seed: int) -> None:
    line, random = Line(Server(), Random(seed).random), Random(seed)
    now_ms = 0
    for _ in range(50):
        assert 0 < line.ended(now_ms, stable=False) <= 30
        now_ms += random.randrange(10**9)


def test_attempts_never_bunch_up_beyond_the_window_however_lines_behave() -> None:
    """Lines that stay for random times, some of them stable: still no minute with more than thirty."""
    random, server = Random(7), Server()
    lines = [Line(server, random.random) for _ in range(20)]
    attempts: list[int] = []
    until: dict[Line, int] = {}
    for now_ms in range(0, 5 * MINUTE_MS, 50):
        for line in lines:
            if line in until and now_ms >= until[line]:
                del until[line]
                line.ended(now_ms, stable=random.random() < 0.3)
            if line not in until and not line.wait_ms(now_ms):
                attempts.append(now_ms)
                line.opened(now_ms)
                until[line] = now_ms + random.choice([50, 500, 3_000])
    assert max(sum(at <= other < at + MINUTE_MS for other in attempts) for at in attempts) <= 30


@pytest.mark.parametrize("spread", [0.0, 0.5, 0.999])
def test_the_gaps_between_a_lone_lines_attempts_are_within_what_was_promised(spread: float) -> None:
    line, now_ms, times = Line(Server(), lambda: spread), 0, []
    while now_ms < 30 * MINUTE_MS:
        if wait_ms := line.wait_ms(now_ms):
            now_ms += wait_ms
            continue
        times.append(now_ms)
        line.ended(now_ms, stable=False)
    gaps = [(early, late - early) for early, late in itertools.pairwise(times)]
    assert max(gap for at, gap in gaps if at < MINUTE_MS) <= 5_000
    assert max(gap for _, gap in gaps) <= MINUTE_MS
