"""The bytes of a request, and what an answer's bytes become."""

from __future__ import annotations

import orjson
import pytest

from executor.core.facts import RawReply
from executor.ports import SignedRequest
from executor.venue import envelope

REQUEST = SignedRequest({"type": "order", "orders": [{"a": 1}], "grouping": "na"}, 7, {"r": "0x1"}, None, None)
BODY = (
    b'{"action":{"type":"order","orders":[{"a":1}],"grouping":"na"},"nonce":7,"signature":{"r":"0x1"},'
    b'"vaultAddress":null,"expiresAfter":null}'
)


def test_the_same_request_makes_the_same_bytes() -> None:
    assert envelope.exchange_body(REQUEST) == BODY
    again = SignedRequest(dict(REQUEST.action), 7, dict(REQUEST.signature), None, None)
    assert envelope.exchange_body(again) == BODY


def test_vault_and_expiry_stand_in_the_body() -> None:
    request = SignedRequest({"type": "noop"}, 7, {}, "0xv", 99)
    assert orjson.loads(envelope.exchange_body(request))["vaultAddress"] == "0xv"
    assert orjson.loads(envelope.exchange_body(request))["expiresAfter"] == 99


def test_a_post_carries_the_body_as_it_is() -> None:
    frame = envelope.post_frame(12, BODY)
    assert orjson.loads(frame) == {
        "method": "post",
        "id": 12,
        "request": {"type": "action", "payload": orjson.loads(BODY)},
    }
    assert BODY in frame


@pytest.mark.parametrize(
    ("action", "length"),
    [
        ({"type": "order", "orders": [1, 2, 3]}, 3),
        ({"type": "cancelByCloid", "cancels": [1, 2]}, 2),
        ({"type": "batchModify", "modifies": [1]}, 1),
        ({"type": "updateLeverage"}, 1),
    ],
)
def test_an_action_is_as_long_as_what_it_carries(action: dict[str, object], length: int) -> None:
    assert envelope.action_length(action) == length


def test_an_http_answer_is_its_json() -> None:
    assert envelope.http_reply(200, b'{"status":"ok"}') == RawReply(sent=True, status=200, body={"status": "ok"})


@pytest.mark.parametrize(
    ("status", "raw", "body"),
    [
        (429, b"null", None),
        (502, b"<html>\xff", None),
        (200, b'{"status":"o', None),
        (422, b'"odd"', "odd"),
        (200, b"", None),
    ],
)
def test_every_other_http_answer_was_sent_and_says_what_is_wrong(status: int, raw: bytes, body: object) -> None:
    reply = envelope.http_reply(status, raw)
    assert (reply.sent, reply.status, reply.body) == (True, status, body)
    assert reply.error.startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    ("response", "status", "body"),
    [
        ({"type": "action", "payload": {"status": "ok"}}, 200, {"status": "ok"}),
        ({"type": "error", "payload": "429 Too Many Requests: null"}, 429, None),
        ({"type": "error", "payload": "422 Failed to deserialize"}, 422, None),
        ({"type": "error", "payload": "something else"}, None, None),
        ({"type": "error", "payload": "4²9"}, None, None),
        ({"type": "action", "payload": None}, None, None),
        ({"type": "info", "payload": {}}, None, None),
        ({}, None, None),
        (None, None, None),
    ],
)
def test_a_post_answer_is_read_or_unknown(response: object, status: int | None, body: object) -> None:
    reply = envelope.post_reply(response)
    assert (reply.sent, reply.status, reply.body) == (True, status, body)
    assert bool(reply.error) == (status != 200)


def test_long_texts_are_cut() -> None:
    assert len(envelope.error_reply("422 " + "x" * 10_000).error) == envelope.TEXT_LIMIT
    assert len(envelope.http_reply(500, b"x" * 10_000).error) < envelope.TEXT_LIMIT + 50


def test_nothing_sent_and_no_answer_are_two_things() -> None:
    assert (envelope.not_sent("a").sent, envelope.no_answer("a").sent) == (False, True)
    assert envelope.no_answer("a").status is None


@pytest.mark.parametrize("status", [200, 400, 422, 502])
def test_an_answer_that_repeats_the_request_gives_no_signature_away(status: int) -> None:
    text = 'cannot read {"signature":{"r":"0x' + "5e" * 32 + '"}} of 0x' + "a1" * 20
    replies = [
        envelope.http_reply(status, text.encode()),
        envelope.error_reply(f"{status} {text}"),
        *([] if status == 200 else [envelope.http_reply(status, orjson.dumps({"error": text}))]),
    ]
    assert all("5e5e" not in reply.error and "a1a1" in reply.error for reply in replies)
