"""What may be posted to ``/api/commands``, read strictly: a command that is not understood is never guessed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

NEEDS_RULE = {"pause": False, "resume": False, "flatten": False, "reset": True}
"""Every command (contract.md), and whether it names a rule."""

_MEMBERS = {"command", "account", "rule"}


class Command(NamedTuple):
    """One command; ``account`` ``None`` means every account."""

    name: str
    account: str | None
    rule: str | None


class BadCommand(ValueError):
    """Not a command; the text says why."""


def parse_command(body: bytes) -> Command:
    """Reads ``{"command", "account", "rule"}``; raises ``BadCommand``."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadCommand("the body is not JSON") from None
    if not isinstance(document, dict) or not set(document) <= _MEMBERS:
        raise BadCommand(f"the body must be an object of {', '.join(sorted(_MEMBERS))}")
    name = document.get("command")
    if not isinstance(name, str) or name not in NEEDS_RULE:
        raise BadCommand(f"command must be one of {', '.join(NEEDS_RULE)}")
    command = Command(name, _text(document, "account"), _text(document, "rule"))
    if (command.rule is not None) is not NEEDS_RULE[name]:
        raise BadCommand(f"{name} {'needs a' if NEEDS_RULE[name] else 'takes no'} rule")
    _refuse_repeats(body)
    return command


def _refuse_repeats(body: bytes) -> None:
    """A key that stands there twice could be read in two ways, and the parser takes the last without a word."""
    try:
        json.loads(body, object_pairs_hook=_once)
    except BadCommand:
        raise
    except (ValueError, RecursionError):  # what the parser dropped was odd in itself
        raise BadCommand("a member occurs more than once") from None


def _once(pairs: Sequence[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadCommand(f"{twice[:20]} occurs more than once")


def _text(document: dict[str, Any], member: str) -> str | None:
    value = document.get(member)
    if value is not None and (not isinstance(value, str) or not value):
        raise BadCommand(f"{member} must be a text or null")
    return value
