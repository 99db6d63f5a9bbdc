"""The HTTP door: one keep-alive session for reads, and for orders the socket cannot take. It never sends twice."""

from __future__ import annotations

import aiohttp

from executor.core.facts import RawReply
from executor.venue import envelope

KEEPALIVE_S = 90.0
"""Longer than the pauses between timed reads, so that a rare order finds the connection open."""

MAX_ANSWER = 32 * 2**20
_HEADERS = {"Content-Type": "application/json"}


class HttpDoor:
    """``POST`` to one origin; no proxies from the environment, no cookies, no redirects."""

    def __init__(self, url: str, connect_timeout_s: float = 5.0) -> None:
        self._url = url.rstrip("/")
        self._connect_timeout_s = connect_timeout_s
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Make the session, once; needs a running event loop."""
        if self._session is not None:
            return
        # no limit of its own: an exit would wait for a connection behind reads that hang, and those the budgets bound
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=_HEADERS, trust_env=False
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, path: str, body: bytes, timeout_s: float) -> RawReply:
        """One request. ``sent`` is false only when no connection could be made, so that no byte can have left."""
        if self._session is None:
            return envelope.not_sent("the venue is not started")
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(self._connect_timeout_s, timeout_s))
        try:
            async with self._session.post(
                self._url + path, data=body, timeout=timeout, allow_redirects=False
            ) as response:
                return envelope.http_reply(response.status, await _bounded(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as problem:
            return envelope.not_sent(f"cannot connect: {problem}")
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            return envelope.no_answer(f"no answer: {type(problem).__name__}: {problem}")


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The whole body, or an error when it is longer than any answer can be."""
    parts = bytearray()
    async for chunk in response.content.iter_any():
        parts += chunk
        if len(parts) > MAX_ANSWER:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return bytes(parts)
