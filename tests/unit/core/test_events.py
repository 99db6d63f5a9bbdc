"""Every event has a kind, is frozen, and carries the common part; ``events`` is the one door to all of them."""

from __future__ import annotations

import ast
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from types import ModuleType

import pytest

from executor.core import account_events, event_base, events, order_events, signal_events
from executor.core.events import KINDS, Event, Paused

PARTS = (account_events, order_events, signal_events)


def written_in(module: ModuleType) -> set[str]:
    """The classes a file writes down, by its text."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def test_every_event_class_of_the_files_is_a_kind_under_its_own_name() -> None:
    assert set(KINDS) == set().union(*map(written_in, PARTS))
    assert all(kind.__name__ == name for name, kind in KINDS.items())


def test_everything_is_exported_once() -> None:
    assert set(events.__all__) == {*KINDS, "KINDS", *written_in(event_base), "LegKind", "Part"}
    assert len(events.__all__) == len(set(events.__all__))
    assert all(hasattr(events, name) for name in events.__all__)


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
