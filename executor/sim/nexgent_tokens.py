"""The simulator's JWTs: HS256 with the server's claims, good until their own ``exp``, or until they are revoked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from itertools import count
from typing import Any

from executor.clock import Clock

KEY = b"nexgent-simulator"
"""No secret: it signs for a server on this machine that holds nothing."""


class Tokens:
    """Makes and judges them. Times in seconds; the defaults are the server's: 15 minutes and 24 hours."""

    def __init__(self, clock: Clock, access_s: int = 900, refresh_s: int = 86_400) -> None:
        self.email = "sim@example.com"
        self.password = "sim-password"  # noqa: S105  # a simulator's, printed at its start
        self.access_s = access_s
        self.refresh_s = refresh_s
        self.revoked: set[str] = set()
        self._clock = clock
        self._numbers = count(1)

    def access(self, lasts_s: int | None = None) -> str:
        """A new access token."""
        return self._made("access", self.access_s if lasts_s is None else lasts_s)

    def refresh(self, lasts_s: int | None = None) -> str:
        """A new refresh token."""
        return self._made("refresh", self.refresh_s if lasts_s is None else lasts_s)

    def good(self, token: str, kind: str | None = None) -> bool:
        """Whether it is one of ours, of that kind if given, not over and not revoked."""
        head, _, signature = token.rpartition(".")
        if token in self.revoked or not head or not hmac.compare_digest(signature.encode(), _signature(head).encode()):
            return False
        claims = json.loads(_unpacked(head.partition(".")[2]))
        return claims["exp"] * 1000 > self._clock.now_ms() and kind in (None, claims["type"])

    def _made(self, kind: str, lasts_s: int) -> str:
        now_s = self._clock.now_ms() // 1000
        claims = {"userId": "sim-user", "email": self.email, "type": kind, "jti": str(next(self._numbers))}
        head = f"{_packed({'alg': 'HS256', 'typ': 'JWT'})}.{_packed({**claims, 'iat': now_s, 'exp': now_s + lasts_s})}"
        return f"{head}.{_signature(head)}"


def _packed(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signature(head: str) -> str:
    digest = hmac.new(KEY, head.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
