"""Reads single fields of untrusted JSON: a checked value, or a ``Refusal`` that names the field and the fault.

Every signal system reads its frames with these. ``None`` in means absent, ``None`` out; all else is exact:
no float, no truthiness, no silent repair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Never, TypeVar

from executor.core.source_events import Malformed, Origin

MAX_ID_CHARS = 200
"""Longest id or name accepted; the platform's own are uuids."""

_T = TypeVar("_T")
_NUMERAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")  # one way to read each text
_NUMERAL_CHARS = 64
_EXACT = Context(prec=28)  # identity.plain() rounds to the default 28 digits: more would not be told apart
_ADJUSTED = range(-12, 16)  # 1e-12 .. 9.99e15: wider than any size, price or leverage on the venue
_WIDE = range(-30, 31)  # prices of meme coins in SOL have a dozen zeros; still no number can exhaust memory
_ZERO = Decimal(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_STAMPS_MS = range(946_684_800_000, 4_102_444_800_000)  # the years 2000 to 2099
_MS_FROM = 10**11  # an epoch number from here on is milliseconds: as seconds it would be the year 5138
_KINDS = {dict: "an object", list: "an array", str: "text", bool: "a boolean", int: "a number", Decimal: "a number"}


class Refusal(Exception):
    """A frame is no event of ours. Never leaves a decoder: it becomes ``Malformed`` there."""

    def __init__(self, reason: str, field: str, detail: str) -> None:
        super().__init__(reason, field, detail)
        self.reason = reason
        self.field = field
        self.detail = detail


def malformed(refusal: Refusal, origin: Origin, agent_id: str | None, action_id: str | None = None) -> Malformed:
    """A refusal as the record keeps it; the ids, where known, are what people search for."""
    return Malformed(
        origin=origin,
        reason=refusal.reason,
        field=refusal.field,
        detail=refusal.detail,
        action_id=action_id,
        agent_id=agent_id,
    )


def shown(value: object) -> str:
    """A short, plain-ASCII rendering of an untrusted scalar for people; containers by kind only."""
    if isinstance(value, str):
        return ascii(value[:40]) + ("..." if len(value) > 40 else "")
    if isinstance(value, (int, Decimal)):
        return str(value).lower()[:40]
    return _KINDS.get(type(value), "null")


def wrong_type(field: str, wanted: str, value: object) -> Never:
    """Refuse a value of another JSON type."""
    raise Refusal("WRONG_TYPE", field, f"expected {wanted}, got {_KINDS.get(type(value), 'null')}")


def need(value: _T | None, field: str) -> _T:
    """The value, or a refusal because it is missing."""
    if value is None:
        raise Refusal("MISSING_FIELD", field, f"{field} is required")
    return value


def first_of(row: Mapping[str, object], names: Iterable[str]) -> object:
    """The first of a field's names that is there and not null."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def agree(first: _T | None, second: _T | None, field: str) -> _T | None:
    """One value given in two places: either, or a refusal when the two differ (signal-protocols.md section 6)."""
    if first is None:
        return second
    if second is not None and first != second:
        raise Refusal("FIELD_CONFLICT", field, f"given twice: {shown(first)} and {shown(second)}")
    return first


def text(value: object, field: str, limit: int = MAX_ID_CHARS) -> str | None:
    """Printable text without outer blanks; empty text counts as absent.

    Control characters, lone surrogates and invisible direction marks are refused: ids and names end up in logs,
    tables and the ledger.
    """
    if value is None or value == "":
        return None
    if type(value) is not str:
        wrong_type(field, "text", value)
    if len(value) > limit:
        raise Refusal("BAD_TEXT", field, f"{len(value)} characters; at most {limit} are accepted")
    if not value.isprintable() or value[0] == " " or value[-1] == " ":
        raise Refusal("BAD_TEXT", field, f"unprintable characters or outer blanks in {shown(value)}")
    return value


def flag(value: object, field: str) -> bool | None:
    """A JSON boolean; the words "true" and "false" are text and refused."""
    if value is None or value is True or value is False:
        return value
    wrong_type(field, "a boolean", value)


def positive(value: object, field: str) -> Decimal | None:
    """An exact decimal above zero from a JSON number or a decimal string, 1e-12 to 1e16, at most 28 digits."""
    if value is None:
        return None
    number = _decimal(value, field)
    if number <= _ZERO:
        raise Refusal("NOT_POSITIVE", field, f"must be above zero, got {shown(value)}")
    if number.adjusted() not in _ADJUSTED or _EXACT.plus(number) != number:
        raise Refusal("OUT_OF_RANGE", field, f"magnitude or precision out of range: {shown(value)}")
    return number


def number(value: object, field: str) -> Decimal | None:
    """An exact decimal of any sign from a JSON number or a decimal string, zero or 1e-30 to 1e30, at most 28 digits."""
    if value is None:
        return None
    found = _decimal(value, field)
    if found and (found.adjusted() not in _WIDE or _EXACT.plus(found) != found):
        raise Refusal("OUT_OF_RANGE", field, f"magnitude or precision out of range: {shown(value)}")
    return found or _ZERO


def _decimal(value: object, field: str) -> Decimal:
    kind = type(value)
    if kind is Decimal:
        return value  # type: ignore[return-value]  # narrowed by exact type: bool and subclasses must not pass
    if kind is int:
        return Decimal(value)  # type: ignore[arg-type]  # as above
    if not isinstance(value, str):
        wrong_type(field, "a number", value)
    if len(value) > _NUMERAL_CHARS or not _NUMERAL.fullmatch(value):
        raise Refusal("BAD_NUMBER", field, f"not a finite decimal number: {shown(value)}")
    return Decimal(value)


def iso_stamp(value: object, field: str) -> int | None:
    """Epoch milliseconds of ISO-8601 text that names its zone; without one nobody knows when that was."""
    written = text(value, field, 64)
    if written is None:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise Refusal("BAD_TIMESTAMP", field, f"not an ISO-8601 time: {shown(written)}") from None
    if moment.tzinfo is None:
        raise Refusal("BAD_TIMESTAMP", field, f"no time zone in {shown(written)}")
    return _plausible((moment - _EPOCH) // _MS, field)


def epoch_stamp(value: object, field: str) -> int | None:
    """Epoch milliseconds of an epoch number: seconds, or milliseconds when it is 1e11 or more; ISO text too.

    The unit is not documented; the published example 1234567890 can only be seconds (signal-protocols.md 1.2).
    """
    if isinstance(value, str) and not _NUMERAL.fullmatch(value):
        return iso_stamp(value, field)
    number = positive(value, field)
    if number is None:
        return None
    return _plausible(int(number if number >= _MS_FROM else number * 1000), field)


def _plausible(at_ms: int, field: str) -> int:
    if at_ms not in _STAMPS_MS:
        raise Refusal("BAD_TIMESTAMP", field, "not a time between the years 2000 and 2099")
    return at_ms
