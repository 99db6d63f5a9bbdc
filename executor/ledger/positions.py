"""Positions as the ledger knows them: the newest read of the account, carried on by what was recorded since."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal

from executor.core import events as ev
from executor.core.evolve import evolve
from executor.core.facts import OpenOrder, PositionFact
from executor.core.lifecycle import LegState
from executor.core.position import Position
from executor.core.state import DeskState
from executor.ledger.views import Document, number

_MARK_DIGITS = Context(prec=8)
"""The venue rounds unrealised PnL to 1e-6: more digits of a mark computed from it would be noise."""


def position_views(account: str, events: Iterable[ev.Event], now_ms: int) -> list[Document]:
    """Fold the events of one account (in order, the newest ``AccountRead`` among them) into its open positions."""
    state, told = DeskState(account=account), {}
    for event in events:
        evolve(state, event)
        if isinstance(event, ev.AccountRead):
            told = {fact.coin: fact for fact in event.fact.positions if fact.size != 0}
    held = (position for position in state.positions.values() if position.size != 0)
    return [_view(state, position, told.get(position.coin), now_ms) for position in sorted(held, key=lambda p: p.coin)]


def _mark_px(fact: PositionFact | None) -> Decimal | None:
    return None if fact is None else _MARK_DIGITS.plus(fact.entry_px + fact.unrealized_pnl_usd / fact.size)


def _pnl_usd(position: Position, fact: PositionFact | None, mark_px: Decimal | None) -> Decimal | None:
    """The venue's own figure while the size is the one it speaks of."""
    if fact is None or mark_px is None:
        return None
    return fact.unrealized_pnl_usd if fact.size == position.size else (mark_px - position.entry_px) * position.size


def _view(state: DeskState, position: Position, fact: PositionFact | None, now_ms: int) -> Document:
    since_ms = position.unprotected_since_ms
    naked_s = Decimal(max(0, now_ms - since_ms)) / 1000 if since_ms is not None else Decimal(0)
    owner, mark_px = position.owner, _mark_px(fact)
    return {
        "account": state.account,
        "symbol": position.coin,
        "size": number(position.size),
        "entry_px": number(position.entry_px),
        "mark_px": number(mark_px),
        "unrealized_pnl": number(_pnl_usd(position, fact, mark_px)),
        "leverage": number(position.leverage),
        "owner": owner.agent_id if owner is not None else None,
        "owner_system": owner.system if owner is not None else None,
        "stop_px": number(_trigger_px(state, position.coin, "stop")),
        "target_px": number(_trigger_px(state, position.coin, "target")),
        "unprotected_s": number(naked_s),
    }


def _trigger_px(state: DeskState, coin: str, kind: ev.LegKind) -> Decimal | None:
    """The newest live one of ours; else what the venue's list last showed."""
    live = (LegState.RESTING, LegState.TRIGGERED)
    ours = [leg.trigger_px for leg in state.legs_of(coin, kind) if leg.state in live]
    listed = [order.trigger_px for order in state.orders.values() if order.coin == coin and _is(order, kind)]
    return next(iter([*reversed(ours), *listed]), None)


def _is(order: OpenOrder, kind: ev.LegKind) -> bool:
    return order.is_stop if kind == "stop" else order.is_target
