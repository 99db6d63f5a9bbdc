"""Whatever comes in whatever order: the steps rest, nothing is planned twice, no stop is lost, we end as agents do."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import example, given, note
from hypothesis import strategies as st
from story import RULES, Story

from executor.core import events as ev
from executor.core.answers import answer_events
from executor.core.batch import Batch
from executor.core.evolve import evolve
from executor.core.facts import Answer, Done, Filled, Rejected, Resting, Unknown, Waiting
from executor.core.state import Leg
from executor.core.types import Side, closing_side
from executor.ledger.codec import decode, encode
from executor.risk.notional import MaxGrossExposure, MaxPositionNotional, UsdCap
from executor.snapshots import desk_document, desk_of

D = Decimal
ZERO = D(0)
COINS = ("BTC", "ETH")
HOWS = ("fill", "part", "reject", "lost", "never")
"""fill; fill 40 %; refuse; do it and lose the answer; never let it arrive and lose the answer."""


@dataclass
class Wild(Story):
    """A story whose venue answers when and how the property says, and knows which stops rest on it."""

    truth: dict[str, Answer | None] = field(default_factory=dict)
    resting: dict[str, Leg] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.auto = False

    # -- what must hold whenever something is planned ----------------------------------------------------------------

    def note(self, events: list[ev.Event]) -> None:
        for event in events:
            if isinstance(event, ev.LegPlanned) and event.leg == "exit":
                self.fits(event)
            super().note([event])

    def fits(self, event: ev.LegPlanned) -> None:
        position = self.state.position(event.coin)
        there = abs(position.size) if position.size * event.side.sign < 0 else ZERO
        coming = sum(
            (leg.remaining for leg in self.state.legs_of(event.coin, "entry") if leg.side is not event.side), ZERO
        )
        assert event.reduce_only
        assert 0 < event.size <= there + coming

    # -- the venue -----------------------------------------------------------------------------------------------------

    def answer_one(self, index: int, how: str) -> None:
        if not self.out:
            return
        batch, request_id = self.out.pop(index % len(self.out))
        request = self.state.requests.get(request_id)
        if request is None:
            return  # given up as unanswered and proved absent meanwhile: nobody reads the answer any more
        if batch.legs and self.now > (request.expires_after_ms or self.now):
            how = "never" if how in ("lost", "never") else "reject"  # the venue takes nothing that has expired
        truths = self.carried_out(batch, how)
        answers: list[Answer] = truths
        if how in ("lost", "never"):
            answers = [Unknown("NO_ANSWER", "")] * len(truths)
            if batch.purpose == "leverage":  # a fresh read settles it (execution.prepare)
                self.note(answer_events(self.state, request, answers, self.now, resend=False))
                known = self.state.leverage[batch.coin or ""]
                self.note(
                    [
                        ev.LeverageConfirmed(
                            at_ms=self.now,
                            account="main",
                            coin=batch.coin or "",
                            leverage=known.leverage,
                            is_cross=known.is_cross,
                        )
                    ]
                )
                self.settle()
                return
        for leg, told in zip(batch.legs, truths, strict=False):
            self.truth[leg.cloid] = None if how == "never" else told
        self.note(answer_events(self.state, request, answers, self.now, resend=False))
        self.settle()

    def carried_out(self, batch: Batch, how: str) -> list[Answer]:
        if batch.purpose == "leverage":
            return [Rejected("REJECTED", "no") if how == "reject" else Done()]
        if batch.purpose == "cancel":
            return [self.cancelled(cancel.cloid or "", how) for cancel in batch.cancels]
        done = [self.order(leg, how) for leg in batch.legs]
        parent = done[0]
        if batch.grouping == "normalTpsl" and not (isinstance(parent, Filled) and parent.size == batch.legs[0].size):
            for leg in batch.legs[1:]:
                self.resting.pop(leg.cloid, None)
            done[1:] = [Waiting(for_trigger=False)] * (len(done) - 1)
        return done

    def cancelled(self, cloid: str, how: str) -> Answer:
        if how == "never":
            return Done()
        return Done() if self.resting.pop(cloid, None) is not None else Rejected("ORDER_GONE", "never placed")

    def order(self, leg: Leg, how: str) -> Answer:
        if how == "never":
            return Done()
        if how == "reject":
            return Rejected("REJECTED", "no")
        if leg.trigger_px is not None:
            self.resting[leg.cloid] = leg
            return Waiting(for_trigger=True) if leg.bracket else Resting(self.count)
        return self.execute(leg, leg.size if how != "part" else RULES.floor_size(leg.coin, leg.size * D("0.4")))

    def look_up(self, index: int) -> None:
        """What became of an order nobody knows."""
        unknown = [leg for leg in self.state.legs.values() if leg.state == "unknown"]
        if not unknown:
            return
        leg = unknown[index % len(unknown)]
        base: dict[str, Any] = {"at_ms": self.now, "account": "main", "key": leg.key, "cloid": leg.cloid}
        truth = self.truth.get(leg.cloid)
        if truth is None:
            self.note([ev.LegAbsent(**base)])
        elif isinstance(truth, Filled):
            self.note([ev.LegFilled(**base, oid=truth.oid, size=truth.size, avg_px=truth.avg_px)])
        elif isinstance(truth, Resting) or truth == Waiting(for_trigger=True):
            kept = leg.cloid in self.resting
            ended = ev.LegEnded(**base, oid=1, ending="canceled", status="canceled")
            self.note([ev.LegRested(**base, oid=1) if kept else ended])
        elif isinstance(truth, Waiting):
            self.note([ev.LegEnded(**base, oid=None, ending="canceled", status="waitingForFill")])
        else:
            self.note([ev.LegRejected(**base, reason="REJECTED", text="")])
        self.settle()

    def doubts(self) -> None:
        """Doubted legs are looked up at once (execution.resolve)."""
        for leg in [leg for leg in self.state.legs.values() if leg.doubted and leg.open]:
            base: dict[str, Any] = {"at_ms": self.now, "account": "main", "key": leg.key, "cloid": leg.cloid}
            ended = ev.LegEnded(**base, oid=1, ending="canceled", status="canceled")
            self.note([ev.LegRested(**base, oid=1) if leg.cloid in self.resting else ended])
        self.settle()

    def trigger(self, index: int) -> None:
        """A stop or target that the desk knows to rest fires."""
        known = [leg for leg in self.resting.values() if self.state.legs[leg.cloid].state == "resting"]
        if not known:
            return
        leg = known[index % len(known)]
        del self.resting[leg.cloid]
        answer = self.execute(leg, leg.size)
        base: dict[str, Any] = {"at_ms": self.now, "account": "main", "key": leg.key, "cloid": leg.cloid}
        if isinstance(answer, Filled):
            self.note([ev.LegFilled(**base, oid=1, size=answer.size, avg_px=leg.trigger_px)])
        else:
            self.note([ev.LegRejected(**base, reason="REDUCE_ONLY", text="")])
        self.settle()

    def on_venue(self) -> list[Leg]:
        return list(self.resting.values())

    def stops(self, coin: str) -> int:
        """How many stops that close the venue's position rest there."""
        side = closing_side(self.venue.get(coin, ZERO))
        return sum(leg.kind == "stop" and leg.coin == coin and leg.side is side for leg in self.resting.values())

    def drain(self) -> None:
        """Everything answered, looked up, and waited for."""
        for _ in range(80):
            self.doubts()
            if self.out:
                self.answer_one(0, "fill")
            elif any(leg.state == "unknown" for leg in self.state.legs.values()):
                self.look_up(0)
            elif self.state.exits or any(leg.open and leg.kind == "entry" for leg in self.state.legs.values()):
                self.later(31_000)
            else:
                self.settle()
                if not self.out:
                    return
        raise AssertionError("it does not come to an end")


sizes = st.sampled_from(["1", "2", "0.5", "3"])
sides = st.sampled_from(list(Side))
coins = st.sampled_from(COINS)
small = st.integers(0, 7)
ops = st.one_of(
    st.tuples(st.just("trade"), sides, sizes, coins, st.booleans()),
    st.tuples(st.just("stop"), sides, st.sampled_from(["80", "90", "110", "120"]), coins),
    st.tuples(st.just("target"), sides, st.sampled_from(["80", "90", "110", "120"]), sizes, coins),
    st.tuples(st.just("answer"), small, st.sampled_from(HOWS)),
    st.tuples(st.just("answer"), small, st.just("fill")),
    st.tuples(st.just("look_up"), small),
    st.tuples(st.just("doubts")),
    st.tuples(st.just("trigger"), small),
    st.tuples(st.just("later"), st.sampled_from([1, 300, 1_000, 5_000, 31_000])),
    st.tuples(st.just("price"), st.sampled_from(["95", "100", "105"]), coins),
)


def do(s: Wild, op: tuple[Any, ...]) -> None:
    match op:
        case ("trade", side, size, coin, bracket):
            s.trade(side, size, coin=coin, **({"stop_px": 100 - 15 * side.sign} if bracket else {}))
        case ("stop", side, px, coin):
            s.stop(px, side, coin=coin)
        case ("target", side, px, size, coin):
            s.target(px, size, side, coin=coin)
        case ("answer", index, how):
            s.answer_one(index, how)
        case ("price", px, coin):
            s.price(px, coin)
        case (name, *rest):
            getattr(s, name)(*rest)


@given(st.lists(ops, max_size=30), st.sampled_from(["alert", "place_default", "flatten"]), st.booleans())
def test_whatever_happens_the_steps_rest_nothing_is_planned_twice_and_we_end_on_the_agents_side(told, policy, always):
    s = Wild({"policy": policy, "require": "always" if always else "signalled"})
    for op in told:
        do(s, op)
    note(told)
    s.drain()
    books = {key.coin: book.size for key, book in s.intake.books.items()}
    for coin in COINS:
        ours, theirs = s.held(coin), books.get(coin, ZERO)
        assert ours * theirs >= 0
        assert theirs != 0 or ours == 0
    assert not s.state.requests
    assert s.state.exits == {}


lives = st.one_of(
    ops,
    st.tuples(st.just("trade"), sides, sizes, coins, st.booleans()),
    st.tuples(st.just("bob"), sides, sizes, coins),
    st.tuples(st.just("command"), st.sampled_from([ev.Paused, ev.Resumed, ev.FlattenStarted])),
    st.tuples(st.just("again"), st.booleans()),
    st.tuples(st.just("snapshot")),
    st.tuples(st.just("read")),
)


def live(s: Wild, op: tuple[Any, ...]) -> None:
    """As ``do``, with another agent, commands, and starts anew: from the record, or from a snapshot of the moment."""
    match op:
        case ("bob", side, size, coin):
            s.trade(side, size, coin=coin, agent="bob")
        case ("command", kind):
            s.command(kind, by="test")
        case ("again", clean):
            s.out.clear()  # whether what is out arrived is asked: it did not
            s.note([ev.ProcessStarted(at_ms=s.now, clean=clean, version="1", mode="live")])
            s.command(ev.Reconciled, why="start")
        case ("snapshot",):
            kept = desk_of(desk_document(s.state))
            assert kept == s.state
            assert list(kept.live) == list(s.state.live)
            s.state = kept
        case _:
            do(s, op)


@given(st.lists(lives, max_size=25))
def test_a_life_that_begins_with_a_snapshot_knows_what_the_whole_record_tells(told):
    s = Wild({"policy": "place_default", "require": "always"})
    before = deepcopy(s.state)
    for op in told:
        live(s, op)
    for event in s.events:
        if event.account in (None, "main"):
            evolve(before, decode(type(event).__name__, encode(event)))
    assert before == s.state


moves = st.one_of(
    st.tuples(st.just("trade"), sides, st.sampled_from(["0.5", "1"]), st.just("BTC"), st.booleans()),
    st.tuples(st.just("stop"), st.just(Side.SELL), st.sampled_from(["80", "85", "90"]), st.just("BTC")),
    st.tuples(st.just("answer"), small, st.sampled_from(HOWS)),
    st.tuples(st.just("answer"), small, st.just("fill")),
    st.tuples(st.just("look_up"), small),
    st.tuples(st.just("doubts")),
    st.tuples(st.just("later"), st.just(1_000)),
)


@given(st.lists(moves, min_size=10, max_size=30))
def test_a_position_that_has_a_stop_never_has_none_while_stops_are_moved_and_resized(told):
    s = Wild()
    for op in (("trade", Side.BUY, "6", "BTC", False), ("stop", Side.SELL, "88", "BTC")):
        do(s, op)
        s.drain()
    assert s.stops("BTC") == 1
    for op in told:
        do(s, op)
        if s.venue["BTC"] <= 0:
            return
        assert s.stops("BTC") > 0, op


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("trade"), sides, sizes, st.sampled_from(["BTC", "ETH", "SOL"])),
            st.tuples(st.just("answer"), small, st.sampled_from(HOWS)),
            st.tuples(st.just("look_up"), small),
        ),
        max_size=40,
    ),
    st.booleans(),
)
@example(
    [
        ("trade", Side.SELL, "1", "BTC"),
        ("answer", 0, "fill"),  # the leverage
        ("answer", 0, "lost"),  # the entry: done, and nobody knows
        ("trade", Side.BUY, "2", "BTC"),
        ("trade", Side.BUY, "3", "BTC"),
        ("answer", 0, "fill"),  # the exit closes what we do not know we have
    ],
    False,
)
def test_caps_hold_in_the_worst_case_at_any_interleaving_of_answers(told, buys_only):
    position, gross = D(500), D(900)
    rules = (
        MaxPositionNotional(UsdCap(max_usd=position, on_breach="shrink")),
        MaxGrossExposure(UsdCap(max_usd=gross, on_breach="shrink")),
    )
    s = Wild({"rules": rules})
    for op in told:
        if op[0] == "trade":
            s.trade(Side.BUY if buys_only else op[1], op[2], coin=op[3])
        else:
            do(s, op)
        assert all(worst <= position for worst in worsts(s).values())
        assert (
            sum(max(worsts(s)[coin, Side.BUY], worsts(s)[coin, Side.SELL]) for coin in ("BTC", "ETH", "SOL")) <= gross
        )


def worsts(s: Wild) -> dict[tuple[str, Side], Decimal]:
    """What each side of each coin may still reach on the venue, by the orders' price caps (the mark stays at 100).

    The venue's own position counts, not our picture of it: an exit may have closed what a lost answer hides from us.
    """
    sums = {(coin, side): ZERO for coin in ("BTC", "ETH", "SOL") for side in Side}
    for coin, side in sums:
        held = max(s.venue.get(coin, ZERO) * side.sign, ZERO)
        sums[coin, side] = held * (D(100) if side is Side.BUY else D("99.5"))
        for leg in s.state.legs_of(coin, "entry"):
            if leg.side is side and leg.cloid not in s.truth:
                sums[coin, side] += leg.remaining * leg.limit_px
    return sums
