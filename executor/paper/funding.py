"""Pays funding at every full hour on the oracle price (hyperliquid.md section 6.9)."""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b

from executor.core.types import ZERO
from executor.paper import margin
from executor.paper.model import Account, Market, Position, State
from executor.paper.numbers import cents, usd, wire

HOUR_MS = 3_600_000


def settle_due(state: State) -> None:
    """Counts the full hours that have passed, and pays what can be paid; a new exchange starts its count now."""
    hour = state.now_ms // HOUR_MS
    passed = hour - state.last_funding_hour if state.last_funding_hour else 0
    state.last_funding_hour = max(hour, state.last_funding_hour)
    if passed <= 0:
        return
    for account in state.accounts.values():
        for position in account.positions.values():
            position.unpaid_hours += passed
            state.out.users.add(account.user)
    for market in state.markets.values():
        settle(state, market)


def settle(state: State, market: Market) -> None:
    """Pays each hour owed on a coin, at the oracle price and rate of now; without an oracle price they wait.

    So the hours an exchange was off are paid once it knows the market again, which tells its rate with the price.
    """
    if market.oracle is None:
        return
    for account in state.accounts.values():
        position = account.positions.get(market.asset.coin)
        while position is not None and position.unpaid_hours:
            _pay(state, account, market, position, market.oracle)
            position.unpaid_hours -= 1


def _pay(state: State, account: Account, market: Market, position: Position, px: Decimal) -> None:
    """Longs pay a positive rate. Cross positions pay from cash, isolated ones from their purse."""
    coin = market.asset.coin
    paid = cents(position.szi * px * market.funding)
    if margin.is_cross(state, account, coin):
        account.raw_usd -= paid
    else:
        position.raw_usd -= paid
    position.funding_since_open += paid
    position.funding_since_change += paid
    account.funding_all_time[coin] = account.funding_all_time.get(coin, ZERO) + paid
    _record(state, account, market, position, usd(-paid))


def _record(state: State, account: Account, market: Market, position: Position, amount: str) -> None:
    delta = {
        "coin": market.asset.coin,
        "usdc": amount,
        "szi": wire(position.szi),
        "fundingRate": wire(market.funding),
        "nSamples": None,
    }
    time_ms = (state.last_funding_hour + 1 - position.unpaid_hours) * HOUR_MS
    digest = blake2b(f"{account.user}:{market.asset.coin}:{time_ms}".encode(), digest_size=32).hexdigest()
    row = {"time": time_ms, "hash": "0x" + digest, "delta": {"type": "funding", **delta}}
    state.fundings[account.user].append(row)
    state.out.fundings[account.user].append({"time": time_ms, **delta})
    state.out.users.add(account.user)
