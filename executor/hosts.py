"""Host names: which are loopback, and which a request may name.

A page of another origin can make a browser talk to us under its own name (DNS rebinding), so the name in ``Host`` is
checked before anything else, and ``Origin`` against the same list (reliability.md A3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

_NETLOC = re.compile(r"(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"(https?)://([^/?#@\\]+)")
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - not bound here: addresses that name no host
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Netloc(NamedTuple):
    """A host in one spelling, and its port where one is given."""

    name: str
    port: int | None


def parse_netloc(text: str) -> Netloc | None:
    """``name``, ``name:port``, ``[v6]`` or ``[v6]:port``; ``None`` for anything else."""
    found = _NETLOC.fullmatch(text)
    if found is None:
        return None
    name = _one_spelling(found[1] or found[2])
    return None if found[1] and ":" not in name else Netloc(name, int(found[3]) if found[3] else None)


def is_loopback(host: str) -> bool:
    """Whether this is ``localhost`` or a loopback address."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_foreign(hosts: Iterable[str], origins: Iterable[str]) -> bool:
    """Whether these ``Host`` and ``Origin`` headers name anything but this machine, whatever the port.

    For the tools on loopback that have no password (paper exchange, simulators): a local program may use them, a
    page of some site in this machine's browser may not, under no name.
    """
    named = [parse_netloc(host) for host in hosts] + [_netloc_of(origin) for origin in origins]
    return any(netloc is None or not is_loopback(netloc.name) for netloc in named)


def _netloc_of(origin: str) -> Netloc | None:
    found = _ORIGIN.fullmatch(origin)
    return parse_netloc(found[2]) if found else None


def _one_spelling(name: str) -> str:
    try:
        return ip_address(name).compressed
    except ValueError:
        return name.lower()


class HostList:
    """The names a request may use: loopback ones and the bound address with our ports, and what was allowed.

    An allowed name without a port is good with any: a proxy or a tunnel may stand before us.
    """

    def __init__(self, bound: str, ports: Iterable[int], allowed: Iterable[str]) -> None:
        self._ports = frozenset(ports)
        self._bound = None if _one_spelling(bound) in _EVERYWHERE else _one_spelling(bound)
        entries = [entry for text in allowed if (entry := parse_netloc(text)) is not None]
        self._anywhere = {entry.name for entry in entries if entry.port is None}
        self._exact = {(entry.name, entry.port) for entry in entries}

    def allows_host(self, host: str) -> bool:
        """Whether a ``Host`` header may say this."""
        return self._allows(parse_netloc(host), "http")

    def allows_origin(self, origin: str) -> bool:
        """Whether an ``Origin`` header may say this: a page served under one of our own names."""
        found = _ORIGIN.fullmatch(origin)
        return found is not None and self._allows(parse_netloc(found[2]), found[1])

    def _allows(self, netloc: Netloc | None, scheme: str) -> bool:
        if netloc is None:
            return False
        name, port = netloc.name, netloc.port or _DEFAULT_PORTS[scheme]
        ours = is_loopback(name) or name == self._bound
        return (ours and port in self._ports) or name in self._anywhere or (name, port) in self._exact
