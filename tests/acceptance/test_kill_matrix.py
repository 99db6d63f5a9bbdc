"""kill -9 at every boundary of every kind of action (reliability.md section A5.2), judged by the exchange's own record.

The exchange is a process of its own and keeps its state; the worker is ``executor run`` as a user starts it, ended by
a SIGKILL at a named fault point (or by the exchange, in the moment it accepted), and started again. The sender repeats
what it sent.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from apart import COINS, FINAL, Apart, Record, apart

Frame = dict[str, Any]
Trigger = tuple[str, Decimal, Decimal]

BOUNDARIES = (
    "received",
    "deduped",
    "risk_approved",
    "intent_committed",
    "signed",
    "first_byte_sent",
    "last_byte_sent",
    "accepted",
    "answer_first_byte",
    "answer_parsed",
    "outcome_committed",
    "event_published",
    "stop_intent",
    "stop_acked",
)
ONCE = ("received", "deduped", "stop_intent", "stop_acked")
"""Boundaries that come once for each action or stop: the others come for every request."""


@dataclass(frozen=True)
class Case:
    """What comes before, the frames that are hit (``None``: the command flatten), and what must be there after.

    ``nth`` is the request to be hit: an opening entry follows its leverage, a cancel what makes it due.
    ``size`` and ``triggers`` hold when all of it was executed; ``size_before`` when its entry was lost for good.
    """

    nth: int
    size: int
    triggers: tuple[tuple[str, int], ...]
    before: Callable[[Apart, str], list[Frame]]
    action: Callable[[Apart, str], list[Frame]] | None
    opens: bool = False
    size_before: int = 4


def _none(_: Apart, coin: str) -> list[Frame]:
    return []


def _opened(rig: Apart, coin: str) -> list[Frame]:
    return [
        rig.trade(f"{coin}-open", coin, "LONG", 4),
        rig.protect("STOP_LOSS", f"{coin}-stop", coin, "SELL", 90, 4),
    ]


def _with_target(rig: Apart, coin: str) -> list[Frame]:
    return [*_opened(rig, coin), rig.protect("TAKE_PROFIT", f"{coin}-target", coin, "SELL", 110, 4)]


def _trade(side: str, size: int) -> Callable[[Apart, str], list[Frame]]:
    return lambda rig, coin: [rig.trade(f"{coin}-hit", coin, side, size)]


def _protect(kind: str, trigger: int) -> Callable[[Apart, str], list[Frame]]:
    return lambda rig, coin: [rig.protect(kind, f"{coin}-hit", coin, "SELL", trigger, 4)]


def _flip(rig: Apart, coin: str) -> list[Frame]:
    return [rig.trade(f"{coin}-hit", coin, "SHORT", 7), rig.protect("STOP_LOSS", f"{coin}-after", coin, "BUY", 110, 3)]


CASES = {
    "open": Case(2, 4, (("stop", 90),), _none, _opened, opens=True, size_before=0),
    "add": Case(1, 6, (("stop", 90),), _opened, _trade("LONG", 2), opens=True),
    "reduce": Case(1, 3, (("stop", 90),), _opened, _trade("SHORT", 1)),
    "close": Case(1, 0, (), _opened, _trade("SHORT", 4)),
    "flip": Case(2, -3, (("stop", 110),), _opened, _flip, opens=True, size_before=0),
    "move_sl": Case(1, 4, (("stop", 92),), _opened, _protect("STOP_LOSS", 92)),
    "move_tp": Case(1, 4, (("stop", 90), ("target", 112)), _with_target, _protect("TAKE_PROFIT", 112)),
    "cancel": Case(2, 0, (), _with_target, _trade("SHORT", 4)),
    "flatten": Case(1, 0, (), _opened, None),
}


async def _hit(rig: Apart, case: Case, frames: list[Frame]) -> None:
    """Send it; to a worker that is gone already the sender sends nothing."""
    if case.action is None:
        await rig.command("flatten")
    else:
        await rig.send(*frames)


async def _strike(rig: Apart, boundary: str, case: Case, frames: list[Frame]) -> None:
    """The worker dies at the boundary."""
    nth = 1 if boundary in ONCE else case.nth
    if boundary == "accepted":
        await rig.venue.ask("kill_accepted", pid=rig.lives[-1].pid, nth=nth)
    else:
        rig.arm(f"{boundary}:{nth}:kill")
    await _hit(rig, case, frames)
    assert await rig.died() == -signal.SIGKILL, rig.log()[-3000:]
    rig.arm("")


def _expected(case: Case, outcomes: dict[str, str], frames: list[Frame]) -> tuple[Decimal, list[Trigger]]:
    """The position the signals add up to; an entry that is proved lost for good brings none."""
    lost = case.opens and outcomes.get(frames[0]["action_id"]) in ("absent", "refused", "rejected")
    size = Decimal(case.size_before if lost else case.size)
    return size, [(kind, Decimal(px), abs(size)) for kind, px in case.triggers] if size else []


def _as_the_signals_say(record: Record, coin: str, case: Case, outcomes: dict[str, str], frames: list[Frame]) -> bool:
    if any(outcomes.get(frame["action_id"]) not in FINAL for frame in frames):
        return False
    size, triggers = _expected(case, outcomes, frames)
    return record.size(coin) == size and record.triggers(coin) == triggers


async def _set_up(rig: Apart, coin: str, case: Case) -> None:
    frames = case.before(rig, coin)
    await rig.send(*frames)
    await rig.settled(*(frame["action_id"] for frame in frames))

    async def protected() -> bool:
        record = await rig.venue.record()
        return record.size(coin) == (4 if frames else 0) and len(record.triggers(coin)) == max(0, len(frames) - 1)

    await rig.until_told(protected)


async def _survives(rig: Apart, boundary: str, name: str, coin: str) -> None:
    """One kill, one restart; the exchange holds what the signals say, once, and every signal has one end."""
    case = CASES[name]
    await _set_up(rig, coin, case)
    frames = case.action(rig, coin) if case.action is not None else []
    await _strike(rig, boundary, case, frames)
    await rig.spawn()
    if not (case.action is None and rig.read(lambda reader: reader.status()["accounts"][0]["flattening"])):
        await _hit(rig, case, frames)

    async def done() -> bool:
        return _as_the_signals_say(await rig.venue.record(), coin, case, rig.outcomes(), frames)

    await rig.until_told(done)
    record = await rig.venue.record()
    assert record.doubled() == []
    rows = [row["action_id"] for row in rig.actions()]
    assert sorted(rows) == sorted(set(rows))
    assert record.reused_nonces() == []
    if case.action is None:
        await rig.until(lambda: not rig.read(lambda reader: reader.status()["accounts"][0]["flattening"]))
        assert await _is_flat(rig)


async def _is_flat(rig: Apart) -> bool:
    record = await rig.venue.record()
    return not record.told["open"] and not record.told["positions"]["assetPositions"]


async def _survives_all(folder, pairs) -> None:
    async with apart(folder) as rig:
        await rig.spawn()
        for coin, (boundary, name) in zip(COINS, pairs, strict=False):
            try:
                await _survives(rig, boundary, name, coin)
            except AssertionError as error:
                raise AssertionError(f"{name} killed at {boundary} ({coin}): {error}") from error
        assert await rig.stop() == 0, rig.log()[-3000:]


NAMES = tuple(CASES)
DIAGONAL = [(boundary, NAMES[at % len(NAMES)]) for at, boundary in enumerate(BOUNDARIES)]
"""One kill for each boundary, the actions in turn."""


def _flatten_last(pairs):
    return sorted(pairs, key=lambda pair: pair[1] == "flatten")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("part", range(3))
async def test_killed_at_each_boundary_no_action_is_lost_or_doubled(tmp_path, record_property, part):
    record_property("kills", len(DIAGONAL[part::3]))
    await _survives_all(tmp_path, _flatten_last(DIAGONAL[part::3]))


@pytest.mark.full
@pytest.mark.timeout(400)
@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_killed_at_every_boundary_of_every_action_nothing_is_lost_or_doubled(tmp_path, record_property, boundary):
    record_property("kills", len(NAMES))
    await _survives_all(tmp_path, [(boundary, name) for name in NAMES])
