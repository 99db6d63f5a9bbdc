"""nonces: strictly rising, whatever the clock does."""

from __future__ import annotations

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
