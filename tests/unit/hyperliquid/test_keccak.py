"""keccak.py: the known answers, the plain hash as oracle, and safety between threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random  # noqa: TID251  # seeded: the same bytes each time

import pytest

from executor.hyperliquid.keccak import fast_keccak256, keccak256, plain_keccak256


def test_the_known_answers_of_ethereums_hash() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"


def test_the_fast_hash_is_the_plain_hash_at_every_length() -> None:
    rng = Random(1)
    for length in range(600):
        data = rng.randbytes(length)
        assert keccak256(data) == plain_keccak256(data)


def test_threads_do_not_mix_their_messages() -> None:
    messages = [bytes([i % 251]) * 5000 for i in range(400)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(keccak256, messages)) == [plain_keccak256(message) for message in messages]


def test_without_the_c_functions_the_plain_hash_is_used() -> None:
    assert fast_keccak256(None) is plain_keccak256


class BrokenLibrary:
    """C functions that report failure."""

    def keccak_init(self, *_: object) -> int:
        return 0

    def keccak_reset(self, *_: object) -> int:
        return 0

    def keccak_absorb(self, *_: object) -> int:
        return 0

    def keccak_digest(self, *_: object) -> int:
        return 1


def test_a_failing_c_function_is_no_hash() -> None:
    with pytest.raises(ValueError, match="keccak failed"):
        fast_keccak256(BrokenLibrary())(b"x")
