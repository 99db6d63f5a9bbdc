"""How much was signed today that may add risk: what a signer's daily cap starts from after a restart.

Folded from ``SendStarted``, which is written before its first byte leaves, so that no restart gives a day's cap twice.
Orders count at their limit price, whether or not they fill; a resend is no new record and counts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from executor.core.state import DeskState, SignedDay
from executor.core.types import ZERO

DAY_MS = 86_400_000


def midnight_ms(at_ms: int) -> int:
    """The last 00:00 UTC: where a day begins, for caps and for losses."""
    return at_ms - at_ms % DAY_MS


def note_signed(state: DeskState, action: Mapping[str, Any], at_ms: int) -> None:
    """Count one request's orders that may add risk to the day it was signed on."""
    start_ms = midnight_ms(at_ms)
    if start_ms > state.signed.start_ms:
        state.signed = SignedDay(start_ms)
    state.signed.usd += sum((_limit_usd(order) for order in action.get("orders", ())), ZERO)


def _limit_usd(order: Mapping[str, Any]) -> Decimal:
    return ZERO if order["r"] else Decimal(order["p"]) * Decimal(order["s"])
