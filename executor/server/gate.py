"""Who may ask: the host list, the origin, the token. Pure, one verdict for every request before it is routed."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import NamedTuple

from executor.hosts import HostList
from executor.server.settings import ServerSettings

PROBES = frozenset({"/healthz", "/readyz"})
_READS = frozenset({"GET", "HEAD"})


class Ask(NamedTuple):
    """The part of a request that is judged; each header with every value that was sent."""

    method: str
    path: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...] = ()
    authorizations: tuple[str, ...] = ()


class Refusal(NamedTuple):
    """An answer of 4xx: what is wrong, and what to do about it."""

    status: int
    error: str
    remedy: str


_HOST = Refusal(
    403, "this server does not answer under the name in the Host header", "add the name to server.allowed_hosts"
)
_ORIGIN = Refusal(403, "pages of another origin may not use this server", "add the page's host to server.allowed_hosts")
_NO_TOKEN = Refusal(
    403, "commands need a token and none is configured", "set EXECUTOR_TOKEN (server.token_env) and restart the worker"
)
_TOKEN = Refusal(401, "a valid token is required", "send the header: Authorization: Bearer <token>")


class Gate:
    """Judges requests for a server bound to these ports."""

    def __init__(self, settings: ServerSettings, ports: Iterable[int]) -> None:
        self._hosts = HostList(settings.host, ports, settings.allowed_hosts)
        self._open = settings.is_loopback
        self._token = settings.token.get_secret_value().encode() if settings.token is not None else None

    def judge(self, ask: Ask) -> Refusal | None:
        """``None`` lets it in. Host first: under a foreign name not even a token counts."""
        if len(ask.hosts) != 1 or not self._hosts.allows_host(ask.hosts[0]):
            return _HOST
        if not all(self._hosts.allows_origin(origin) for origin in ask.origins):
            return _ORIGIN
        if not self._needs_token(ask) or self._has_token(ask):
            return None
        return _NO_TOKEN if self._token is None else _TOKEN

    def trusts(self, ask: Ask) -> bool:
        """Whether details may be told: to this machine, and to whoever has the token."""
        return self._open or self._has_token(ask)

    def _needs_token(self, ask: Ask) -> bool:
        """Whatever could change something, always; reads, when they can come from outside.

        By method, not by path: no spelling of a path gets around it.
        """
        if ask.method not in _READS:
            return True
        return not self._open and ask.path not in PROBES

    def _has_token(self, ask: Ask) -> bool:
        if self._token is None or len(ask.authorizations) != 1:
            return False
        scheme, _, given = ask.authorizations[0].partition(" ")
        same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), self._token)
        return same and scheme.lower() == "bearer"
