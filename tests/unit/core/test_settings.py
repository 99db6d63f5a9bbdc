"""An exit's cap widens with every miss, and never beyond the last resort."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.core.settings import LAST_RESORT_BPS, DeskSettings

D = Decimal

SETTINGS = DeskSettings(account="a", network="testnet", address="0xabc")


@pytest.mark.parametrize(("missed", "bps"), [(0, D(100)), (1, D(300)), (2, D(1000)), (3, D(1000)), (50, D(1000))])
def test_an_exit_goes_out_wider_each_time_it_missed(missed: int, bps: Decimal) -> None:
    assert SETTINGS.exit_cap_bps(missed) == bps


def test_the_configured_caps_are_used_and_the_last_is_ten_percent() -> None:
    settings = DeskSettings(
        account="a", network="n", address="0x", exit_slippage_bps=D(7), emergency_slippage_bps=D(70)
    )
    assert [settings.exit_cap_bps(n) for n in range(3)] == [D(7), D(70), LAST_RESORT_BPS]
    assert D(1000) == LAST_RESORT_BPS


def test_what_nobody_configured_is_the_careful_choice() -> None:
    assert (SETTINGS.vault, SETTINGS.rules, SETTINGS.margin_mode) == (None, (), "isolated")
    assert (SETTINGS.require, SETTINGS.policy) == ("signalled", "alert")
