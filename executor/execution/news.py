"""Which events people are told of at once, and in which words: what the notifiers get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from executor.core import events as ev

News = tuple[str, str, str]
"""Level (info, warning or alarm), title, body."""


def _latched(event: ev.BreakerLatched) -> News:
    return "warning", f"BREAKER {event.rule}", f"{event.account}: {event.value}, limit {event.limit}: entries stop"


def _unsigned(event: ev.SignerRefused) -> News:
    return "warning", event.reason, f"{event.account}: {event.purpose} of {event.coin}: {event.text}"


def _channel(event: ev.SourceChanged) -> News | None:
    """One that is refused for good is silent from now on, and nobody else would say so."""
    if event.state != "refused":
        return None
    told = (f"{event.source} {event.channel}", event.detail, event.remedy)
    return "alarm", "CHANNEL_REFUSED", ": ".join(part for part in told if part)


_TOLD: dict[type[ev.Event], Callable[[Any], News | None]] = {
    ev.AlarmRaised: lambda event: ("alarm", event.code, event.text),
    ev.BreakerLatched: _latched,
    ev.BreakerReset: lambda event: ("info", f"BREAKER {event.rule}", f"{event.account}: reset by {event.by}"),
    ev.SignerRefused: _unsigned,
    ev.SourceChanged: _channel,
    ev.ProcessStarted: lambda event: ("info", "worker started", f"version {event.version}, {event.mode}"),
    ev.ProcessStopped: lambda event: ("info", "worker stopped", f"{event.reason}; orders unknown: {event.unknown}"),
}


def news_of(event: ev.Event) -> News | None:
    """What to tell of this event, ``None`` for most."""
    told = _TOLD.get(type(event))
    return None if told is None else told(event)
