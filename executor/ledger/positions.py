"""Positions and what each agent brought, as the ledger knows them: a desk's state, in words for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal

from executor.core import events as ev
from executor.core.facts import OpenOrder, PositionFact
from executor.core.lifecycle import LegState
from executor.core.position import Earned, Holding, Position
from executor.core.state import DeskState, Leg
from executor.core.types import ZERO, Agent
from executor.ledger.views import Document, number

Told = Mapping[str, PositionFact]
"""What the venue last told of each coin."""

_MARK_DIGITS = Context(prec=8)
"""The venue rounds unrealised PnL to 1e-6: more digits of a mark computed from it would be noise."""

_USD = Decimal("0.000001")
"""Money is told to the venue's own digits."""


def position_views(state: DeskState, told: Told, now_ms: int) -> list[Document]:
    """One row per open position, with the virtual positions it is made of."""
    held = (position for position in state.positions.values() if position.size != 0)
    return [_view(state, position, told, now_ms) for position in sorted(held, key=lambda p: p.coin)]


def agent_views(state: DeskState, told: Told) -> list[Document]:
    """One row per agent and coin: what it holds, and what it earned since the ledger began; nobody's part last."""
    rows = []
    for coin in sorted({*state.earned, *(coin for coin, p in state.positions.items() if p.holdings)}):
        position, records = state.position(coin), state.earned.get(coin, [])
        names = [*(record.agent for record in records), *(holding.agent for holding in position.holdings)]
        for agent in sorted(dict.fromkeys(names), key=lambda agent: (agent is None, agent or Agent("", ""))):
            record = next((one for one in records if one.agent == agent), Earned(agent))
            rows.append(_agent_view(state, position, record, told))
    return rows


def _agent_view(state: DeskState, position: Position, record: Earned, told: Told) -> Document:
    holding = position.holding(record.agent) or _of_nobody(position, record.agent)
    px_known = record.agent is not None or not position.holdings  # the venue tells one entry price for all parts
    return {
        "account": state.account,
        "symbol": position.coin,
        **_named(record.agent),
        "size": number(holding.size),
        "entry_px": number(holding.entry_px) if holding.size and px_known else None,
        "unrealized_pnl": _usd(_open_usd(holding, _mark_px(told.get(position.coin)) if px_known else None)),
        "realized_pnl": _usd(record.realized_usd),
        "fees": _usd(record.fees_usd),
        "funding": _usd(record.funding_usd),
        "net": _usd(record.net_usd),
        "fills": record.fills,
        "volume": _usd(record.volume_usd),
    }


def _of_nobody(position: Position, agent: Agent | None) -> Holding:
    """What is there and no agent's; nothing for an agent that holds nothing."""
    if agent is not None:
        return Holding(agent)
    return Holding(None, size=position.foreign, entry_px=position.entry_px)


def _named(agent: Agent | None) -> Document:
    """An agent in words; ``strategy`` is set where a strategy made its actions of what was reported."""
    if agent is None:
        return {"agent": None, "system": None, "strategy": None}
    return {"agent": agent.agent_id, "system": agent.system, "strategy": agent.via or None}


def _usd(value: Decimal | None) -> str | None:
    return None if value is None else number(value.quantize(_USD))


def _mark_px(fact: PositionFact | None) -> Decimal | None:
    return None if fact is None else _MARK_DIGITS.plus(fact.entry_px + fact.unrealized_pnl_usd / fact.size)


def _open_usd(holding: Holding, mark_px: Decimal | None) -> Decimal | None:
    if holding.size == 0:
        return ZERO
    return None if mark_px is None else (mark_px - holding.entry_px) * holding.size


def _pnl_usd(position: Position, fact: PositionFact | None, mark_px: Decimal | None) -> Decimal | None:
    """The venue's own figure while the size is the one it speaks of."""
    if fact is None or mark_px is None:
        return None
    return fact.unrealized_pnl_usd if fact.size == position.size else (mark_px - position.entry_px) * position.size


def _view(state: DeskState, position: Position, told: Told, now_ms: int) -> Document:
    coin, since_ms = position.coin, position.unprotected_since_ms
    naked_s = Decimal(max(0, now_ms - since_ms)) / 1000 if since_ms is not None else ZERO
    owner, fact = position.owner, told.get(coin)
    mark_px = _mark_px(fact)
    return {
        "account": state.account,
        "symbol": coin,
        "size": number(position.size),
        "entry_px": number(position.entry_px),
        "mark_px": number(mark_px),
        "unrealized_pnl": number(_pnl_usd(position, fact, mark_px)),
        "leverage": number(position.leverage),
        "owner": owner.agent_id if owner is not None else None,
        "owner_system": owner.system if owner is not None else None,
        "stop_px": number(_trigger_px(state, coin, "stop")),
        "target_px": number(_trigger_px(state, coin, "target")),
        "unprotected_s": number(naked_s),
        "holdings": [_holding(state, coin, holding, mark_px, now_ms) for holding in position.holdings],
    }


def _holding(state: DeskState, coin: str, holding: Holding, mark_px: Decimal | None, now_ms: int) -> Document:
    """One agent's virtual position: all of them and what nobody of ours opened make up the whole."""
    since_ms = holding.watch.since_ms
    return {
        **_named(holding.agent),
        "size": number(holding.size),
        "entry_px": number(holding.entry_px),
        "unrealized_pnl": _usd(_open_usd(holding, mark_px)),
        "stop_px": number(_newest_px(state.legs_for(coin, "stop", holding.agent))),
        "target_px": number(_newest_px(state.legs_for(coin, "target", holding.agent))),
        "unprotected_s": number(Decimal(max(0, now_ms - since_ms)) / 1000 if since_ms is not None else ZERO),
    }


def _newest_px(legs: list[Leg]) -> Decimal | None:
    live = (LegState.RESTING, LegState.TRIGGERED)
    return next((leg.trigger_px for leg in reversed(legs) if leg.state in live), None)


def _trigger_px(state: DeskState, coin: str, kind: ev.LegKind) -> Decimal | None:
    """The newest live one of ours; else what the venue's list last showed."""
    listed = [order.trigger_px for order in state.orders.values() if order.coin == coin and _is(order, kind)]
    return _newest_px(state.legs_of(coin, kind)) or next(iter(listed), None)


def _is(order: OpenOrder, kind: ev.LegKind) -> bool:
    return order.is_stop if kind == "stop" else order.is_target
