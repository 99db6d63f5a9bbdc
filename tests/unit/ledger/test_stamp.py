"""Whose ledger it is."""

from __future__ import annotations

import pytest

from executor.errors import LedgerMismatch
from executor.ledger.stamp import Stamp

WRITTEN = Stamp("live", "mainnet", {"main": "0xaa", "old": "0xbb"})


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Stamp("dry_run", "mainnet", {}), "mode was live, is dry_run"),
        (Stamp("live", "testnet", {}), "network was mainnet, is testnet"),
        (Stamp("live", "mainnet", {"main": "0xcc"}), "address of account main was 0xaa, is 0xcc"),
        (Stamp("live", "mainnet", {"new": "0xBB"}), "name of account 0xbb was old, is new"),
        (Stamp("live", "mainnet", {"main": "0xbb", "old": "0xaa"}), "address of account main"),
    ],
)
def test_another_setting_is_refused(other: Stamp, told: str) -> None:
    with pytest.raises(LedgerMismatch, match=told) as refused:
        other.joined(WRITTEN)
    assert refused.value.remedy


def test_accounts_may_come_and_go_and_are_never_forgotten() -> None:
    joined = Stamp("live", "mainnet", {"main": "0xAA", "new": "0xdd"}).joined(WRITTEN)
    assert dict(joined.addresses) == {"main": "0xAA", "old": "0xbb", "new": "0xdd"}
    assert Stamp.of(dict(joined.rows())) == Stamp("live", "mainnet", {"main": "0xaa", "old": "0xbb", "new": "0xdd"})
