"""Every step of one action, from the raw frame to the last fill, put together from its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from executor.clock import iso
from executor.core import events as ev
from executor.ledger.codec import encode
from executor.ledger.outcomes import LegOutcome, outcome_of
from executor.ledger.unresolved import resolution
from executor.ledger.views import Document, order_view, without
from executor.ports import Stored

_COMMON = ("at_ms", "account", "key")
_TOLD_ELSEWHERE = ("frame_id", "book_before", "book_after", "accounts", "routes", "derived")

_OF_A_LEG = (
    ev.LegRested,
    ev.LegFilled,
    ev.LegRejected,
    ev.LegUnknown,
    ev.LegAbsent,
    ev.LegTriggered,
    ev.LegEnded,
    ev.LegDropped,
)
"""What became known of a leg, by the answer to its request or by a later look-up."""

_TOLD_BY_NAME = (
    ev.ActionReceived,
    ev.ActionTaken,
    ev.IntentProposed,
    ev.QuoteRejected,
    ev.EntryJudged,
    ev.ActionRefused,
    ev.LegPlanned,
    ev.SendStarted,
    ev.RequestClosed,
    ev.FillSeen,
    ev.ProcessStarted,
    *_OF_A_LEG,
)
"""Events that have a place of their own in the explanation; all others are follow-ups."""

Frames = Mapping[int, Document]


def explain_action(received: ev.ActionReceived, stored: Sequence[Stored], frames: Frames, now_ms: int) -> Document:
    """One action that was taken in. ``stored`` are the events that belong to it, in order, of all accounts."""
    repeats = [item for item in stored if isinstance(item.event, ev.DuplicateSeen | ev.ConflictSeen)]
    routes = dict(zip(received.accounts, received.routes, strict=False))
    accounts: list[str | None] = [*received.accounts] or [None]
    return {
        "action_id": received.action_id,
        "key": received.key,
        "received_at": iso(received.received_at_ms),
        "frame": frames.get(received.frame_id or 0),
        "decoded": without(facts(received), *_TOLD_ELSEWHERE),
        "derived": facts(received)["derived"],
        "book": {"before": facts(received)["book_before"], "after": facts(received)["book_after"]},
        "routes": [{"account": name, "route": route} for name, route in routes.items()],
        "repeats": _repeats(repeats, frames),
        "accounts": [
            {"route": routes.get(name or ""), **_on_account(received.action_id, name, stored, now_ms)}
            for name in accounts
        ],
    }


def explain_refused(refused: ev.FrameRefused, frames: Frames) -> Document:
    """A frame that named this action but could not be read as one."""
    return {
        "action_id": refused.action_id,
        "key": None,
        "received_at": iso(refused.at_ms),
        "frame": frames.get(refused.frame_id or 0),
        "refused": without(facts(refused), "frame_id"),
        "accounts": [],
    }


def explain_duplicate(seen: ev.DuplicateSeen, first: str, stored: Sequence[Stored], frames: Frames) -> Document:
    """An action that was taken for the one called ``first``, told again under another id. ``stored`` are its events."""
    repeats = [item for item in stored if isinstance(item.event, ev.DuplicateSeen | ev.ConflictSeen)][1:]
    return {
        "action_id": seen.action_id or seen.key,
        "key": seen.key,
        "received_at": iso(seen.at_ms),
        "frame": frames.get(seen.frame_id or 0),
        "duplicate": {"of": first or None, **without(facts(seen), "frame_id", "fingerprint", "action_id")},
        "repeats": _repeats(repeats, frames),
        "accounts": [],
    }


def explain_own(key: str, stored: Sequence[Stored], now_ms: int) -> Document:
    """Orders no action asked for, by the name ``orders`` shows: a flatten's, or those of ``protection.policy``."""
    accounts = sorted({item.event.account for item in stored if item.event.account is not None})
    return {
        "action_id": key,
        "key": key,
        "received_at": iso(stored[0].event.at_ms),
        "frame": None,
        "own": True,
        "accounts": [{"route": None, **_on_account(key, name, stored, now_ms)} for name in accounts],
    }


def _repeats(repeats: Sequence[Stored], frames: Frames) -> list[Document]:
    return [{**step(item), "frame": frames.get(getattr(item.event, "frame_id", None) or 0)} for item in repeats]


def step(item: Stored) -> Document:
    """One event as a line of the story."""
    return {"seq": item.seq, "at": iso(item.event.at_ms), "kind": type(item.event).__name__, "data": facts(item.event)}


def facts(event: ev.Event) -> Document:
    """What an event says beyond time, account and key, ready for JSON."""
    return without(orjson.loads(encode(event)), *_COMMON)


def _on_account(action_id: str, account: str | None, stored: Sequence[Stored], now_ms: int) -> Document:
    outcome = outcome_of(account, [item.event for item in stored])
    own = [item for item in stored if item.event.account == account]
    taken, proposed = _all(own, ev.ActionTaken), _all(own, ev.IntentProposed)
    return {
        "account": account,
        "outcome": outcome.outcome.value,
        "reason": outcome.reason or None,
        "taken": facts(taken[-1]) if taken else None,
        "strategy": facts(proposed[-1]) if proposed else None,
        "quotes": [facts(event) for event in _all(own, ev.QuoteRejected)],
        "judgements": [_judgement(event) for event in _all(own, ev.EntryJudged)],
        "refusals": [facts(event) for event in _all(own, ev.ActionRefused)],
        "legs": [_leg(item, account, action_id, own, now_ms) for item in outcome.legs],
        "follow_ups": [step(item) for item in own if not isinstance(item.event, _TOLD_BY_NAME)],
        "steps": [step(item) for item in own],
    }


def _judgement(event: ev.EntryJudged) -> Document:
    """The numbers, then each rule: its input, its limit, its verdict."""
    told = facts(event)
    rules = [
        {"rule": v["rule"], "input": v["value"], "limit": v["limit"], "verdict": v["outcome"], "reason": v["reason"]}
        | {name: v[name] for name in ("allowed_size", "allowed_leverage") if v[name] is not None}
        for v in told.pop("verdicts")
    ]
    return {**told, "rules": rules}


def _leg(item: LegOutcome, account: str | None, action_id: str, own: Sequence[Stored], now_ms: int) -> Document:
    cloid = item.leg.cloid
    sent = [e for e in _all(own, ev.SendStarted) if cloid in e.cloids]
    closed = {e.request_id: e for e in _all(own, ev.RequestClosed)}
    about = [stored for stored in own if getattr(stored.event, "cloid", None) == cloid]
    return {
        **without(order_view(item, account, action_id), "account", "action_id"),
        "sent": [_request(event, closed.get(event.request_id)) for event in sent],
        "answers": [step(stored) for stored in about if isinstance(stored.event, _OF_A_LEG)],
        "fills": [facts(event)["fill"] for event in _all(about, ev.FillSeen)],
        "unresolved": resolution(item.leg, now_ms),
    }


def _request(sent: ev.SendStarted, closed: ev.RequestClosed | None) -> Document:
    ended = {"result": closed.result, "text": closed.text} if closed is not None else {"result": None, "text": ""}
    return {"at": iso(sent.at_ms), **facts(sent), **ended}


def _all(stored: Sequence[Stored], kind: type[Any]) -> list[Any]:
    return [item.event for item in stored if isinstance(item.event, kind)]
