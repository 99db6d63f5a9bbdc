"""The one pure classifier of what the venue answered: accepted, rejected, done, or unknown. Never raises.

Rules: design.md sections 2.3, 3 and 4; shapes: hyperliquid.md sections 0.1 and 2.5. Accepted and rejected need a
readable record; everything else after the first byte is unknown and gets looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from executor.core.facts import Answer, Done, Filled, RawReply, Rejected, Resting, Unknown, Waiting
from executor.hyperliquid import reading
from executor.hyperliquid.error_strings import DUPLICATE_NONCE, NOTHING_HAPPENED, reason_for

MALFORMED_REQUEST = "MALFORMED_REQUEST"
_MAX_U64 = 2**64 - 1
_TEXT_LIMIT = 300

ErrorRule = Callable[[str], Answer]


def classify(reply: RawReply, count: int, *, resend: bool) -> tuple[Answer, ...]:
    """One answer for each of the ``count`` orders, cancels or settings that were sent.

    On a first send one error for the whole batch rejects all of it. On a resend of the same bytes an error speaks of
    the resend only, so it leaves every leg it covers unknown.
    """
    on_error = _resend_error if resend else _first_error
    whole = _transport_problem(reply, on_error)
    if whole is not None:
        return (whole,) * count
    return _business(reply.body, count, on_error)


def _first_error(text: str) -> Answer:
    reason = reason_for(text)
    known = Rejected if reason in NOTHING_HAPPENED else Unknown
    return known(reason, reading.spoken(text, _TEXT_LIMIT))


def _resend_error(text: str) -> Answer:
    reason = DUPLICATE_NONCE if reason_for(text) == DUPLICATE_NONCE else "RESEND_ERROR"
    return Unknown(reason, reading.spoken(text, _TEXT_LIMIT))


def _transport_problem(reply: RawReply, on_error: ErrorRule) -> Answer | None:
    """What the way there and back already decides; ``None`` when the body must be read."""
    if not reply.sent:
        return Unknown("NOT_SENT", reply.error)
    if reply.status is None:
        return Unknown("NO_ANSWER", reply.error)
    if reply.status == 422:
        return _malformed(reply, on_error)
    if reply.status != 200:
        return Unknown(_http_reason(reply.status), reply.error)
    return Unknown("UNREADABLE_ANSWER", reply.error) if reply.body is None else None


def _malformed(reply: RawReply, on_error: ErrorRule) -> Answer:
    """HTTP 422: the venue could not read the body as an action, so on a first send there never was one."""
    text = reply.error or reading.describe(reply.body)
    return (
        Rejected(MALFORMED_REQUEST, reading.spoken(text, _TEXT_LIMIT)) if on_error is _first_error else on_error(text)
    )


def _http_reason(status: int) -> str:
    if status == 429:
        return "IP_RATE_LIMITED"
    return "VENUE_UNAVAILABLE" if status >= 500 else "HTTP_STATUS"


def _business(body: object, count: int, on_error: ErrorRule) -> tuple[Answer, ...]:
    """A 200 answer's body (hyperliquid.md section 2.5)."""
    answer = body if isinstance(body, dict) else {}
    response = answer.get("response")
    if answer.get("status") == "err" and isinstance(response, str):
        return (on_error(response),) * count
    if answer.get("status") == "ok" and isinstance(response, dict):
        return _accepted(response, count, on_error)
    return (_unreadable(body),) * count


def _accepted(response: dict[str, Any], count: int, on_error: ErrorRule) -> tuple[Answer, ...]:
    if response.get("type") == "default":
        return (Done(),) * count
    data = response.get("data")
    records = data.get("statuses") if isinstance(data, dict) else None
    if not isinstance(records, list):
        return (_unreadable(response),) * count
    if len(records) == count:
        return tuple(_record(record, on_error) for record in records)
    lone_error = _error_of(records[0]) if len(records) == 1 else None
    if lone_error is not None:
        return (on_error(lone_error),) * count
    return (Unknown("ANSWER_COUNT", f"{len(records)} records for {count}"),) * count


_WORDS: dict[str, Answer] = {
    "success": Done(),
    "waitingForFill": Waiting(for_trigger=False),
    "waitingForTrigger": Waiting(for_trigger=True),
}


def _record(record: object, on_error: ErrorRule) -> Answer:
    """One entry of ``statuses``; one that cannot be read makes its own leg unknown and no other."""
    if isinstance(record, str):
        return _WORDS.get(record) or _unreadable(record, "UNREADABLE_RECORD")
    error = _error_of(record)
    if error is not None:
        return on_error(error)
    return _placed(record) or _unreadable(record, "UNREADABLE_RECORD")


def _error_of(record: object) -> str | None:
    text = record.get("error") if isinstance(record, dict) and len(record) == 1 else None
    return text if isinstance(text, str) else None


def _placed(record: object) -> Resting | Filled | None:
    """``{"resting": …}`` or ``{"filled": …}`` with everything in it readable."""
    if not isinstance(record, dict) or len(record) != 1:
        return None
    ((kind, value),) = record.items()
    oid = value.get("oid") if isinstance(value, dict) else None
    if not isinstance(oid, int) or isinstance(oid, bool) or not 0 <= oid <= _MAX_U64:
        return None
    if kind == "resting":
        return Resting(oid)
    return _filled(oid, value) if kind == "filled" else None


def _filled(oid: int, value: dict[str, Any]) -> Filled | None:
    size = reading.decimal_or_none(value.get("totalSz"))
    avg_px = reading.decimal_or_none(value.get("avgPx"))
    if size is None or avg_px is None or size <= 0 or avg_px <= 0:
        return None
    return Filled(oid, size, avg_px)


def _unreadable(value: object, reason: str = "UNREADABLE_ANSWER") -> Unknown:
    return Unknown(reason, reading.describe(value))
