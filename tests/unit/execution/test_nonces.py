"""nonces: strictly rising, whatever the clock does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from executor.execution.nonces import Nonces


@given(st.integers(0, 10**13), st.lists(st.integers(0, 10**13), max_size=50))
def test_each_nonce_is_higher_than_all_before_and_never_behind_the_clock(last, times):
    nonces, before = Nonces(last), last
    for now_ms in times:
        nonce = nonces.take(now_ms)
        assert nonce > before
        assert nonce == max(now_ms, before + 1)
        before = nonce


JUMPS_MS = (0, 3_600_000, -3_600_000, 90_000_000, -176_400_000)


def test_ten_thousand_from_sixteen_threads_over_twenty_lives_and_clock_jumps_are_unique_and_rising():
    taken, last = [], 0
    for life in range(20):
        nonces, now_ms = Nonces(last), 1_800_000_000_000 + JUMPS_MS[life % len(JUMPS_MS)]

        def take_some(_, nonces=nonces, now_ms=now_ms):
            return [nonces.take(now_ms) for _ in range(32)]

        with ThreadPoolExecutor(16) as pool:
            lots = list(pool.map(take_some, range(16)))
        assert all(lot == sorted(lot) for lot in lots)
        mine = sorted(nonce for lot in lots for nonce in lot)
        assert mine[0] > last
        last = mine[-1]
        taken += mine
    assert len(taken) == len(set(taken)) == 20 * 16 * 32
    assert taken == sorted(taken)
