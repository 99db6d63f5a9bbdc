"""The door: repeats, conflicts and twins stay out, books and gaps are the agents' own, routes say who gets what."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from executor.core import events as ev
from executor.core.book import Book, BookKey
from executor.core.intake import (
    TWIN_MS,
    TWINS_KEPT,
    IntakeState,
    Route,
    admit,
    admit_derived,
    channel_events,
    closes,
    counts,
    evolve_intake,
    opens,
    refused_frame,
    start_gap,
)
from executor.core.intents import TradeIntent
from executor.core.source_events import Action, Malformed, Origin, SetStop, Status, Trade
from executor.core.types import Agent, Asset, Side
from executor.core.watched import Derivation, Subject
from executor.ledger.memory import MemoryLedger

D = Decimal
AGENT = Agent("fractrade", "7")
ROUTES = (Route("all", "main", ("*",), "follow", ("acc",)),)

REPEAT = ev.DuplicateSeen(
    at_ms=6_000, key="k1", frame_id=9, channel="agent:7", system="fractrade", source="main", agent_id="7"
)


class Symbols:
    """A venue that lists BTC and ETH; the rest of its arithmetic is not asked here."""

    min_notional_usd = D(10)

    def resolve(self, symbol: str) -> tuple[str | None, str]:
        coin = symbol.removesuffix("-USDT")
        return (coin, "") if coin in ("BTC", "ETH") else (None, "SYMBOL_UNKNOWN")

    def asset(self, coin: str) -> Asset | None:
        raise NotImplementedError

    def floor_size(self, coin: str, size: Decimal) -> Decimal:
        raise NotImplementedError

    def entry_cap_px(self, coin: str, side: Side, touch_px: Decimal, slippage_bps: Decimal) -> Decimal:
        raise NotImplementedError

    exit_cap_px = entry_cap_px

    def trigger_px(self, coin: str, px: Decimal) -> Decimal:
        raise NotImplementedError

    def stop_limit_px(self, coin: str, side: Side, trigger_px: Decimal) -> Decimal:
        raise NotImplementedError


def trade(key: str = "k1", size: str = "1", side: Side = Side.BUY, **more: Any) -> Trade:
    values: dict[str, Any] = {
        "origin": Origin("fractrade", "main", "agent:7", 5_000),
        "agent": AGENT,
        "key": key,
        "fingerprint": f"print of {key}",
        "shape": "flat",
        "symbol": "BTC",
        "side": side,
        "size": D(size),
        "reduce_only": False,
        "stamped_at_ms": 4_000,
    }
    return Trade(**(values | more))


def stop_of(action: Trade) -> SetStop:
    names = ("origin", "agent", "key", "fingerprint", "shape", "symbol", "side", "size", "stamped_at_ms")
    return SetStop(**{name: getattr(action, name) for name in names}, reduce_only=True, trigger_px=D(90))


def tell(state: IntakeState, *events: ev.Event) -> None:
    for event in events:
        evolve_intake(state, event)


def offer(
    state: IntakeState, action: Action, known: str | None = None, routes: tuple[Route, ...] = ROUTES
) -> list[ev.Event]:
    events = admit(state, action, known, routes, Symbols(), 9, 6_000)
    tell(state, *events)
    return events


def received(state: IntakeState, action: Action) -> ev.ActionReceived:
    event = offer(state, action)[0]
    assert isinstance(event, ev.ActionReceived)
    return event


def size_of(state: IntakeState, coin: str = "BTC", agent: Agent = AGENT) -> Decimal:
    return state.books[BookKey(agent, coin)].size


def channel(name: str, state: str, *ids: str, source: str = "main", system: str = "fractrade") -> Status:
    return Status(origin=Origin(system, source, name, 1), state=state, agent_ids=ids)


def turn(state: IntakeState, status: Status) -> list[ev.GapNoted]:
    events = channel_events(state, status, 10)
    tell(state, *events)
    assert isinstance(events[0], ev.SourceChanged)
    return [event for event in events if isinstance(event, ev.GapNoted)]


def holding(*agent_ids: str) -> IntakeState:
    """Agents whose books are long one BTC."""
    state = IntakeState()
    for name in agent_ids:
        offer(state, trade(key=f"open {name}", agent=Agent("fractrade", name)))
    return state


# -- known before ---


def test_the_same_key_with_the_same_content_is_a_duplicate_and_moves_no_book() -> None:
    state = IntakeState()
    first = trade()
    offer(state, first)
    again = offer(state, replace(first, origin=Origin("fractrade", "main", "user:1", 5_001)), first.fingerprint)
    assert again == [replace(REPEAT, channel="user:1")]
    assert size_of(state) == 1


def test_the_same_key_with_another_content_is_a_conflict_and_moves_no_book() -> None:
    state = IntakeState()
    offer(state, trade())
    assert offer(state, trade(fingerprint="other"), "print of k1") == [
        ev.ConflictSeen(at_ms=6_000, key="k1", frame_id=9, channel="agent:7")
    ]
    assert size_of(state) == 1


def test_the_same_trade_in_the_other_shape_is_a_suspected_duplicate_and_a_person_is_told() -> None:
    state = IntakeState()
    offer(state, trade(leverage=D(10)))
    twin = trade(key="k2", shape="envelope", size="1.0", leverage=D("10.0"), stamped_at_ms=4_000 + TWIN_MS)
    suspected, alarm = offer(state, twin)
    own = {"fingerprint": "print of k2", "action_id": twin.action_id, "twin": "k1"}
    assert suspected == replace(REPEAT, key="k2", suspected=True, **own)
    assert isinstance(alarm, ev.AlarmRaised)
    assert alarm.code == "SUSPECTED_DUPLICATE"
    assert size_of(state) == 1


def test_two_names_of_one_coin_do_not_make_two_trades_of_one_told_in_two_shapes() -> None:
    state = IntakeState()
    offer(state, trade(symbol="BTC"))
    suspected, _ = offer(state, trade(key="k2", shape="envelope", symbol="BTC-USDT"))
    assert isinstance(suspected, ev.DuplicateSeen)
    assert suspected.suspected


def test_a_suspected_duplicate_stays_known_when_its_twin_is_long_forgotten() -> None:
    state, ledger = IntakeState(), MemoryLedger()

    def told(action: Action) -> list[ev.Event]:
        known = ledger.known(action.key)
        events = offer(state, action, None if known is None else known.fingerprint)
        ledger.commit([], events)
        return events

    envelope = trade(key="k2", shape="envelope")
    told(trade())
    told(envelope)
    for n in range(TWINS_KEPT + 1):
        told(trade(key=f"n{n}", size=str(n + 2)))
    assert told(envelope) == [replace(REPEAT, key="k2")]
    assert isinstance(told(replace(envelope, fingerprint="other"))[0], ev.ConflictSeen)


@pytest.mark.parametrize(
    "other",
    [
        {"shape": "flat"},
        {"stamped_at_ms": 4_001 + TWIN_MS},
        {"stamped_at_ms": 3_999 - TWIN_MS},
        {"stamped_at_ms": None},
        {"size": "1.1"},
        {"side": Side.SELL},
        {"leverage": D(11)},
        {"reduce_only": True},
        {"symbol": "ETH"},
        {"agent": Agent("fractrade", "8")},
    ],
    ids=lambda other: next(iter(other)),
)
def test_whatever_differs_makes_it_another_trade(other: dict[str, Any]) -> None:
    state = IntakeState()
    offer(state, trade(leverage=D(10)))
    values: dict[str, Any] = {"key": "k2", "shape": "envelope", "leverage": D(10)} | other
    assert isinstance(offer(state, trade(**values))[0], ev.ActionReceived)


def test_a_twin_is_found_also_behind_a_newer_trade_of_the_same_content() -> None:
    """The other channel is late: meanwhile the agent traded the same again."""
    state = IntakeState()
    offer(state, trade())
    offer(state, trade(key="k3", stamped_at_ms=4_001 + TWIN_MS))
    assert isinstance(offer(state, trade(key="k2", shape="envelope"))[0], ev.DuplicateSeen)


def test_no_more_twins_are_kept_than_the_bound() -> None:
    state = IntakeState()
    for n in range(TWINS_KEPT + 10):
        offer(state, trade(key=f"k{n}", size=str(n + 1)))
    assert TWINS_KEPT <= len(state.twins) <= TWINS_KEPT + 1
    newest = trade(key="twin", size=str(TWINS_KEPT + 10), shape="envelope")
    assert isinstance(offer(state, newest)[0], ev.DuplicateSeen)


# -- received ---


def test_an_action_is_recorded_with_the_agents_book_before_and_after() -> None:
    state = IntakeState()
    opening = received(state, trade())
    closing = received(state, trade(key="k2", side=Side.SELL, stamped_at_ms=4_100))
    assert (opening.book_before, opening.book_after) == (D(0), D(1))
    assert (closing.book_before, closing.book_after) == (D(1), D(0))
    assert (opening.accounts, opening.routes, opening.coin) == (("acc",), ("all",), "BTC")


def test_a_symbol_that_is_not_the_venues_is_recorded_with_its_problem_and_moves_no_book() -> None:
    state = IntakeState()
    event = received(state, trade(symbol="GOLD"))
    assert (event.coin, event.symbol_problem, event.book_after) == (None, "SYMBOL_UNKNOWN", D(0))
    assert state.books == {}


@pytest.mark.parametrize("status", ["EXECUTED", "CANCELLED"])
def test_a_trade_that_is_over_moves_no_book(status: str) -> None:
    state = IntakeState()
    event = received(state, trade(status=status))
    assert event.book_after == 0
    assert state.books == {}


def test_only_a_new_trade_counts() -> None:
    assert counts(trade())
    assert counts(trade(status="PENDING", server_execution=True))
    assert not counts(trade(status="EXECUTED"))
    assert not counts(stop_of(trade()))


def test_a_stop_leaves_the_book_and_keeps_its_stamp_and_gap() -> None:
    state = holding("7")
    tell(state, ev.GapNoted(at_ms=1, system="fractrade", agent_ids=("7",)))
    offer(state, stop_of(trade(key="s", stamped_at_ms=4_500)))
    book = state.books[BookKey(AGENT, "BTC")]
    assert (book.size, book.last_stamp_ms, book.gapped) == (D(1), 4_500, True)
    assert received(state, trade(key="k9", stamped_at_ms=4_499)).superseded


@pytest.mark.parametrize(("stamp", "superseded"), [(3_999, True), (4_000, False), (4_001, False)])
def test_what_is_stamped_before_an_action_already_seen_is_superseded(stamp: int, superseded: bool) -> None:
    state = IntakeState()
    offer(state, trade())
    assert received(state, trade(key="k2", stamped_at_ms=stamp)).superseded is superseded


def test_a_stamp_far_ahead_locks_nobody_out() -> None:
    """It counts as said at most five seconds after its receipt, for its book and for what comes after it."""
    state = IntakeState()
    assert received(state, trade(stamped_at_ms=10**15)).stamped_at_ms == 10**15
    book = state.books[BookKey(AGENT, "BTC")]
    assert (book.last_stamp_ms, book.recent[-1].at_ms) == (10_000, 10_000)
    offer(state, stop_of(trade(key="s", stamped_at_ms=10**15)))
    assert state.books[BookKey(AGENT, "BTC")].last_stamp_ms == 10_000
    assert received(state, trade(key="k2", stamped_at_ms=9_999)).superseded
    assert not received(state, trade(key="k3", stamped_at_ms=10_000)).superseded


def test_a_clock_that_stands_ahead_leaves_the_order_of_what_it_stamps() -> None:
    state, later = IntakeState(), Origin("fractrade", "main", "agent:7", 6_000)
    offer(state, trade(stamped_at_ms=60_000))
    assert not received(state, trade(key="k2", origin=later, stamped_at_ms=61_000)).superseded


def test_without_a_stamp_the_time_of_receipt_counts() -> None:
    state = IntakeState()
    assert received(state, trade(stamped_at_ms=None)).stamped_at_ms is None
    assert state.books[BookKey(AGENT, "BTC")].last_stamp_ms == 5_000
    assert not state.twins


def test_an_agent_no_route_takes_is_refused_and_its_book_still_moves() -> None:
    state = IntakeState()
    route = Route("few", "main", ("9",), "follow", ("acc",))
    event, refused = offer(state, trade(), routes=(route,))
    assert isinstance(event, ev.ActionReceived)
    assert isinstance(refused, ev.ActionRefused)
    assert (event.accounts, refused.reason, size_of(state)) == ((), "NO_ROUTE", D(1))


def test_every_route_that_takes_the_agent_brings_its_accounts() -> None:
    routes = (
        Route("one", "main", ("7",), "follow", ("a", "b")),
        Route("other", "elsewhere", ("*",), "follow", ("c",)),
        Route("two", "main", ("x", "*"), "scaled", ("d",)),
    )
    event = admit(IntakeState(), trade(), None, routes, Symbols(), None, 1)[0]
    assert isinstance(event, ev.ActionReceived)
    assert list(zip(event.accounts, event.routes, strict=True)) == [("a", "one"), ("b", "one"), ("d", "two")]


SHARED = (
    Route("none of this agent", "second", ("8",), "follow", ("other",)),
    Route("one", "main", ("7",), "follow", ("acc",)),
    Route("two", "third", ("*",), "scaled", ("acc", "more")),
)


@pytest.mark.parametrize(
    ("teller", "open_channels", "brought"),
    [
        ("second", {"main": ("7",)}, [("acc", "one")]),
        ("second", {}, []),
        ("second", {"main": ("8",)}, []),
        ("second", {"main": (), "third": ("7",)}, [("acc", "two"), ("more", "two")]),
        ("main", {"main": ("7",), "third": ("7",)}, [("acc", "one"), ("more", "two")]),
        ("third", {"main": ("7",), "third": ("7",)}, [("acc", "two"), ("more", "two")]),
    ],
)
def test_what_several_sources_carry_goes_where_each_brings_it_whoever_tells_it_first(
    teller: str, open_channels: dict[str, tuple[str, ...]], brought: list[tuple[str, str]]
) -> None:
    state = IntakeState()
    for source, ids in open_channels.items():
        turn(state, channel("user", "open", *ids, source=source))
        turn(state, channel("user", "open", "7", source=source, system="nexgent"))
    told = offer(state, trade(origin=Origin("fractrade", teller, "user", 5_000)), routes=SHARED)[0]
    assert isinstance(told, ev.ActionReceived)
    assert list(zip(told.accounts, told.routes, strict=True)) == brought


def test_a_channel_of_everybody_brings_an_agent_its_source_was_heard_telling_of() -> None:
    state = IntakeState()
    turn(state, channel("user", "open", source="main"))
    offer(state, trade("known"), routes=SHARED)
    told = offer(state, trade(origin=Origin("fractrade", "second", "user", 5_000)), routes=SHARED)[0]
    assert isinstance(told, ev.ActionReceived)
    assert told.accounts == ("acc",)


def test_a_malformed_frame_is_recorded_with_all_it_said() -> None:
    wrong = Malformed(
        origin=trade().origin, reason="MISSING", field="symbol", detail="none", action_id="x", agent_id="7"
    )
    assert refused_frame(wrong, 3, 4) == ev.FrameRefused(
        at_ms=4, frame_id=3, reason="MISSING", field="symbol", detail="none", action_id="x", agent_id="7"
    )


# -- channels and gaps ---


def test_an_agents_only_channel_that_closes_opens_a_gap_for_its_open_book() -> None:
    state = holding("7", "8")
    turn(state, channel("agent:7", "open", "7"))
    turn(state, channel("agent:8", "open", "8"))
    assert [gap.agent_ids for gap in turn(state, channel("agent:7", "closed", "7"))] == [("7",)]
    assert received(state, trade(key="k2", stamped_at_ms=4_001)).gapped
    assert not received(state, trade(key="k3", stamped_at_ms=4_001, agent=Agent("fractrade", "8"))).gapped


def test_two_channels_carry_an_agent_until_the_last_one_closes() -> None:
    state = holding("7")
    turn(state, channel("agent:7", "open", "7"))
    turn(state, channel("executor", "open", "7", "8"))
    assert turn(state, channel("agent:7", "closed", "7")) == []
    assert [gap.agent_ids for gap in turn(state, channel("executor", "refused", "7", "8"))] == [("7",)]


def test_a_channel_that_carries_everybody_covers_every_agent() -> None:
    state = holding("7", "8")
    turn(state, channel("user:1", "open"))
    turn(state, channel("agent:7", "open", "7"))
    assert turn(state, channel("agent:7", "closed", "7")) == []
    assert [gap.agent_ids for gap in turn(state, channel("user:1", "closed"))] == [("7", "8")]


def test_another_systems_channel_covers_nobody_here() -> None:
    state = holding("7")
    turn(state, channel("all", "open", source="nex", system="nexgent"))
    turn(state, channel("agent:7", "open", "7"))
    assert [gap.agent_ids for gap in turn(state, channel("agent:7", "closed", "7"))] == [("7",)]
    assert turn(state, channel("all", "closed", source="nex", system="nexgent")) == []


def elsewhere(action: Action) -> Action:
    return replace(action, origin=replace(action.origin, source="second"))


def test_a_channel_of_everybody_covers_only_whom_its_source_was_heard_telling_of() -> None:
    state = holding("7")
    offer(state, elsewhere(trade(key="b", agent=Agent("fractrade", "b"))))
    turn(state, channel("executor", "open"))
    turn(state, channel("agent:b", "open", "b", source="second"))
    assert [gap.agent_ids for gap in turn(state, channel("agent:b", "closed", "b", source="second"))] == [("b",)]


@pytest.mark.parametrize("told", [{"key": "open 7"}, {"key": "k2", "shape": "envelope"}], ids=["again", "as a twin"])
def test_a_source_is_heard_also_where_another_told_it_first(told: dict[str, Any]) -> None:
    state, second = holding("7"), elsewhere(trade(**told))
    turn(state, channel("executor", "open", source="second"))
    turn(state, channel("agent:7", "open", "7"))
    offer(state, second, "print of open 7" if told["key"] == "open 7" else None)
    assert turn(state, channel("agent:7", "closed", "7")) == []


def test_a_channel_that_never_was_open_opens_no_gap_and_neither_does_closing_twice() -> None:
    state = holding("7")
    assert turn(state, channel("agent:7", "closed", "7")) == []
    turn(state, channel("agent:7", "open", "7"))
    assert len(turn(state, channel("agent:7", "closed", "7"))) == 1
    assert turn(state, channel("agent:7", "closed", "7")) == []


def test_a_flat_book_has_no_gap() -> None:
    state = holding("7")
    offer(state, trade(key="k2", side=Side.SELL, stamped_at_ms=4_001))
    turn(state, channel("agent:7", "open", "7"))
    assert turn(state, channel("agent:7", "closed", "7")) == []


def test_a_gap_marks_only_the_named_agents_open_books_of_that_system() -> None:
    state = holding("7", "8")
    offer(state, trade(key="n", agent=Agent("nexgent", "7")))
    offer(state, trade(key="e", symbol="ETH"))
    offer(state, trade(key="f", symbol="ETH", side=Side.SELL, stamped_at_ms=4_001))
    tell(state, ev.GapNoted(at_ms=1, system="fractrade", agent_ids=("7",)))
    assert [key for key, book in state.books.items() if book.gapped] == [BookKey(AGENT, "BTC")]


def test_a_gap_lasts_until_the_book_is_flat() -> None:
    state = holding("7")
    tell(state, ev.GapNoted(at_ms=1, system="fractrade", agent_ids=("7",)))
    assert received(state, trade(key="k2", side=Side.SELL, stamped_at_ms=4_001)).gapped
    assert not received(state, trade(key="k3", stamped_at_ms=4_002)).gapped


def test_a_worker_that_was_not_running_heard_nobody() -> None:
    state = holding("7", "8")
    offer(state, trade(key="n", agent=Agent("nexgent", "7")))
    turn(state, channel("user:1", "open"))
    tell(state, ev.ProcessStarted(at_ms=1, clean=True, version="1", mode="dry"))
    assert state.channels == {}
    gaps = start_gap(state, 5)
    assert gaps == [
        ev.GapNoted(at_ms=5, system="fractrade", agent_ids=("7", "8")),
        ev.GapNoted(at_ms=5, system="nexgent", agent_ids=("7",)),
    ]
    assert start_gap(IntakeState(), 5) == []


def test_other_events_leave_the_intake_alone() -> None:
    state = holding("7")
    before = dict(state.books)
    tell(state, ev.Paused(at_ms=1, by="x"))
    assert state.books == before


def test_what_an_action_closes_and_opens_is_read_off_the_agents_book() -> None:
    state = IntakeState()
    opening = received(state, trade())
    flip = received(state, trade(key="k2", side=Side.SELL, size="3", stamped_at_ms=4_100))
    cover = received(state, trade(key="k3", size="1", stamped_at_ms=4_200))
    assert [(closes(one), opens(one)) for one in (opening, flip, cover)] == [(False, True), (True, True), (True, False)]


# -- actions that strategies made of facts ----------------------------------------------------------------------

ROUTE = Route("r", "main", ("*",), "mine", ("acc", "sub"), "mine")


def derived(action: Action, *, intent: TradeIntent | None = None, **more: Any) -> ev.ActionReceived:
    made = Derivation(via=action.agent.via, fact="SourcePosition", identity="p1 r1", intent=intent, **more)
    return admit_derived(IntakeState(), action, made, ROUTE, Symbols(), 9, 6_000)


def test_an_action_of_a_fact_goes_to_the_accounts_of_its_route_under_the_venues_name() -> None:
    own = trade(agent=Agent("nexgent", "7", "mine"))
    intent = TradeIntent(coin="btc", side=Side.BUY, size=D(1))
    event = derived(own, intent=intent)
    assert (event.accounts, event.routes, event.agent) == (("acc", "sub"), ("r", "r"), own.agent)
    assert event.derived is not None
    assert event.derived.intent == replace(intent, coin="BTC")
    unlisted = derived(trade(agent=own.agent, symbol="NOSUCH"), intent=intent)
    assert unlisted.derived is not None
    assert (unlisted.coin, unlisted.derived.intent) == (None, intent)


def test_the_book_of_a_strategy_is_not_the_agents_and_keeps_what_was_reported() -> None:
    state = IntakeState()
    own = Agent("fractrade", "7", "mine")
    offer(state, trade())
    tell(state, derived(trade("k2", "5", agent=own), subject="p1", subject_size=D(10)))
    assert (size_of(state), size_of(state, agent=own)) == (1, 5)
    assert state.subjects == {(own, "p1"): Subject("BTC", D(10))}
    tell(state, derived(trade("k3", "5", Side.SELL, agent=own), subject="p1", subject_size=D(0)))
    assert state.subjects == {}
    tell(state, derived(trade("k4", agent=own)), derived(trade("k5", agent=own), subject="BTC", against=True))
    assert state.subjects == {(own, "BTC"): Subject("BTC", None, against=True)}


def test_frames_that_were_missed_put_no_target_in_doubt() -> None:
    own, state = Agent("nexgent", "7", "mine"), IntakeState()
    state.books[BookKey(own, "BTC")] = Book(size=D(1), gapped=True, last_stamp_ms=9_000)
    for holds in (True, False):
        made = Derivation(via="mine", fact="SourcePosition", identity="1", holds=holds)
        event = admit_derived(state, trade(agent=own), made, ROUTE, Symbols(), None, 6_000)
        assert (event.gapped, event.superseded) == (not holds, True)


def test_what_a_strategy_decides_for_itself_is_never_superseded() -> None:
    own, state = Agent("strategy", "mine", "mine"), IntakeState()
    state.books[BookKey(own, "BTC")] = Book(size=D(1), last_stamp_ms=9_000)
    made = Derivation(via="mine", fact="Ticker", identity="1", holds=True)
    assert not admit_derived(state, trade(agent=own), made, ROUTE, Symbols(), None, 6_000).superseded


def test_what_a_strategy_remembers_replaces_what_it_remembered() -> None:
    state = IntakeState()
    for n in (1, 2):
        tell(state, ev.StrategyRemembered(at_ms=n, via="mine", memory={"n": n}))
    assert state.memories == {"mine": {"n": 2}}
