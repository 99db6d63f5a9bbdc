"""Events counted and their distances measured: what ``/metrics`` shows of the way from a signal to a fill.

Fed with every event of the core; keeps a bounded number of unfinished ways in mind. Times are the events' own
(milliseconds), so two steps decided in one go are zero apart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from executor.core import events as ev
from executor.server.exposition import Counters, Histograms, Labels, gauge_lines, labels

KEPT = 4096
"""How many signals, decisions and orders are remembered at once; the oldest are forgotten."""

_STEPS = {
    "signal_to_decision": "From the receipt of a signal to an account's decision on it.",
    "decision_to_send": "From a planned order to its request.",
    "send_to_ack": "From a request to the venue's answer for the order.",
    "ack_to_fill": "From the venue's answer to the order's first fill on the account's feed; 0 where that was first.",
    "signal_to_send": "From the receipt of a signal to its first request on an account.",
    "signal_to_fill": "From the receipt of a signal to an order's first fill.",
}


def _no_reason(_: Any) -> str:
    return ""


def _reason(event: Any) -> str:
    return str(event.reason)


_COUNTED: Mapping[type[ev.Event], tuple[str, str, Callable[[Any], str]]] = {
    ev.ActionReceived: ("actions_received", "New actions.", _no_reason),
    ev.ActionTaken: ("actions_taken", "Actions an account took up.", _no_reason),
    ev.ActionRefused: ("actions_refused", "Actions, or parts of them, we refused.", _reason),
    ev.FrameRefused: ("frames_refused", "Frames that are no action.", _reason),
    ev.DuplicateSeen: (
        "duplicates",
        "Actions that came again.",
        lambda event: "SUSPECTED_DUPLICATE" if event.suspected else "DUPLICATE",
    ),
    ev.ConflictSeen: ("conflicts", "Known ids with another content.", _no_reason),
    ev.SendStarted: ("requests", "Requests to the venue, by purpose.", lambda event: str(event.purpose)),
    ev.LegFilled: ("orders_filled", "Orders filled at placement.", _no_reason),
    ev.LegRested: ("orders_rested", "Orders that went to the book or were armed.", _no_reason),
    ev.LegRejected: ("orders_rejected", "Orders the venue refused.", _reason),
    ev.LegUnknown: ("orders_unknown", "Orders whose outcome nobody knew.", _reason),
    ev.LegAbsent: ("orders_absent", "Orders proved never to have happened.", _no_reason),
    ev.FillSeen: ("fills", "Fills on the accounts.", _no_reason),
    ev.DifferenceFound: ("differences", "Differences between our picture and the venue's.", lambda event: event.cause),
    ev.AlarmRaised: ("alarms", "Alarms.", lambda event: event.code),
    ev.AnomalyNoted: ("anomalies", "Facts that did not fit.", lambda event: event.code),
    ev.BreakerLatched: ("breakers_latched", "Rules that stopped entries.", lambda event: event.rule),
    ev.ProtectionChanged: ("protection_changes", "Positions that lost or regained their stop.", lambda e: e.state),
}
"""What is counted: the name between ``executor_`` and ``_total``, its help, and where its reason is."""

T = TypeVar("T")


class _Recent(OrderedDict[Any, T], Generic[T]):
    """A mapping that forgets its oldest entries."""

    def put(self, key: Any, value: T) -> None:
        self[key] = value
        if len(self) > KEPT:
            self.popitem(last=False)


@dataclass(slots=True)
class _Signal:
    received_at_ms: int
    coin: str | None


@dataclass(slots=True)
class _Way:
    """One order's way; steps not taken yet are ``None``."""

    account: str | None
    key: str | None
    coin: str
    planned_at_ms: int
    sent_at_ms: int | None = None
    acked_at_ms: int | None = None
    filled_at_ms: int | None = None


class Metrics:
    """Call ``observe`` with each event in order; ``lines`` is the text so far."""

    def __init__(self) -> None:
        self._counters = {kind: Counters(f"executor_{name}_total", text) for kind, (name, text, _) in _COUNTED.items()}
        self._steps = {name: Histograms(f"executor_{name}_seconds", text) for name, text in _STEPS.items()}
        self._signals: _Recent[_Signal] = _Recent()
        self._decided: _Recent[None] = _Recent()
        self._sent: _Recent[None] = _Recent()
        self._ways: _Recent[_Way] = _Recent()
        self._differing: dict[str, int] = {}
        self._drift: dict[Labels, int] = {}
        self._alarm = ""
        self._follow: Mapping[type[ev.Event], Callable[[Any], None]] = {
            ev.ActionReceived: self._received,
            ev.ActionRefused: lambda event: self._decide(event, self._coin(event)),
            ev.LegPlanned: self._planned,
            ev.SendStarted: self._send,
            ev.LegFilled: self._ack,
            ev.LegRested: self._ack,
            ev.LegRejected: self._ack,
            ev.FillSeen: self._fill,
            ev.DifferenceFound: self._differed,
            ev.Reconciled: self._reconciled,
        }

    def observe(self, event: ev.Event) -> None:
        """Take one event in; constant time, never raises for an event of the core."""
        kind = type(event)
        if follow := self._follow.get(kind):
            follow(event)
        if counters := self._counters.get(kind):
            reason = _COUNTED[kind][2](event)
            counters.add(labels(account=event.account, symbol=self._coin(event), reason=reason))
        self._alarm = event.code if isinstance(event, ev.AlarmRaised) else ""

    def notify(self, level: str, title: str, body: str) -> None:  # noqa: ARG002 the port's form: a number has no words
        """Count an alarm that no event of the record is, as a ledger's that cannot be written; as ``ports.Notifier``.

        Of an event people are told right after it was observed: that one is counted already.
        """
        if level == "alarm" and title != self._alarm:
            self._counters[ev.AlarmRaised].add(labels(reason=title))
        self._alarm = ""

    def lines(self) -> Iterator[str]:
        """All of it in the text format; a name without a value yet still shows its head."""
        families: list[Counters | Histograms] = [*self._counters.values(), *self._steps.values()]
        for family in families:
            yield from family.lines()
        yield from gauge_lines("executor_drift", "Differences the newest complete reading found.", self._drift.items())

    # -- the way of one signal ------------------------------------------------------------------------------

    def _received(self, event: ev.ActionReceived) -> None:
        self._signals.put(event.key, _Signal(event.received_at_ms, event.coin))

    def _decide(self, event: ev.Event, coin: str | None) -> None:
        if self._first(self._decided, event):
            self._since_signal("signal_to_decision", event, coin)

    def _planned(self, event: ev.LegPlanned) -> None:
        self._decide(event, event.coin)
        self._ways.put(event.cloid, _Way(event.account, event.key, event.coin, event.at_ms))

    def _send(self, event: ev.SendStarted) -> None:
        for cloid in event.cloids:
            way = self._ways.get(cloid)
            if way is None or way.sent_at_ms is not None:
                continue
            way.sent_at_ms = event.at_ms
            self._step("decision_to_send", way, event.at_ms - way.planned_at_ms)
            if (way.account, way.key) not in self._sent:
                self._sent.put((way.account, way.key), None)
                self._way_since_signal("signal_to_send", way, event.at_ms)

    def _ack(self, event: ev.LegFilled | ev.LegRested | ev.LegRejected) -> None:
        way = self._ways.get(event.cloid)
        if way is None or way.sent_at_ms is None or way.acked_at_ms is not None:
            return
        way.acked_at_ms = event.at_ms
        self._step("send_to_ack", way, event.at_ms - way.sent_at_ms)
        self._ack_to_fill(way)

    def _fill(self, event: ev.FillSeen) -> None:
        way = self._ways.get(event.cloid)
        if way is None or way.filled_at_ms is not None:
            return
        way.filled_at_ms = event.at_ms
        self._way_since_signal("signal_to_fill", way, event.at_ms)
        self._ack_to_fill(way)

    def _ack_to_fill(self, way: _Way) -> None:
        """By whichever of the two comes second: of an order that fills at once, the feed may tell before the answer."""
        if way.acked_at_ms is not None and way.filled_at_ms is not None:
            self._step("ack_to_fill", way, max(0, way.filled_at_ms - way.acked_at_ms))

    # -- drift ----------------------------------------------------------------------------------------------

    def _differed(self, event: ev.DifferenceFound) -> None:
        self._differing[event.account or ""] = self._differing.get(event.account or "", 0) + 1

    def _reconciled(self, event: ev.Reconciled) -> None:
        self._drift[labels(account=event.account)] = self._differing.pop(event.account or "", 0)

    # -- bookkeeping ----------------------------------------------------------------------------------------

    def _first(self, seen: _Recent[None], event: ev.Event) -> bool:
        pair = (event.account, event.key)
        if event.key is None or pair in seen:
            return False
        seen.put(pair, None)
        return True

    def _since_signal(self, step: str, event: ev.Event, coin: str | None) -> None:
        signal = self._signals.get(event.key)
        if signal is not None:
            key = labels(account=event.account, symbol=coin)
            self._steps[step].observe(key, event.at_ms - signal.received_at_ms)

    def _way_since_signal(self, step: str, way: _Way, at_ms: int) -> None:
        signal = self._signals.get(way.key)
        if signal is not None:
            self._step(step, way, at_ms - signal.received_at_ms)

    def _step(self, step: str, way: _Way, duration_ms: int) -> None:
        self._steps[step].observe(labels(account=way.account, symbol=way.coin), duration_ms)

    def _coin(self, event: Any) -> str | None:
        """The venue's coin an event concerns: its own, its fill's, its order's or its signal's; never sent text."""
        if isinstance(event, ev.FillSeen):
            return event.fill.coin
        own: str | None = getattr(event, "coin", None)
        if own is not None:
            return own
        way, signal = self._ways.get(getattr(event, "cloid", None)), self._signals.get(event.key)
        return way.coin if way is not None else signal.coin if signal is not None else None
