"""Closes accounts and isolated positions that no longer carry themselves at mark (hyperliquid.md section 6.7).

First a market order into the book, for a fifth of a large position, for all of it within half a minute after that;
below two thirds of maintenance the position and its margin go to the backstop. All orders around it are canceled: of
the coin when isolated, of the account when cross.
"""

from __future__ import annotations

from decimal import ROUND_UP, Decimal

from executor.core.types import ZERO
from executor.paper import fills, margin, orders, placement
from executor.paper.model import Account, Order, Phase, Position, State
from executor.paper.numbers import usd

FIRST_PART = Decimal("0.2")
COOLDOWN_MS = 30_000
"""How long after a part was liquidated the account's further liquidations are of whole positions."""

_ANY_PRICE = {True: Decimal("1e18"), False: Decimal("1e-18")}


def check(state: State, coin: str) -> None:
    """Looks at every account that holds this coin, after its mark moved.

    Not while the book of anything that would be closed is unknown: a venue that is up has one.
    """
    for account in list(state.accounts.values()):
        if coin not in account.positions or not _books_known(state, account, coin):
            continue
        if margin.is_cross(state, account, coin):
            _check_cross(state, account)
        else:
            _check_isolated(state, account, coin)


def _books_known(state: State, account: Account, coin: str) -> bool:
    together = margin.cross_positions(state, account) if margin.is_cross(state, account, coin) else (coin,)
    return all(state.markets[c].is_live for c in together)


def _check_isolated(state: State, account: Account, coin: str) -> None:
    have = margin.position_margin(state, account, coin)
    need = margin.maintenance(state, coin, account.positions[coin])
    if have < need:
        _announce(state, account, [coin], have)
        _cancel_orders(state, account, coin)
        _close(state, account, [coin], have, need)


def _check_cross(state: State, account: Account) -> None:
    have, need = margin.cross_equity(state, account), margin.cross_maintenance(state, account)
    if have < need:
        coins = list(margin.cross_positions(state, account))
        _announce(state, account, coins, have)
        _cancel_orders(state, account, None)
        _close(state, account, coins, have, need)


def _announce(state: State, account: Account, coins: list[str], have: Decimal) -> None:
    held = sum((abs(margin.value(state, c, account.positions[c])) for c in coins), ZERO)
    row = {
        "lid": state.next_external,
        "liquidator": fills.OUTSIDE,
        "liquidated_user": account.user,
        "liquidated_ntl_pos": usd(held),
        "liquidated_account_value": usd(have),
    }
    state.out.liquidations[account.user].append(row)


def _cancel_orders(state: State, account: Account, coin: str | None) -> None:
    for order in state.live_orders(account.user, coin):
        if order.live:
            orders.finish(state, order, "liquidatedCanceled")


def _close(state: State, account: Account, coins: list[str], have: Decimal, need: Decimal) -> None:
    cross = margin.is_cross(state, account, coins[0])
    if have * 3 >= need * 2:
        _sell_off(state, account, coins)
        return
    for coin in coins:
        order = _system_order(state, account, coin, "backstop", abs(account.positions[coin].szi))
        fills.match(state, order, None, margin.mark_of(state, coin, account.positions[coin]), order.sz)
    _seize(state, account, account.raw_usd if cross else have)


def _sell_off(state: State, account: Account, coins: list[str]) -> None:
    last = account.partly_liquidated_ms
    whole = last is not None and state.now_ms - last < COOLDOWN_MS
    for coin in coins:
        held = abs(account.positions[coin].szi)
        size = held if whole else _first_part(state, coin, account.positions[coin])
        placement.take(state, state.markets[coin], _system_order(state, account, coin, "market", size))
        if size < held:
            account.partly_liquidated_ms = state.now_ms


def _first_part(state: State, coin: str, position: Position) -> Decimal:
    """What of a position is liquidated first; the venue's rounding is not documented, ours is up."""
    if abs(margin.value(state, coin, position)) <= state.rules.partial_liquidation_usd:
        return abs(position.szi)
    step = Decimal(1).scaleb(-state.markets[coin].asset.sz_decimals)
    return (abs(position.szi) * FIRST_PART).quantize(step, ROUND_UP)


def _system_order(state: State, account: Account, coin: str, method: str, size: Decimal) -> Order:
    """A liquidation order: not on record, so ``orderStatus`` answers ``unknownOid`` (hyperliquid.md section 1.3)."""
    szi = account.positions[coin].szi
    oid, state.next_oid = state.next_oid, state.next_oid + 1
    return Order(
        oid=oid,
        user=account.user,
        coin=coin,
        is_buy=szi < 0,
        limit_px=_ANY_PRICE[szi < 0],
        sz=size,
        orig_sz=size,
        tif=method,
        reduce_only=True,
        placed_ms=state.now_ms,
        phase=Phase.DORMANT,
        liquidation_px=margin.mark_of(state, coin, account.positions[coin]),
    )


def _seize(state: State, account: Account, purse: Decimal) -> None:
    """What the position left in its purse belongs to the backstop, a debt too; a cross account is left empty."""
    state.insurance_usd += purse
    account.raw_usd -= purse
