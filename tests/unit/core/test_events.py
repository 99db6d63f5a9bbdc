"""Every event has a kind, is frozen, and carries the common part."""

from __future__ import annotations

import ast
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path

import pytest

from executor.core import events
from executor.core.events import KINDS, Event, Paused


def test_every_event_class_of_the_file_has_its_name_as_kind() -> None:
    tree = ast.parse(Path(events.__file__).read_text(encoding="utf-8"))
    written = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name != "Event"]
    assert list(KINDS) == written
    assert all(kind.__name__ == name for name, kind in KINDS.items())


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_event_is_a_described_value_with_the_common_part(kind: type[Event]) -> None:
    assert is_dataclass(kind)
    assert [field.name for field in fields(kind)][:3] == ["at_ms", "account", "key"]
    assert all(field.kw_only for field in fields(kind))
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")
    assert hasattr(kind, "__slots__")


def test_an_event_does_not_change() -> None:
    event = Paused(at_ms=1, by="somebody")
    assert (event.account, event.key) == (None, None)
    with pytest.raises(FrozenInstanceError):
        event.by = "somebody else"  # type: ignore[misc]  # what must not work
