"""Decides, without I/O, what the end of a connection means: try again and when, or stop for good and what to do.

The close codes are the seed's table (000, "Error Codes"), those of RFC 6455 section 7.4 and what other signal systems
document (signal-protocols.md sections 2.2 and 4.1). The pace is ``executor.backoff``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

SLOW_S = 30.0
"""Wait at least this long where trying sooner can hardly help, or was asked not to be done."""

MAX_RETRY_AFTER_S = 300.0
"""A server may ask for a longer pause than ours, but not for a day."""

_CREDENTIALS = "check this source's credentials and ids, and that they belong together; then restart"
_POLICY = (
    "check the credentials and that this user has at most 10 connections open in all and sends at most 100 messages "
    "a minute; then restart"
)
_ADDRESS = "check this source's url and ids"


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, not sooner than ``at_least_s`` seconds from now. ``reason`` is a stable code."""

    reason: str
    detail: str = ""
    at_least_s: float = 0.0
    remedy: str = ""
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Trying again cannot help: this channel is given up for good, ``remedy`` tells a person what to do."""

    reason: str
    detail: str = ""
    remedy: str = _CREDENTIALS
    code: int | None = None


Verdict = Retry | Stop

_CLOSES: Mapping[int, Verdict] = {
    1000: Retry("CLOSED_NORMALLY"),  # servers send it for shutdowns and time-outs alike: no farewell for good
    1001: Retry("GOING_AWAY"),
    1002: Retry("PROTOCOL_ERROR", at_least_s=SLOW_S),
    1003: Retry("UNSUPPORTED_DATA", at_least_s=SLOW_S),
    1005: Retry("CLOSED_WITHOUT_CODE"),
    1006: Retry("CONNECTION_LOST"),
    1007: Retry("INVALID_DATA", at_least_s=SLOW_S),
    1008: Stop("POLICY_VIOLATION", remedy=_POLICY),
    1009: Retry("MESSAGE_TOO_BIG", at_least_s=SLOW_S),  # the same message may wait for us at the next connection
    1010: Retry("MISSING_EXTENSION", at_least_s=SLOW_S),
    1011: Retry("SERVER_ERROR"),  # also our own word for a peer that no longer answers pings
    1012: Retry("SERVER_RESTART"),
    1013: Retry("TRY_AGAIN_LATER", at_least_s=SLOW_S),
    1014: Retry("BAD_GATEWAY"),
    3000: Stop("UNAUTHORIZED"),
    3003: Stop("FORBIDDEN"),
    4001: Stop("UNAUTHORIZED"),
    4401: Stop("UNAUTHORIZED"),
}

_STATUSES: Mapping[int, Verdict] = {
    400: Retry("BAD_REQUEST", at_least_s=SLOW_S, remedy=_ADDRESS),
    401: Stop("UNAUTHORIZED"),
    403: Stop("FORBIDDEN"),
    404: Retry("NOT_FOUND", at_least_s=SLOW_S, remedy=_ADDRESS),
    407: Retry("PROXY_REFUSED", at_least_s=SLOW_S, remedy="check the proxy's credentials"),
    429: Retry("TOO_MANY_REQUESTS", at_least_s=SLOW_S),
}


def judge_close(code: int, detail: str = "") -> Verdict:
    """What a close code means; codes nobody documented are tried again, slowly."""
    row = _CLOSES.get(code, Retry("CLOSED_UNKNOWN_CODE", at_least_s=SLOW_S))
    return _told(row, code, detail)


def judge_status(status: int, asked_s: float = 0.0) -> Verdict:
    """What an HTTP answer to the handshake means. 5xx is the server's trouble and passes; the rest is ours."""
    row = _STATUSES.get(status)
    if row is None and status >= 500:
        row = Retry("SERVER_UNAVAILABLE")
    if row is None and 300 <= status < 400:  # never followed: the credentials are for the configured host alone
        row = Retry("REDIRECTED", at_least_s=SLOW_S, remedy="set url to the address the server now uses")
    told = _told(row or Retry("HANDSHAKE_REFUSED", at_least_s=SLOW_S, remedy=_ADDRESS), status, f"HTTP {status}")
    if isinstance(told, Stop) or asked_s <= told.at_least_s:
        return told
    return Retry(told.reason, told.detail, asked_s, told.remedy, told.code)


def _told(row: Verdict, code: int, detail: str) -> Verdict:
    if isinstance(row, Stop):
        return Stop(row.reason, detail, row.remedy, code)
    return Retry(row.reason, detail, row.at_least_s, row.remedy, code)


def judge(fault: Exception) -> Verdict:
    """What an exception of the connection means. Its text is used only where it cannot hold a URL or header."""
    if isinstance(fault, ConnectionClosed):
        frame = fault.rcvd or fault.sent
        return judge_close(1006) if frame is None else judge_close(frame.code, frame.reason)
    if isinstance(fault, InvalidStatus):
        return judge_status(fault.response.status_code, retry_after_s(fault.response.headers.get_all("Retry-After")))
    if isinstance(fault, TimeoutError):
        return Retry("TIMEOUT", "no answer in time")
    if isinstance(fault, OSError):
        return Retry("UNREACHABLE", str(fault))
    if isinstance(fault, InvalidMessage) and isinstance(fault.__cause__, EOFError):  # a server, or proxy, that restarts
        return Retry("CONNECTION_LOST", "closed before an answer to the handshake", remedy=_ADDRESS)
    return Retry("HANDSHAKE_FAILED", type(fault).__name__, at_least_s=SLOW_S, remedy=_ADDRESS)


def retry_after_s(headers: Iterable[str]) -> float:
    """The longest pause that ``Retry-After`` headers ask for, within reason; a date is not worth a calendar here."""
    asked = [float(header) for header in headers if header.isascii() and header.isdigit()]
    return min(max(asked, default=0.0), MAX_RETRY_AFTER_S)
