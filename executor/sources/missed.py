"""Tells of trades that were made while no worker listened and are too old to be copied: nobody else ever would."""

from __future__ import annotations

from collections.abc import Iterable

from executor.clock import iso
from executor.core.source_events import SourceTrade
from executor.ports import Frame

LISTED = 5
"""So many of them are named, the newest."""


def heard_ms(frames: Iterable[Frame], otherwise_ms: int) -> int:
    """When the newest frame in the journal came in; the other time where no worker ever listened to this source."""
    return max((frame.received_at_ms for frame in frames), default=otherwise_ms)


def told(untold: Iterable[SourceTrade], heard_at_ms: int, start_ms: int) -> str:
    """A sentence on those made after a worker last listened and before this one did; empty where there are none."""
    between = range(heard_at_ms + 1, start_ms + 1)
    missed = {(one.symbol, one.side, at_ms) for one in untold if (at_ms := one.at_ms) is not None and at_ms in between}
    if not missed:
        return ""
    newest = sorted(missed, key=lambda one: one[2])[-LISTED:]
    named = ", ".join(f"{side} {symbol} at {iso(at_ms)}" for symbol, side, at_ms in newest)
    return (
        f"{len(missed)} trades made while no worker listened cannot be copied any more (the newest: {named}): "
        "compare what is held with what the agent holds"
    )
