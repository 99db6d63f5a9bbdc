"""What may leave now, and in which company.

Batches hold at most 39 orders (the 40th would cost a second unit of weight), never exits or protection with entries;
brackets go alone. What reduces never waits; entries wait for what they depend on, and the desk's lane
decides when the ready ones leave (design.md section 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from executor.core.lifecycle import LegState
from executor.core.protocols import Market
from executor.core.settings import DeskSettings
from executor.core.state import Cancel, DeskState, Leg
from executor.core.steps import leverage_ready

MAX_BATCH = 39

CANCEL_RETRY_MS = 1_000
"""The pause before a cancel whose answer nobody knows, or that was refused, is asked again; it grows by as much."""

CANCEL_SLOWEST = 11
"""How many of them it grows to: an account without requests left is granted one in ten seconds."""

Purpose = Literal["entry", "exit", "protect", "cancel", "leverage"]
Grouping = Literal["na", "normalTpsl"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One request to be: its legs in order, or the cancels, or the coin whose leverage is to be set."""

    purpose: Purpose
    legs: tuple[Leg, ...] = ()
    cancels: tuple[Cancel, ...] = ()
    coin: str | None = None
    grouping: Grouping = "na"


def halves(batch: Batch) -> tuple[Batch, ...]:
    """The batch in two, so that one order that cannot go costs the others nothing; none where it is one thing."""
    if len(batch.legs) + len(batch.cancels) < 2 or batch.grouping != "na":
        return ()
    middle = (len(batch.legs) + len(batch.cancels)) // 2
    first = replace(batch, legs=batch.legs[:middle], cancels=batch.cancels[:middle])
    return first, replace(batch, legs=batch.legs[middle:], cancels=batch.cancels[middle:])


def urgent(state: DeskState, now_ms: int | None = None) -> list[Batch]:
    """Exits, protection, cancels and leverage settings that are ready: they leave at once.

    Without a time also the cancels that only wait to be asked again.
    """
    exits, protection = [], []
    for leg in state.live.values():
        if leg.state is LegState.PLANNED and leg.bracket is None:
            if leg.kind == "exit":
                exits.append(leg)
            elif leg.kind != "entry":
                protection.append(leg)
    refused = _refused(state)
    batches = [Batch("exit", tuple(some)) for some in _groups(exits, lambda leg: leg.attempt > 1)]
    batches += [Batch("protect", tuple(some)) for some in _groups(protection, lambda leg: leg.key in refused)]
    return batches + _cancels(state, now_ms) + _leverage(state)


def _refused(state: DeskState) -> set[str]:
    """The keys of stops and targets whose last order the venue refused."""
    stops = {wish.key for some in state.stops.values() for wish in some if wish.failures}
    return stops | {wish.key for some in state.targets.values() for wish in some if wish.failures}


def _groups(legs: list[Leg], alone: Callable[[Leg], bool]) -> list[list[Leg]]:
    """First attempts go together; what missed or was refused goes again on its own.

    The others of its batch may be why: an account that has used up its requests gets one order in ten seconds.
    """
    return [*_chunks([leg for leg in legs if not alone(leg)]), *([leg] for leg in legs if alone(leg))]


def _chunks(legs: list[Leg]) -> list[list[Leg]]:
    rest = iter(legs)
    chunks = []
    while chunk := list(islice(rest, MAX_BATCH)):
        chunks.append(chunk)
    return chunks


def _cancels(state: DeskState, now_ms: int | None) -> list[Batch]:
    due = [cancel for cancel in state.cancels.values() if not cancel.asked and _rested(cancel, now_ms)]
    by_name = [cancel for cancel in due if cancel.cloid is not None]
    by_oid = [cancel for cancel in due if cancel.cloid is None]
    return [Batch("cancel", cancels=tuple(some[:MAX_BATCH])) for some in (by_name, by_oid) if some]


def _rested(cancel: Cancel, now_ms: int | None) -> bool:
    return now_ms is None or cancel.attempts == 0 or now_ms - cancel.last_attempt_ms >= _pause_ms(cancel)


def _pause_ms(cancel: Cancel) -> int:
    return CANCEL_RETRY_MS * min(cancel.attempts, CANCEL_SLOWEST)


def _leverage(state: DeskState) -> list[Batch]:
    wanted = [coin for coin, known in state.leverage.items() if known.status == "wanted" and not known.asked]
    return [Batch("leverage", coin=coin) for coin in wanted]


def ready_entries(settings: DeskSettings, state: DeskState, market: Market) -> list[Leg]:
    """Planned entries that depend on nothing any more, oldest first."""
    planned = [leg for leg in state.live.values() if leg.kind == "entry" and leg.state is LegState.PLANNED]
    if not planned or not state.reconciled:
        return []
    blocked = {leg.coin for leg in planned if state.has_unknown(leg.coin)}
    return [
        leg
        for leg in planned
        if leg.coin not in blocked
        and not leg.filled  # an earlier life sent it, and lost the record: sent again it would be too much
        and not _doubted(state, leg)
        and _flat_enough(state, leg)
        and leverage_ready(settings, state, leg, market)
    ]


def _doubted(state: DeskState, leg: Leg) -> bool:
    """Whether an earlier life may have sent it, or the stop and target that leave with it: the venue is asked first."""
    family = (other for other in state.live.values() if leg.bracket and other.bracket == leg.bracket)
    return leg.doubted or any(other.doubted for other in family)


def _flat_enough(state: DeskState, leg: Leg) -> bool:
    """The opening leg of a flip leaves once the old position is gone; an exit of its own waits for it in turn."""
    if not leg.wait_flat:
        return True
    turned = state.position(leg.coin).owned * leg.side.sign >= 0 and state.position(leg.coin).held_by(leg.agent) == 0
    return turned and all(leg.cloid in owed.against for owed in state.exits_for(leg.coin, leg.agent))


def entry_batches(state: DeskState, ready: list[Leg], expires_ms: int | None = None) -> list[Batch]:
    """Ready entries in as few requests as the venue's weights allow.

    A request expires with the first of its entries: one whose signal ends well before ``expires_ms`` takes no others
    with it that live longer.
    """
    alike: dict[int | None, list[Leg]] = {}
    for leg in ready:
        if leg.bracket is None:
            alike.setdefault(_ends_s(leg, expires_ms), []).append(leg)
    batches = [Batch("entry", tuple(some)) for legs in alike.values() for some in _chunks(legs)]
    for leg in ready:
        if leg.bracket is not None:
            family = [o for o in state.live.values() if o.bracket == leg.bracket and o.state is LegState.PLANNED]
            grouping: Grouping = "normalTpsl" if len(family) > 1 else "na"  # childless, the venue refuses it
            batches.append(Batch("entry", tuple(family), grouping=grouping))
    return batches


def _ends_s(leg: Leg, expires_ms: int | None) -> int | None:
    """The second in which an entry's signal ends; ``None`` for those that outlive the request."""
    if expires_ms is None or leg.good_until_ms is None or leg.good_until_ms >= expires_ms:
        return None
    return leg.good_until_ms // 1000
