"""Puts the time of sending into frames that say ``now``, so that a script never grows stale."""

from __future__ import annotations

import re
from typing import Any

from executor.clock import iso

_NOW = re.compile(r"now(?:([+-])(\d+(?:\.\d+)?)s)?")
_EPOCH_KEYS = ("timestamp",)


def stamped(frame: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """The frame with every ``created_at: now`` in ISO text and every ``timestamp: now`` in epoch seconds.

    ``now-5s`` and ``now+5s`` are times before and after; other text is left alone.
    """
    return {key: _value(key, value, now_ms) for key, value in frame.items()}


def _value(key: str, value: Any, now_ms: int) -> Any:
    if isinstance(value, dict):
        return stamped(value, now_ms)
    match = _NOW.fullmatch(value) if isinstance(value, str) and key in ("created_at", *_EPOCH_KEYS) else None
    if match is None:
        return value
    at_ms = now_ms + _offset_ms(match)
    return at_ms / 1000 if key in _EPOCH_KEYS else iso(at_ms)


def _offset_ms(match: re.Match[str]) -> int:
    sign, seconds = match.groups()
    if seconds is None:
        return 0
    whole, _, part = seconds.partition(".")
    size = int(whole) * 1000 + int(f"{part:0<3}"[:3])
    return -size if sign == "-" else size
