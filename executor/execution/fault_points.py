"""The fault points around one request: just before it leaves, and once its answer is written down."""

from __future__ import annotations

import asyncio

from executor import faults
from executor.core.events import SendStarted

PROTECTION = ("protect", "cancel")
"""Requests of stops and targets: their placing and their end."""


def about_to_leave(record: SendStarted) -> None:
    """The intent is committed; nothing has left."""
    if record.purpose in PROTECTION:
        faults.point("stop_intent")
    faults.point("intent_committed")


def settled(record: SendStarted) -> None:
    """The answer is written down; its events are told behind what is in the loop's queue already."""
    faults.point("outcome_committed")
    if record.purpose in PROTECTION:
        faults.point("stop_acked")
    asyncio.get_running_loop().call_soon(faults.point, "event_published")
