"""Whatever is sent to the paper exchange in whatever order: money is conserved, positions are their fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from executor.hyperliquid.meta import parse_meta
from executor.paper import margin, views
from executor.paper.exchange import Exchange
from executor.paper.feeds import default_meta
from executor.paper.model import Phase, Rules, Tick

UNIVERSE = parse_meta(default_meta())
USERS = ("0x" + "a1" * 20, "0x" + "b2" * 20)
START = Decimal(10_000)
NOW = 1_763_000_000_000
D = Decimal
CENT = D("0.001")
"""Dust the six decimals of fees, purses and shown PnL may leave over one run."""

prices = st.sampled_from([1500, 1800, 1900, 1950, 1980, 1990, 2000, 2001, 2010, 2020, 2050, 2100, 2200, 2500])
sizes = st.integers(1, 400).map(lambda n: f"{n * 0.05:.2f}")
limits = st.fixed_dictionaries({"limit": st.fixed_dictionaries({"tif": st.sampled_from(["Gtc", "Ioc", "Alo"])})})


@st.composite
def orders(draw: Any) -> dict[str, Any]:
    px, buy = draw(prices), draw(st.booleans())
    wire = {"a": 1, "b": buy, "p": str(px), "s": draw(sizes), "r": draw(st.booleans()), "t": draw(limits)}
    if draw(st.integers(0, 3)) == 0:
        tpsl = {"isMarket": draw(st.booleans()), "triggerPx": str(px), "tpsl": draw(st.sampled_from(["tp", "sl"]))}
        wire["t"] = {"trigger": tpsl}
    return wire


@st.composite
def brackets(draw: Any) -> dict[str, Any]:
    entry, stop, target = (draw(orders()) for _ in range(3))
    entry["t"] = draw(limits)
    for child, tpsl in ((stop, "sl"), (target, "tp")):
        trigger = {"isMarket": True, "triggerPx": child["p"], "tpsl": tpsl}
        child |= {"b": not entry["b"], "r": True, "s": entry["s"], "t": {"trigger": trigger}}
    return {"type": "order", "orders": [entry, stop, target], "grouping": "normalTpsl"}


takers = st.builds(
    lambda buy, size, reduce_only: {
        "type": "order",
        "orders": [
            {"a": 1, "b": buy, "p": "2300" if buy else "1700", "s": size, "r": reduce_only,
             "t": {"limit": {"tif": "Ioc"}}}
        ],
        "grouping": "na",
    },
    st.booleans(),
    sizes,
    st.booleans(),
)  # fmt: skip
"""Orders that all but surely trade."""

closers = st.builds(
    lambda buy, size, px: {
        "type": "order",
        "orders": [{"a": 1, "b": buy, "p": str(px), "s": size, "r": True, "t": {"limit": {"tif": "Gtc"}}}],
        "grouping": "na",
    },
    st.booleans(),
    sizes,
    st.sampled_from([1950, 1980, 2020, 2050]),
)
"""Reduce-only orders that may rest."""

plain = orders().map(lambda o: {"type": "order", "orders": [o], "grouping": "na"})
leverage = st.builds(
    lambda cross, value: {"type": "updateLeverage", "asset": 1, "isCross": cross, "leverage": value},
    st.booleans(),
    st.integers(1, 25),
)
cancels = st.integers(0, 30).map(lambda n: {"type": "cancel", "cancels": [{"a": 1, "o": 90_000_000_001 + n}]})
modifies = st.builds(
    lambda n, order, always: {"type": "modify", "oid": 90_000_000_001 + n, "order": order, "a": always},
    st.integers(0, 30),
    orders(),
    st.booleans(),
)
actions = st.tuples(
    st.sampled_from(USERS),
    st.one_of(takers, takers, takers, closers, closers, plain, brackets(), leverage, cancels, modifies),
)
near = st.sampled_from([1900, 1960, 1990, 2000, 2010, 2040, 2100, 1500, 2500])
moves = st.tuples(near, st.integers(1, 20), st.integers(1, 400)).map(
    lambda m: Tick("ETH", ((D(m[0]), D(m[2])),), ((D(m[0] + m[1]), D(m[2])),), D(m[0]), D(m[0]))
)
steps = st.lists(st.one_of(actions, actions, actions, moves), min_size=10, max_size=40)


def run(script: list[Any], rules: Rules | None = None, check: Any = lambda engine: None) -> Exchange:
    engine = Exchange(UNIVERSE, rules)
    engine.advance(NOW)
    for user in USERS:
        engine.fund(user, START)
    engine.on_market(Tick("ETH", ((D(1999), D(100)),), ((D(2001), D(100)),), D(2000), D(2000)), NOW)
    for at, step in enumerate(script, 1):
        if isinstance(step, Tick):
            engine.on_market(step, NOW + at)
        else:
            engine.apply(step[1], step[0], NOW + at)
        check(engine)
    return engine


def cash_of_fills(engine: Exchange, user: str) -> Decimal:
    """What a user's fills and fees say the account has left, positions at cost zero."""
    total = START
    for fill in engine.state.fills[user]:
        sign = 1 if fill["side"] == "B" else -1
        total -= sign * D(fill["sz"]) * D(fill["px"]) + D(fill["fee"])
    return total


@settings(max_examples=120, deadline=None)
@given(steps)
def test_cash_is_what_the_fills_left_of_it(script: list[Any]) -> None:
    engine = run(script)
    state = engine.state
    kept = sum(a.raw_usd + sum(p.raw_usd for p in a.positions.values()) for a in state.accounts.values())
    assert kept + state.insurance_usd == sum(cash_of_fills(engine, u) for u in USERS)


@settings(max_examples=80, deadline=None)
@given(steps)
def test_equity_is_the_deposit_plus_realised_and_unrealised_pnl_less_fees(script: list[Any]) -> None:
    engine = run(script)
    for user, account in engine.state.accounts.items():
        rows = engine.state.fills[user]
        if any("liquidation" in r and r["liquidation"]["method"] == "backstop" for r in rows):
            continue
        shown = views.clearinghouse(engine.state, user)
        pnl = sum(D(r["closedPnl"]) - D(r["fee"]) for r in rows)
        open_pnl = sum(D(p["position"]["unrealizedPnl"]) for p in shown["assetPositions"])
        assert abs(D(shown["marginSummary"]["accountValue"]) - START - pnl - open_pnl) < CENT
        assert margin.equity(engine.state, account) == D(shown["marginSummary"]["accountValue"])


@settings(max_examples=80, deadline=None)
@given(steps)
def test_a_position_is_the_sum_of_its_fills_and_each_fill_starts_where_the_last_ended(script: list[Any]) -> None:
    engine = run(script)
    for user, account in engine.state.accounts.items():
        held = D(0)
        for fill in engine.state.fills[user]:
            assert D(fill["startPosition"]) == held
            held += D(fill["sz"]) * (1 if fill["side"] == "B" else -1)
        position = account.positions.get("ETH")
        assert held == (position.szi if position else 0)


@settings(max_examples=80, deadline=None)
@given(steps)
def test_reduce_only_orders_never_grow_or_flip_a_position(script: list[Any]) -> None:
    engine = run(script)
    for user in USERS:
        for fill in engine.state.fills[user]:
            order = engine.state.orders.get(fill["oid"])
            if order is None or not order.reduce_only:
                continue
            start = D(fill["startPosition"])
            end = start + D(fill["sz"]) * order.sign
            assert start * order.sign < 0
            assert start * end >= 0


@settings(max_examples=80, deadline=None)
@given(steps)
def test_no_order_fills_more_than_asked_and_none_beyond_its_limit(script: list[Any]) -> None:
    engine = run(script)
    filled: dict[int, Decimal] = {}
    for user in USERS:
        for fill in engine.state.fills[user]:
            filled[fill["oid"]] = filled.get(fill["oid"], D(0)) + D(fill["sz"])
            order = engine.state.orders.get(fill["oid"])
            if order is not None:
                assert order.sign * (order.limit_px - D(fill["px"])) >= 0
    for oid, size in filled.items():
        order = engine.state.orders.get(oid)
        assert order is None or size <= order.orig_sz


def check_book(engine: Exchange) -> None:
    """What holds between any two steps."""
    state = engine.state
    book = state.markets["ETH"].book
    resting = {o.oid for side in book.orders.values() for o in side}
    assert resting == {o.oid for o in state.orders.values() if o.phase is Phase.BOOK}
    bid, ask = book.best_px(True), book.best_px(False)
    assert bid is None or ask is None or bid < ask
    for order in state.orders.values():
        if order.phase is Phase.BOOK:
            assert 0 < order.sz <= order.orig_sz
            held = state.accounts[order.user].positions.get("ETH")
            assert not order.reduce_only or (held is not None and order.sz <= abs(held.szi))


@settings(max_examples=80, deadline=None)
@given(steps)
def test_the_book_is_never_crossed_and_holds_exactly_the_resting_orders(script: list[Any]) -> None:
    run(script, check=check_book)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_of_two_siblings_at_most_one_fills(script: list[Any]) -> None:
    state = run(script).state
    for order in state.orders.values():
        family = [order, *(state.orders[oid] for oid in order.siblings)]
        assert sum(o.status == "filled" and o.sz == 0 for o in family) <= 1


@settings(max_examples=60, deadline=None)
@given(steps)
def test_the_same_script_gives_the_same_exchange(script: list[Any]) -> None:
    one, two = run(script).state, run(script).state
    assert one.accounts == two.accounts
    assert one.orders == two.orders
    assert one.fills == two.fills


TURNED = Rules(
    gtc_partial="resting",
    ioc_partial_status="canceled",
    partial_open_updates=False,
    trigger_cap_base="mark",
    trigger_remainder="rests",
    past_take_profit="fire",
    lone_trigger_reply="waitingForTrigger",
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_the_invariants_hold_where_the_documents_are_silent_the_other_way_round(script: list[Any]) -> None:
    engine = run(script, TURNED, check_book)
    state = engine.state
    kept = sum(a.raw_usd + sum(p.raw_usd for p in a.positions.values()) for a in state.accounts.values())
    assert kept + state.insurance_usd == sum(cash_of_fills(engine, u) for u in USERS)
