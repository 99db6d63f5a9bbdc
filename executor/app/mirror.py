"""The mirrors of other systems' positions as the journal adds them up, for people, programs and a source that starts.

From the record alone, so it works whether or not a worker runs: the newest full picture of each channel, and what came
after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Context, Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Self

from executor.clock import iso
from executor.config import Loaded, Source
from executor.core.identity import plain
from executor.core.source_events import Malformed, Origin
from executor.errors import LedgerError
from executor.ledger.reader import LedgerReader
from executor.ports import Frame, Recall
from executor.sources.nexgent import NexgentOptions
from executor.sources.nexgent_mirror import Position, fold
from executor.sources.nexgent_wire import SYSTEM, Connected, Message, Snapshot, decode

Document = dict[str, Any]

_SHOWN = Context(prec=12)

RECALLED = 200
"""Frames of a source that is no mirror: what was told last, and when a worker last listened."""


def mirrored(loaded: Loaded) -> dict[str, NexgentOptions]:
    """The configured sources that mirror positions, by name."""
    return {one.name: one.options for one in loaded.config.sources if isinstance(one.options, NexgentOptions)}


def recall(loaded: Loaded, configured: Source) -> Recall:
    """What the journal has of a source, for the source itself; nothing where there is no ledger yet."""

    def recalled() -> Iterator[Frame]:
        try:
            with LedgerReader(loaded.config.ledger.path) as reader:
                newest_first = reader.frames_of(configured.name)
                if not isinstance(configured.options, NexgentOptions):
                    return iter(list(islice(newest_first, RECALLED))[::-1])
                channels = [f"agent:{agent_id}" for agent_id in configured.options.agents]
                return iter(newest_pictures(newest_first, channels))
        except LedgerError:
            return iter(())

    return recalled


class MirrorReader(LedgerReader):
    """A reader of the ledger that also knows which of its frames are positions of other systems."""

    def __init__(self, path: Path | str, mirrors: Mapping[str, NexgentOptions]) -> None:
        super().__init__(path)
        self._mirrors = mirrors

    def __enter__(self) -> Self:
        return self

    def mirror(self, source: str | None = None) -> Document | None:
        """``{"positions": [...]}`` of one source or of all; ``None`` for a source that mirrors none."""
        if source is not None and source not in self._mirrors:
            return None
        rows = [row for name in self._mirrors if source in (None, name) for row in self._rows(name)]
        return {"positions": rows}

    def _rows(self, source: str) -> Iterator[Document]:
        options = self._mirrors[source]
        channels = [f"agent:{agent_id}" for agent_id in options.agents]
        frames = newest_pictures(self.frames_of(source), channels)
        for channel in channels:
            own = [frame for frame in frames if frame.channel == channel]
            mirror = fold(message for frame in own if (message := _message(frame)) is not None)
            for position in mirror.positions.values():
                if not options.wallets or position.wallet in options.wallets:
                    yield position_view(position, source, channel, own[-1].received_at_ms)


def newest_pictures(newest_first: Iterable[Frame], channels: Iterable[str]) -> list[Frame]:
    """The frames of each channel from the beginning of its newest full picture, oldest first.

    A picture begins with ``connected``: what came between that and its snapshot belongs to it.
    """
    wanted = dict.fromkeys(channels, False)
    taken = []
    for frame in newest_first:
        if frame.channel not in wanted:
            continue
        taken.append(frame)
        message = _message(frame)
        if isinstance(message, Snapshot):
            wanted[frame.channel] = wanted[frame.channel] or message.by_socket
        elif isinstance(message, Connected) and wanted.pop(frame.channel):
            if not wanted:
                break
        elif isinstance(message, Connected):
            wanted[frame.channel] = False
    return taken[::-1]


def _message(frame: Frame) -> Message | None:
    found = decode(frame.data, Origin(SYSTEM, frame.source, frame.channel, frame.received_at_ms))
    return None if isinstance(found, Malformed) else found


def position_view(position: Position, source: str, channel: str, as_of_ms: int) -> Document:
    """One position for people and programs: amounts in tokens, money in SOL and USD, as decimal text."""
    stop = None if position.stop_pct is None else 1 + position.stop_pct / 100
    numbers = {
        "holding": position.holding,
        "bought": position.purchase_amount,
        "entry_sol": position.purchase_price,
        "price_sol": position.price,
        "price_usd": position.current_price_usd,
        "value_sol": position.value_sol,
        "value_usd": position.usd(position.value_sol),
        "invested_sol": position.invested_sol,
        "realized_sol": position.realized_sol,
        "profit_sol": position.profit_sol,
        "profit_usd": position.usd(position.profit_sol),
        "profit_pct": position.profit_pct,
        "change_pct": position.change_pct,
        "stop_pct": position.stop_pct,
        "stop_sol": None if stop is None or position.purchase_price is None else position.purchase_price * stop,
    }
    return {
        "source": source,
        "agent_id": channel.partition(":")[2],
        "position_id": position.id,
        "symbol": position.symbol,
        "token": position.token_address,
        "wallet": position.wallet,
        **{name: _number(value) for name, value in numbers.items()},
        "dca_count": position.dca_count,
        "take_profits": position.tp_levels_hit,
        "created_at": None if position.created_ms is None else iso(position.created_ms),
        "updated_at": None if position.updated_ms is None else iso(position.updated_ms),
        "as_of": iso(as_of_ms),
    }


def _number(value: Decimal | None) -> str | None:
    return None if value is None else plain(_SHOWN.plus(value))
