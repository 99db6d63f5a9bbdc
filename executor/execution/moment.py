"""What is known when a fact comes: who listens, what a strategy is shown, and what its wishes are measured against."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from executor.core import events as ev
from executor.core.book import BookKey
from executor.core.derive import Held, Standing, agent_of
from executor.core.intake import Route, heard_by
from executor.core.protocols import StrategyView
from executor.core.state import DeskState
from executor.core.strategy import Handler
from executor.core.types import ZERO, Agent
from executor.core.watched import Fact, OrderUpdate, TimerFired, VenueFill
from executor.execution.strategies import StrategyCaller

if TYPE_CHECKING:
    from executor.execution.worker import Worker

ENDINGS: dict[type[ev.Event], str] = {
    ev.LegRested: "resting",
    ev.LegTriggered: "triggered",
    ev.LegFilled: "filled",
    ev.LegRejected: "rejected",
    ev.LegUnknown: "unknown",
    ev.LegAbsent: "absent",
    ev.LegEnded: "ended",
}
"""What became of an order, by the event that tells it; ``LegEnded`` says how."""


@dataclass(slots=True)
class Seen:
    """One fact as it came in: its raw frame until it is journaled, and the journal's number of it from then on."""

    fact: Fact
    raw: str | bytes = b""
    frame_id: int | None = None


@dataclass(slots=True)
class Listener:
    """One route whose strategy watches facts, with what waits for it."""

    route: Route
    caller: StrategyCaller
    waiting: deque[tuple[Seen, tuple[Handler, ...]]] = field(default_factory=deque)
    busy: bool = False
    failures: int = 0
    told_ms: int = 0
    told: str = ""

    @property
    def via(self) -> str:
        """What its own books and its memory are called."""
        return self.route.via or self.route.strategy

    def concerns(self, fact: Fact) -> bool:
        """Whether the fact comes this route's way: of its source and agents, of its accounts, or time itself."""
        if isinstance(fact, TimerFired):
            return True
        if isinstance(fact, VenueFill | OrderUpdate):
            return fact.account in self.route.accounts
        agent = getattr(fact, "agent", None)
        if agent is None:
            return self.route.source == fact.origin.source
        return self.route.takes(fact.origin.source, agent.agent_id)


def books_of(worker: Worker, agent: Agent) -> dict[str, Decimal]:
    """An agent's books that are not flat, by coin."""
    books = worker.intake.books
    return {key.coin: book.size for key, book in books.items() if key.agent == agent and book.size != 0}


def view(worker: Worker, listener: Listener, fact: Fact, memory: Mapping[str, Any]) -> StrategyView:
    """What the strategy may see: of the accounts, the route's first one."""
    agent, first = agent_of(fact, listener.via), worker.desks[listener.route.accounts[0]].state
    books = books_of(worker, agent)
    rules, symbol = worker.venue.rules, getattr(fact, "symbol", "") or ""
    coin = (rules.resolve(symbol)[0] if symbol else None) or ""
    position = first.position(coin)
    return StrategyView(
        now_ms=worker.venue.now_ms(),
        account=first.account,
        coin=coin,
        book_before=books.get(coin, ZERO),
        book_after=books.get(coin, ZERO),
        our_size=position.held_by(agent),
        equity_usd=first.equity_usd,
        quote=worker.venue.quotes.get(coin),
        memory=memory,
        books=books,
        positions={name: p.size for name, p in first.positions.items() if p.size != 0},
        quotes=MappingProxyType(dict(worker.venue.quotes)),
        resolve=rules.resolve,
    )


def standing(worker: Worker, listener: Listener, fact: Fact) -> Standing:
    """What a strategy's wishes for this fact are measured against."""
    agent, market = agent_of(fact, listener.via), worker.market
    states = [worker.desks[name].state for name in listener.route.accounts]
    return Standing(
        now_ms=worker.venue.now_ms(),
        resolve=worker.venue.rules.resolve,
        books=books_of(worker, agent),
        subjects={name: subject for (who, name), subject in worker.intake.subjects.items() if who == agent},
        held=_held(worker, listener, states, agent),
        marks={coin: mark for coin in market.quotes if (mark := market.mark(coin)) is not None},
        equity_usd=next((state.equity_usd for state in states if state.equity_usd > 0), ZERO),
    )


def _held(worker: Worker, listener: Listener, states: Sequence[DeskState], own: Agent) -> dict[str, list[Held]]:
    """What the route's accounts hold for this agent and strategy, or for an agent whose actions it brings."""
    held: dict[str, list[Held]] = {}
    for state in states:
        for coin in state.coins():
            for holder in _holders(state, coin):
                if holder == own or _brings(worker, listener.route, holder):
                    held.setdefault(coin, []).append(_holding(worker, state, coin, holder))
    return held


def _holders(state: DeskState, coin: str) -> list[Agent]:
    """The agents that have a part of a coin, or entries of it under way."""
    agents = [holding.agent for holding in state.position(coin).holdings]
    agents += [leg.agent for leg in state.legs_of(coin, "entry")]
    return [agent for agent in dict.fromkeys(agents) if agent is not None]


def _brings(worker: Worker, route: Route, holder: Agent) -> bool:
    """Whether the holder's actions come by this route: others of the account may be of another source, or system."""
    heard = route.source in heard_by(worker.intake, holder)
    return heard and not holder.via and route.takes(route.source, holder.agent_id)


def _holding(worker: Worker, state: DeskState, coin: str, holder: Agent) -> Held:
    book = worker.intake.books.get(BookKey(holder, coin))
    stop = state.stop_for(coin, holder)
    return Held(
        agent=holder,
        size=state.position(coin).held_by(holder),
        book=ZERO if book is None else book.size,
        stop_px=None if stop is None else stop.trigger_px,
        target_pxs=tuple(wish.trigger_px for wish in state.targets_for(coin, holder)),
    )


def of_venue(worker: Worker, event: ev.Event) -> Fact | None:
    """A fill or the fate of an order of ours, from what was recorded of it."""
    state = worker.desks[event.account or ""].state
    if isinstance(event, ev.FillSeen):
        filled = state.legs.get(event.cloid or "")
        owner = state.position(event.fill.coin).owner if filled is None else filled.agent
        return VenueFill(account=state.account, fill=event.fill, agent=owner, action_key=event.key)
    leg = state.legs.get(getattr(event, "cloid", ""))
    if leg is None:
        return None
    return OrderUpdate(
        account=state.account,
        coin=leg.coin,
        cloid=leg.cloid,
        leg=leg.kind,
        state=event.ending if isinstance(event, ev.LegEnded) else ENDINGS[type(event)],
        action_key=event.key,
        at_ms=event.at_ms,
    )
