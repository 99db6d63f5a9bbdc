"""Whatever bytes reach the paper exchange, it answers in the venue's ways: an answer, a refusal, or 422."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

from coincurve import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.hyperliquid.signing import address_of, sign_l1
from executor.paper import info
from executor.paper.channels import CHANNELS, UnknownCoin, normalised
from executor.paper.feeds import default_meta
from executor.paper.gate import Refused, Unprocessable, read_request
from executor.paper.info import _REQUESTS
from executor.paper.model import Tick
from executor.paper.service import Service

KEY = PrivateKey(b"\x11" * 32)
USER = address_of(KEY)
NOW = 1_763_000_000_000


class StoppedClock:
    def now_ms(self) -> int:
        return NOW

    def monotonic_s(self) -> float:
        return 0.0


def service() -> Service:
    it = Service(default_meta(), StoppedClock())
    it.fund_new(USER, 10_000)
    it.on_market(
        Tick("ETH", ((Decimal(1999), Decimal(9)),), ((Decimal(2001), Decimal(9)),), Decimal(2000), Decimal(2000))
    )
    return it


likely_words = st.sampled_from([USER, "ETH", "1m", "1.5"])
values = st.none() | st.booleans() | st.integers(-5, 2**70) | st.text(max_size=8) | likely_words
nested = lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=6), c, max_size=3)  # noqa: E731  # one use
json_values = st.recursive(values, nested)
keys = ["user", "coin", "oid", "startTime", "endTime", "req", "dex", "nSigFigs", "mantissa", "interval", "builder", "x"]


def requests(types: list[str]) -> Any:
    fields = st.dictionaries(st.sampled_from(keys), json_values, max_size=4)
    likely = st.fixed_dictionaries({}, optional={"user": st.just(USER), "coin": st.just("ETH")})
    return st.builds(lambda kind, a, b: {**a, **b, "type": kind}, st.sampled_from(types), fields, likely)


@settings(max_examples=300, deadline=None)
@given(requests(list(_REQUESTS)) | json_values)
def test_any_info_request_is_answered_or_unprocessable(request: Any) -> None:
    with contextlib.suppress(Unprocessable):
        info.answer(SHARED, request)


@settings(max_examples=200, deadline=None)
@given(requests(list(CHANNELS)) | json_values)
def test_any_subscription_is_known_invalid_or_cuts_the_socket(subscription: Any) -> None:
    try:
        sub = normalised(SHARED, subscription)
    except (Unprocessable, UnknownCoin):
        return
    snapshot = CHANNELS[sub["type"]].snapshot
    if snapshot is not None:
        snapshot(SHARED, sub)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["action", "nonce", "signature", "vaultAddress", "expiresAfter"]), json_values, max_size=5
    )
    | json_values
)
def test_any_exchange_body_is_unprocessable_or_refused(body: Any) -> None:
    try:
        read_request(body)
    except (Unprocessable, Refused):
        return
    raise AssertionError("random bytes cannot carry a signature")


number = st.sampled_from(["0", "1", "0.0001", "2001", "1999", "10000", "99999999999999999999", "0.00000001", "-1"])
order = st.fixed_dictionaries(
    {
        "a": st.sampled_from([0, 1, 3, 5, 999]),
        "b": st.booleans(),
        "p": number,
        "s": number,
        "r": st.booleans(),
        "t": st.sampled_from(
            [{"limit": {"tif": t}} for t in ("Gtc", "Ioc", "Alo", "FrontendMarket")]
            + [
                {"trigger": {"isMarket": m, "triggerPx": p, "tpsl": k}}
                for m in (True, False)
                for p in ("0", "1900", "2100")
                for k in ("tp", "sl")
            ]
        ),
    }
)
signed_actions = st.one_of(
    st.builds(
        lambda orders, grouping: {"type": "order", "orders": orders, "grouping": grouping},
        st.lists(order, max_size=4),
        st.sampled_from(["na", "normalTpsl", "positionTpsl"]),
    ),
    st.builds(lambda o: {"type": "modify", "oid": 90_000_000_001, "order": o, "a": True}, order),
    st.builds(lambda a, n: {"type": "updateIsolatedMargin", "asset": a, "isBuy": True, "ntli": n},
              st.sampled_from([0, 1, 999]), st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda a, v: {"type": "updateLeverage", "asset": a, "isCross": True, "leverage": v},
              st.sampled_from([0, 1, 16, 999]), st.integers(0, 2**32 - 1)),
    st.builds(lambda t: {"type": "scheduleCancel", "time": t}, st.integers(0, 2**64 - 1)),
    st.builds(lambda a, v: {"type": "topUpIsolatedOnlyMargin", "asset": a, "leverage": v},
              st.sampled_from([0, 1]), number),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(signed_actions, min_size=1, max_size=6))
def test_any_well_signed_action_is_answered(actions: list[dict[str, Any]]) -> None:
    venue = service()
    for nonce, action in enumerate(actions, NOW):
        signature = sign_l1(KEY, action, nonce, None, None, False)
        answer = venue.execute(read_request({"action": action, "nonce": nonce, "signature": signature}))
        assert answer["status"] in ("ok", "err")
        if action["type"] == "order" and answer["status"] == "ok":
            statuses = answer["response"]["data"]["statuses"]
            assert len(statuses) in (1, len(action["orders"]))


SHARED = service()
