"""answers.py: the whole truth table of what an answer means, first send and resend."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from executor.core.facts import Answer, Done, Filled, RawReply, Rejected, Resting, Unknown, Waiting
from executor.hyperliquid.answers import classify

IOC = "Order could not immediately match against any resting orders. asset=4"
DUPLICATE = "Invalid nonce: duplicate nonce 17"
REJECTED = Rejected("IOC_NO_MATCH", IOC)


def order(*statuses: object) -> RawReply:
    return RawReply(True, 200, {"status": "ok", "response": {"type": "order", "data": {"statuses": list(statuses)}}})


def top_error(text: object) -> RawReply:
    return RawReply(True, 200, {"status": "err", "response": text})


DEFAULT = RawReply(True, 200, {"status": "ok", "response": {"type": "default"}})
RESTING = {"resting": {"oid": 77, "cloid": "0xabc"}}
FILLED = {"filled": {"totalSz": "0.02", "avgPx": "1891.4", "oid": 78}}


@pytest.mark.parametrize("resend", [False, True])
def test_good_records_map_one_to_one_whoever_asked(resend: bool) -> None:
    reply = order(RESTING, FILLED, "waitingForFill", "waitingForTrigger", "success")
    assert classify(reply, 5, resend=resend) == (
        Resting(77),
        Filled(78, Decimal("0.02"), Decimal("1891.4")),
        Waiting(for_trigger=False),
        Waiting(for_trigger=True),
        Done(),
    )
    assert classify(DEFAULT, 2, resend=resend) == (Done(), Done())


def test_errors_map_one_to_one_too() -> None:
    assert classify(order(RESTING, {"error": IOC}), 2, resend=False) == (Resting(77), REJECTED)
    assert classify(order({"error": IOC}), 1, resend=False) == (REJECTED,)


@pytest.mark.parametrize("reply", [order({"error": IOC}), top_error(IOC)])
def test_one_error_for_a_whole_first_batch_rejects_all_of_it(reply: RawReply) -> None:
    assert classify(reply, 3, resend=False) == (REJECTED,) * 3


@pytest.mark.parametrize("reply", [order({"error": DUPLICATE}), top_error(DUPLICATE)])
@pytest.mark.parametrize("resend", [False, True])
def test_a_duplicate_nonce_always_means_look_it_up(reply: RawReply, resend: bool) -> None:
    assert classify(reply, 2, resend=resend) == (Unknown("DUPLICATE_NONCE", DUPLICATE),) * 2


@pytest.mark.parametrize("reply", [order({"error": IOC}), top_error(IOC), top_error("Action already expired")])
def test_an_error_to_a_resend_speaks_of_the_resend_only(reply: RawReply) -> None:
    assert {(type(answer), getattr(answer, "reason", "")) for answer in classify(reply, 3, resend=True)} == {
        (Unknown, "RESEND_ERROR")
    }


def test_a_resend_that_was_executed_keeps_its_good_legs() -> None:
    answers = classify(order(RESTING, {"error": IOC}), 2, resend=True)
    assert answers == (Resting(77), Unknown("RESEND_ERROR", IOC))


@pytest.mark.parametrize("statuses", [[], [RESTING], [RESTING] * 2, [{"error": IOC}] * 2, ["success"], ["odd"], [3]])
@pytest.mark.parametrize("resend", [False, True])
def test_any_other_count_that_does_not_fit_leaves_all_unknown(statuses: list[object], resend: bool) -> None:
    assert {getattr(a, "reason", "") for a in classify(order(*statuses), 3, resend=resend)} == {"ANSWER_COUNT"}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (RawReply(False, error="refused"), "NOT_SENT"),
        (RawReply(False, 200, {"status": "ok", "response": {"type": "default"}}), "NOT_SENT"),
        (RawReply(True, error="timeout"), "NO_ANSWER"),
        (RawReply(True, 429, None), "IP_RATE_LIMITED"),
        (RawReply(True, 500, {"status": "err", "response": IOC}), "VENUE_UNAVAILABLE"),
        (RawReply(True, 502, None), "VENUE_UNAVAILABLE"),
        (RawReply(True, 404, None), "HTTP_STATUS"),
        (RawReply(True, 200, None), "UNREADABLE_ANSWER"),
        (RawReply(True, 200, []), "UNREADABLE_ANSWER"),
        (RawReply(True, 200, {}), "UNREADABLE_ANSWER"),
        (RawReply(True, 200, {"status": "ok"}), "UNREADABLE_ANSWER"),
        (RawReply(True, 200, {"status": "ok", "response": "done"}), "UNREADABLE_ANSWER"),
        (RawReply(True, 200, {"status": "ok", "response": {"type": "order"}}), "UNREADABLE_ANSWER"),
        (RawReply(True, 200, {"status": "ok", "response": {"type": "order", "data": []}}), "UNREADABLE_ANSWER"),
        (RawReply(True, 200, {"status": "ok", "response": {"data": {"statuses": {}}}}), "UNREADABLE_ANSWER"),
        (RawReply(True, 200, {"status": "maybe", "response": IOC}), "UNREADABLE_ANSWER"),
        (top_error({"error": IOC}), "UNREADABLE_ANSWER"),
        (top_error(None), "UNREADABLE_ANSWER"),
    ],
)
@pytest.mark.parametrize("resend", [False, True])
def test_everything_else_is_unknown_with_a_telling_reason(reply: RawReply, reason: str, resend: bool) -> None:
    answers = classify(reply, 2, resend=resend)
    assert [(type(answer), getattr(answer, "reason", "")) for answer in answers] == [(Unknown, reason)] * 2


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (RawReply(True, 422, None, "Failed to deserialize the JSON body"), "Failed to deserialize the JSON body"),
        (RawReply(True, 422, "Failed to deserialize"), "Failed to deserialize"),
    ],
)
def test_a_body_the_venue_could_not_read_was_never_an_action(reply: RawReply, text: str) -> None:
    assert classify(reply, 2, resend=False) == (Rejected("MALFORMED_REQUEST", text),) * 2
    assert classify(reply, 2, resend=True) == (Unknown("RESEND_ERROR", text),) * 2


UNREADABLE: list[Any] = [
    "Success",
    None,
    7,
    [],
    {},
    {"error": 5},
    {"error": IOC, "resting": {"oid": 1}},
    {"resting": {}},
    {"resting": 5},
    {"resting": {"oid": "77"}},
    {"resting": {"oid": True}},
    {"resting": {"oid": -1}},
    {"resting": {"oid": 2**64}},
    {"cancelled": {"oid": 77}},
    {"filled": {"oid": 78}},
    {"filled": {"oid": 78, "totalSz": "1"}},
    {"filled": {"oid": 78, "totalSz": "x", "avgPx": "1"}},
    {"filled": {"oid": 78, "totalSz": "0.0", "avgPx": "1"}},
    {"filled": {"oid": 78, "totalSz": "1", "avgPx": "-1"}},
    {"filled": {"oid": 78, "totalSz": "1e9", "avgPx": "1"}},
]


@pytest.mark.parametrize("record", UNREADABLE)
def test_an_unreadable_record_makes_its_own_leg_unknown_and_no_other(record: object) -> None:
    first, second = classify(order(record, RESTING), 2, resend=False)
    assert isinstance(first, Unknown)
    assert first.reason == "UNREADABLE_RECORD"
    assert second == Resting(77)


def test_long_texts_are_cut() -> None:
    answer: Answer = classify(top_error("x" * 10_000), 1, resend=False)[0]
    assert isinstance(answer, Rejected)
    assert len(answer.text) == 300


def test_nothing_asked_nothing_answered() -> None:
    assert classify(DEFAULT, 0, resend=False) == ()
    assert classify(top_error(IOC), 0, resend=True) == ()
