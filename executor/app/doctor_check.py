"""One line of the doctor's report, without secrets: plugins and servers say what they like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from executor.errors import ExecutorError
from executor.logs import redact

Level = Literal["pass", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and what to do where it is not good."""

    name: str
    level: Level
    text: str
    remedy: str = ""


def passed(name: str, text: str) -> Check:
    """All is well."""
    return Check(name, "pass", redact(text))


def warned(name: str, text: str, remedy: str) -> Check:
    """It works, but somebody should know."""
    return Check(name, "warn", redact(text), redact(remedy))


def failed(name: str, text: str, remedy: str) -> Check:
    """Do not trade like this."""
    return Check(name, "fail", redact(text), redact(remedy))


def failure(name: str, error: ExecutorError) -> Check:
    """What an error of ours says."""
    return failed(name, error.message, error.remedy or "see the message")
