"""Fires stops and targets when the mark price reaches them (hyperliquid.md section 6.4)."""

from __future__ import annotations

from executor.paper import checks, placement
from executor.paper.model import Market, Order, Phase, State


def check(state: State, market: Market) -> None:
    """Fires every armed order of the coin the mark has reached, oldest first.

    One that fires may end others (siblings, reduce-only orders), so each is looked at again when its turn comes. While
    nobody knows the book, none fires: it would die there, and leave its position without a stop.
    """
    if not market.is_live:
        return
    for order in armed(state, market.asset.coin):
        if order.phase is Phase.ARMED and checks.reached(order, market.mark):
            placement.fire(state, market, order)


def armed(state: State, coin: str) -> list[Order]:
    """Armed orders of one coin, oldest first."""
    return [order for _, order in sorted(state.armed[coin].items())]
