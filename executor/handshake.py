"""Whether a request opens a WebSocket as it should: asked by every server of ours before it takes one."""

from __future__ import annotations

from aiohttp import web


def is_handshake(request: web.Request) -> bool:
    """Whether it can be taken; what any client may write in its headers is no error of ours."""
    try:
        return web.WebSocketResponse().can_prepare(request).ok
    except ValueError:  # aiohttp decodes the key, and repeats what it refuses, as if it were always ASCII
        return False
