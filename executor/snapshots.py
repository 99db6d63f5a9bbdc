"""State as one document and back: what a ledger keeps so that no start, and no reader, folds all of history."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from executor.core.book import Book, BookKey
from executor.core.intake import IntakeState, Twin
from executor.core.state import DeskState
from executor.core.types import Agent
from executor.core.watched import Subject

SCHEMA = 9
"""Raised whenever a state's shape changes: a snapshot of another schema is not used, the events are folded again."""


@dataclass(slots=True)
class IntakeDocument:
    """The intake state without keys that JSON has no text for."""

    schema: int
    books: list[tuple[Agent, str, Book]]
    heard: list[tuple[Agent, frozenset[str]]]
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


def intake_document(intake: IntakeState) -> bytes:
    """What ``intake_of`` reads."""
    books = [(key.agent, key.coin, book) for key, book in intake.books.items()]
    subjects = [(agent, name, subject) for (agent, name), subject in intake.subjects.items()]
    heard = list(intake.heard.items())
    document = IntakeDocument(SCHEMA, books, heard, list(intake.twins.values()), subjects, intake.memories)
    return _intake_adapter().dump_json(document)


def intake_of(document: bytes) -> IntakeState | None:
    """The intake's state; ``None`` where the document is of another schema."""
    found: IntakeDocument | None = _load(_intake_adapter(), document)
    if found is None:
        return None
    books = {BookKey(agent, coin): book for agent, coin, book in found.books}
    twins = {same[0].content: same for same in found.twins}
    subjects = {(agent, name): subject for agent, name, subject in found.subjects}
    heard = dict(found.heard)
    return IntakeState(books=books, heard=heard, twins=twins, subjects=subjects, memories=found.memories)


def desk_document(state: DeskState) -> bytes:
    """What ``desk_of`` reads."""
    return _desk_adapter().dump_json(DeskDocument(SCHEMA, state))


def desk_of(document: bytes) -> DeskState | None:
    """A desk's state; ``None`` where the document is of another schema."""
    found: DeskDocument | None = _load(_desk_adapter(), document)
    if found is None:
        return None
    found.state.live = {cloid: leg for cloid, leg in found.state.legs.items() if leg.open}
    return found.state


def _load(adapter: TypeAdapter[Any], document: bytes) -> Any:
    try:
        found = adapter.validate_json(document)
    except ValidationError:
        return None
    return found if found.schema == SCHEMA else None
