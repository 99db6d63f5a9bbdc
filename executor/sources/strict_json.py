"""Turns the bytes of one frame into an object and back, exactly: decimals stay decimals, a key twice is a fault.

A ``Refusal`` is the only exception that leaves ``parse_object``, whatever the bytes are.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from json import JSONDecodeError, JSONDecoder
from typing import Never

from executor.sources.fields import Refusal, shown

MAX_FRAME = 1 << 20
"""Largest frame that is looked into: bytes of a binary frame, characters of a text frame."""

JsonObject = dict[str, object]


def parse_object(raw: str | bytes, limit: int = MAX_FRAME) -> JsonObject:
    """The JSON object in one frame; anything else, or anything ambiguous, is refused with a reason."""
    value = parse_value(raw, limit)
    if type(value) is not dict:
        raise Refusal("NOT_AN_OBJECT", "", f"expected a JSON object, got {shown(value)}")
    return value


def parse_value(raw: str | bytes, limit: int = MAX_FRAME) -> object:
    """The JSON value in one frame or answer, as exact; a ``Refusal`` says why there is none."""
    if len(raw) > limit:
        raise Refusal("FRAME_TOO_LARGE", "", f"{len(raw)} characters or bytes; at most {limit} are read")
    return _parse(_as_text(raw))


def text_of(frame: JsonObject) -> str:
    """The frame as it would stand on the wire; numbers keep every digit, decimals as text."""
    try:
        return json.dumps(frame, default=str, separators=(",", ":"))
    except RecursionError:  # nested as deeply as was just readable: no row of any list
        return "null"


def _as_text(raw: str | bytes) -> str:
    if isinstance(raw, str):
        return raw
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Refusal("NOT_UTF8", "", "a binary frame that is not UTF-8 text") from None


def _parse(source: str) -> object:
    try:
        value: object = _DECODER.decode(source)
    except JSONDecodeError as fault:
        raise Refusal("INVALID_JSON", "", f"{fault.msg.removesuffix(' at')} at character {fault.pos}") from None
    except RecursionError:
        raise Refusal("TOO_DEEP", "", "nested too deeply") from None
    except (ValueError, InvalidOperation):  # an integer of thousands of digits, an exponent beyond any Decimal
        raise Refusal("BAD_NUMBER", "", "a number beyond all bounds") from None
    return value


def _unique(pairs: list[tuple[str, object]]) -> JsonObject:
    """An object whose keys occur once: of two values nobody can say which one was meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse_repeated(pairs)
    return found


def _refuse_repeated(pairs: list[tuple[str, object]]) -> Never:
    """Name the key in one pass: a frame may hold a hundred thousand of them."""
    counted = Counter(key for key, _ in pairs)
    twice = counted.most_common(1)[0][0]
    raise Refusal("DUPLICATE_KEY", _path(twice), f"the key {shown(twice)} occurs more than once in one object")


def _path(key: str) -> str:
    return key if key.isidentifier() and len(key) <= 40 else ""


def _no_constant(name: str) -> Never:
    raise Refusal("BAD_NUMBER", "", f"{name} is not a JSON number")


_DECODER = JSONDecoder(parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique)
