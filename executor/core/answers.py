"""From the venue's words to events: answers to our requests, pushed order updates and fills.

An answer is a claim about one request, read by the one classifier (``hyperliquid.answers``). What is said twice
changes nothing; what does not fit is an anomaly and leaves state alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from executor.core import events as ev
from executor.core.facts import Answer, Done, Fill, Filled, OpenOrder, OrderFact, Rejected, Resting, Unknown, Waiting
from executor.core.holdings import fill_id
from executor.core.identity import plain
from executor.core.lifecycle import LegState, step
from executor.core.prior import LIVE, ending_of
from executor.core.settings import ABSENT_MARGIN_MS
from executor.core.state import DeskState, Leg, Request
from executor.core.types import ZERO

VERB_OF: dict[type[ev.Event], Callable[[ev.Event], str]] = {
    ev.LegRested: lambda event: "rested",
    ev.LegFilled: lambda event: "filled",
    ev.LegTriggered: lambda event: "triggered",
    ev.LegEnded: lambda event: getattr(event, "ending", ""),
    ev.LegRejected: lambda event: "rejected",
    ev.LegUnknown: lambda event: "unknown",
    ev.LegAbsent: lambda event: "absent",
}
"""The lifecycle's word for each event about a leg."""


def absent_from_ms(expires_after_ms: int | None) -> int | None:
    """From when on an order that nobody knows cannot come any more; ``None`` when it never expires."""
    return None if expires_after_ms is None else expires_after_ms + ABSENT_MARGIN_MS


def lawful(state: DeskState, event: ev.Event) -> list[ev.Event]:
    """The event if the lifecycle allows it where the leg is; else an anomaly that tells of it."""
    name = getattr(event, "cloid", None)
    leg = state.legs.get(name or "")
    if leg is None:
        return []
    verb = VERB_OF[type(event)](event)
    if step(leg.state, verb) is None:
        text = f"{leg.kind} leg is {leg.state} and was told {verb}"
        return [ev.AnomalyNoted(at_ms=event.at_ms, account=state.account, key=leg.key, code="ILLEGAL_STEP", text=text)]
    if leg.state is LegState.ABSENT:
        text = f"{leg.kind} leg {leg.cloid} was thought absent and is told {verb}"
        alarm = ev.AlarmRaised(at_ms=event.at_ms, account=state.account, key=leg.key, code="ABSENT_APPEARED", text=text)
        return [event, alarm]
    return [event]


# -- answers ----------------------------------------------------------------------------------------------------


def answer_events(
    state: DeskState, request: Request, answers: Sequence[Answer], now_ms: int, *, resend: bool
) -> list[ev.Event]:
    """What one request's answers mean; ``answers`` are aligned with its legs, or with its cancels."""
    handler = _BY_PURPOSE.get(request.purpose, _order_answers)
    return [*handler(state, request, answers, now_ms, resend), *_conflict(state, answers, now_ms, resend)]


def _order_answers(
    state: DeskState, request: Request, answers: Sequence[Answer], now_ms: int, resend: bool
) -> list[ev.Event]:
    events: list[ev.Event] = []
    uncertain = False
    told_of = dict(zip(request.cloids, answers, strict=True))
    for name, told in told_of.items():
        leg = state.legs.get(name)
        answer = _believed(state, told_of, leg, told)
        lost = isinstance(answer, Unknown | Done)
        out = leg is not None and leg.in_flight and not isinstance(told, Waiting)  # who waits was placed: no resend
        uncertain = uncertain or (lost and out)
        # What the feed or a look-up told already is not unknown because the answer was lost.
        if leg is not None and not (lost and (resend or not leg.in_flight)):
            events += _leg_answer(state, request, leg, answer, now_ms)
    if not uncertain:
        events.append(_closed(state, request, "answered", now_ms))
    return events


def _believed(state: DeskState, told_of: Mapping[str, Answer], leg: Leg | None, answer: Answer) -> Answer:
    """A stop or target is armed, not filled, by its answer (hyperliquid.md section 6.4): that is looked up.

    Taken at its word a false one would end the protection of a position, and whose it is.
    """
    if answer == Waiting(for_trigger=False):
        return _of_parent(state, told_of, answer)
    if leg is None or leg.trigger_px is None or not isinstance(answer, Filled):
        return answer
    return Unknown("ANSWER_ODD", "a trigger was answered as filled")


def _of_parent(state: DeskState, told_of: Mapping[str, Answer], answer: Answer) -> Answer:
    """What ``waitingForFill`` means goes by the parent, which leads its request (hyperliquid.md section 6.4).

    Armed, though not listed yet, where that filled whole; dead where it was refused; else it may do either.
    """
    name, told = next(iter(told_of.items()))
    parent = state.legs.get(name)
    filled = max(parent.filled if parent else ZERO, told.size if isinstance(told, Filled) else ZERO)
    if parent is not None and filled >= parent.size:
        return Waiting(for_trigger=True)
    return answer if isinstance(told, Rejected) and not filled else Unknown("WAITS_FOR_ENTRY", "waitingForFill")


def _leg_answer(state: DeskState, request: Request, leg: Leg, answer: Answer, now_ms: int) -> list[ev.Event]:
    at, acc, key, name = now_ms, state.account, leg.key, leg.cloid
    match answer:
        case Resting(oid=oid):
            if leg.state is LegState.RESTING and leg.oid == oid:
                return []  # the feed told it before the answer came
            event: ev.Event = ev.LegRested(at_ms=at, account=acc, key=key, cloid=name, oid=oid)
        case Filled(oid=oid, size=size, avg_px=px):
            event = ev.LegFilled(at_ms=at, account=acc, key=key, cloid=name, oid=oid, size=size, avg_px=px)
        case Waiting(for_trigger=armed):
            return lawful(state, _waiting(state, leg, armed, now_ms))
        case Rejected(reason=reason, text=text):
            event = ev.LegRejected(at_ms=at, account=acc, key=key, cloid=name, reason=reason, text=text)
            return [*lawful(state, event), *_protection_alarm(state, leg, reason, text, now_ms)]
        case _:
            lost = answer if isinstance(answer, Unknown) else Unknown("ANSWER_ODD", "done")
            deadline = absent_from_ms(request.expires_after_ms)
            event = ev.LegUnknown(
                at_ms=at, account=acc, key=key, cloid=name, reason=lost.reason, text=lost.text, deadline_ms=deadline
            )
    return lawful(state, event)


def _protection_alarm(state: DeskState, leg: Leg, reason: str, text: str, now_ms: int) -> list[ev.Event]:
    """A stop or target the venue refuses is told at its first attempt and at its last before the pauses."""
    if leg.kind not in ("stop", "target") or leg.attempt not in (1, 3):
        return []
    words = f"{leg.coin}: the {leg.kind} at {plain(leg.trigger_px)} was rejected, {reason}: {text}"
    return [ev.AlarmRaised(at_ms=now_ms, account=state.account, key=leg.key, code="PROTECTION_REJECTED", text=words)]


def _waiting(state: DeskState, leg: Leg, armed: bool, now_ms: int) -> ev.Event:
    """A grouped child: armed, or dead because its parent was refused (hyperliquid.md section 6.4)."""
    if armed:
        return ev.LegRested(at_ms=now_ms, account=state.account, key=leg.key, cloid=leg.cloid, oid=None)
    return ev.LegEnded(
        at_ms=now_ms,
        account=state.account,
        key=leg.key,
        cloid=leg.cloid,
        oid=None,
        ending="canceled",
        status="waitingForFill",
    )


def _conflict(state: DeskState, answers: Sequence[Answer], now_ms: int, resend: bool) -> list[ev.Event]:
    """A nonce of ours that was used already means that someone else signs with this key."""
    told = any(isinstance(a, Unknown) and a.reason == "DUPLICATE_NONCE" for a in answers)
    if resend or not told or "signer_conflict" in state.breakers:
        return []
    text = "the venue saw our nonce before we used it: someone else signs with this key; entries stop"
    return [
        ev.BreakerLatched(
            at_ms=now_ms, account=state.account, rule="signer_conflict", value="duplicate nonce", limit=""
        ),
        ev.AlarmRaised(at_ms=now_ms, account=state.account, code="SIGNER_CONFLICT", text=text),
    ]


def _closed(state: DeskState, request: Request, result: str, now_ms: int, text: str = "") -> ev.RequestClosed:
    return ev.RequestClosed(
        at_ms=now_ms, account=state.account, request_id=request.request_id, result=result, text=text
    )


GONE = "ORDER_GONE"
"""The one refusal of a cancel that speaks of the order: never placed, cancelled or filled (hyperliquid.md 2.6)."""

TOLD_AT = 3
"""At which refusal of a cancel a person is told."""


def _cancel_answers(
    state: DeskState, request: Request, answers: Sequence[Answer], now_ms: int, resend: bool
) -> list[ev.Event]:
    """Done, or there is no such order; any other refusal, as of the account or the key, leaves it to be asked again."""
    names: list[tuple[str | None, int | None]] = [(name, None) for name in request.cloids]
    names += [(None, oid) for oid in request.oids]
    events: list[ev.Event] = []
    refusal = ""
    for (name, oid), answer in zip(names, answers, strict=True):
        result = _settled(answer)
        leg = state.legs.get(name or "")
        if result == "done" and leg is not None and leg.open:
            events += lawful(state, canceled(state, leg, now_ms))  # first: while the cancel stands, it was asked for
        if result == "unknown" and isinstance(answer, Rejected):
            refusal = f"{answer.reason}: {answer.text}"
            events += _refused_cancel(state, name or str(oid), refusal, now_ms)
        events.append(ev.CancelSettled(at_ms=now_ms, account=state.account, oid=oid, cloid=name, result=result))
    return [*events, _closed(state, request, "answered", now_ms, refusal)]


def _settled(answer: Answer) -> Literal["done", "gone", "unknown"]:
    if isinstance(answer, Done):
        return "done"
    return "gone" if isinstance(answer, Rejected) and answer.reason == GONE else "unknown"


def _refused_cancel(state: DeskState, name: str, refusal: str, now_ms: int) -> list[ev.Event]:
    cancel = state.cancels.get(name)
    if cancel is None or cancel.attempts != TOLD_AT:
        return []
    text = f"{cancel.coin}: the cancel of {name} was refused {TOLD_AT} times and goes on, {refusal}"
    return [ev.AlarmRaised(at_ms=now_ms, account=state.account, code="CANCEL_REFUSED", text=text)]


def canceled(state: DeskState, leg: Leg, now_ms: int) -> ev.LegEnded:
    """An order of ours that is no more, without the venue's own record of its end."""
    return ev.LegEnded(
        at_ms=now_ms,
        account=state.account,
        key=leg.key,
        cloid=leg.cloid,
        oid=leg.oid,
        ending="canceled",
        status="canceled",
    )


def _leverage_answers(
    state: DeskState, request: Request, answers: Sequence[Answer], now_ms: int, resend: bool
) -> list[ev.Event]:
    """Definite ok confirms; a readable no fails; anything else is left to a fresh read of the setting."""
    coin, wanted = request.coin or "", state.leverage.get(request.coin or "")
    closed = _closed(state, request, "answered", now_ms)
    answer = answers[0]
    if wanted is None or isinstance(answer, Unknown):
        return [closed]
    if isinstance(answer, Done):
        return [
            ev.LeverageConfirmed(
                at_ms=now_ms,
                account=state.account,
                key=wanted.key,
                coin=coin,
                leverage=wanted.leverage,
                is_cross=wanted.is_cross,
            ),
            closed,
        ]
    reason, text = (answer.reason, answer.text) if isinstance(answer, Rejected) else ("ANSWER_ODD", str(answer))
    return [closed, *leverage_failed(state, coin, reason, text, now_ms)]


def leverage_failed(
    state: DeskState, coin: str, reason: str, text: str, now_ms: int, refusal: str = "LEVERAGE_UNCONFIRMED"
) -> list[ev.Event]:
    """The setting could not be confirmed: the entries that wait for it are refused, with ``refusal`` as their code."""
    events: list[ev.Event] = [
        ev.LeverageFailed(at_ms=now_ms, account=state.account, coin=coin, reason=reason, text=text)
    ]
    for leg in state.legs_of(coin, "entry"):
        if leg.state is not LegState.PLANNED:
            continue
        family = [o for o in state.live.values() if o is leg or (o.bracket and o.bracket == leg.bracket)]
        events += [
            ev.LegDropped(at_ms=now_ms, account=state.account, key=o.key, cloid=o.cloid, reason=refusal) for o in family
        ]
        events.append(
            ev.ActionRefused(
                at_ms=now_ms,
                account=state.account,
                key=leg.key,
                reason=refusal,
                detail=f"{reason}: {text}",
                part="entry",
            )
        )
    return events


_BY_PURPOSE: dict[str, Callable[[DeskState, Request, Sequence[Answer], int, bool], list[ev.Event]]] = {
    "cancel": _cancel_answers,
    "leverage": _leverage_answers,
}


# -- news ---------------------------------------------------------------------------------------------------------


def fill_events(state: DeskState, fills: Iterable[Fill], now_ms: int) -> list[ev.Event]:
    """New fills, each once, oldest first, with the leg each belongs to; from any feed, in any order."""
    events: list[ev.Event] = []
    seen: set[str] = set()
    for fill in sorted(fills, key=lambda fill: fill.at_ms):
        identity = fill_id(fill.tid, fill.oid)
        if identity in state.seen_fills or identity in seen:
            continue
        seen.add(identity)
        leg = state.legs.get(fill.cloid or "") or _by_oid(state, fill.oid)
        events.append(
            ev.FillSeen(
                at_ms=now_ms,
                account=state.account,
                key=leg.key if leg else None,
                fill=fill,
                cloid=leg.cloid if leg else None,
            )
        )
    return events


def _by_oid(state: DeskState, oid: int) -> Leg | None:
    """The leg of a fill that carries no cloid."""
    return next((leg for leg in state.legs.values() if leg.oid == oid), None)


def order_events(state: DeskState, facts: Iterable[OrderFact], now_ms: int) -> list[ev.Event]:
    """Pushed order updates of ours; what they only repeat is left out."""
    events: list[ev.Event] = []
    for fact in facts:
        leg = state.legs.get((fact.order.cloid if fact.order else None) or "")
        if leg is not None and fact.order is not None and not _stale_oid(leg, fact.order):
            events += status_of_leg(state, leg, _before_its_fills(leg, fact), now_ms) if _timely(leg, fact) else []
    return events


def _timely(leg: Leg, fact: OrderFact) -> bool:
    """An ending told before the answer waits for it: the answer, and the look-up, also tell what executed.

    Fills come by another channel in no fixed order (hyperliquid.md section 4.5): an exit that ended with its
    fills still to come would look like a miss and be sent again.
    """
    return not leg.in_flight or fact.status in LIVE


def _before_its_fills(leg: Leg, fact: OrderFact) -> OrderFact:
    """A stop or target told as filled has fired; its fills, which turn it to done, may still be on their way."""
    fired = leg.open and leg.trigger_px is not None and leg.filled < leg.size
    return replace(fact, status="triggered") if fired and fact.status == "filled" else fact


def _stale_oid(leg: Leg, order: OpenOrder) -> bool:
    """After a modify the old oid ends under the same cloid: that says nothing of the living one."""
    return leg.oid is not None and order.oid < leg.oid


def status_of_leg(state: DeskState, leg: Leg, fact: OrderFact, now_ms: int) -> list[ev.Event]:
    """The event a status says of a leg, if it says something new. What executed is told by fills."""
    order = fact.order
    if order is None:
        return []
    at, acc, key, name = now_ms, state.account, leg.key, leg.cloid
    if fact.status == "open":
        told = leg.state is LegState.RESTING and leg.oid == order.oid and not leg.doubted
        if told and (leg.trigger_px is None or leg.listed == order.size):
            return []
        rested = ev.LegRested(at_ms=at, account=acc, key=key, cloid=name, oid=order.oid, listed=order.size)
        return lawful(state, rested)
    if fact.status == "triggered":
        if leg.state is LegState.TRIGGERED:
            return []
        return lawful(state, ev.LegTriggered(at_ms=at, account=acc, key=key, cloid=name))
    ending = ending_of(fact.status)
    if ending is None or (not leg.open and leg.state is not LegState.ABSENT):
        return []
    ended = ev.LegEnded(
        at_ms=at,
        account=acc,
        key=key,
        cloid=name,
        oid=order.oid,
        ending=ending,
        status=fact.status,
    )
    return lawful(state, ended)
