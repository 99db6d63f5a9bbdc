"""One account's deciding part told as a story: signals in, the venue's answers back, no input and no output.

The venue is a dictionary of positions. By default it fills what it can, rests triggers and does what it is told;
``story.answers[kind]`` makes the next orders of a kind go otherwise (``HOW`` below).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from executor.core import events as ev
from executor.core.answers import answer_events
from executor.core.batch import Batch, entry_batches, ready_entries, urgent
from executor.core.decide import take_up
from executor.core.evolve import evolve
from executor.core.executed import as_followed
from executor.core.facts import (
    AccountFact,
    Answer,
    Done,
    Filled,
    OpenOrder,
    PositionFact,
    Rejected,
    Resting,
    Unknown,
    Waiting,
)
from executor.core.identity import action_key, fingerprint
from executor.core.intake import IntakeState, Route, admit, evolve_intake
from executor.core.intents import Intent, StopIntent, TradeIntent
from executor.core.protocols import Market
from executor.core.reconcile import account_events, order_list_events
from executor.core.settings import DeskSettings
from executor.core.signal import Signal
from executor.core.source_events import Action, Origin, SetStop, SetTarget, Trade
from executor.core.state import DeskState, Leg
from executor.core.steps import next_steps
from executor.core.types import Agent, Quote, Side
from executor.hyperliquid.meta import parse_meta
from executor.venue.rules import HyperliquidRules

D = Decimal
T0 = 1_800_000_000_000
UNIVERSE = parse_meta(
    {
        "universe": [
            {"name": "BTC", "szDecimals": 3, "maxLeverage": 40},
            {"name": "ETH", "szDecimals": 3, "maxLeverage": 25},
            {"name": "SOL", "szDecimals": 2, "maxLeverage": 20},
            {"name": "ISO", "szDecimals": 1, "maxLeverage": 5, "onlyIsolated": True},
        ]
    }
)
RULES = HyperliquidRules(UNIVERSE)

HOW = ("fill", "part", "reject", "beyond", "unknown", "wait", "rest", "waiting")
"""fill; fill 40 %; refuse (capitals: with that reason); refuse what would fire at once; lose the answer; answer only by
``answer_all``; rest; ``waitingForFill``."""


def quote(px: str | int, *, mark: str | int | None = None) -> Quote:
    """One price for everything: the book has no spread here."""
    return Quote(D(px), D(px), D(px if mark is None else mark), T0)


def listed(leg: Leg) -> OpenOrder:
    """A trigger of ours as the venue lists it; its order id is its own for ever."""
    kind = "Stop Market" if leg.kind == "stop" else "Take Profit Market"
    size, px, oid = leg.size - leg.filled, leg.trigger_px, int(leg.cloid[-8:], 16)
    return OpenOrder(oid, leg.cloid, leg.coin, leg.side, leg.limit_px, size, leg.size, True, px, kind, False, T0)


@dataclass
class Story:
    """``state`` and ``events`` are what tests look at; ``venue`` holds the exchange's own positions."""

    settings: dict[str, Any] = field(default_factory=dict)
    now: int = T0
    auto: bool = True
    lists: bool = True

    def __post_init__(self) -> None:
        self.desk = replace(DeskSettings(account="main", network="testnet", address="0x" + "a" * 40), **self.settings)
        self.state = DeskState("main", equity_usd=D(100_000), account_read_ms=T0, reconciled=True)
        self.intake = IntakeState()
        self.quotes = {coin.coin: quote(100) for coin in UNIVERSE.assets}
        self.market = Market(RULES, self.quotes)
        self.venue: dict[str, Decimal] = {}
        self.answers: dict[str, deque[str]] = {}
        self.events: list[ev.Event] = []
        self.sent: list[Batch] = []
        self.out: list[tuple[Batch, str]] = []
        self.known: dict[str, str] = {}
        self.count = 0

    # -- signals ----------------------------------------------------------------------------------------------------

    def long(self, size: str | int, **more: Any) -> list[ev.Event]:
        return self.trade(Side.BUY, size, **more)

    def short(self, size: str | int, **more: Any) -> list[ev.Event]:
        return self.trade(Side.SELL, size, **more)

    def trade(self, side: Side, size: str | int, *, intents: Any = "follow", **more: Any) -> list[ev.Event]:
        action = self.action(Trade, side, size, **more)
        brackets = {k: D(more[k]) for k in ("stop_px", "target_px") if k in more}
        follow = (
            TradeIntent(coin=action.symbol, side=side, size=D(str(action.size)), leverage=action.leverage, **brackets),
        )
        return self.take(action, follow if intents == "follow" else intents, **more)

    def stop(self, px: str | int, side: Side = Side.SELL, **more: Any) -> list[ev.Event]:
        action = self.action(SetStop, side, more.pop("size", 1), trigger_px=D(px), **more)
        follow = (StopIntent(coin=action.symbol, trigger_px=D(px)),)
        return self.take(action, more.get("intents", follow), **more)

    def target(self, px: str | int, size: str | int = 1, side: Side = Side.SELL, **more: Any) -> list[ev.Event]:
        action = self.action(SetTarget, side, size, trigger_px=D(px), **more)
        return self.take(action, more.get("intents", ()), **more)

    def action(self, kind: type[Any], side: Side, size: str | int, **more: Any) -> Action:
        self.count += 1
        sender_id = more.get("sender_id", f"id-{self.count}")
        agent, coin = more.get("agent", "alice"), more.get("coin", "BTC")
        trigger, stamp = more.get("trigger_px"), more.get("at", self.now)
        reduce_only = more.get("reduce_only", kind is not Trade)
        key = action_key("fractrade", sender_id, agent, kind.type, f"e{self.count}", coin, side, reduce_only, trigger)
        assert key is not None
        return kind(
            origin=Origin("fractrade", "src", "agent:x", self.now),
            agent=Agent("fractrade", agent),
            key=key,
            fingerprint=fingerprint(str(size), coin),
            shape="flat",
            symbol=coin,
            side=side,
            size=D(str(size)),
            reduce_only=reduce_only,
            sender_id=sender_id,
            event_id=more.get("event_id"),
            leverage=D(more["leverage"]) if "leverage" in more else None,
            reference_px=D(more["reference_px"]) if "reference_px" in more else None,
            trigger_px=trigger,
            stamped_at_ms=stamp,
            status=more.get("status", "PENDING"),
            server_execution=more.get("server_execution", False),
        )

    def action_key(self, sender_id: str) -> str:
        """The key an action with this id of the sender's will have."""
        key = action_key("fractrade", sender_id, "alice", Trade.type, None, "BTC", Side.BUY, False, None)
        assert key is not None
        return key

    def admit(self, action: Action) -> ev.ActionReceived | None:
        routes = [Route("r", "src", ("*",), "follow", (self.state.account,))]
        known = self.known.get(action.key)
        admitted = admit(self.intake, action, known, routes, RULES, None, self.now)
        for event in admitted:
            evolve_intake(self.intake, event)
        self.known[action.key] = action.fingerprint
        self.events += admitted
        return admitted[0] if isinstance(admitted[0], ev.ActionReceived) else None

    def take(self, action: Action, wanted: tuple[Intent, ...], **more: Any) -> list[ev.Event]:
        """Admit, decide, and let everything follow that is due; what was decided comes back."""
        received = self.admit(action)
        if received is None:
            return []
        received = replace(received, **more.get("received", {}))
        evolve(self.state, received)
        received = as_followed(self.state, received)
        signal = Signal(received=received, route="r", strategy="follow", intents=wanted, **more.get("signal", {}))
        decided = take_up(self.desk, self.state, signal, self.now, self.market)
        self.note(decided)
        self.settle()
        return decided

    # -- what follows ----------------------------------------------------------------------------------------------

    def note(self, events: list[ev.Event]) -> None:
        for event in events:
            if isinstance(event, ev.LegPlanned):
                assert event.cloid not in self.state.legs, "the same cloid twice"
            self.events.append(event)
            evolve(self.state, event)

    def steps(self) -> None:
        """Let every due step happen; they must come to rest."""
        for _ in range(25):
            due = next_steps(self.desk, self.state, self.now, self.market)
            if not due:
                return
            self.note(due)
        raise AssertionError(f"restless: {due}")

    def settle(self) -> None:
        """Steps, sends and answers until nothing happens any more."""
        for _ in range(60):
            self.steps()
            batches = [*urgent(self.state, self.now)]
            batches += entry_batches(self.state, ready_entries(self.desk, self.state, self.market))
            for batch in batches:
                self.send(batch)
            if not batches and not (self.auto and self.answer_all(only_auto=True)) and not self.list_orders():
                return
        raise AssertionError("it does not come to an end")

    def on_venue(self) -> list[Leg]:
        """Our triggers that rest there."""
        return [leg for leg in self.state.live.values() if leg.trigger_px and leg.state == "resting"]

    def list_orders(self) -> bool:
        """The venue's list of open orders is read: triggers that rest, and what others have there; whether it is news.

        With ``lists`` false no list is read: what rests is known by the answer alone.
        """
        if not self.lists:
            return False
        resting = self.on_venue()
        shown = {order.cloid for order in self.state.orders.values() if order.cloid in self.state.legs}
        if shown == {leg.cloid for leg in resting} and all(leg.listed == leg.size - leg.filled for leg in resting):
            return False
        others = [order for order in self.state.orders.values() if order.cloid not in self.state.legs]
        events = order_list_events(self.state, [*others, *map(listed, resting)], self.now, self.now)
        self.note(events)
        return bool(events)

    def send(self, batch: Batch) -> None:
        self.count += 1
        request_id = f"r{self.count}"
        self.note(
            [
                ev.SendStarted(
                    at_ms=self.now,
                    account="main",
                    request_id=request_id,
                    purpose=batch.purpose,
                    signer="0x1",
                    nonce=self.count,
                    expires_after_ms=self.now + 10_000,
                    vault=None,
                    action={},
                    cloids=tuple(leg.cloid for leg in batch.legs)
                    or tuple(c.cloid for c in batch.cancels if c.cloid is not None),
                    oids=tuple(c.oid for c in batch.cancels if c.cloid is None and c.oid is not None),
                    coin=batch.coin,
                )
            ]
        )
        self.sent.append(batch)
        self.out.append((batch, request_id))

    # -- the venue -------------------------------------------------------------------------------------------------

    def how(self, kind: str) -> str:
        waiting = self.answers.get(kind)
        return waiting[0] if waiting else "fill"

    def answer_all(self, *, only_auto: bool = False) -> bool:
        """Answer what is out, oldest first; whether anything was."""
        answered = False
        for item in list(self.out):
            batch, request_id = item
            kinds = [leg.kind for leg in batch.legs] or [batch.purpose]
            if only_auto and any(self.how(kind) == "wait" for kind in kinds):
                continue
            self.out.remove(item)
            answers = [self.answer(leg.kind, leg) for leg in batch.legs]
            answers = answers or [self.answer(batch.purpose, None) for _ in batch.cancels or [None]]
            self.reply(request_id, answers)
            answered = True
        return answered

    def reply(self, request_id: str, answers: list[Answer]) -> None:
        request = self.state.requests.get(request_id)
        if request is not None:
            self.note(answer_events(self.state, request, answers, self.now, resend=False))

    def answer(self, kind: str, leg: Leg | None) -> Answer:
        how = self.how(kind)
        if self.answers.get(kind):
            self.answers[kind].popleft()
        if how == "reject":
            return Rejected("REJECTED", "no")
        if how.isupper():
            return Rejected(how, "the venue's words")
        if how == "beyond":
            return Rejected("INVALID_TRIGGER_PX", "Invalid TP/SL price. asset=0")
        if how == "unknown":
            return Unknown("NO_ANSWER", "")
        if leg is None:
            return Done()
        if how == "waiting":
            return Waiting(for_trigger=False)
        if leg.trigger_px is not None:
            return Waiting(for_trigger=True) if leg.bracket else Resting(self.count)
        return self.execute(leg, leg.size if how != "part" else RULES.floor_size(leg.coin, leg.size * D("0.4")))

    def execute(self, leg: Leg, size: Decimal) -> Answer:
        held = self.venue.get(leg.coin, D(0))
        if leg.reduce_only:
            size = min(size, max(-held * leg.side.sign, D(0)))
        if size == 0:
            return Rejected("REDUCE_ONLY", "Reduce only order would increase position.")
        self.venue[leg.coin] = held + size * leg.side.sign
        return Filled(self.count, size, self.market.mark(leg.coin) or D(100))

    def set(self, kind: str, *hows: str) -> None:
        """How the venue treats the next orders of this kind."""
        self.answers[kind] = deque(hows)

    def fire(self, leg: Leg, size: str | None = None) -> None:
        """A resting trigger executes, whole unless told otherwise."""
        answer = self.execute(leg, leg.size if size is None else D(size))
        done = answer.size if isinstance(answer, Filled) else D(0)
        self.note(
            [
                ev.LegFilled(
                    at_ms=self.now,
                    account="main",
                    key=leg.key,
                    cloid=leg.cloid,
                    oid=1,
                    size=done,
                    avg_px=leg.trigger_px,
                )
            ]
        )
        self.settle()

    def resolve(self, kind: str, what: str) -> None:
        """An unknown order turns out filled, part, rejected or absent."""
        leg = next(leg for leg in self.state.legs.values() if leg.kind == kind and leg.state == "unknown")
        base = {"at_ms": self.now, "account": "main", "key": leg.key, "cloid": leg.cloid}
        if what == "absent":
            self.note([ev.LegAbsent(**base)])
        elif what == "rejected":
            self.note([ev.LegRejected(**base, reason="REJECTED", text="")])
        else:
            size = leg.size if what == "filled" else RULES.floor_size(leg.coin, leg.size * D("0.4"))
            answer = self.execute(leg, size)
            assert isinstance(answer, Filled)
            self.note([ev.LegFilled(**base, oid=1, size=answer.size, avg_px=answer.avg_px)])
        self.settle()

    def read(self, **foreign: str) -> None:
        """A complete read of the venue's positions, with those somebody else opened."""
        self.venue.update({coin: self.venue.get(coin, D(0)) + D(size) for coin, size in foreign.items()})
        facts = tuple(
            PositionFact(coin, size, D(100), 3, False, None, D(0), D(0)) for coin, size in self.venue.items() if size
        )
        fact = AccountFact(facts, self.state.equity_usd, D(0), D(0), self.now)
        self.note(account_events(self.state, fact, self.now, self.now))
        self.settle()

    def later(self, ms: int) -> None:
        self.now += ms
        self.settle()

    def price(self, px: str | int, coin: str = "BTC") -> None:
        self.quotes[coin] = quote(px)
        self.settle()

    def command(self, event: type[Any], **more: Any) -> None:
        self.note([event(at_ms=self.now, account="main", **more)])
        self.settle()

    # -- what tests ask --------------------------------------------------------------------------------------------

    def held(self, coin: str = "BTC") -> Decimal:
        """The position as we believe it; it must be the venue's."""
        assert self.state.position(coin).size == self.venue.get(coin, D(0))
        return self.state.position(coin).size

    def refusals(self) -> list[str]:
        return [e.reason for e in self.events if isinstance(e, ev.ActionRefused)]

    def alarms(self) -> list[str]:
        return [e.code for e in self.events if isinstance(e, ev.AlarmRaised)]

    def planned(self, kind: str | None = None) -> list[ev.LegPlanned]:
        return [e for e in self.events if isinstance(e, ev.LegPlanned) and kind in (None, e.leg)]

    def live(self, kind: str, coin: str = "BTC") -> list[tuple[str, str]]:
        """Open legs of a kind, as (size, trigger)."""
        return [(str(leg.size), str(leg.trigger_px)) for leg in self.state.legs_of(coin, kind)]

    def of(self, kind: type[Any]) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind)]
