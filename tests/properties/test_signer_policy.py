"""What holds for any policy and any orders: what reduces is always signed, and no day is signed beyond its cap."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from executor.core.types import Side
from executor.hyperliquid import wire
from executor.hyperliquid.signer_policy import PLAIN_ORDERS, Refusal, SignerPolicy, judge

D = Decimal


class Markets:
    def coin(self, asset_id: int) -> str | None:
        return {0: "BTC", 1: "ETH"}.get(asset_id)

    def price(self, asset_id: int) -> Decimal | None:
        return {0: D(100), 1: D(7)}.get(asset_id)


CAP = st.none() | st.integers(1, 5000).map(D)
POLICIES = st.builds(
    SignerPolicy,
    symbols=st.none() | st.frozensets(st.sampled_from(["BTC", "eth", "SOL"]), min_size=1),
    per_trade_cap_usd=CAP,
    daily_cap_usd=CAP,
)
NUMBERS = st.decimals("0.001", "500", places=3)


def orders(reduce_only: st.SearchStrategy[bool]) -> st.SearchStrategy[dict[str, Any]]:
    made = lambda a, side, px, size, reduces: wire.limit_order(a, side, px, size, tif="Ioc", reduce_only=reduces)  # noqa: E731 shorter than a def
    return st.builds(made, st.integers(0, 3), st.sampled_from(Side), NUMBERS, NUMBERS, reduce_only)


ODD = st.sampled_from(
    [
        "1",
        "0",
        "01",
        "1.50",
        "-1",
        "1e3",
        "1.123456789",
        "0.10000000",
        "",
        " 1",
        "1\n",
        "NaN",
        True,
        1,
        2.5,
        None,
        "Ioc",
    ]
)
CHANGED = st.tuples(
    st.sampled_from(["a", "b", "p", "s", "r", "t", "c", "x"]),
    ODD
    | st.sampled_from(["0x" + "AB" * 16, "0x" + "ab" * 16])
    | st.sampled_from([{"limit": {"tif": "Gtc"}}, {"limit": {"tif": "ioc"}}, {"trigger": {}}]),
)


@given(orders(st.booleans()), st.none() | CHANGED, st.sampled_from(["na", "normalTpsl", "positionTpsl", "all"]))
def test_the_shortcut_for_plain_orders_takes_nothing_that_is_not_canonical(
    order: dict[str, Any], changed: tuple[str, Any] | None, grouping: str
) -> None:
    action = wire.order_action([order, order if changed is None else order | dict([changed])], grouping)
    if PLAIN_ORDERS.fullmatch(orjson.dumps(action)):
        assert wire.canonical_action(action) == action
        assert all(D(one[name]) > 0 for one in action["orders"] for name in ("p", "s"))
    else:
        assert changed is not None or grouping == "all"


@given(POLICIES, st.lists(orders(st.just(True)), min_size=1, max_size=5), st.integers(0, 10**9))
def test_what_only_reduces_is_signed_under_every_policy(
    policy: SignerPolicy, some: list[dict[str, Any]], today: int
) -> None:
    assert judge(wire.order_action(some), policy, Markets(), D(today)) == 0


@given(POLICIES, st.lists(st.lists(orders(st.booleans()), min_size=1, max_size=4), max_size=12))
def test_what_is_signed_stays_within_the_list_and_both_caps(
    policy: SignerPolicy, requests: list[list[dict[str, Any]]]
) -> None:
    allowed = None if policy.symbols is None else {coin.casefold() for coin in policy.symbols}
    day = D(0)
    for request in requests:
        judged = judge(wire.order_action(request), policy, Markets(), day)
        if isinstance(judged, Refusal):
            continue
        day += judged
        for order in (one for one in request if not one["r"]):
            worth = D(order["s"]) * D(order["p"])
            assert policy.per_trade_cap_usd is None or worth <= policy.per_trade_cap_usd
            assert allowed is None or (Markets().coin(order["a"]) or "?").casefold() in allowed
        assert judged >= sum(D(one["s"]) * D(one["p"]) for one in request if not one["r"] and one["b"])
    assert policy.daily_cap_usd is None or day <= policy.daily_cap_usd


@given(POLICIES, POLICIES, st.lists(orders(st.booleans()), min_size=1, max_size=4))
def test_a_tighter_policy_never_signs_more(one: SignerPolicy, other: SignerPolicy, some: list[dict[str, Any]]) -> None:
    both = SignerPolicy(
        _both(one.symbols, other.symbols, lambda a, b: frozenset(map(str.lower, a)) & frozenset(map(str.lower, b))),
        _both(one.per_trade_cap_usd, other.per_trade_cap_usd, min),
        _both(one.daily_cap_usd, other.daily_cap_usd, min),
    )
    action = wire.order_action(some)
    if not isinstance(judge(action, both, Markets(), D(0)), Refusal):
        assert not isinstance(judge(action, one, Markets(), D(0)), Refusal)
        assert not isinstance(judge(action, other, Markets(), D(0)), Refusal)


def _both(a: Any, b: Any, join: Any) -> Any:
    return b if a is None else a if b is None else join(a, b)
