"""Pays funding at every full hour on the oracle price (hyperliquid.md section 6.9)."""

from __future__ import annotations

from hashlib import blake2b

from executor.core.types import ZERO
from executor.paper import margin
from executor.paper.model import Account, Market, Position, State
from executor.paper.numbers import cents, usd, wire

HOUR_MS = 3_600_000


def settle_due(state: State) -> None:
    """Pays once when one or more hours have passed since the last payment; a new exchange starts its count now."""
    hour = state.now_ms // HOUR_MS
    if state.last_funding_hour and hour > state.last_funding_hour:
        _settle(state)
    state.last_funding_hour = max(hour, state.last_funding_hour)


def _settle(state: State) -> None:
    for account in state.accounts.values():
        for coin, position in account.positions.items():
            _pay(state, account, state.markets[coin], position)


def _pay(state: State, account: Account, market: Market, position: Position) -> None:
    """Longs pay a positive rate. Cross positions pay from cash, isolated ones from their purse."""
    coin = market.asset.coin
    px = market.oracle if market.oracle is not None else margin.mark_of(state, coin, position)
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
    digest = blake2b(f"{account.user}:{market.asset.coin}:{state.now_ms}".encode(), digest_size=32).hexdigest()
    row = {"time": state.now_ms, "hash": "0x" + digest, "delta": {"type": "funding", **delta}}
    state.fundings[account.user].append(row)
    state.out.fundings[account.user].append({"time": state.now_ms, **delta})
    state.out.users.add(account.user)
