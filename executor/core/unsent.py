"""What follows where a request could not be made: its orders are given up with their reason, and nothing left."""

from __future__ import annotations

from executor.core import events as ev
from executor.core.answers import leverage_failed
from executor.core.batch import Batch
from executor.core.state import DeskState

_PARTS: dict[ev.LegKind, ev.Part] = {"entry": "entry", "exit": "exit", "stop": "all", "target": "all"}
"""Which part of its action an order carries out."""

OWN_LIMITS = frozenset({"SIGNER_ALLOWLIST", "SIGNER_PER_TRADE_CAP", "SIGNER_DAILY_CAP"})
"""Refusals that are the signer's limits at work: expected, so nobody is woken for one."""


def unsendable(state: DeskState, batch: Batch, reason: str, text: str, now_ms: int) -> list[ev.Event]:
    """Give up a request with a reason code: each order of it is dropped and refused, each cancel is tried again."""
    at, account = now_ms, state.account
    events: list[ev.Event] = []
    if batch.coin is not None:
        refusal = "LEVERAGE_UNCONFIRMED" if reason == "UNSENDABLE" else reason
        events += leverage_failed(state, batch.coin, reason, text, at, refusal)
    missed = reason if batch.purpose == "entry" else "UNSENDABLE"  # what reduces counts it as an attempt, and goes on
    for leg in batch.legs:
        part = _PARTS[leg.kind]
        events += [
            ev.LegDropped(at_ms=at, account=account, key=leg.key, cloid=leg.cloid, reason=missed, detail=text),
            ev.ActionRefused(at_ms=at, account=account, key=leg.key, reason=reason, detail=text, part=part),
        ]
    if reason not in OWN_LIMITS and not any(cancel.attempts for cancel in batch.cancels):
        words = f"a {batch.purpose} request could not be made: {text}"
        events.append(ev.AlarmRaised(at_ms=at, account=account, code="UNSENDABLE", text=words))
    events += [
        ev.CancelSettled(at_ms=at, account=account, oid=cancel.oid, cloid=cancel.cloid, result="unknown")
        for cancel in batch.cancels
    ]
    return events


def refused_by_signer(state: DeskState, batch: Batch, rule: str, reason: str, text: str, now_ms: int) -> list[ev.Event]:
    """The signer's no, recorded as such, and what follows from it."""
    key = batch.legs[0].key if batch.legs else None
    if batch.coin is not None:
        key = state.leverage[batch.coin].key
    refused = ev.SignerRefused(
        at_ms=now_ms,
        account=state.account,
        key=key,
        purpose=batch.purpose,
        rule=rule,
        reason=reason,
        text=text,
        cloids=tuple(leg.cloid for leg in batch.legs),
        coin=batch.coin or (batch.legs[0].coin if batch.legs else None),
    )
    return [refused, *unsendable(state, batch, reason, text, now_ms)]
