"""The bytes of one ``/exchange`` request and of its websocket ``post``, and how an answer becomes a ``RawReply``.

Shapes: hyperliquid.md sections 0.1, 2.1 and 4.6. The same request always makes the same bytes.
"""

from __future__ import annotations

from typing import Any

import orjson

from executor.core.facts import RawReply
from executor.hyperliquid.reading import spoken
from executor.ports import SignedRequest

TEXT_LIMIT = 200
_LOOKED_AT = 5 * TEXT_LIMIT
"""Bytes of an answer that is not what it should be; a few of them are kept."""

_LISTS = ("orders", "cancels", "modifies")


def exchange_body(request: SignedRequest) -> bytes:
    """The whole body; both optional keys are always there, null when unset, as the official SDK sends them."""
    return orjson.dumps(
        {
            "action": request.action,
            "nonce": request.nonce,
            "signature": request.signature,
            "vaultAddress": request.vault,
            "expiresAfter": request.expires_after_ms,
        }
    )


def action_length(action: dict[str, Any]) -> int:
    """How many orders, cancels or settings an action carries; what weights and address budgets count."""
    return max(len(action.get(key, ())) for key in _LISTS) or 1


def post_frame(number: int, body: bytes) -> bytes:
    """The websocket frame that carries an ``/exchange`` body."""
    return b'{"method":"post","id":%d,"request":{"type":"action","payload":%b}}' % (number, body)


def not_sent(error: str) -> RawReply:
    """Certainly no byte left."""
    return RawReply(sent=False, error=error)


def no_answer(error: str) -> RawReply:
    """Something may have left, and nothing one can rely on came back."""
    return RawReply(sent=True, error=error)


def http_reply(status: int, raw: bytes) -> RawReply:
    """An HTTP answer that arrived whole."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return RawReply(sent=True, status=status, error=f"HTTP {status}, not JSON: {excerpt(raw)}")
    return RawReply(
        sent=True, status=status, body=body, error="" if status == 200 else f"HTTP {status}: {excerpt(raw)}"
    )


def post_reply(response: object) -> RawReply:
    """The ``response`` of a ``post`` frame: an action's payload counts as HTTP 200, an error names its status."""
    kind, payload = (response.get("type"), response.get("payload")) if isinstance(response, dict) else (None, None)
    if kind == "error" and isinstance(payload, str):
        return error_reply(payload)
    if kind == "action" and payload is not None:
        return RawReply(sent=True, status=200, body=payload)
    return no_answer(f"odd post answer of type {kind!r:.40}")


def error_reply(text: str) -> RawReply:
    """``429 Too Many Requests: …`` and the like; without a leading status there was no answer one can rely on."""
    head = text[:3]
    status = int(head) if head.isascii() and head.isdigit() else None
    return RawReply(sent=True, status=status, error=spoken(text, TEXT_LIMIT))


def excerpt(raw: bytes) -> str:
    """The beginning of a body, for people."""
    return spoken(raw[:_LOOKED_AT].decode("utf-8", "replace"), TEXT_LIMIT)
