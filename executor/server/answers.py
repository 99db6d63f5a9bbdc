"""The form of every answer that is no stream: JSON, with headers that leave a browser nothing to misread or keep."""

from __future__ import annotations

import orjson
from aiohttp import web

from executor.server.model import Document

HEADERS = {
    "Server": "executor",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def answer(document: Document | list[Document], status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(document), status=status, headers=HEADERS, content_type="application/json")
