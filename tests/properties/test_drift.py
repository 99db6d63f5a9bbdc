"""Recovery and live news in every order: what REST reads and what the feed pushes end alike, and none of it trades."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story import T0, Story

from executor.core import events as ev
from executor.core.answers import answer_events, order_events
from executor.core.evolve import evolve
from executor.core.facts import (
    AccountFact,
    Answer,
    Fill,
    Filled,
    OpenOrder,
    OrderFact,
    PositionFact,
    Resting,
)
from executor.core.identity import CLOID_TAG
from executor.core.lookups import lookup_events
from executor.core.reconcile import (
    CLAIM_MS,
    account_events,
    busy_coins,
    missing,
    order_list_events,
    told_fills,
    with_causes,
)
from executor.core.state import DeskState
from executor.core.types import ZERO, Agent, Side, side_of

D = Decimal
COIN = "BTC"
ALICE = Agent("fractrade", "alice")
SENT, DONE, ASKED = T0, T0 + 50, T0 + 100
"""When the order left, when the venue executed it, and when its REST reads were asked for."""

News = Callable[[DeskState], list[ev.Event]]


def order(cloid: str, oid: int, size: Decimal, kind: str, left: Decimal = ZERO) -> OpenOrder:
    trigger = D(90) if kind == "stop" else None
    side, text = side_of(size), "Stop Market" if trigger else "Limit"
    return OpenOrder(oid, cloid, COIN, side, D(100), left, abs(size), kind != "entry", trigger, text, False, SENT)


def desk(kind: ev.LegKind, size: Decimal, held: Decimal) -> DeskState:
    """An account that holds ``held`` of alice's and has sent one order of ``size``."""
    state = DeskState("main")
    at = {"at_ms": SENT, "account": "main", "key": "k"}
    facts = (PositionFact(COIN, held, D(100), 3, False, None, ZERO, ZERO),) if held else ()
    before: list[ev.Event] = [
        ev.AccountRead(at_ms=SENT, account="main", fact=AccountFact(facts, D(1000), ZERO, ZERO, T0 - 1_000)),
        ev.Reconciled(at_ms=SENT, account="main", why="start"),
        ev.PositionAdopted(**at, coin=COIN, agent=ALICE, size=held, opened_at_ms=1),
    ]
    if kind == "exit":
        before.append(ev.ExitOwed(**at, coin=COIN, agent=ALICE, size=abs(size), why="signal", side=side_of(size)))
    before += [
        ev.LegPlanned(
            **at,
            cloid="0x1",
            leg=kind,
            attempt=1,
            coin=COIN,
            side=side_of(size),
            size=abs(size),
            limit_px=D(100),
            reduce_only=kind != "entry",
            trigger_px=D(90) if kind == "stop" else None,
            agent=ALICE,
        ),
        ev.SendStarted(
            **at,
            request_id="r",
            purpose="entry",
            signer="s",
            nonce=1,
            expires_after_ms=SENT + 10_000,
            vault=None,
            action={},
            cloids=("0x1",),
        ),
    ]
    for event in before:
        evolve(state, event)
    return state


def news_of(kind: ev.LegKind, size: Decimal, held: Decimal, parts: list[str]) -> dict[str, News]:
    """What is told of an order that executed ``parts``: three live, three by REST."""
    done = sum((D(part) for part in parts), ZERO) * size / abs(size)
    fills, before = [], held
    for tid, part in enumerate(parts, 1):
        signed = D(part) * size / abs(size)
        fills.append(Fill(tid, 7, "0x1", COIN, side_of(size), D(100), D(part), ZERO, ZERO, before, DONE))
        before += signed
    status = "filled" if abs(done) == abs(size) else "canceled"
    answer: Answer = Resting(7) if kind == "stop" else Filled(7, abs(done), D(100))
    after = held + done
    facts = (PositionFact(COIN, after, D(100), 3, False, None, ZERO, ZERO),) if after else ()
    account, fact = AccountFact(facts, D(1000), ZERO, ZERO, ASKED), OrderFact(order("0x1", 7, size, kind), status, DONE)

    def answered(state: DeskState) -> list[ev.Event]:
        request = state.requests.get("r")
        return [] if request is None else answer_events(state, request, [answer], ASKED, resend=False)

    def looked_up(state: DeskState) -> list[ev.Event]:
        leg = state.legs["0x1"]
        return with_causes(state, lookup_events(state, leg, fact, fills, ASKED, listed=False)) if leg.open else []

    return {
        "answer": answered,
        "update": lambda state: with_causes(state, order_events(state, [fact], ASKED)),
        "fill": lambda state: told_fills(state, fills[:1], ASKED),
        "rest fills": lambda state: told_fills(state, fills, ASKED),
        "rest account": lambda state: account_events(state, account, ASKED, ASKED + 10),
        "rest look-up": looked_up,
    }


def settle(state: DeskState, news: dict[str, News]) -> None:
    """A complete read a moment later, as the reader asks for it after every change."""
    for name in ("rest fills", "rest account"):
        for event in news[name](state):
            evolve(state, event)


def summary(state: DeskState) -> object:
    position = state.position(COIN)
    legs = [(leg.state, leg.filled) for leg in state.legs.values()]
    exits = [(owed.owed, owed.missed + owed.failed) for owed in state.exits.values()]
    return position.size, position.owned, position.owner, legs, exits


CASES = [
    ("entry", "1", "0", ["1"]),
    ("entry", "1", "0", ["0.3", "0.7"]),
    ("entry", "1", "0", ["0.3"]),
    ("entry", "-1", "-2", ["0.4", "0.6"]),
    ("exit", "-1", "1", ["1"]),
    ("exit", "-1", "1", ["0.25", "0.25"]),
    ("stop", "-1", "1", ["0.5", "0.5"]),
]


@pytest.mark.parametrize(("kind", "size", "held", "parts"), CASES)
def test_rest_recovery_and_live_events_end_alike_in_all_orders(kind, size, held, parts):
    """Six pieces of news of one order, in all 720 orders (nautilus#4991 review)."""
    ends = set()
    for names in permutations(news_of(kind, D(size), D(held), parts)):
        state, news = desk(kind, D(size), D(held)), news_of(kind, D(size), D(held), parts)
        for name in names:
            for event in news[name](state):
                evolve(state, event)
        settle(state, news)
        done = sum((D(part) for part in parts), ZERO) * (1 if D(size) > 0 else -1)
        assert state.position(COIN).size == D(held) + done, names
        assert state.position(COIN).owned == D(held) + done, names
        ends.add(repr(summary(state)))
    assert len(ends) == 1


@pytest.mark.parametrize(
    "lost", [("fill",), ("update",), ("answer",), ("fill", "update"), ("answer", "fill", "update")]
)
@pytest.mark.parametrize(("kind", "size", "held", "parts"), CASES)
def test_drop_during_fill_whatever_live_news_is_lost_rest_makes_up_for_it(kind, size, held, parts, lost):
    done = sum((D(part) for part in parts), ZERO) * (1 if D(size) > 0 else -1)
    kept = [name for name in news_of(kind, D(size), D(held), parts) if name not in lost]
    for names in permutations(kept):
        state, news = desk(kind, D(size), D(held)), news_of(kind, D(size), D(held), parts)
        if "answer" in lost:
            request = state.requests["r"]
            evolve(state, ev.LegUnknown(at_ms=SENT, account="main", cloid="0x1", reason="R", text="", deadline_ms=None))
            assert request.unknown
        for name in names:
            for event in news[name](state):
                evolve(state, event)
        settle(state, news)
        assert (state.position(COIN).size, state.position(COIN).owned) == (D(held) + done,) * 2, names


# -- what reconciliation may say ---

SAID = (
    ev.DifferenceFound,
    ev.AccountRead,
    ev.OrdersRead,
    ev.FillSeen,
    ev.ClaimVoided,
    ev.AlarmRaised,
    ev.AnomalyNoted,
    ev.LegRested,
    ev.LegEnded,
    ev.LegAbsent,
)
"""All that a read may lead to: facts, differences and words to people. No order, no wish, no exit owed, no cancel."""

sizes = st.sampled_from([D(n) for n in ("-2", "-1", "-0.5", "0", "0.5", "1", "2")])
names = st.sampled_from([None, "0x1", "0x" + "2" * 32, CLOID_TAG + "1" * 28])
fills = st.builds(
    Fill,
    st.integers(1, 5),
    st.integers(1, 9),
    names,
    st.sampled_from([COIN, "ETH"]),
    st.sampled_from(Side),
    st.just(D(100)),
    sizes.filter(lambda s: s > 0),
    st.just(ZERO),
    st.just(ZERO),
    sizes,
    st.integers(T0 - 5_000, T0 + 60_000),
    liquidation=st.booleans(),
)
orders = st.builds(
    OpenOrder,
    st.integers(1, 9),
    names,
    st.sampled_from([COIN, "ETH"]),
    st.sampled_from(Side),
    st.just(D(100)),
    sizes.filter(lambda s: s >= 0),
    st.just(D(1)),
    st.booleans(),
    st.sampled_from([None, D(90)]),
    st.sampled_from(["Limit", "Stop Market"]),
    st.booleans(),
    st.just(T0),
)


@given(st.data(), st.sampled_from(CASES), st.lists(fills, max_size=4), st.lists(orders, max_size=4), st.booleans())
def test_reconciliation_never_trades_whatever_the_venue_says(data, case, told, listed, fills_read):
    kind, size, held, parts = case
    state = desk(kind, D(size), D(held))
    news = news_of(kind, D(size), D(held), parts)
    for name in data.draw(st.lists(st.sampled_from(["answer", "update", "fill"]), unique=True)):
        for event in news[name](state):
            evolve(state, event)
    held_now = {coin: data.draw(sizes) for coin in (COIN, "ETH")}
    facts = tuple(PositionFact(c, s, D(100), 3, False, None, ZERO, ZERO) for c, s in held_now.items() if s)
    asked = T0 + data.draw(st.integers(0, 3 * CLAIM_MS))
    said = told_fills(state, told, asked)
    said += account_events(state, AccountFact(facts, D(1), ZERO, ZERO, asked), asked, asked + 5, fills_read=fills_read)
    said += order_list_events(state, listed, asked, asked + 5)
    for leg in missing(state, listed, asked):
        status = data.draw(st.sampled_from(["canceled", "filled", "triggered", "scheduledCancel"]))
        fact = OrderFact(order(leg.cloid, leg.oid or 7, D(size), kind), status, asked)
        said += with_causes(state, lookup_events(state, leg, fact, told, asked, listed=False))
    assert [type(e).__name__ for e in said if not isinstance(e, (*SAID, ev.LegTriggered))] == []
    before = repr(state)
    busy_coins(state, asked)
    assert repr(state) == before


@given(st.permutations(["1", "2", "3"] * 3))
def test_replay_all_fills_x3_shuffled_is_the_same_state(order_of):
    """Three fills of one entry, each told three times in any order: one state (QuantDinger#231)."""
    hashes = set()
    for told in (order_of, ["1", "2", "3"]):
        s = Story()
        s.set("entry", "unknown")
        s.long(6)
        leg = next(iter(s.state.legs.values()))
        made = {n: Fill(int(n), 7, leg.cloid, COIN, Side.BUY, D(100), D(n), ZERO, ZERO, ZERO, T0 + 5) for n in "123"}
        for name in told:
            s.note(told_fills(s.state, [made[name]], s.now))
        s.state.seen_fills = dict(sorted(s.state.seen_fills.items()))
        hashes.add(repr(s.state))
    assert len(hashes) == 1


@pytest.mark.parametrize(("cut", "again"), list(product(range(4), repeat=2)))
def test_a_snapshot_of_fills_told_again_after_any_reconnect_counts_nothing_twice(cut, again):
    s = Story()
    s.long(3)
    leg = next(iter(s.state.legs.values()))
    made = [Fill(n, 7, leg.cloid, COIN, Side.BUY, D(100), D(1), ZERO, ZERO, D(n), T0 + 5 + n) for n in range(3)]
    for part in (made[:cut], made[:again], made):
        s.note(told_fills(s.state, part, s.now))
    assert s.held() == 3
