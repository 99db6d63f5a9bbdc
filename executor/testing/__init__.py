"""Fakes for tests, shipped with the program: an exchange that goes wrong on command, and a clock set by hand."""

from executor.testing.clock import START_MS, ManualClock
from executor.testing.little_exchange import META, LittleExchange
from executor.testing.scripted import (
    BAD_GATEWAY,
    BOOKED_BUT_BAD_GATEWAY,
    DROPPED_AFTER,
    DROPPED_BEFORE,
    HANGS,
    RATE_LIMITED,
    TRUNCATED,
    Received,
    Reply,
    ScriptedExchange,
)
from executor.testing.waiting import until

__all__ = [
    "BAD_GATEWAY",
    "BOOKED_BUT_BAD_GATEWAY",
    "DROPPED_AFTER",
    "DROPPED_BEFORE",
    "HANGS",
    "META",
    "RATE_LIMITED",
    "START_MS",
    "TRUNCATED",
    "LittleExchange",
    "ManualClock",
    "Received",
    "Reply",
    "ScriptedExchange",
    "until",
]
