"""The ledger's twin in memory, for tests: the same promises, and failure on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from executor.core.events import ActionReceived, Event, SendStarted
from executor.errors import LedgerError
from executor.ledger.codec import encode
from executor.ports import Frame, KnownKey, Stored, keys_in


class MemoryLedger:
    """``ports.Ledger`` without a file. ``fail_at`` makes that commit (1 is the first) and every later one fail.

    Set ``fail_at`` to ``None`` to let commits succeed again. ``frames`` and ``stored`` show all that was written.
    """

    is_new = True
    was_clean = False
    accounts: tuple[str, ...] = ()

    def __init__(self, *, fail_at: int | None = None) -> None:
        self.fail_at = fail_at
        self.commits = 0
        self.frames: list[Frame] = []
        self.stored: list[Stored] = []
        self._reserved = 0
        self._keys: dict[str, KnownKey] = {}
        self._nonces: dict[str, int] = {}
        self._snapshots: dict[str, list[tuple[int, bytes]]] = {}

    def opened(self) -> None:
        """Nothing to mark."""

    def tend(self) -> None:
        """Nothing to tend."""

    def close(self, *, clean: bool = False) -> None:
        """Nothing to release: what was written can still be read."""

    def reserve_frame(self) -> int:
        """The id the next frame will have; each call counts one on, until a commit with frames or a failed one."""
        self._reserved += 1
        return self._reserved

    def commit(self, frames: Sequence[Frame], events: Sequence[Event]) -> int:
        """Take all of it and return the last ``seq``; raises ``LedgerError``, taking nothing."""
        self.commits += 1
        try:
            self._check(events)
        except LedgerError:
            self._reserved = len(self.frames)
            raise
        for event in events:
            self._take(event)
        self.frames += frames
        if frames:
            self._reserved = len(self.frames)
        return self.last_seq

    def _check(self, events: Sequence[Event]) -> None:
        if self.fail_at is not None and self.commits >= self.fail_at:
            raise LedgerError("the disk is full", "this ledger was told to fail")
        keys = [event.key for event in events if isinstance(event, ActionReceived) and event.key is not None]
        if any(key in self._keys for key in keys) or len(set(keys)) < len(keys):
            raise LedgerError(f"an action is already recorded: {keys}", "this is a bug: report it; nothing was written")
        for event in events:
            encode(event)

    def _take(self, event: Event) -> None:
        self.stored.append(Stored(len(self.stored) + 1, event))
        self._keys.update(keys_in([event]))
        if isinstance(event, SendStarted):
            signer = event.signer.lower()
            self._nonces[signer] = max(event.nonce, self._nonces.get(signer, 0))

    def known(self, key: str) -> KnownKey | None:
        """Whether this action ever came before."""
        return self._keys.get(key)

    def last_nonce(self, signer: str) -> int:
        """The highest nonce ever taken for this signer, 0 if none."""
        return self._nonces.get(signer.lower(), 0)

    @property
    def last_seq(self) -> int:
        """The newest event's number; 0 for an empty ledger."""
        return len(self.stored)

    def read(self, after: int = 0, limit: int | None = None, account: str | None = None) -> Iterator[Stored]:
        """Events in order from ``after`` (exclusive); only those filed under ``account`` if one is given."""
        rows = [item for item in self.stored[after:] if account is None or item.event.account == account]
        yield from rows if limit is None else rows[:limit]

    def save_snapshot(self, seq: int, name: str, document: bytes) -> None:
        """Keep a folded state as of ``seq``; the newest two of a name stay."""
        kept = sorted([*self._snapshots.get(name, []), (seq, document)], key=lambda pair: pair[0])
        self._snapshots[name] = kept[-2:]

    def load_snapshot(self, name: str) -> tuple[int, bytes] | None:
        """The newest folded state of that name and its ``seq``."""
        kept = self._snapshots.get(name)
        return kept[-1] if kept else None
