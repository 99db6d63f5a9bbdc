"""Whatever JSON the venue or a stranger answers, reading it never fails and never claims more than it read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.core.facts import RawReply, Rejected, Unknown
from executor.errors import VenueAnswerOdd
from executor.hyperliquid import meta, parse, statuses

WORDS = [
    *("status", "ok", "err", "response", "type", "data", "statuses", "error", "resting", "filled", "oid", "totalSz"),
    *("avgPx", "success", "waitingForFill", "default", "order", "Invalid nonce: duplicate nonce 1", "1.5"),
]
TEXTS = st.sampled_from(WORDS) | st.text(max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5))
RECORDS = st.sampled_from(
    [
        "success",
        "waitingForFill",
        {"resting": {"oid": 1}},
        {"filled": {"oid": 2, "totalSz": "1.0", "avgPx": "2"}},
        {"error": "Order has zero size."},
        {"error": "Invalid nonce: duplicate nonce 5"},
        {"error": "new words"},
    ]
)
ANSWERED = st.lists(RECORDS | JSON, max_size=6).map(
    lambda records: {"status": "ok", "response": {"type": "order", "data": {"statuses": records}}}
)
REFUSED = TEXTS.map(lambda text: {"status": "err", "response": text})
BODIES = JSON | ANSWERED | REFUSED
REPLIES = st.builds(
    RawReply,
    sent=st.booleans(),
    status=st.none() | st.sampled_from([200, 200, 200, 422, 429, 500, 502]) | st.integers(),
    body=BODIES,
    error=st.text(max_size=20),
)


@given(reply=REPLIES, count=st.integers(0, 8), resend=st.booleans())
def test_every_leg_gets_exactly_one_answer_for_any_reply(reply: RawReply, count: int, resend: bool) -> None:
    assert len(statuses.classify(reply, count, resend=resend)) == count


@given(reply=REPLIES, count=st.integers(1, 8))
def test_a_resend_never_proves_a_rejection(reply: RawReply, count: int) -> None:
    assert not any(isinstance(answer, Rejected) for answer in statuses.classify(reply, count, resend=True))


@given(body=BODIES, count=st.integers(1, 8), status=st.none() | st.integers(), sent=st.booleans(), resend=st.booleans())
def test_only_a_200_accepts_anything(body: object, count: int, status: int | None, sent: bool, resend: bool) -> None:
    if sent and status == 200:
        return
    answers = statuses.classify(RawReply(sent, status, body), count, resend=resend)
    assert all(isinstance(answer, Unknown | Rejected) for answer in answers)


@given(records=st.lists(RECORDS, min_size=1, max_size=8), resend=st.booleans())
def test_a_leg_is_judged_by_its_own_record_alone(records: list[object], resend: bool) -> None:
    def answer(some: list[object]) -> tuple[object, ...]:
        body = {"status": "ok", "response": {"type": "order", "data": {"statuses": some}}}
        return statuses.classify(RawReply(True, 200, body), len(some), resend=resend)

    assert answer(records) == tuple(answer([record])[0] for record in records)


@given(text=st.text())
def test_any_error_text_has_a_reason_and_any_state_a_class(text: str) -> None:
    assert statuses.reason_for(text)
    assert statuses.classify_status(text) in statuses.StatusClass


READERS: list[Callable[[object], Any]] = [
    meta.parse_meta,
    parse.parse_account,
    parse.parse_bbo,
    partial(parse.parse_fill, account="0x1"),
    partial(parse.parse_fills, account="0x1"),
    parse.parse_l2_book,
    parse.parse_leverage,
    parse.parse_mark,
    parse.parse_open_orders,
    parse.parse_order_status,
    parse.parse_order_updates,
]


@pytest.mark.parametrize("read", READERS)
@given(obj=JSON)
def test_readers_answer_or_call_the_answer_odd(read: Callable[[object], Any], obj: object) -> None:
    with contextlib.suppress(VenueAnswerOdd):
        read(obj)
