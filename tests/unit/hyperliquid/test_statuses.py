"""statuses.py: every documented order state has its class, unknown ones go by their ending."""

from __future__ import annotations

import pytest

from executor.hyperliquid.statuses import ORDER_STATUS, STATUS_REASONS, StatusClass, classify_status

LIVE = "open triggered"
CANCELED = (
    "canceled marginCanceled vaultWithdrawalCanceled openInterestCapCanceled selfTradeCanceled reduceOnlyCanceled "
    "siblingFilledCanceled delistedCanceled liquidatedCanceled scheduledCancel outcomeSettledCanceled internalCancel"
)
REJECTED = (
    "rejected tickRejected minTradeNtlRejected perpMarginRejected reduceOnlyRejected badAloPxRejected "
    "iocCancelRejected badTriggerPxRejected marketOrderNoLiquidityRejected positionIncreaseAtOpenInterestCapRejected "
    "positionFlipAtOpenInterestCapRejected tooAggressiveAtOpenInterestCapRejected openInterestIncreaseRejected "
    "insufficientSpotBalanceRejected oracleRejected perpMaxPositionRejected tooManyOpenOrdersRejected"
)
DOCUMENTED = [
    *((text, StatusClass.LIVE) for text in LIVE.split()),
    ("filled", StatusClass.FILLED),
    *((text, StatusClass.CANCELED) for text in CANCELED.split()),
    *((text, StatusClass.REJECTED) for text in REJECTED.split()),
]


@pytest.mark.parametrize(("text", "meaning"), DOCUMENTED)
def test_every_documented_state_is_in_the_table(text: str, meaning: StatusClass) -> None:
    assert ORDER_STATUS[text] is meaning
    assert classify_status(text) is meaning


def test_the_table_holds_nothing_else() -> None:
    assert len(ORDER_STATUS) == len(DOCUMENTED)
    assert {text for text, meaning in DOCUMENTED if meaning is StatusClass.REJECTED} == set(STATUS_REASONS)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("moonPhaseCanceled", StatusClass.CANCELED),
        ("moonPhaseCancel", StatusClass.CANCELED),
        ("moonPhaseRejected", StatusClass.REJECTED),
        ("", StatusClass.UNKNOWN),
        ("resting", StatusClass.UNKNOWN),
        ("rejectedly", StatusClass.UNKNOWN),
    ],
)
def test_a_new_state_goes_by_its_ending(text: str, meaning: StatusClass) -> None:
    assert classify_status(text) is meaning
