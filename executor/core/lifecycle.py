"""The life of a leg: one table says which event moves it where. Nothing else changes a leg's state.

A leg is one order we mean to have on the venue. It is *planned* when decided, *sent* from the moment its request
is written down (before the first byte leaves), and then one of two things is true. Either the venue's own
record tells what became of it, or nobody knows, and it is *unknown* until a look-up tells. Unknown is not failed:
the only way from there to *absent* is a proof.

``done`` means executed, perhaps in part; how much is the sum of its fills. ``resting`` is on the book or an armed
trigger; ``triggered`` is a stop or target that fired and is being executed under the same oid.

A pair that is not in the table leaves the leg alone and is recorded as an anomaly (``AnomalyNoted``). What
looks odd but happens on real venues has rows of its own, with the reason beside it. The diagram in
docs/architecture.md is drawn from this table (``scripts/check`` compares them).
"""

from __future__ import annotations

from enum import StrEnum


class LegState(StrEnum):
    """Where a leg is in its life."""

    PLANNED = "planned"
    SENT = "sent"
    UNKNOWN = "unknown"
    RESTING = "resting"
    TRIGGERED = "triggered"
    DONE = "done"
    CANCELED = "canceled"
    REJECTED = "rejected"
    ABSENT = "absent"
    DROPPED = "dropped"


_S = LegState

OPEN_STATES = frozenset({_S.PLANNED, _S.SENT, _S.UNKNOWN, _S.RESTING, _S.TRIGGERED})
"""States in which a leg may still execute."""

IN_FLIGHT_STATES = frozenset({_S.SENT, _S.UNKNOWN})
"""Sent, and no record of the venue's read yet."""

TABLE: dict[tuple[LegState, str], LegState] = {
    (_S.PLANNED, "sent"): _S.SENT,
    (_S.PLANNED, "dropped"): _S.DROPPED,
    # A look-up found an order of an earlier life of ours, whose ledger is gone (design.md section 4).
    (_S.PLANNED, "rested"): _S.RESTING,
    (_S.PLANNED, "triggered"): _S.TRIGGERED,
    (_S.PLANNED, "filled"): _S.DONE,
    (_S.PLANNED, "canceled"): _S.CANCELED,
    (_S.PLANNED, "rejected"): _S.REJECTED,
    (_S.SENT, "rested"): _S.RESTING,
    (_S.SENT, "triggered"): _S.TRIGGERED,
    (_S.SENT, "filled"): _S.DONE,
    (_S.SENT, "canceled"): _S.CANCELED,
    (_S.SENT, "rejected"): _S.REJECTED,
    (_S.SENT, "unknown"): _S.UNKNOWN,
    (_S.UNKNOWN, "unknown"): _S.UNKNOWN,
    (_S.UNKNOWN, "rested"): _S.RESTING,
    (_S.UNKNOWN, "triggered"): _S.TRIGGERED,
    (_S.UNKNOWN, "filled"): _S.DONE,
    (_S.UNKNOWN, "canceled"): _S.CANCELED,
    (_S.UNKNOWN, "rejected"): _S.REJECTED,
    (_S.UNKNOWN, "absent"): _S.ABSENT,
    (_S.RESTING, "rested"): _S.RESTING,
    (_S.RESTING, "triggered"): _S.TRIGGERED,
    (_S.RESTING, "filled"): _S.DONE,
    (_S.RESTING, "canceled"): _S.CANCELED,
    # A trigger that fires into an empty book, or without margin, ends as a rejection (hyperliquid.md section 1.3).
    (_S.RESTING, "rejected"): _S.REJECTED,
    (_S.TRIGGERED, "triggered"): _S.TRIGGERED,
    (_S.TRIGGERED, "filled"): _S.DONE,
    (_S.TRIGGERED, "canceled"): _S.CANCELED,
    (_S.TRIGGERED, "rejected"): _S.REJECTED,
    # A triggered stop may be told as an open order again: it then rests as a live order.
    (_S.TRIGGERED, "rested"): _S.TRIGGERED,
    # The answer and the feed tell the same thing twice, in any order (hyperliquid.md section 9, U9).
    (_S.DONE, "filled"): _S.DONE,
    (_S.DONE, "rested"): _S.DONE,
    (_S.DONE, "triggered"): _S.DONE,
    # The unfilled rest of an IOC order is told as cancelled after the answer said filled.
    (_S.DONE, "canceled"): _S.DONE,
    (_S.DONE, "rejected"): _S.DONE,
    (_S.CANCELED, "canceled"): _S.CANCELED,
    (_S.REJECTED, "rejected"): _S.REJECTED,
    (_S.REJECTED, "canceled"): _S.REJECTED,
    # A fill that was on its way when the cancel won is still a fill.
    (_S.CANCELED, "filled"): _S.DONE,
    # The proof was wrong, or the venue told late: the venue is the truth. Also recorded as an anomaly.
    (_S.ABSENT, "rested"): _S.RESTING,
    (_S.ABSENT, "filled"): _S.DONE,
    (_S.ABSENT, "canceled"): _S.CANCELED,
    (_S.ABSENT, "rejected"): _S.REJECTED,
}

VERBS = tuple(sorted({verb for _, verb in TABLE}))
"""Every event word of the table."""


def step(state: LegState, verb: str) -> LegState | None:
    """The state after an event, or ``None`` when the event is illegal there and the leg stays as it is."""
    return TABLE.get((state, verb))


def mermaid() -> str:
    """The table as a Mermaid state diagram, one arrow per pair of states."""
    arrows: dict[tuple[LegState, LegState], list[str]] = {}
    for (before, verb), after in TABLE.items():
        if before is not after:
            arrows.setdefault((before, after), []).append(verb)
    lines = ["stateDiagram-v2", "    [*] --> planned"]
    lines += [f"    {before} --> {after}: {', '.join(verbs)}" for (before, after), verbs in arrows.items()]
    return "\n".join(lines)
