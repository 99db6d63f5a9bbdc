"""Candles made from the mid prices the exchange has seen and the trades it has printed (hyperliquid.md section 1.1)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from executor.core.types import ZERO
from executor.paper.model import Json
from executor.paper.numbers import wire

MINUTE_MS = 60_000
INTERVALS_MS = {
    "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS, "2h": 120 * MINUTE_MS, "4h": 240 * MINUTE_MS, "8h": 480 * MINUTE_MS,
    "12h": 720 * MINUTE_MS, "1d": 1440 * MINUTE_MS, "3d": 4320 * MINUTE_MS, "1w": 10_080 * MINUTE_MS,
    "1M": 43_200 * MINUTE_MS,
}  # fmt: skip
KEPT = 5000


@dataclass(slots=True)
class Bar:
    """One minute, or several put together."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    trades: int = 0

    def add(self, px: Decimal, volume: Decimal, trades: int) -> None:
        """Takes one more price in."""
        self.high, self.low, self.close = max(self.high, px), min(self.low, px), px
        self.volume += volume
        self.trades += trades


def _ring() -> deque[Bar]:
    return deque(maxlen=KEPT)


@dataclass(slots=True)
class Candles:
    """The newest minutes of every coin."""

    minutes: dict[str, deque[Bar]] = field(default_factory=lambda: defaultdict(_ring))

    def add(self, coin: str, px: Decimal, at_ms: int, volume: Decimal = ZERO, trades: int = 0) -> None:
        """Records one price."""
        bars = self.minutes[coin]
        start = at_ms - at_ms % MINUTE_MS
        if not bars or bars[-1].open_ms < start:
            bars.append(Bar(start, px, px, px, px))
        bars[-1].add(px, volume, trades)

    def rows(self, coin: str, interval: str, start_ms: int, end_ms: int | None) -> list[Json]:
        """``candleSnapshot``: whole candles that touch the range, oldest first. ``KeyError`` for an odd interval."""
        length = INTERVALS_MS[interval]
        bars = _joined(self.minutes.get(coin, ()), length)
        until = end_ms if end_ms is not None else 2**63
        return [_row(coin, interval, bar, length) for bar in bars if start_ms - length < bar.open_ms <= until]


def _joined(minutes: Iterable[Bar], length: int) -> list[Bar]:
    out: list[Bar] = []
    for bar in minutes:
        start = bar.open_ms - bar.open_ms % length
        if not out or out[-1].open_ms != start:
            out.append(replace(bar, open_ms=start))
            continue
        last = out[-1]
        last.high, last.low, last.close = max(last.high, bar.high), min(last.low, bar.low), bar.close
        last.volume, last.trades = last.volume + bar.volume, last.trades + bar.trades
    return out


def _row(coin: str, interval: str, bar: Bar, length: int) -> Json:
    return {
        "t": bar.open_ms,
        "T": bar.open_ms + length - 1,
        "s": coin,
        "i": interval,
        "o": wire(bar.open),
        "c": wire(bar.close),
        "h": wire(bar.high),
        "l": wire(bar.low),
        "v": wire(bar.volume),
        "n": bar.trades,
    }
