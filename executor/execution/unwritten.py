"""The worker after its ledger failed: what was to leave is taken back, what reduces goes on, keys are remembered.

It lasts until the end of this life: a record with a hole in it would be worse than one that ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from executor.core import events as ev
from executor.core.unwritten import withdrawn
from executor.errors import LedgerError
from executor.execution.turn import Turn
from executor.ports import KnownKey, keys_in

if TYPE_CHECKING:
    from executor.execution.worker import Worker

log = structlog.get_logger("executor.unwritten")

STILL_POSSIBLE = ("flatten", "pause")
"""Commands that only reduce: they are carried out, and forgotten with this process."""


class Unwritten:
    """``since`` is the error of the first write that failed, ``None`` while all is well."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._keys: dict[str, KnownKey] = {}
        self.since: LedgerError | None = None

    def begin(self, error: LedgerError) -> None:
        """From here on nothing is opened; every desk hears of it, and what reduces leaves in the turns that follow."""
        if self.since is not None:
            return
        self.since = error
        self.tell()
        lost = ev.LedgerLost(at_ms=self._worker.venue.now_ms(), text=error.message)
        turn = self._worker.turn()
        self._worker.take_global(turn, [lost])
        self._worker.finish(turn, self._worker.desks.values())

    def tell(self) -> None:
        """Say it as loudly as can be."""
        text = f"entries are stopped; exits and stops go on, unrecorded: {self.since}"
        log.critical("the ledger cannot be written", action="ledger_failed", error=text)
        self._worker.notify("alarm", "LEDGER_FAILED", text)

    def take_back(self, turn: Turn) -> None:
        """A turn that could not be written lets nothing leave; what reduces is planned again, under another name."""
        for outgoing in turn.outgoing:
            desk = self._worker.desks[outgoing.account]
            desk.lane.out.discard(outgoing.record.request_id)
            desk.note(turn, withdrawn(desk.state, outgoing.record, turn.now_ms))
        turn.outgoing.clear()

    def remember(self, turn: Turn) -> None:
        """The actions of a turn that is not written: their repeats must be known without a ledger."""
        self._keys.update(keys_in(turn.events))

    def known(self, key: str, fingerprint: str) -> KnownKey | None:
        """Whether this action ever came before, as far as it can be told when the ledger may not even be readable."""
        if self.since is None:
            try:
                return self._worker.ledger.known(key)
            except LedgerError as error:
                self.begin(error)  # and the action goes on: it may be an exit
        try:
            return self._keys.get(key) or self._worker.ledger.known(key)
        except LedgerError:
            legs = [leg for desk in self._worker.desks.values() for leg in desk.state.legs.values()]
            seen = any(leg.key == key for leg in legs)
            return KnownKey(fingerprint, 0) if seen else None

    def allow(self, command: str) -> None:
        """Raises ``LedgerError`` for a command that could let something be opened."""
        if self.since is not None and command not in STILL_POSSIBLE:
            raise LedgerError(f"the ledger cannot be written, so {command} is not possible", self.since.remedy)
