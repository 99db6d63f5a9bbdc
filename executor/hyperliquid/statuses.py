"""The venue's words for an order's state (hyperliquid.md section 1.3); also the door to error strings and answers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from executor.hyperliquid.answers import classify
from executor.hyperliquid.error_strings import (
    ERROR_REASONS,
    NOTHING_HAPPENED,
    STATUS_REASONS,
    error_text,
    reason_for,
    reason_of_status,
    status_for,
)

__all__ = [
    "ERROR_REASONS",
    "NOTHING_HAPPENED",
    "ORDER_STATUS",
    "STATUS_REASONS",
    "StatusClass",
    "classify",
    "classify_status",
    "error_text",
    "reason_for",
    "reason_of_status",
    "status_for",
]


class StatusClass(StrEnum):
    """What an order state means for us. ``UNKNOWN`` is a word of the venue's that fits no rule."""

    LIVE = "live"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


ORDER_STATUS: Mapping[str, StatusClass] = MappingProxyType(
    {
        "open": StatusClass.LIVE,
        "triggered": StatusClass.LIVE,
        "filled": StatusClass.FILLED,
        **dict.fromkeys(
            (
                "canceled",
                "marginCanceled",
                "vaultWithdrawalCanceled",
                "openInterestCapCanceled",
                "selfTradeCanceled",
                "reduceOnlyCanceled",
                "siblingFilledCanceled",
                "delistedCanceled",
                "liquidatedCanceled",
                "scheduledCancel",
                "outcomeSettledCanceled",
                "internalCancel",
            ),
            StatusClass.CANCELED,
        ),
        **dict.fromkeys(STATUS_REASONS, StatusClass.REJECTED),
    }
)
"""Every order state the venue is known to write (section 1.3)."""

_SUFFIXES = (("Canceled", StatusClass.CANCELED), ("Cancel", StatusClass.CANCELED), ("Rejected", StatusClass.REJECTED))


def classify_status(text: str) -> StatusClass:
    """An order state's class; states not in the table by their ending (section 1.3)."""
    known = ORDER_STATUS.get(text)
    if known is not None:
        return known
    return next((meaning for suffix, meaning in _SUFFIXES if text.endswith(suffix)), StatusClass.UNKNOWN)
