"""snapshots: a state of another shape is never read as one of this; what changes the shape raises the schema."""

from __future__ import annotations

import dataclasses
import hashlib
import typing
from collections.abc import Iterator
from typing import Any

from executor import snapshots
from executor.snapshots import DeskDocument, IntakeDocument

SHAPES = {9: "1313215a00ebb219"}
"""By schema, the shape its snapshots have. Where the shape changed, raise SCHEMA and give the new one here."""


def _parts(hint: Any, seen: set[type]) -> Iterator[str]:
    """Every field of every dataclass inside, as its source has it."""
    for inner in typing.get_args(hint):
        yield from _parts(inner, seen)
    if not isinstance(hint, type) or not dataclasses.is_dataclass(hint) or hint in seen:
        return
    seen.add(hint)
    hints = typing.get_type_hints(hint)
    for field in dataclasses.fields(hint):
        yield f"{hint.__name__}.{field.name}: {field.type}"
        yield from _parts(hints[field.name], seen)


def test_the_schema_is_raised_with_every_change_of_the_states_shape() -> None:
    seen: set[type] = set()
    lines = sorted([*_parts(DeskDocument, seen), *_parts(IntakeDocument, seen)])
    shape = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    assert {snapshots.SCHEMA: shape} == SHAPES
    assert len(lines) > 100
