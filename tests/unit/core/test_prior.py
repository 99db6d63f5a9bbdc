"""What the venue remembers and the ledger does not is recorded with its legs, never sent again, and its agent's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from received import received

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import AccountFact, Fill, OpenOrder, OrderFact, PositionFact
from executor.core.identity import cloid, is_ours
from executor.core.prior import ATTEMPTS, cloids_of, ending_of, prior_events, status_events
from executor.core.settings import DeskSettings
from executor.core.signal import Found, Signal
from executor.core.state import DeskState
from executor.core.types import ActionType, Agent, Side

D = Decimal
SETTINGS = DeskSettings(account="a", network="testnet", address="0xAB")
AGENT = Agent("fractrade", "7")


def signal(key: str = "k", prior: dict[str, Found] | None = None, agent_id: str = "7") -> Signal:
    heard = received(at_ms=9, key=key, agent_id=agent_id, action_id=key, stamped_at_ms=80, received_at_ms=90)
    return Signal(received=heard, route="r", strategy="s", prior=prior or {})


def name(key: str = "k", leg: str = "entry", attempt: int = 1) -> str:
    return cloid("testnet", "0xAB", key, leg, attempt)


def found(under: str, status: str = "filled", size: str = "1", *fills: tuple[int, str, int], **more: Any) -> Found:
    """An order of this signed size; ``fills`` are tid, signed size and time."""
    values: dict[str, Any] = {"reduce_only": False, "trigger_px": None}
    side = Side.BUY if D(size) > 0 else Side.SELL
    order = OpenOrder(
        oid=5,
        cloid=under,
        coin="BTC",
        side=side,
        limit_px=D(100),
        size=D(0),
        orig_size=abs(D(size)),
        order_type="Limit",
        position_tpsl=False,
        at_ms=0,
        **(values | more),
    )
    executed = tuple(
        Fill(tid, 5, under, "BTC", Side.BUY if D(s) > 0 else Side.SELL, D(100), abs(D(s)), D(0), D(0), D(0), at)
        for tid, s, at in fills
    )
    return Found(OrderFact(order, status, 0), executed)


def desk(size: str | None = None, *events: ev.Event) -> DeskState:
    state = DeskState(account="a")
    held = () if size is None else (PositionFact("BTC", D(size), D(100), 1, False, None, D(0), D(0)),)
    evolve(state, ev.AccountRead(at_ms=1, fact=AccountFact(held, D(0), D(0), D(0), 1_000)))
    for event in events:
        evolve(state, event)
    return state


def take(state: DeskState, prior: dict[str, Found], key: str = "k", agent_id: str = "7") -> list[ev.Event]:
    names = cloids_of(SETTINGS, key, ActionType.TRADE)
    events = prior_events(state, signal(key, prior, agent_id), names, 2_000)
    for event in events:
        evolve(state, event)
    return events


@pytest.mark.parametrize(
    ("kind", "legs"),
    [
        (ActionType.TRADE, [("entry", 1), *(("exit", attempt) for attempt in ATTEMPTS)]),
        (ActionType.STOP_LOSS, [("stop", attempt) for attempt in ATTEMPTS]),
        (ActionType.TAKE_PROFIT, [("target", attempt) for attempt in ATTEMPTS]),
    ],
)
def test_every_attempt_an_action_may_have_made_is_asked_for(kind: ActionType, legs: list[tuple[str, int]]) -> None:
    names = cloids_of(SETTINGS, "k", kind)
    assert list(names.values()) == legs
    assert {*range(1, 100), 101, 102, 103} <= set(ATTEMPTS)
    assert all(is_ours(one) for one in names)
    assert next(iter(names)) == name("k", *legs[0])


def test_nothing_found_is_nothing_to_record() -> None:
    assert take(desk(), {}) == []
    assert take(desk("1"), {name(): Found(OrderFact(None, "", 0), ())}) == []


def test_a_found_entry_is_recorded_with_its_fills_and_its_position_is_the_agents() -> None:
    state = desk("1")
    take(state, {name(): found(name(), "filled", "1", (1, "1", 500))})
    leg, position = state.legs[name()], state.position("BTC")
    assert (leg.state, leg.filled, leg.oid, leg.key, leg.agent) == ("done", D(1), 5, "k", AGENT)
    assert (position.size, position.owned, position.owner, position.holdings[0].opened_at_ms) == (D(1), D(1), AGENT, 80)


def test_the_same_entry_found_again_is_known() -> None:
    state = desk("1")
    prior = {name(): found(name(), "filled", "1", (1, "1", 500))}
    take(state, prior)
    assert take(state, prior) == []


@pytest.mark.parametrize("foreign_first", [False, True])
def test_every_found_entry_adds_to_what_the_agent_owns(foreign_first: bool) -> None:
    """Also when its fills were counted before anyone knew whose they were."""
    state = desk("3")
    priors = [{name(key): found(name(key), "filled", "1", (tid, "1", 500))} for tid, key in ((1, "k"), (2, "k2"))]
    if foreign_first:
        for prior in priors:
            for one in prior.values():
                evolve(state, ev.FillSeen(at_ms=1, fill=one.fills[0], cloid=None))
    for key, prior in zip(("k", "k2"), priors, strict=True):
        take(state, prior, key)
    assert (state.position("BTC").size, state.position("BTC").owned) == (D(3), D(2))


def test_a_found_entry_adopts_no_more_than_is_there() -> None:
    state = desk("0.4")
    take(state, {name(): found(name(), "filled", "1", (1, "1", 500))})
    assert state.position("BTC").owned == D("0.4")


@pytest.mark.parametrize("size", [None, "-1"])
def test_a_position_that_is_gone_or_turned_is_not_adopted(size: str | None) -> None:
    state = desk(size)
    take(state, {name(): found(name(), "filled", "1", (1, "1", 500))})
    assert (state.position("BTC").owned, state.position("BTC").owner) == (D(0), None)


def test_a_found_entry_of_another_agent_is_that_agents_part() -> None:
    state = desk("2")
    take(state, {name(): found(name(), "filled", "1", (1, "1", 500))})
    events = take(state, {name("k2"): found(name("k2"), "filled", "1", (2, "1", 500))}, "k2", "8")
    assert [event.size for event in events if isinstance(event, ev.PositionAdopted)] == [1]
    assert {holding.agent: holding.size for holding in state.position("BTC").holdings} == {
        AGENT: 1,
        Agent("fractrade", "8"): 1,
    }


def test_no_more_is_found_for_an_agent_than_others_leave() -> None:
    state = desk("2")
    take(state, {name(): found(name(), "filled", "1", (1, "1", 500))})
    take(state, {name("k2"): found(name("k2"), "filled", "3", (2, "3", 500))}, "k2", "8")
    assert sum(holding.size for holding in state.position("BTC").holdings) == 2


def test_where_others_hold_all_there_is_nothing_is_found_for_another() -> None:
    state = desk("1")
    take(state, {name(): found(name(), "filled", "1", (1, "1", 500))})
    events = take(state, {name("k2"): found(name("k2"), "filled", "1", (2, "1", 500))}, "k2", "8")
    assert not any(isinstance(event, ev.PositionAdopted) for event in events)


def _closed_before(state: DeskState, key: str, tid: int, size: str = "-1") -> list[ev.Event]:
    """An exit of agent 7 that a lost life sent: the newest read has it, and its fill was heard as nobody's."""
    order = found(name(key, "exit"), "filled", size, (tid, size, 500), reduce_only=True)
    evolve(state, ev.FillSeen(at_ms=1, fill=order.fills[0], cloid=None))
    return take(state, {name(key, "exit"): order}, key)


def test_what_an_agent_closed_before_is_free_for_the_one_whose_it_is() -> None:
    """Agent 7 came and went, 8 holds the 2 there are; the record of all of it is lost."""
    state = desk("2")
    take(state, {name(): found(name(), "filled", "1", (1, "1", 500))})
    _closed_before(state, "x", 3)
    assert state.position("BTC").holdings == []
    take(state, {name("k2"): found(name("k2"), "filled", "2", (2, "2", 500))}, "k2", "8")
    assert [(one.agent, one.size) for one in state.position("BTC").holdings] == [(Agent("fractrade", "8"), 2)]


def test_what_an_agent_closed_before_leaves_it_all_there_is_where_nobody_else_holds() -> None:
    state = desk("1")
    for key, tid in (("k", 1), ("k2", 2)):
        take(state, {name(key): found(name(key), "filled", "1", (tid, "1", 500))}, key)
    assert not any(isinstance(event, ev.PositionAdopted) for event in _closed_before(state, "x", 3))
    assert state.position("BTC").held_by(AGENT) == 1


def test_an_exit_found_after_an_older_ledger_explains_what_is_missing() -> None:
    state = desk("3")
    for key, tid, size, agent in (("k", 1, "1", "7"), ("k2", 2, "2", "8")):
        take(state, {name(key): found(name(key), "filled", size, (tid, size, 500))}, key, agent)
    fact = PositionFact("BTC", D(2), D(100), 1, False, None, D(0), D(0))
    evolve(state, ev.AccountRead(at_ms=2, fact=AccountFact((fact,), D(0), D(0), D(0), 1_100)))
    _closed_before(state, "x", 3)
    assert [(one.agent, one.size) for one in state.position("BTC").holdings] == [(Agent("fractrade", "8"), 2)]


def test_an_exit_found_that_no_read_has_yet_is_taken_off_by_its_fill_alone() -> None:
    state = desk("5")
    take(state, {name(): found(name(), "filled", "2", (1, "2", 500))})
    exit_name = name("x", "exit")
    take(state, {exit_name: found(exit_name, "filled", "-1", (3, "-1", 1_500), reduce_only=True)}, "x")
    position = state.position("BTC")
    assert (position.size, position.held_by(AGENT), position.foreign) == (4, 1, 3)


def test_an_entry_known_already_is_not_adopted_twice_with_its_found_exit() -> None:
    state = desk("2")
    entry = {name(): found(name(), "filled", "1", (1, "1", 500))}
    take(state, entry)
    exit_name = name("k", "exit")
    take(state, {**entry, exit_name: found(exit_name, "canceled", "-1", reduce_only=True)})
    assert (state.position("BTC").owned, state.legs[exit_name].state) == (D(1), "canceled")


def test_what_executed_after_the_newest_read_is_counted_by_its_fills() -> None:
    state = desk()
    take(state, {name(): found(name(), "filled", "1", (1, "1", 1_500))})
    assert (state.position("BTC").owned, state.position("BTC").owner) == (D(1), AGENT)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("open", "resting"),
        ("triggered", "triggered"),
        ("filled", "done"),
        ("canceled", "canceled"),
        ("scheduledCancel", "canceled"),
        ("reduceOnlyCanceled", "canceled"),
        ("tickRejected", "rejected"),
        ("rejected", "rejected"),
        ("frozen", "resting"),
    ],
)
def test_a_found_order_is_where_its_status_says_and_live_if_nobody_knows_the_word(status: str, state: str) -> None:
    one = desk()
    take(one, {name(): found(name(), status)})
    assert one.legs[name()].state == state


@pytest.mark.parametrize(
    ("status", "ending"),
    [("filled", "filled"), ("xRejected", "rejected"), ("xCanceled", "canceled"), ("xCancel", "canceled"), ("x", None)],
)
def test_an_ending_is_read_by_its_suffix_and_odd_words_end_nothing(status: str, ending: str | None) -> None:
    assert ending_of(status) == ending


def test_a_status_names_its_leg_and_action() -> None:
    for status in ("open", "triggered", "filled"):
        (event,) = status_events(desk(), "k", "0x1", status, 5, 7)
        assert (event.key, event.at_ms, event.account, getattr(event, "cloid", None)) == ("k", 7, "a", "0x1")
