"""What the account carries already, in the worst case, for the risk rules.

Position, open and reserved orders, and everything whose outcome nobody knows count as if they had filled whole,
at their cap price (design.md section 6): so parallel actions cannot slip past a cap.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from executor.core.earnings import untold_usd
from executor.core.position import Position
from executor.core.protocols import Exposure, Market
from executor.core.spent import midnight_ms
from executor.core.state import DeskState, Leg
from executor.core.types import ZERO, Side, closing_side


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


def day_pnl_usd(state: DeskState, now_ms: int, market: Market) -> Decimal:
    """Realised and unrealised since 00:00 UTC, net of fees and with funding; a day nothing was read of is none yet."""
    if not _is_today(state, now_ms):
        return ZERO
    return state.day.realized_usd + untold_usd(state) + unrealized_usd(state, market) - state.day.start_unrealized_usd


def _is_today(state: DeskState, now_ms: int) -> bool:
    """Whether the day kept is the one it is now: at 00:00 UTC it is yesterday's until the first read after it."""
    return state.day.start_ms >= midnight_ms(now_ms)


def earned_usd(state: DeskState, market: Market) -> Decimal:
    """The earnings' index now: realised, and what moved of the unrealised since it began."""
    earnings = state.earnings
    return earnings.realized_usd + untold_usd(state) + unrealized_usd(state, market) - earnings.start_unrealized_usd


def held_usd(state: DeskState, market: Market) -> dict[str, Decimal]:
    """Positions at mark, signed, less what an exit under way may take of them: what is certain to stay."""
    held = {}
    for coin, position in state.positions.items():
        leaving = sum((leg.remaining for leg in state.legs_of(coin, "exit")), ZERO)
        size = max(abs(position.size) - leaving, ZERO).copy_sign(position.size)
        held[coin] = size * (market.mark(coin) or position.entry_px)
    return held


def margin_used_usd(state: DeskState, market: Market) -> Decimal:
    """What positions bind, by the venue's last word or by what they are worth now, and entries under way in full."""
    worth = sum((_margin_of(state, position, market) for position in state.positions.values()), ZERO)
    entries = [leg for leg in state.live.values() if leg.kind == "entry"]
    return max(worth, state.margin_used_usd) + sum((_margin_of_entry(leg, market) for leg in entries), ZERO)


def _margin_of(state: DeskState, position: Position, market: Market) -> Decimal:
    """At its leverage, before a read told it at the coin's setting; at 1 where neither is known."""
    setting = state.leverage.get(position.coin)
    leverage = position.leverage or (setting.leverage if setting is not None else 1)
    return abs(position.size) * (market.mark(position.coin) or position.entry_px) / leverage


def _margin_of_entry(leg: Leg, market: Market) -> Decimal:
    px = max(leg.limit_px, market.mark(leg.coin) or ZERO)
    return leg.remaining * px / (leg.leverage or 1)


def liquidation_pct(state: DeskState, market: Market) -> dict[str, Decimal]:
    """How far each open position's mark may move until it is liquidated, in percent; nothing where it never is."""
    found = {}
    for coin, position in state.positions.items():
        mark = market.mark(coin) or position.entry_px
        if position.size == 0 or position.liquidation_px is None or mark <= 0:
            continue
        away = (mark - position.liquidation_px) * closing_side(position.size).opposite.sign
        found[coin] = away / mark * 100
    return found


def exposure_of(state: DeskState, now_ms: int, market: Market, files_present: Collection[str]) -> Exposure:
    """The account's exposure at this moment."""
    coins = sorted(open_coins(state))
    earned, earnings = earned_usd(state, market), state.earnings
    return Exposure(
        now_ms=now_ms,
        equity_usd=state.equity_usd,
        long_usd={coin: _worst(state, coin, Side.BUY, market) for coin in coins},
        short_usd={coin: _worst(state, coin, Side.SELL, market) for coin in coins},
        open_coins=coins,
        entries_at_ms=state.entries_at_ms,
        last_entry_ms=state.last_entry_ms,
        day_pnl_usd=day_pnl_usd(state, now_ms, market),
        day_start_equity_usd=state.day.start_equity_usd if _is_today(state, now_ms) else state.equity_usd,
        files_present=files_present,
        latched=tuple(state.breakers),
        held_usd=held_usd(state, market),
        drawdown_usd=max(earnings.peak_usd - earned, ZERO),
        peak_equity_usd=state.equity_usd + earnings.peak_usd - earnings.index_usd,
        losses_in_a_row=state.losses_in_a_row,
        failures_in_a_row=state.failures_in_a_row,
        margin_used_usd=margin_used_usd(state, market),
        liquidation_pct=liquidation_pct(state, market),
    )
