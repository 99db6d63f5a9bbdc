"""What a stranger's source emits, made sure of: what the record could not hold, or hold again, is a refused frame.

Our own decoders need none of this. A plugin that says a time with a fraction, or an id as a number, would otherwise be
written into the ledger as it is, and no worker could read that ledger again. Nor does a secret it quotes get there.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, get_args

import orjson
from pydantic import TypeAdapter, ValidationError

from executor.clock import Clock
from executor.core.source_events import Malformed, Origin, SetStop, SetTarget, SourceEvent, Trade
from executor.logs import redact, without_secrets
from executor.ports import Emit, Source

KINDS: tuple[type[Any], ...] = (*get_args(SourceEvent), Malformed)


def emitter(source: Source, emit: Emit, clock: Clock) -> Emit:
    """What this source is given to emit by: ours as it is, a stranger's with each event checked first."""
    if type(source).__module__.partition(".")[0] == "executor":
        return emit
    return _checked(source.name, emit, clock)


def _checked(name: str, emit: Emit, clock: Clock) -> Emit:
    def checked(raw: str | bytes, event: SourceEvent | Malformed) -> None:
        emit(raw, sound(event, lambda: Origin(name, name, "unknown", clock.now_ms())))

    return checked


def sound(event: object, fallback: Callable[[], Origin]) -> SourceEvent | Malformed:
    """The event with each field of its type, or what is wrong with it; ``fallback`` where that is the origin itself."""
    kind: Any = next((kind for kind in KINDS if isinstance(event, kind)), None)
    if kind is None:
        return _refused(event, fallback, "", f"the source emitted a {type(event).__name__}, which is no event")
    try:
        found = _adapter(kind).validate_json(without_secrets(orjson.dumps(event, default=_plain)))
    except TypeError as error:
        return _refused(event, fallback, "", str(error.__cause__ or error))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        return _refused(event, fallback, where, f"{where}: {fault['msg']}")
    return _possible(found)


def _possible(event: Any) -> SourceEvent | Malformed:
    """What an action promises beyond its types."""
    field = "size" if isinstance(event, Trade | SetStop | SetTarget) and event.size <= 0 else ""
    if isinstance(event, SetStop | SetTarget) and (event.trigger_px is None or event.trigger_px <= 0):
        field = "trigger_px"
    if field:
        return _malformed(event.origin, "BAD_NUMBER", field, f"{field} must be above 0", event.action_id)
    checked: SourceEvent | Malformed = event
    return checked


def _refused(event: object, fallback: Callable[[], Origin], field: str, detail: str) -> Malformed:
    own = getattr(event, "sender_id", None)
    action_id = redact(own) if isinstance(own, str) and own.isprintable() else None
    return _malformed(_origin(event, fallback), "WRONG_TYPE", field, redact(detail), action_id)


def _malformed(origin: Origin, reason: str, field: str, detail: str, action_id: str | None) -> Malformed:
    return Malformed(origin=origin, reason=reason, field=field, detail=detail, action_id=action_id)


def _origin(event: object, fallback: Callable[[], Origin]) -> Origin:
    try:
        origin: Origin = _adapter(Origin).validate_json(without_secrets(orjson.dumps(getattr(event, "origin", None))))
    except (TypeError, ValidationError):
        return fallback()
    return origin


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _plain(value: object) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    raise TypeError(f"{value!r:.80} has no place in an event")
