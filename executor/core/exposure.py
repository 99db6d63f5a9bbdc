"""What the account carries already, in the worst case, for the risk rules.

Position, open and reserved orders, and everything whose outcome nobody knows count as if they had filled whole,
at their cap price (design.md section 6): so parallel actions cannot slip past a cap.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from executor.core.protocols import Exposure, Market
from executor.core.state import DeskState
from executor.core.types import ZERO, Side


def _worst(state: DeskState, coin: str, side: Side, market: Market) -> Decimal:
    """The notional the coin may reach on one side, in USD."""
    position = state.position(coin)
    mark = market.mark(coin) or position.entry_px
    held = position.size * side.sign
    notional = max(held, ZERO) * mark
    for leg in state.legs_of(coin, "entry"):
        if leg.side is side:
            notional += leg.remaining * max(leg.limit_px, mark)
    return notional


def open_coins(state: DeskState) -> set[str]:
    """Coins with a position or an entry under way."""
    held = {coin for coin, position in state.positions.items() if position.size != 0}
    return held | {leg.coin for leg in state.live.values() if leg.kind == "entry"}


def unrealized_usd(state: DeskState, market: Market) -> Decimal:
    """Open positions at mark; without a mark, as the venue last said."""
    total = ZERO
    for coin, position in state.positions.items():
        if position.size == 0:
            continue
        mark = market.mark(coin)
        total += position.unrealized_pnl_usd if mark is None else position.size * (mark - position.entry_px)
    return total


def day_pnl_usd(state: DeskState, market: Market) -> Decimal:
    """Realised and unrealised since 00:00 UTC, net of fees."""
    return state.day.realized_usd + unrealized_usd(state, market) - state.day.start_unrealized_usd


def exposure_of(state: DeskState, now_ms: int, market: Market, files_present: Collection[str]) -> Exposure:
    """The account's exposure at this moment."""
    coins = sorted(open_coins(state))
    return Exposure(
        now_ms=now_ms,
        equity_usd=state.equity_usd,
        long_usd={coin: _worst(state, coin, Side.BUY, market) for coin in coins},
        short_usd={coin: _worst(state, coin, Side.SELL, market) for coin in coins},
        open_coins=coins,
        entries_at_ms=state.entries_at_ms,
        last_entry_ms=state.last_entry_ms,
        day_pnl_usd=day_pnl_usd(state, market),
        day_start_equity_usd=state.day.start_equity_usd,
        files_present=files_present,
        latched=tuple(state.breakers),
    )
