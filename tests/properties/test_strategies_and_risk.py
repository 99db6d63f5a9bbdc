"""Whatever a strategy wants, whatever the precedence, however facts become actions: the rules' limits hold."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from story import RULES, Story

from executor.core import events as ev
from executor.core.book import BookKey
from executor.core.decide import take_up
from executor.core.derive import Standing, Underivable, agent_of, derive
from executor.core.intake import Route, admit, admit_derived, evolve_intake
from executor.core.intents import TargetPosition, TradeIntent
from executor.core.mirror import mirrored
from executor.core.precedence import Precedence, settled
from executor.core.signal import Signal
from executor.core.source_events import Origin, SourcePosition, SourceTrade, Trade
from executor.core.types import Agent, Side
from executor.risk.leverage import MaxLeverage
from executor.risk.notional import MaxGrossExposure, MaxOrderNotional, MaxPositionNotional, UsdCap

D = Decimal
ORDER, POSITION, GROSS, LEVERAGE = D(900), D(1000), D(1500), D(3)
WORST_PX = D("99.5")
"""What a short is valued at: the market stands at 100, and an entry takes 50 basis points of slippage at most."""

COINS = ("BTC", "ETH", "SOL")

numbers = st.decimals(min_value="0.001", max_value="100000", places=3)
signed = st.decimals(min_value="-1000", max_value="1000", places=2)
sides = st.sampled_from(Side)
coins = st.sampled_from(COINS)
words = st.sampled_from(["inherit", "override", "only_if_missing"])
precedences = st.builds(Precedence, leverage=words, size=words, stop=words, target=words)
maybe = st.none() | numbers
sizes = st.sampled_from(["size", "notional_usd", "equity_pct"]).flatmap(
    lambda name: st.fixed_dictionaries({name: numbers})
)
trades = st.tuples(coins, sides, sizes, maybe, maybe, maybe).map(
    lambda t: TradeIntent(coin=t[0], side=t[1], **t[2], leverage=t[3], stop_px=t[4], target_px=t[5])
)
targets = st.builds(
    TargetPosition, coin=coins, size=signed, notional_usd=maybe, leverage=maybe, stop_px=maybe, target_px=maybe
)
wishes = st.lists(trades | targets, max_size=3)
moves = st.tuples(
    st.sampled_from(["action", "trade", "position"]), coins, sides, numbers, maybe, wishes, precedences, st.booleans()
)


def limited() -> Story:
    """An account with every size rule, each shrinking, so that as much as possible is let through."""
    rules = (
        MaxLeverage(MaxLeverage.Options(max=LEVERAGE, on_breach="shrink")),
        MaxOrderNotional(UsdCap(max_usd=ORDER, on_breach="shrink")),
        MaxPositionNotional(UsdCap(max_usd=POSITION, on_breach="shrink")),
        MaxGrossExposure(UsdCap(max_usd=GROSS, on_breach="shrink")),
    )
    return Story({"rules": rules})


def fact_of(kind: str, n: int, coin: str, side: Side, size: Decimal, s: Story) -> Any:
    where, agent = Origin("halyrd", "src", "x", s.now), Agent("halyrd", "a")
    if kind == "trade":
        return SourceTrade(
            origin=where, agent=agent, symbol=coin, side=side, size=size, quote_size=None, px=D(100), ref=str(n),
            at_ms=s.now,
        )  # fmt: skip
    held = size * side.sign
    return SourcePosition(
        origin=where, agent=agent, position_id=coin, symbol=coin, size=held, entry_px=None, mark_px=None,
        revision=str(n),
    )  # fmt: skip


def received_of(s: Story, kind: str, n: int, coin: str, side: Side, size: Decimal, leverage: Any, wanted: Any) -> Any:
    """The actions one move leads to, each with the intents its strategy has for it."""
    if kind == "action":
        action = s.action(Trade, side, size, coin=coin, **({} if leverage is None else {"leverage": leverage}))
        events = admit(s.intake, action, None, [Route("r", "src", ("*",), "f", ("main",))], RULES, None, s.now)
        trades = tuple(replace(w, coin=coin) for w in wanted if isinstance(w, TradeIntent))
        return [(events[0], trades)]
    fact = fact_of(kind, n, coin, side, size, s)
    agent = agent_of(fact, "mine")
    books = {c: s.intake.books[BookKey(agent, c)].size for c in COINS if BookKey(agent, c) in s.intake.books}
    known = Standing(
        now_ms=s.now, resolve=RULES.resolve, books=books, equity_usd=D(100_000), marks=dict.fromkeys(COINS, D(100))
    )
    route = Route("r", "src", ("*",), "mine", ("main",), "mine")
    try:
        made = derive(fact, "mine", "src", wanted, known)
    except Underivable:
        made = derive(fact, "mine", "src", (), known, "no")
    found = [admit_derived(s.intake, m.action, m.derivation, route, RULES, None, s.now) for m in made]
    return [(r, (r.derived.intent,) if r.derived and r.derived.intent else ()) for r in found]


def within(s: Story) -> None:
    """No order, coin, sum or leverage is beyond its limit; a short is valued at its cap, and may fill above that."""
    planned = [e for e in s.events if isinstance(e, ev.LegPlanned) and e.leg == "entry"]
    assert all(leg.size * leg.limit_px <= ORDER and (leg.leverage or 0) <= LEVERAGE for leg in planned)
    held = {coin: abs(position.size) * WORST_PX for coin, position in s.state.positions.items()}
    assert all(usd <= POSITION for usd in held.values())
    assert sum(held.values()) <= GROSS


@given(st.lists(moves, max_size=8), st.booleans())
def test_no_strategy_and_no_precedence_makes_risk_larger_than_the_rules_allow(story, opposite):
    s = limited()
    for n, (kind, coin, side, size, leverage, wanted, chosen, stop) in enumerate(story):
        for received, intents in received_of(s, kind, n, coin, side, size, leverage, wanted):
            evolve_intake(s.intake, received)
            told = mirrored(received) if opposite and received.derived is None else received
            signal = Signal(
                received=told,
                route="r",
                strategy="mine",
                intents=settled(intents, told, chosen, stop=stop, target=stop),
            )
            s.note(take_up(s.desk, s.state, signal, s.now, s.market))
            s.settle()
            within(s)
        s.now += 1_000
