"""Each way a connection can end has a row."""

from __future__ import annotations

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from executor.sources.reconnect import (
    MAX_RETRY_AFTER_S,
    SLOW_S,
    Retry,
    Stop,
    Verdict,
    judge,
    judge_close,
    judge_status,
)

RETRY, SLOWLY, STOP = "retry", "retry slowly", "stop"

CLOSES = [
    (1000, RETRY, "CLOSED_NORMALLY"),
    (1001, RETRY, "GOING_AWAY"),
    (1002, SLOWLY, "PROTOCOL_ERROR"),
    (1003, SLOWLY, "UNSUPPORTED_DATA"),
    (1005, RETRY, "CLOSED_WITHOUT_CODE"),
    (1006, RETRY, "CONNECTION_LOST"),
    (1007, SLOWLY, "INVALID_DATA"),
    (1008, STOP, "POLICY_VIOLATION"),
    (1009, SLOWLY, "MESSAGE_TOO_BIG"),
    (1010, SLOWLY, "MISSING_EXTENSION"),
    (1011, RETRY, "SERVER_ERROR"),
    (1012, RETRY, "SERVER_RESTART"),
    (1013, SLOWLY, "TRY_AGAIN_LATER"),
    (1014, RETRY, "BAD_GATEWAY"),
    (3000, STOP, "UNAUTHORIZED"),
    (3003, STOP, "FORBIDDEN"),
    (4001, STOP, "UNAUTHORIZED"),
    (4401, STOP, "UNAUTHORIZED"),
    (4999, SLOWLY, "CLOSED_UNKNOWN_CODE"),
]

STATUSES = [
    (301, SLOWLY, "REDIRECTED"),
    (400, SLOWLY, "BAD_REQUEST"),
    (401, STOP, "UNAUTHORIZED"),
    (403, STOP, "FORBIDDEN"),
    (404, SLOWLY, "NOT_FOUND"),
    (407, SLOWLY, "PROXY_REFUSED"),
    (418, SLOWLY, "HANDSHAKE_REFUSED"),
    (200, SLOWLY, "HANDSHAKE_REFUSED"),
    (429, SLOWLY, "TOO_MANY_REQUESTS"),
    (500, RETRY, "SERVER_UNAVAILABLE"),
    (502, RETRY, "SERVER_UNAVAILABLE"),
    (503, RETRY, "SERVER_UNAVAILABLE"),
    (504, RETRY, "SERVER_UNAVAILABLE"),
]


def kind(verdict: Verdict) -> str:
    if isinstance(verdict, Stop):
        return STOP
    return SLOWLY if verdict.at_least_s >= SLOW_S else RETRY


@pytest.mark.parametrize(("code", "wanted", "reason"), CLOSES)
def test_every_close_code_has_its_row(code: int, wanted: str, reason: str) -> None:
    verdict = judge_close(code, "said so")
    assert (kind(verdict), verdict.reason, verdict.detail, verdict.code) == (wanted, reason, "said so", code)


@pytest.mark.parametrize(("status", "wanted", "reason"), STATUSES)
def test_every_answer_to_the_handshake_has_its_row(status: int, wanted: str, reason: str) -> None:
    verdict = judge_status(status)
    assert (kind(verdict), verdict.reason, verdict.code) == (wanted, reason, status)


@pytest.mark.parametrize("verdict", [judge_close(1008), judge_close(3000), judge_status(401), judge_status(403)])
def test_whatever_stops_for_good_names_the_remedy(verdict: Verdict) -> None:
    assert isinstance(verdict, Stop)
    assert "credentials" in verdict.remedy


@pytest.mark.parametrize(
    ("status", "asked", "given"), [(503, 7, 7.0), (429, 5, SLOW_S), (429, 9999, MAX_RETRY_AFTER_S)]
)
def test_a_server_may_ask_for_a_longer_pause_within_reason(status: int, asked: int, given: float) -> None:
    verdict = judge(refused(status, str(asked)))
    assert isinstance(verdict, Retry)
    assert verdict.at_least_s == given


@pytest.mark.parametrize("header", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1e9", ""])
def test_a_pause_in_other_words_is_not_understood(header: str) -> None:
    verdict = judge(refused(503, header))
    assert isinstance(verdict, Retry)
    assert verdict.at_least_s == 0


@pytest.mark.parametrize(
    ("headers", "given"), [(("1", "70"), 70.0), (("90", "soon"), 90.0), (("9" * 5000,), MAX_RETRY_AFTER_S)]
)
def test_the_longest_of_several_pauses_counts_within_reason(headers: tuple[str, ...], given: float) -> None:
    verdict = judge(refused(429, *headers))
    assert isinstance(verdict, Retry)
    assert verdict.at_least_s == given


def refused(status: int, *retry_after: str) -> InvalidStatus:
    headers = Headers([("Retry-After", text) for text in retry_after])
    return InvalidStatus(Response(status, "", headers))


def unanswered(cause: Exception) -> InvalidMessage:
    """As the library raises what it could not read as an answer."""
    fault = InvalidMessage("did not receive a valid HTTP response")
    fault.__cause__ = cause
    return fault


@pytest.mark.parametrize(
    ("fault", "wanted", "reason"),
    [
        (unanswered(EOFError("connection closed while reading HTTP status line")), RETRY, "CONNECTION_LOST"),
        (unanswered(ValueError("unsupported protocol")), SLOWLY, "HANDSHAKE_FAILED"),
        (ConnectionClosedError(Close(1008, "no"), None), STOP, "POLICY_VIOLATION"),
        (ConnectionClosedError(None, Close(1009, "")), SLOWLY, "MESSAGE_TOO_BIG"),
        (ConnectionClosedError(None, None), RETRY, "CONNECTION_LOST"),
        (InvalidStatus(Response(403, "", Headers())), STOP, "FORBIDDEN"),
        (InvalidHandshake(), SLOWLY, "HANDSHAKE_FAILED"),
        (UnicodeError("idna"), SLOWLY, "HANDSHAKE_FAILED"),
        (TimeoutError(), RETRY, "TIMEOUT"),
        (ConnectionRefusedError(111, "refused"), RETRY, "UNREACHABLE"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_exception_has_its_row(fault: Exception, wanted: str, reason: str) -> None:
    verdict = judge(fault)
    assert (kind(verdict), verdict.reason) == (wanted, reason)
