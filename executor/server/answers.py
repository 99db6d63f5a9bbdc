"""The form of every answer that is no stream: JSON, with headers that leave a browser nothing to misread or keep."""

from __future__ import annotations

from decimal import Decimal

import orjson
from aiohttp import web

from executor.core.identity import plain
from executor.server.model import Document

HEADERS = {
    "Server": "executor",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def encoded(document: Document | list[Document]) -> bytes:
    """As JSON; exact numbers become JSON's numbers, with every digit."""
    return orjson.dumps(document, default=_number)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(plain(value))
    raise TypeError(f"{type(value).__name__} has no place in an answer")


def answer(document: Document | list[Document], status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=encoded(document), status=status, headers=HEADERS, content_type="application/json")
