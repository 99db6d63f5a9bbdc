"""From a fact and what a strategy wants for it to actions with keys of their own, which then go the way of all actions.

Nothing here executes: a derived action enters by the same door as a sender's, moves the book of its agent and strategy,
and is sized, judged and sent by the same code, exactly once. What a source reports as closed is derived here also where
the strategy failed or said nothing: exits are nobody's to decline (design.md rule 9).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from executor.core.identity import digest, fingerprint, plain
from executor.core.intents import Remember, StopIntent, TargetIntent, TargetPosition, TradeIntent, Wish
from executor.core.source_events import (
    Action,
    Candle,
    Origin,
    SetStop,
    SetTarget,
    SourcePosition,
    SourceTrade,
    Ticker,
    Trade,
)
from executor.core.types import ZERO, Agent, Side, closing_side, side_of
from executor.core.watched import STRATEGY, Derivation, Fact, OrderUpdate, Subject, TimerFired, VenueFill

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True, slots=True)
class Derived:
    """One action and where it comes from."""

    action: Action
    derivation: Derivation


@dataclass(frozen=True, slots=True)
class Held:
    """What an account of the route holds of a coin, or is about to: whose, how much, and the triggers that stand.

    ``book`` is the owner's book of it.
    """

    agent: Agent | None
    size: Decimal
    book: Decimal = ZERO
    stop_px: Decimal | None = None
    target_pxs: tuple[Decimal, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known when a fact becomes actions. ``books`` is by coin, of the agent and strategy in question.

    ``subjects`` gives the coin and the source's size of each reported position or symbol acted on. ``held`` has one
    entry for each account of the route that holds the coin. ``marks`` are prices in USD.
    """

    now_ms: int
    resolve: Callable[[str], tuple[str | None, str]]
    books: Mapping[str, Decimal] = field(default_factory=dict)
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    held: Mapping[str, Sequence[Held]] = field(default_factory=dict)
    marks: Mapping[str, Decimal] = field(default_factory=dict)
    equity_usd: Decimal = ZERO


NO_SUBJECT = Subject("")
Like = Callable[[Held], bool]


class Underivable(ValueError):
    """What a strategy returned cannot be made an action: its text says why."""


# -- identity -----------------------------------------------------------------------------------------------------


def agent_of(fact: Fact, via: str) -> Agent:
    """Whose book a fact's actions move: its agent's, else the strategy's own; never the book of the agent's actions."""
    told = None if isinstance(fact, VenueFill) else getattr(fact, "agent", None)
    return Agent(STRATEGY, via, via) if told is None else Agent(told.system, told.agent_id, via)


def _trade_identity(fact: SourceTrade) -> str:
    """The sender's reference; without one, all it says. Two equal trades of one millisecond are one."""
    if fact.ref:
        return f"ref {fact.ref}"
    size = fact.size if fact.size is not None else fact.quote_size
    return f"{fact.at_ms} {fact.symbol} {fact.side} {plain(size)} {plain(fact.px)}"


def _position_identity(fact: SourcePosition) -> str:
    """The state of the position: by the sender's revision, else by what matters of it."""
    state = fact.revision or f"{plain(fact.size)} {plain(fact.entry_px)} {plain(fact.stop_pct)}"
    return f"{fact.position_id} {state}"


def _said_identity(fact: Any) -> str:
    """Of what has no name of its own: all it says, but how it came."""
    names = [name for name in type(fact).__slots__ if name not in ("origin", "agent")]
    return " ".join(str(getattr(fact, name)) for name in names)


_IDENTITIES: dict[type, Callable[[Any], str]] = {
    SourceTrade: _trade_identity,
    SourcePosition: _position_identity,
    Ticker: lambda fact: f"{fact.symbol} {fact.origin.received_at_ms if fact.at_ms is None else fact.at_ms}",
    Candle: lambda fact: f"{fact.symbol} {fact.interval} {fact.open_at_ms}" + ("" if fact.closed else " moving"),
    VenueFill: lambda fact: f"{fact.account} {fact.fill.tid} {fact.fill.oid}",
    OrderUpdate: lambda fact: f"{fact.account} {fact.cloid} {fact.state}",
    TimerFired: lambda fact: f"{fact.every_ms} {fact.at_ms}",
}


def named(fact: Fact) -> str:
    """What names a fact among its kind, the same whenever it is told again."""
    return _IDENTITIES.get(type(fact), _said_identity)(fact)


def key_of(fact: Fact, via: str, index: int) -> str:
    """The key of the index-th action of a fact by a strategy: derived, 32 hex digits."""
    agent = agent_of(fact, via)
    return digest(("fact", agent.system, agent.agent_id, via, type(fact).__name__, named(fact), str(index)), 16)


def content_of(fact: Fact) -> str:
    """The fingerprint of what a fact says: another one under the same reference is a conflict."""
    if isinstance(fact, SourceTrade):
        return fingerprint(fact.symbol, str(fact.side), plain(fact.size), plain(fact.quote_size))
    return fingerprint(named(fact))


# -- deriving -----------------------------------------------------------------------------------------------------


def derive(
    fact: Fact, via: str, source: str, wishes: Sequence[Wish], standing: Standing, failure: str = ""
) -> list[Derived]:
    """The actions of one fact; raises ``Underivable``. With ``failure`` only what the source itself says closes."""
    making = _Making(fact, via, source, standing, failure)
    for wish in wishes:
        making.take(wish)
    making.closed_by_the_source()
    return making.made


class _Making:
    """One fact's actions as they add up: each sees the books as those before it leave them."""

    def __init__(self, fact: Fact, via: str, source: str, standing: Standing, failure: str) -> None:
        self.fact, self.via, self.standing, self.failure = fact, via, standing, failure
        self.agent = agent_of(fact, via)
        self.books = dict(standing.books)
        self.made: list[Derived] = []
        origin = getattr(fact, "origin", None)
        self.origin = origin or Origin(STRATEGY, source, type(fact).__name__, standing.now_ms)

    def take(self, wish: Wish) -> None:
        """One of the things a strategy wants."""
        _WISHES[type(wish)](self, wish)

    # -- trades

    def trade(self, wish: TradeIntent) -> None:
        """As with an action, the agent's own size moves the book where the fact has one; the intent shapes our part."""
        coin = self._coin(wish.coin)
        reported = self.fact if isinstance(self.fact, SourceTrade) else None
        size = (reported and _reported_size(reported)) or self._size_of(wish, coin)
        reduce_only = reported is not None and reported.reduce_only and wish.side is reported.side
        self._trade(coin, wish.side, size, wish, reduce_only=reduce_only)

    def _size_of(self, wish: TradeIntent, coin: str) -> Decimal:
        if wish.size is not None:
            return wish.size
        usd = wish.notional_usd or self.standing.equity_usd * (wish.equity_pct or ZERO) / 100
        px = self._px(coin)
        if not px or usd <= 0:
            raise Underivable(f"no price to tell how much {coin} {plain(usd)} USD are")
        return usd / px

    def _px(self, coin: str) -> Decimal | None:
        """The fact's own price where it speaks of this coin, else the venue's."""
        symbol = getattr(self.fact, "symbol", None)
        told = getattr(self.fact, "close_px", None) or getattr(self.fact, "px", None)
        if told and symbol and self._coin(symbol) == coin:
            return Decimal(told)
        return self.standing.marks.get(coin)

    def target_position(self, wish: TargetPosition) -> None:
        """The difference to the book as a trade; then the stop and target, for the whole of what is held."""
        coin = self._coin(wish.coin)
        book = self.books.get(coin, ZERO)
        delta = wish.size - book
        fresh = not self._held(coin, self.agent)
        if delta != 0:
            self._trade(coin, side_of(delta), abs(delta), _growth(wish, coin, book, bracket=fresh))
        if wish.size != 0 and not (fresh and delta != 0):
            self._protect(coin, wish.stop_px, wish.target_px)

    def _protect(self, coin: str, stop_px: Decimal | None, target_px: Decimal | None) -> None:
        if stop_px is not None:
            self.stop(StopIntent(coin=coin, trigger_px=stop_px))
        if target_px is not None:
            self.take_profit(TargetIntent(coin=coin, trigger_px=target_px, fraction=Decimal(1)))

    def _trade(
        self, coin: str, side: Side, size: Decimal, intent: TradeIntent | None, *, reduce_only: bool = False
    ) -> None:
        if self._traded(coin):
            raise Underivable(f"two trades of {coin} for one fact")
        book = self.books.get(coin, ZERO)
        after = book + size * side.sign
        self.books[coin] = ZERO if reduce_only and after * book <= 0 else after
        self._add(Trade, coin, side, size, self.agent, intent, reduce_only=reduce_only)

    def _traded(self, coin: str) -> bool:
        return any(one.action.symbol == coin and isinstance(one.action, Trade) for one in self.made)

    # -- protection

    def stop(self, wish: StopIntent) -> None:
        """A stop, unless it stands like that already."""
        self._trigger(SetStop, wish, Decimal(1), lambda held: held.stop_px == wish.trigger_px)

    def take_profit(self, wish: TargetIntent) -> None:
        """A target, unless it stands like that already."""
        self._trigger(SetTarget, wish, wish.fraction, lambda held: wish.trigger_px in held.target_pxs)

    def _held(self, coin: str, agent: Agent | None) -> list[Held]:
        return [one for one in self.standing.held.get(coin, ()) if one.agent == agent]

    def _stands(self, coin: str, agent: Agent | None, like_that: Like) -> bool:
        held = self._held(coin, agent)
        return bool(held) and all(like_that(one) for one in held)

    def _trigger(
        self, kind: type[SetStop | SetTarget], wish: StopIntent | TargetIntent, fraction: Decimal, like_that: Like
    ) -> None:
        """For what our own book holds, else for the positions of all agents whose actions this route brings."""
        coin, px = self._coin(wish.coin), wish.trigger_px
        sizes = self._sizes(coin)
        if not sizes:
            raise Underivable(f"a trigger for {coin}, of which neither the book nor the account holds anything")
        for agent, size in sizes.items():
            if not self._stands(coin, agent, like_that):
                self._add(kind, coin, closing_side(size), abs(size) * fraction, agent, None, trigger_px=px)

    def _sizes(self, coin: str) -> dict[Agent, Decimal]:
        """Whose positions a trigger is for, and how large: of a fact that names one agent, for that one alone."""
        book = self.books.get(coin, ZERO)
        if book:
            return {self.agent: book}
        named, sizes = getattr(self.fact, "agent", None), dict[Agent, Decimal]()
        for one in self.standing.held.get(coin, ()):
            if one.agent is not None and one.size and named in (None, one.agent):
                sizes.setdefault(one.agent, one.book or one.size)
        return sizes

    # -- what the source closes

    def closed_by_the_source(self) -> None:
        """Our exit where the source's own word says that something was closed; a trade of another coin is none."""
        if isinstance(self.fact, SourcePosition):
            self._shrunk_position(self.fact)
        elif isinstance(self.fact, SourceTrade):
            self._closing_trade(self.fact)

    def _shrunk_position(self, fact: SourcePosition) -> None:
        known = self.standing.subjects.get(fact.position_id, NO_SUBJECT)
        book, coin = self.books.get(known.coin, ZERO), known.coin
        if not known.size or not book or self._traded(coin):
            return
        left = max(ZERO, fact.size / known.size)
        if left < 1:
            self._trade(coin, closing_side(book), abs(book) * (1 - left), None, reduce_only=True)

    def _closing_trade(self, fact: SourceTrade) -> None:
        known = self.standing.subjects.get(fact.symbol, NO_SUBJECT)
        coin, side = known.coin or self._coin(fact.symbol), fact.side.opposite if known.against else fact.side
        book, size = self.books.get(coin, ZERO), _reported_size(fact, self.standing.marks.get(coin))
        if book * side.sign < 0 and size and not self._traded(coin):
            self._trade(coin, side, min(size, abs(book)), None, reduce_only=True)

    # -- out

    def _coin(self, symbol: str) -> str:
        """The venue's name; what the venue does not know keeps its own, and is refused by that name."""
        return self.standing.resolve(symbol)[0] or symbol

    def _add(
        self,
        kind: type[Trade] | type[SetStop] | type[SetTarget],
        coin: str,
        side: Side,
        size: Decimal,
        agent: Agent,
        intent: TradeIntent | None,
        *,
        reduce_only: bool = False,
        trigger_px: Decimal | None = None,
    ) -> None:
        identity, fact = named(self.fact), self.fact
        subject, subject_size = _subject(fact)
        action = kind(
            origin=self.origin,
            agent=agent,
            key=key_of(fact, self.via, len(self.made)),
            fingerprint=content_of(fact),
            shape="fact",
            symbol=coin,
            side=side,
            size=size,
            reduce_only=reduce_only or trigger_px is not None,
            event_id=identity,
            leverage=None if intent is None else intent.leverage,
            trigger_px=trigger_px,
            stamped_at_ms=stamp_of(fact),
            server_execution=False,
        )
        derivation = Derivation(
            via=agent.via,
            fact=type(fact).__name__,
            identity=identity,
            subject=subject if kind is Trade else "",
            subject_size=subject_size if kind is Trade else None,
            against=kind is Trade and isinstance(fact, SourceTrade) and side is not fact.side,
            intent=intent,
            failure=self.failure,
            holds=not isinstance(fact, SourceTrade),
        )
        self.made.append(Derived(action, derivation))


_WISHES: dict[type, Callable[[_Making, Any], None]] = {
    TradeIntent: _Making.trade,
    TargetPosition: _Making.target_position,
    StopIntent: _Making.stop,
    TargetIntent: _Making.take_profit,
    Remember: lambda _making, _wish: None,
}


def _growth(wish: TargetPosition, coin: str, book: Decimal, *, bracket: bool) -> TradeIntent | None:
    """The intent for the part by which the book grows, ``None`` where it only shrinks; sized in proportion."""
    if wish.size == 0 or (book * wish.size > 0 and abs(wish.size) <= abs(book)):
        return None
    delta = abs(wish.size - book)
    part = abs(wish.size) - abs(book) if book * wish.size > 0 else abs(wish.size)
    share = part / abs(wish.size)
    sized = wish.notional_usd is None and wish.equity_pct is None
    return TradeIntent(
        coin=coin,
        side=side_of(wish.size),
        size=delta if sized else None,
        notional_usd=None if wish.notional_usd is None else wish.notional_usd * share,
        equity_pct=None if wish.equity_pct is None else wish.equity_pct * share,
        leverage=wish.leverage,
        stop_px=wish.stop_px if bracket else None,
        target_px=wish.target_px if bracket else None,
    )


def _reported_size(fact: SourceTrade, mark: Decimal | None = None) -> Decimal | None:
    """How much was traded, in base units; of dollars without a price by the venue's mark, for an exit must not fail."""
    px = fact.px or mark
    if fact.size is not None or not fact.quote_size or not px:
        return fact.size
    return fact.quote_size / px


def _subject(fact: Fact) -> tuple[str, Decimal | None]:
    if isinstance(fact, SourcePosition):
        return fact.position_id, fact.size
    return (fact.symbol, None) if isinstance(fact, SourceTrade) else ("", None)


def stamp_of(fact: Fact) -> int | None:
    """The time a fact speaks of: of a candle its end, of a fill the venue's; ``None`` where nobody said.

    A timer speaks of now: what is decided at it is not older than what happened while it was late.
    """
    if isinstance(fact, Candle):
        length = interval_ms(fact.interval)
        return fact.open_at_ms + length if fact.closed and length else None
    if isinstance(fact, VenueFill | TimerFired):
        return fact.fill.at_ms if isinstance(fact, VenueFill) else None
    at_ms: int | None = getattr(fact, "at_ms", None)
    return at_ms


def interval_ms(interval: str) -> int | None:
    """``5m`` as milliseconds; ``None`` for what is no interval."""
    number, unit = interval[:-1], _UNITS_MS.get(interval[-1:])
    return int(number) * unit if unit is not None and number.isascii() and number.isdigit() else None
