"""Strict reading of the venue's JSON: the value asked for, or ``VenueAnswerOdd`` naming the field."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from executor.errors import VenueAnswerOdd

Object = dict[str, Any]

_BRIEF = 200
_TOO_LARGE = 10**40

_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
"""Plain decimals only: an exponent could make a short text an endless number, and the venue never writes one."""


_SECRET_LIKE = re.compile(r"[0-9a-fA-F]{41,}")
"""Longer than an address (40): half a signature, a key, a hash. Whoever answers may repeat what it was sent."""


def spoken(text: str, limit: int = _BRIEF) -> str:
    """Somebody's words as they may be kept: bounded, and no signature in them, not even a cut one."""
    return _SECRET_LIKE.sub("…", text[: 4 * limit])[:limit]


def describe(value: object) -> str:
    """A value in a few words for people; bounded and total, whatever somebody sent (repr of JSON can fail)."""
    if isinstance(value, str):
        return spoken(value)
    if isinstance(value, dict):
        return spoken(f"an object with keys {', '.join(list(value)[:8])}")
    return f"an array of {len(value)}" if isinstance(value, list) else type(value).__name__


def mapping(value: object, where: str) -> Object:
    """``value`` as an object."""
    if not isinstance(value, dict):
        raise _odd(where, "an object", value)
    return value


def sequence(value: object, where: str) -> list[Any]:
    """``value`` as an array."""
    if not isinstance(value, list):
        raise _odd(where, "an array", value)
    return value


def child(obj: Object, key: str) -> Object:
    """The object under ``key``."""
    return mapping(obj.get(key), key)


def items(obj: Object, key: str) -> list[Any]:
    """The array under ``key``."""
    return sequence(obj.get(key), key)


def text(obj: Object, key: str) -> str:
    """The string under ``key``."""
    value = obj.get(key)
    if not isinstance(value, str):
        raise _odd(key, "a string", value)
    return value


def integer(obj: Object, key: str) -> int:
    """The integer under ``key``; ids, counts and times are JSON numbers (hyperliquid.md section 0)."""
    value = obj.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _odd(key, "an integer", value)
    return value


def decimal_or_none(value: object) -> Decimal | None:
    """A decimal string (or an integer) as ``Decimal``; ``None`` for anything else."""
    if isinstance(value, str):
        return Decimal(value) if _PLAIN_NUMBER.fullmatch(value) else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return Decimal(value) if abs(value) < _TOO_LARGE else None


def number(obj: Object, key: str) -> Decimal:
    """The decimal string under ``key``."""
    value = decimal_or_none(obj.get(key))
    if value is None:
        raise _odd(key, "a decimal string", obj.get(key))
    return value


def optional_number(obj: Object, key: str) -> Decimal | None:
    """The decimal string under ``key``, ``None`` where the venue shows null or nothing."""
    return None if obj.get(key) is None else number(obj, key)


def optional_text(obj: Object, key: str) -> str | None:
    """The string under ``key``, ``None`` where the venue shows null or nothing."""
    return None if obj.get(key) is None else text(obj, key)


def _odd(where: str, wanted: str, value: object) -> VenueAnswerOdd:
    return VenueAnswerOdd(f"{where}: expected {wanted}, got {describe(value)}")
