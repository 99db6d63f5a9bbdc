"""Reads a signal system's REST API: one GET, its exact JSON or the reason there is none, never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from executor.errors import ConfigError
from executor.sources.connection import redacted
from executor.sources.fields import Refusal
from executor.sources.reconnect import retry_after_s
from executor.sources.strict_json import parse_value

MAX_BODY = 8 << 20
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request brought. ``status`` is ``None`` when nobody answered; ``error`` says what went wrong.

    ``retry_after_s`` is what a 429 or 503 asked for, within reason, 0 when it asked for nothing.
    """

    status: int | None = None
    body: object = None
    error: str = ""
    retry_after_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether ``body`` is the answer."""
        return not self.error


def addresses(url: str, system: str) -> tuple[str, str]:
    """The socket's and the REST API's base of a configured url, either scheme; raises ``ConfigError``."""
    wanted = ConfigError(f"the {system} source's url is no address", "use ws://host:port or http://host:port")
    try:
        parts = urlsplit(url)
        http = _SCHEMES.get(parts.scheme.lower())
        usable = bool(http and parts.hostname and parts.port != 0 and not parts.query and not parts.fragment)
    except ValueError:
        raise wanted from None
    if http is None or not usable:
        raise wanted
    path = parts.path.rstrip("/")
    return urlunsplit((http.replace("http", "ws"), parts.netloc, path, "", "")), urlunsplit(
        (http, parts.netloc, path, "", "")
    )


class RestReader:
    """GET below one base address; no redirects, no proxies from the environment, no cookies."""

    def __init__(
        self,
        base: str,
        headers: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        timeout_s: float = 5.0,
    ) -> None:
        self._base = base
        self._headers = dict(headers or {})
        self._secrets = secrets
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), headers=self._headers, timeout=self._timeout, trust_env=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """One request; ``path`` starts with a slash and is already encoded."""
        if self._session is None:
            return Answer(error="the reader is not open")
        try:
            async with self._session.get(self._base + path, params=params, allow_redirects=False) as response:
                answer = await _answer(response)
                return replace(answer, error=redacted(answer.error, self._secrets))
        except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError) as fault:  # UnicodeError: as for the socket
            told = redacted(str(fault), self._secrets)
            return Answer(error=f"{type(fault).__name__}: {told}" if told else type(fault).__name__)


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    if response.status != 200:
        asked_s = retry_after_s(response.headers.getall("Retry-After", ()))
        return Answer(response.status, error=f"HTTP {response.status}", retry_after_s=asked_s)
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > MAX_BODY:
            return Answer(response.status, error=f"more than {MAX_BODY} bytes")
    try:
        return Answer(response.status, parse_value(bytes(raw), MAX_BODY))
    except Refusal as refusal:
        return Answer(response.status, error=f"{refusal.reason}: {refusal.detail}")
