"""State back from the ledger: the newest snapshot and the events after it. Start-up is recovery."""

from __future__ import annotations

from collections.abc import Iterable

from executor.core.evolve import evolve
from executor.core.intake import IntakeState, evolve_intake
from executor.core.state import DeskState
from executor.ports import Ledger
from executor.snapshots import desk_document, desk_of, intake_document, intake_of


def restore(ledger: Ledger, accounts: Iterable[str]) -> tuple[IntakeState, dict[str, DeskState]]:
    """The intake's and every account's state as of the ledger's last event."""
    names = list(accounts)
    intake, intake_seq = _intake(ledger)
    desks = {name: _desk(ledger, name) for name in names}
    first = min([intake_seq, *(seq for _, seq in desks.values())])
    for stored in ledger.read(after=first):
        if stored.seq > intake_seq:
            evolve_intake(intake, stored.event)
        for name, (state, seq) in desks.items():
            if stored.seq > seq and stored.event.account in (None, name):
                evolve(state, stored.event)
    return intake, {name: state for name, (state, _) in desks.items()}


def _intake(ledger: Ledger) -> tuple[IntakeState, int]:
    found = ledger.load_snapshot("intake")
    state = None if found is None else intake_of(found[1])
    return (IntakeState(), 0) if found is None or state is None else (state, found[0])


def _desk(ledger: Ledger, name: str) -> tuple[DeskState, int]:
    found = ledger.load_snapshot(f"desk:{name}")
    state = None if found is None else desk_of(found[1])
    return (DeskState(account=name), 0) if found is None or state is None else (state, found[0])


def save(ledger: Ledger, intake: IntakeState, desks: Iterable[DeskState]) -> None:
    """Keep every state as of the ledger's last event, so that the next start does not grow with history."""
    seq = ledger.last_seq
    ledger.save_snapshot(seq, "intake", intake_document(intake))
    for state in desks:
        ledger.save_snapshot(seq, f"desk:{state.account}", desk_document(state))
