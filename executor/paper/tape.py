"""Plays a recorded market: one frame of quotes a step, from a gzipped file of JSON lines.

First line ``{"meta": …, "step_ms": …}``; each further line ``{coin: [bid, ask, size, mark, oracle]}``, numbers as
text. Deeper levels are derived from the top, so that the file stays small and every run sees the same book.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from executor.core.types import Asset
from executor.errors import ConfigError, VenueAnswerOdd
from executor.hyperliquid.meta import parse_meta
from executor.hyperliquid.quantise import floor_size, px_down, px_up
from executor.paper.feeds import Apply
from executor.paper.model import Json, Tick

BUNDLED = Path(__file__).with_name("tape.jsonl.gz")
DEPTH = 10
LEVEL_GAP = Decimal("0.00015")
"""How far apart derived levels lie, as a share of the price."""

UNREADABLE = (OSError, EOFError, ValueError, LookupError, TypeError, VenueAnswerOdd)
"""What ``read_tape`` raises for a file that is no tape."""

_PARTS = 5
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True, slots=True)
class Tape:
    """A whole tape in memory."""

    meta: Json
    step_ms: int
    frames: tuple[dict[str, list[str]], ...]

    @property
    def length_ms(self) -> int:
        """How long one round lasts at speed 1."""
        return self.step_ms * len(self.frames)


@cache
def read_tape(path: Path) -> Tape:
    """Reads a tape file; raises one of ``UNREADABLE`` when it is none."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        head = json.loads(next(lines, ""))
        tape = Tape(head["meta"], head["step_ms"], tuple(json.loads(line) for line in lines))
    if type(tape.step_ms) is not int or not tape.length_ms > 0:
        raise ValueError("it has no prices")
    _check(tape)
    return tape


def _check(tape: Tape) -> None:
    """Raises ``ValueError`` for a line that could not be played, long before it is its turn."""
    coins = {asset.coin for asset in parse_meta(tape.meta).assets}
    for number, frame in enumerate(tape.frames, 2):
        if not _plays(frame, coins):
            raise ValueError(f"line {number} is no quotes of its coins: bid, ask, size, mark and oracle price as text")


def _plays(frame: object, coins: set[str]) -> bool:
    return isinstance(frame, dict) and frame.keys() <= coins and all(map(_is_quote, frame.values()))


def _is_quote(quote: object) -> bool:
    if not isinstance(quote, list) or len(quote) != _PARTS:
        return False
    return all(isinstance(text, str) and _NUMBER.fullmatch(text) for text in quote)


def configured_tape(path: Path | None) -> Tape:
    """The tape of ``paper.tape``, the bundled one where it is ``None``; raises ``ConfigError`` when it is none."""
    try:
        return read_tape(path or BUNDLED)
    except UNREADABLE as error:
        text = f"paper.tape: {path} is no recorded market: {error}"
        raise ConfigError(text, "set paper.tape: null for the bundled one") from None


def tick_of(asset: Asset, quote: list[str]) -> Tick:
    """One coin's quote as a book of ``DEPTH`` levels a side."""
    bid, ask, size, mark, oracle = map(Decimal, quote)
    bids = ((px_down(asset, bid * (1 - LEVEL_GAP * i)), floor_size(asset, size * (1 + i))) for i in range(DEPTH))
    asks = ((px_up(asset, ask * (1 + LEVEL_GAP * i)), floor_size(asset, size * (1 + i))) for i in range(DEPTH))
    return Tick(asset.coin, _unique(bids), _unique(asks), mark, oracle)


def _unique(levels: Iterator[tuple[Decimal, Decimal]]) -> tuple[tuple[Decimal, Decimal], ...]:
    """Levels that rounding put on one price become one."""
    merged: dict[Decimal, Decimal] = {}
    for px, size in levels:
        merged[px] = merged.get(px, Decimal(0)) + size
    return tuple(merged.items())


class TapePlayer:
    """Where the tape stands. ``due(elapsed_ms)`` gives the news since the last call: virtual or real time alike."""

    def __init__(self, tape: Tape, loop: bool = True) -> None:
        self._tape = tape
        self._loop = loop
        self._next = 0
        universe = parse_meta(tape.meta)
        self._assets = {asset.coin: asset for asset in universe.assets}

    def due(self, elapsed_ms: float) -> Iterator[Tick]:
        """The newest frame up to this tape time, and none in between: a late player skips, it never crowds.

        After the last frame the tape starts again, or holds its last prices.
        """
        frame = int(elapsed_ms // self._tape.step_ms)
        if not self._loop:
            frame = min(frame, len(self._tape.frames) - 1)
        if frame < self._next:
            return
        self._next = frame + 1
        for coin, quote in self._tape.frames[frame % len(self._tape.frames)].items():
            yield tick_of(self._assets[coin], quote)


class TapeFeed:
    """Plays a tape in real time, ``speed`` times as fast."""

    def __init__(self, path: Path | None = None, *, speed: float = 1, loop: bool = True) -> None:
        self._tape = configured_tape(path)
        self._speed = speed
        self._loop = loop

    async def meta(self) -> Json:
        """The tape's own universe."""
        return self._tape.meta

    async def want(self, coin: str) -> None:
        """Every coin of the tape is played anyway."""

    async def run(self, apply: Apply) -> None:
        """Plays until cancelled."""
        clock = asyncio.get_running_loop()
        player = TapePlayer(self._tape, self._loop)
        started = clock.time()
        while True:
            for tick in player.due((clock.time() - started) * 1000 * self._speed):
                apply(tick)
            await asyncio.sleep(self._tape.step_ms / 1000 / self._speed)
