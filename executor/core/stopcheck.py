"""Whether a stop makes sense before its entry goes out: against the market, the mark and the liquidation price.

A stop on the wrong side, or crossed already, would close what the entry opens: all that is certain of it is what it
costs, so nothing is opened. One beyond the liquidation price never fires: it is placed, and a person is told before
the entry leaves (design.md section 5).
"""

from __future__ import annotations

from decimal import Context, Decimal

from executor.core import events as ev
from executor.core.identity import plain
from executor.core.intents import TradeIntent
from executor.core.protocols import Market
from executor.core.state import DeskState
from executor.core.types import Agent, Side

ONE = Decimal(1)
_TOLD = Context(prec=6)
"""The digits of a computed price that people are told."""

BEYOND = "STOP_BEYOND_LIQUIDATION"
"""The alarm of a stop that would never fire."""


def waiting_stop(state: DeskState, coin: str, side: Side, agent: Agent) -> Decimal | None:
    """The signalled stop that already waits for an agent's entry, or covers what that adds to.

    A stop of the other side belongs to what a flip closes, another agent's to that agent's own entry.
    """
    mine = (wish for wish in state.stops.get(coin, ()) if wish.agent in (None, agent))
    return next((wish.trigger_px for wish in mine if wish.side in (None, side.opposite)), None)


def stop_problem(
    state: DeskState, intent: TradeIntent, agent: Agent, touch: Decimal, market: Market
) -> tuple[str, str] | None:
    """Why an entry must not go out for the sake of its stop or target; ``None`` when it may."""
    side, mark = intent.side, market.mark(intent.coin)
    refs = [touch] if mark is None else [touch, mark]
    for word, px, away in (("stop", intent.stop_px, side.sign), ("target", intent.target_px, -side.sign)):
        if px is not None and any((ref - px) * away <= 0 for ref in refs):
            return ("STRATEGY_ODD", f"a {word} at {plain(px)} would close a {side} at {plain(touch)} at once")
    waits = None if intent.stop_px is not None else waiting_stop(state, intent.coin, side, agent)
    if waits is not None and any((ref - waits) * side.sign <= 0 for ref in refs):
        return (
            "STOP_WOULD_FIRE",
            f"the stop that waits at {plain(waits)} would close a {side} at {plain(touch)} at once",
        )
    return None


def liquidation_px(
    state: DeskState, coin: str, side: Side, entry_px: Decimal, leverage: Decimal, max_leverage: int, *, isolated: bool
) -> Decimal | None:
    """Where the venue would liquidate: its own figure while the coin is occupied, else that of isolated margin.

    What a flip closes has its figure on the other side, and says nothing of what it opens.
    hyperliquid.md section 6.7, with the first tier's maintenance rate; ``None`` where it depends on the whole account.
    """
    position = state.position(coin)
    if position.size * side.sign > 0:
        return position.liquidation_px
    if not isolated:
        return None
    rate = ONE / (2 * max_leverage)
    px = entry_px - side.sign * entry_px * (ONE / leverage - rate) / (ONE - rate * side.sign)
    return px if px > 0 else None


def beyond(side: Side, stop_px: Decimal, liquidation: Decimal | None) -> bool:
    """Whether a stop of a position opened by ``side`` lies where the position is gone already."""
    return liquidation is not None and (stop_px - liquidation) * side.sign <= 0


def beyond_alarm(state: DeskState, key: str, coin: str, stop_px: Decimal, px: Decimal, now_ms: int) -> ev.AlarmRaised:
    """A stop that would never fire: placed all the same, and told."""
    text = f"{coin}: the stop at {plain(stop_px)} is beyond the liquidation price {plain(_TOLD.plus(px))}"
    return ev.AlarmRaised(at_ms=now_ms, account=state.account, key=key, code=BEYOND, text=text)
