"""What every recorded event has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LegKind = Literal["entry", "exit", "stop", "target"]
Part = Literal["all", "entry", "exit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The common part. ``key`` is the action concerned, if one is."""

    at_ms: int
    account: str | None = None
    key: str | None = None
