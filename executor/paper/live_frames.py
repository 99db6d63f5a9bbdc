"""What Hyperliquid's public frames and answers say, as ticks for the engine (hyperliquid.md sections 1.1, 4.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from executor.paper.model import Json, Tick

ODD = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""What reading something of another shape than the documented one raises."""

Levels = tuple[tuple[Decimal, Decimal], ...]


def _number(value: Any) -> Decimal:
    """A finite number; ``ValueError`` for those that compare with nothing."""
    found = Decimal(value)
    if not found.is_finite():
        raise ValueError(f"{value} is no number")
    return found


def _level(row: Json) -> tuple[Decimal, Decimal]:
    px, sz = _number(row["px"]), _number(row["sz"])
    if px <= 0 or sz <= 0:
        raise ValueError(f"a level of {sz} at {px}")
    return px, sz


def _levels(rows: list[Json]) -> Levels:
    return tuple(map(_level, rows))


def _price(value: str | None) -> Decimal | None:
    """A price, or ``None`` where the venue has none (delisted coins show null or zero)."""
    return None if value is None or _number(value) <= 0 else _number(value)


class Books:
    """The newest known levels a coin; turns the venue's frames into ticks. Raises one of ``ODD`` for odd ones."""

    def __init__(self) -> None:
        self._levels: dict[tuple[str, bool], Levels] = {}
        self._read: dict[object, Callable[[Any], Tick]] = {
            "l2Book": self.book,
            "bbo": self._bbo,
            "activeAssetCtx": lambda data: ctx_tick(data["coin"], data["ctx"]),
        }

    def tick(self, message: Json) -> Tick | None:
        """The news in one websocket message, if there is any for the engine."""
        read = self._read.get(message.get("channel"))
        return None if read is None else read(message["data"])

    def book(self, data: Any) -> Tick:
        """A whole book."""
        coin, (bids, asks) = _coin(data["coin"]), map(_levels, data["levels"])
        self._levels[coin, True], self._levels[coin, False] = bids, asks
        return Tick(coin, bids, asks)

    def _bbo(self, data: Any) -> Tick:
        """New best levels in front of what was known behind them."""
        coin, (bid, ask) = _coin(data["coin"]), (None if row is None else _level(row) for row in data["bbo"])
        return Tick(coin, self._fronted(coin, bid, is_bid=True), self._fronted(coin, ask, is_bid=False))

    def _fronted(self, coin: str, best: tuple[Decimal, Decimal] | None, *, is_bid: bool) -> Levels:
        if best is None:
            return ()
        known = self._levels.get((coin, is_bid), ())
        behind = tuple(lv for lv in known if (lv[0] < best[0] if is_bid else lv[0] > best[0]))
        self._levels[coin, is_bid] = (best, *behind)
        return self._levels[coin, is_bid]


def _coin(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no coin")
    return value


def ctx_tick(coin: Any, ctx: Json) -> Tick:
    """Mark, oracle, funding and middle from a ``PerpAssetCtx``."""
    return Tick(
        _coin(coin),
        mark=_price(ctx["markPx"]),
        oracle=_price(ctx["oraclePx"]),
        funding=_number(ctx["funding"]),
        last=_price(ctx.get("midPx")),
    )


def subscriptions(coin: str) -> Iterator[Json]:
    """What is followed of a coin in use."""
    yield {"type": "bbo", "coin": coin}
    yield {"type": "l2Book", "coin": coin, "fast": True}
    yield {"type": "activeAssetCtx", "coin": coin}
