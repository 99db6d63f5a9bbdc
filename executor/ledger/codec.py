"""Events as compact JSON and back, exactly: the one place that knows how an event looks on disk.

A body is the whole event as JSON: decimals as plain strings (``0.00000001``, never ``1E-8``), enums by value, tuples
as lists, nested facts as objects. What is typed ``Any`` inside an event must be JSON already.
"""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from executor.core.events import KINDS, Event
from executor.errors import LedgerError, LedgerTooNew

TOO_NEW_REMEDY = "run the newest version of the executor that ever used this ledger, or name another ledger.path"

_PLAIN_DIGITS = 60
"""Decimals of more digits before or after the point stay in exponent form: one hostile number must not fill a disk."""


def decimal_text(value: Decimal) -> str:
    """A finite decimal in plain digits, trailing zeros kept; raises ``ValueError`` for NaN and infinities."""
    if not value.is_finite():
        raise ValueError(f"{value} is not a number that can be recorded")
    text = str(value)  # several times as fast as format, and the same unless it chose an exponent
    return format(value, "f") if "E" in text and abs(value.adjusted()) < _PLAIN_DIGITS else text


def encode(event: Event) -> str:
    """The event's JSON; raises ``LedgerError`` for a value that JSON cannot hold."""
    try:
        return orjson.dumps(event, default=_default).decode()
    except TypeError:
        return _encode_odd(event)


def decode(kind: str, body: str) -> Event:
    """The event of that class; raises ``LedgerTooNew`` for an unknown kind, ``LedgerError`` for an unreadable body."""
    if kind not in KINDS:
        raise LedgerTooNew(f"the ledger holds an event of a kind this version does not know: {kind}", TOO_NEW_REMEDY)
    try:
        return _adapter(kind).validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise LedgerError(
            f"an event of kind {kind} cannot be read: {where}: {fault['msg']}",
            "the ledger is damaged or was edited; restore it from a backup, or move it away and start with a new one",
        ) from error


@cache
def _adapter(kind: str) -> TypeAdapter[Event]:
    """Built on first use: building all of them would cost start-up a tenth of a second."""
    return TypeAdapter(KINDS[kind])


def _default(value: object) -> object:
    if isinstance(value, Decimal):
        return decimal_text(value)
    raise TypeError(f"{type(value).__name__} has no place in an event")


def _encode_odd(event: Event) -> str:
    """What orjson refuses: lone surrogates (kept as ``?``: they are no text) and integers above 64 bits."""
    try:
        text = json.dumps(event, default=_slow_default, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise LedgerError(
            f"an event of kind {type(event).__name__} cannot be written: {error}", "this is a bug: report it"
        ) from error
    return clean(text)


def _slow_default(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return _default(value)


def clean(text: str) -> str:
    """The text with every lone surrogate as ``?``, so that UTF-8 can hold it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
