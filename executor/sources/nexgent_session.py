"""The Nexgent account: which token opens the next connection, and the REST snapshot that stands in for the socket's.

Facts: signal-protocols.md sections 2.1 and 2.6. A token is judged by its own ``exp``; the refresh token is kept over
refreshes. Requests follow no redirect: another address must not see the credentials of this one.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import hdrs
from pydantic import SecretStr

from executor import logs
from executor.clock import Clock
from executor.errors import CredentialRefused, ExecutorError
from executor.sources.fields import Refusal
from executor.sources.nexgent_wire import REST_SNAPSHOT
from executor.sources.reconnect import retry_after_s
from executor.sources.strict_json import parse_object

MARGIN_MS = 60_000
"""A token that ends within a minute is renewed before the next connection."""

MAX_ANSWER = 4 << 20
TIMEOUT_S = 10.0
RENEW_AGAIN_S = 600.0
"""How long a new token nobody took stands before another is asked for: whoever refuses it refuses the next as well."""

REFUSED_KEPT = 16
_REMEDY = "log in to Nexgent again and set the new tokens, or set email_env and password_env; then restart"


class Unreachable(ExecutorError):
    """The REST side gave no usable answer; another time it may. ``wait_s`` is what it asked for, within reason.

    ``in_trouble``: it answered, that it cannot.
    """

    def __init__(self, message: str, wait_s: float = 0.0, *, in_trouble: bool = False) -> None:
        super().__init__(message, "it is tried again")
        self.wait_s = wait_s
        self.in_trouble = in_trouble


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: str
    retry_after_s: float = 0.0


class Session:
    """One user's tokens, shared by all channels of a source. ``base`` is the http(s) address without a path.

    Secrets by name: ``access_token``, ``refresh_token``, ``email``, ``password``; any useful part of them will do.
    """

    def __init__(self, base: str, secrets: Mapping[str, SecretStr], clock: Clock) -> None:
        self._base = base
        self._clock = clock
        self._access = _plain(secrets, "access_token")
        self._refresh = _plain(secrets, "refresh_token")
        self._login = (_plain(secrets, "email"), _plain(secrets, "password"))
        self._owner = (base, self._access, self._refresh, self._login)
        self._bad: deque[str] = deque(maxlen=REFUSED_KEPT)
        self._spent = ""
        self._untried = ""
        self._renewed_s = -math.inf
        self._turn = asyncio.Lock()
        self._http: aiohttp.ClientSession | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return tuple(one for one in (self._access, self._refresh, *self._login) if one)

    @property
    def renewable(self) -> bool:
        """Whether there is anything to get another access token with."""
        return bool(self._refresh or all(self._login))

    def spoiled(self, token: str) -> None:
        """The server refused this token: never offer it again."""
        self._bad.append(token)

    def accepted(self, token: str) -> None:
        """The server took this token: should it refuse it later, another is worth asking for."""
        if token == self._untried:
            self._untried = ""

    async def token(self) -> str:
        """An access token that will do for a connection now; raises ``CredentialRefused`` or ``Unreachable``."""
        async with self._turn:
            if not self._access or self._access in self._bad or self._ending(self._access):
                self._access = self._untried = await self._renew()
                self._renewed_s = self._clock.monotonic_s()
                logs.register_token((self._owner, "access"), self._access)
            return self._access

    async def snapshot(self, agent_id: str, known: frozenset[str]) -> str:
        """All positions as one frame to be journaled and decoded; raises as ``token`` does.

        ``known`` are the positions we knew when asking.
        """
        token = await self.token()
        answer = await self._get_positions(agent_id, token)
        if answer.status == 401 and self._worth_replacing(token):  # once more with another token
            self.spoiled(token)
            token = await self.token()
            answer = await self._get_positions(agent_id, token)
        if answer.status in (401, 403):
            raise CredentialRefused("the REST side refuses the token", _REMEDY)
        if answer.status != 200:
            raise _unreachable("positions", answer)
        self.accepted(token)
        return f'{{"type":"{REST_SNAPSHOT}","data":{{"known":{json.dumps(sorted(known))},"positions":{answer.body}}}}}'

    def _worth_replacing(self, token: str) -> bool:
        stood = self._clock.monotonic_s() - self._renewed_s > RENEW_AGAIN_S
        return self.renewable and (token != self._untried or stood)

    async def _get_positions(self, agent_id: str, token: str) -> _Answer:
        headers = {"Authorization": f"Bearer {token}"}
        return await self._ask(hdrs.METH_GET, f"/api/v1/agent-positions/{quote(agent_id, safe='')}", headers=headers)

    async def close(self) -> None:
        """Close the HTTP connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    def _ending(self, token: str) -> bool:
        ends_s = expiry_s(token)
        return ends_s is not None and ends_s * 1000 - self._clock.now_ms() < MARGIN_MS

    async def _renew(self) -> str:
        """By the refresh token where there is one that is good, else by logging in."""
        if self._refresh and self._refresh != self._spent:
            answer = await self._ask(hdrs.METH_POST, "/api/v1/auth/refresh", {"refreshToken": self._refresh})
            if answer.status == 200:
                return _text_of(answer, "accessToken")
            if answer.status not in (400, 401, 403):
                raise _unreachable("refresh", answer)
            self._spent = self._refresh
        return await self._log_in()

    async def _log_in(self) -> str:
        email, password = self._login
        if not (email and password):
            raise CredentialRefused("the token was refused or has expired, and nothing renews it", _REMEDY)
        answer = await self._ask(hdrs.METH_POST, "/api/v1/auth/login", {"email": email, "password": password})
        if answer.status in (400, 401, 403, 423):  # 423: locked after too many attempts
            raise CredentialRefused(f"the login was refused (HTTP {answer.status})", "check email and password")
        if answer.status != 200:
            raise _unreachable("login", answer)
        self._refresh = _text_of(answer, "refreshToken")
        logs.register_token((self._owner, "refresh"), self._refresh)
        return _text_of(answer, "accessToken")

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> _Answer:
        try:
            async with self._session().request(
                method, self._base + path, json=body, headers=headers, allow_redirects=False
            ) as response:
                text = await _bounded(response)
                return _Answer(response.status, text, retry_after_s(response.headers.getall("Retry-After", ())))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as fault:
            raise Unreachable(f"{path.rpartition('/')[0]}: {type(fault).__name__}") from None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
            self._http = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        return self._http


def expiry_s(token: str) -> int | None:
    """When a JWT ends, by its own word (``exp``, epoch seconds); ``None`` where it has none we can read."""
    try:
        middle = token.split(".")[1]
        payload = parse_object(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, binascii.Error, ValueError, Refusal):
        return None
    found = payload.get("exp")
    usable = isinstance(found, (int, Decimal)) and not isinstance(found, bool) and 0 < found < 10**12
    return int(found) if usable else None  # type: ignore[call-overload]  # narrowed by usable


def _plain(secrets: Mapping[str, SecretStr], name: str) -> str:
    return secrets[name].get_secret_value() if name in secrets else ""


def _text_of(answer: _Answer, key: str) -> str:
    """A token of an answer. It becomes part of a URL and a header, so nothing unprintable may be in it."""
    try:
        found = parse_object(answer.body).get(key)
    except Refusal:
        found = None
    if not isinstance(found, str) or not found or not found.isascii() or not found.isprintable():
        raise Unreachable(f"the answer has no {key}")
    return found


def _unreachable(what: str, answer: _Answer) -> Unreachable:
    return Unreachable(f"{what}: HTTP {answer.status}", answer.retry_after_s, in_trouble=answer.status >= 500)


async def _bounded(response: aiohttp.ClientResponse) -> str:
    """The whole body; ``ValueError`` when it is longer than any answer can be, or no text."""
    parts = bytearray()
    async for chunk in response.content.iter_any():
        parts += chunk
        if len(parts) > MAX_ANSWER:
            raise ValueError("the answer is too long")
    return parts.decode()
