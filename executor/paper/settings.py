"""Leverage, margin mode and isolated margin of one coin (hyperliquid.md sections 2.8, 6.5, 6.6)."""

from __future__ import annotations

from decimal import Decimal

from executor.hyperliquid.error_strings import error_text
from executor.paper import margin
from executor.paper.model import Account, Json, Leverage, Market, Position, State
from executor.paper.numbers import cents

CROSS_DECREASE = (
    "Cross position does not have sufficient margin available to decrease leverage. "
    "To decrease leverage, deposit more collateral."
)
NO_CHANGE = "Update to isolated margin cannot be zero."
NO_POSITION = "Cannot update margin for empty position."
NOT_ISOLATED = "Position does not use isolated margin."
KEPT = "Cannot remove isolated margin for this asset. To remove margin, reduce the position."
REMOVAL = "Position does not have sufficient margin for reduction."
INSUFFICIENT = "Account does not have sufficient margin available for increase."
"""These seven are found in the venue's own program, though no document has them."""


def nothing(_state: State, _account: Account, _action: Json) -> str | None:
    """What a ``noop`` does beyond using up its nonce."""
    return None


def update_leverage(state: State, account: Account, action: Json) -> str | None:
    """Sets leverage and mode; the reason when refused. Idempotent, also while flat."""
    market = state.market(action["asset"])
    wanted = Leverage(action["isCross"], action["leverage"])
    if market is None or not 1 <= wanted.value <= market.asset.max_leverage:
        return error_text("INVALID_LEVERAGE")
    if wanted.is_cross and market.asset.isolated_only:
        return error_text("ISOLATED_ONLY")
    position = account.positions.get(market.asset.coin)
    if position is not None:
        problem = _held_problem(state, account, market, position, wanted)
        if problem is not None:
            return problem
    account.leverage[market.asset.coin] = wanted
    return None


def _held_problem(state: State, account: Account, market: Market, position: Position, wanted: Leverage) -> str | None:
    """What a held position forbids: another mode, or less leverage than its margin carries."""
    current = margin.setting(state, account, market)
    if current.is_cross != wanted.is_cross:
        return error_text("MARGIN_MODE_LOCKED")
    if wanted.value >= current.value:
        return None
    coin = market.asset.coin
    need = abs(margin.value(state, coin, position)) / wanted.value
    if not wanted.is_cross:
        return None if margin.position_margin(state, account, coin) >= need else error_text("ISOLATED_MARGIN_SHORT")
    more = need - margin.position_margin(state, account, coin)
    return None if more <= margin.free(state, account) else CROSS_DECREASE


def update_isolated_margin(state: State, account: Account, action: Json) -> str | None:
    """Moves dollars (``ntli``, millionths) into a position's purse, or out of it when negative."""
    return _transfer(state, account, action["asset"], Decimal(action["ntli"]).scaleb(-6))


def top_up(state: State, account: Account, action: Json) -> str | None:
    """Adds what brings an isolated position down to a leverage."""
    market = state.market(action["asset"])
    position = account.positions.get(market.asset.coin) if market is not None else None
    target = Decimal(action["leverage"])
    if market is None or position is None or target <= 0:
        return NO_POSITION
    coin = market.asset.coin
    need = abs(margin.value(state, coin, position)) / target - margin.position_margin(state, account, coin)
    return _transfer(state, account, action["asset"], cents(need)) if need > 0 else None


def _transfer(state: State, account: Account, asset_id: int, amount: Decimal) -> str | None:
    market = state.market(asset_id)
    position = account.positions.get(market.asset.coin) if market is not None else None
    if market is None or position is None:
        return NO_POSITION
    problem = _transfer_problem(state, account, market, position, amount)
    if problem is None:
        position.raw_usd += amount
        account.raw_usd -= amount
    return problem


def _transfer_problem(
    state: State, account: Account, market: Market, position: Position, amount: Decimal
) -> str | None:
    if margin.is_cross(state, account, market.asset.coin):
        return NOT_ISOLATED
    if amount == 0:
        return NO_CHANGE
    if amount > 0:
        return INSUFFICIENT if amount > margin.withdrawable(state, account) else None
    if market.keeps_margin:
        return KEPT
    return None if _may_remove(state, account, market, position, -amount) else REMOVAL


def _may_remove(state: State, account: Account, market: Market, position: Position, amount: Decimal) -> bool:
    """The transfer rule: initial margin and a tenth of the position must stay (hyperliquid.md section 6.6)."""
    coin = market.asset.coin
    worth = abs(margin.value(state, coin, position))
    floor = max(worth / margin.setting(state, account, market).value, worth / 10)
    return margin.position_margin(state, account, coin) - amount >= floor
