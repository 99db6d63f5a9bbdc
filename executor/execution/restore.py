"""State back from the ledger: the newest snapshot and the events after it. Start-up is recovery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from executor.core.book import Book, BookKey
from executor.core.evolve import evolve
from executor.core.intake import IntakeState, Twin, evolve_intake
from executor.core.state import DeskState
from executor.core.types import Agent
from executor.core.watched import Subject
from executor.ports import Ledger

SCHEMA = 6
"""Raised whenever a state's shape changes: a snapshot of another schema is not used, the events are folded again."""


@dataclass(slots=True)
class IntakeDocument:
    """The intake state without keys that JSON has no text for."""

    schema: int
    books: list[tuple[Agent, str, Book]]
    twins: list[tuple[Twin, ...]]
    subjects: list[tuple[Agent, str, Subject]]
    memories: dict[str, dict[str, Any]]


@dataclass(slots=True)
class DeskDocument:
    """A desk's state with its schema."""

    schema: int
    state: DeskState


@cache
def _intake_adapter() -> TypeAdapter[IntakeDocument]:
    return TypeAdapter(IntakeDocument)


@cache
def _desk_adapter() -> TypeAdapter[DeskDocument]:
    return TypeAdapter(DeskDocument)


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
    document = _load(_intake_adapter(), found)
    if document is None or found is None:
        return IntakeState(), 0
    books = {BookKey(agent, coin): book for agent, coin, book in document.books}
    twins = {same[0].content: same for same in document.twins}
    subjects = {(agent, name): subject for agent, name, subject in document.subjects}
    return IntakeState(books=books, twins=twins, subjects=subjects, memories=document.memories), found[0]


def _desk(ledger: Ledger, name: str) -> tuple[DeskState, int]:
    found = ledger.load_snapshot(f"desk:{name}")
    document = _load(_desk_adapter(), found)
    if document is None or found is None:
        return DeskState(account=name), 0
    state: DeskState = document.state
    state.live = {cloid: leg for cloid, leg in state.legs.items() if leg.open}
    return state, found[0]


def _load(adapter: TypeAdapter[Any], found: tuple[int, bytes] | None) -> Any:
    """The document, or ``None`` for none, or for one of another schema."""
    if found is None:
        return None
    try:
        document = adapter.validate_json(found[1])
    except ValidationError:
        return None
    return document if document.schema == SCHEMA else None


def save(ledger: Ledger, intake: IntakeState, desks: Iterable[DeskState]) -> None:
    """Keep every state as of the ledger's last event, so that the next start does not grow with history."""
    seq = ledger.last_seq
    books = [(key.agent, key.coin, book) for key, book in intake.books.items()]
    subjects = [(agent, name, subject) for (agent, name), subject in intake.subjects.items()]
    document = IntakeDocument(SCHEMA, books, list(intake.twins.values()), subjects, intake.memories)
    ledger.save_snapshot(seq, "intake", _intake_adapter().dump_json(document))
    for state in desks:
        ledger.save_snapshot(seq, f"desk:{state.account}", _desk_adapter().dump_json(DeskDocument(SCHEMA, state)))
