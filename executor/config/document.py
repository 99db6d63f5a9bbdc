"""Reads YAML 1.2 text into plain values, remembering where each came from and how it was written.

Only null, booleans and decimal numbers are more than text: hex, ids, times and ``yes/no/on/off`` stay text
(contract.md, Configuration). Numbers are ``int`` or ``Decimal``, never binary floats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from executor.errors import ConfigError

Path = tuple[str | int, ...]
"""Keys and list positions from the top of the document."""

_MAX_DEPTH = 32
_MAX_VALUES = 50_000  # a few lines of aliases of aliases stand for billions
_LONGEST_INT = 1000  # int() itself refuses beyond some thousands of digits
_INT = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value was written, and the text of a scalar as written."""

    origin: str
    text: str | None = None


@dataclass(slots=True)
class Document:
    """A tree of plain values and a mark for every node in it, the keys of mappings included."""

    value: Any = None
    marks: dict[Path, Mark] = field(default_factory=dict)

    def mark(self, path: Path) -> Mark | None:
        """The mark of the node, else of the nearest one around it; ``None`` for what nobody wrote."""
        for end in range(len(path), 0, -1):
            if found := self.marks.get(path[:end]):
                return found
        return None

    def put(self, path: Path, other: Document) -> None:
        """Replaces what stands at ``path``, whose parent must exist, by another document."""
        for old in [known for known in self.marks if known[: len(path)] == path]:
            del self.marks[old]
        self.marks.update({path + inner: mark for inner, mark in other.marks.items()})
        parent = self.value
        for part in path[:-1]:
            parent = parent[part]
        parent[path[-1]] = other.value


class _Loader(yaml.SafeLoader):
    """Resolves nothing by itself: what a plain scalar means is decided below, by YAML 1.2."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML's own class-level table, emptied


def scalar(text: str) -> Any:
    """What an unquoted scalar means in YAML 1.2: null, a boolean, a number, else the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text) if len(text) < _LONGEST_INT else text
    return _decimal(text) if _NUMBER.fullmatch(text) else text


def _decimal(text: str) -> Decimal | str:
    """An exponent beyond what Decimal knows is no number anybody meant, but perhaps an id."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def read(text: str, origin: str, *, lines: bool = True) -> Document:
    """Parses one YAML document. ``origin`` names it in errors; with ``lines``, marks carry the line too.

    Raises ConfigError for what is not YAML, a key that stands twice, tags, and nesting without end. The
    message never quotes the text: it may hold a secret.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        where = f"{origin}:{at.line + 1}" if at and lines else origin
        raise ConfigError(
            f"{where}: this is not YAML: {_unquoted(error.problem)}", "look at the indentation and quotes there"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{origin}: this is not YAML: {type(error).__name__}", "save the file as UTF-8 text"
        ) from None
    except RecursionError:  # the parser goes down by itself before depth is counted below
        raise ConfigError(f"{origin}: nested too deep", "look for brackets that are not closed") from None
    document = Document()
    if node is not None:
        document.value = _Builder(document.marks, origin, lines).build(node, ())
    return document


def _unquoted(problem: str | None) -> str:
    """The parser's words without words of the file: ``api_secret: *abc`` is an alias to it, and quoted."""
    return re.sub(r"'[^']{2,}'", "…", problem or "unknown reason")


@dataclass(frozen=True, slots=True)
class _Builder:
    marks: dict[Path, Mark]
    origin: str
    lines: bool

    def build(self, node: yaml.Node, path: Path) -> Any:
        where = self._where(node)
        if len(path) > _MAX_DEPTH:
            raise ConfigError(f"{where}: nested too deep", "an alias may contain itself")
        if len(self.marks) >= _MAX_VALUES:
            raise ConfigError(f"{where}: more than {_MAX_VALUES} values", "an alias may repeat others")
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.rpartition(":")[2] not in ("str", "map", "seq"):
            raise ConfigError(f"{where}: tags (a word after '!') are not used here", "remove the tag")
        if isinstance(node, yaml.ScalarNode):
            self.marks[path] = Mark(where, node.value)
            return node.value if node.style else scalar(node.value)
        self.marks[path] = Mark(where)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return dict(self._items(node, path))

    def _items(self, node: yaml.Node, path: Path) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                raise ConfigError(f"{self._where(key)}: a key must be plain text", "quote it, or look at the braces")
            if name in seen:
                raise ConfigError(f"{self._where(key)}: the key '{name}' stands twice", "keep one of the two")
            seen.add(name)
            built = self.build(value, (*path, name))
            self.marks[(*path, name)] = Mark(self._where(key), self.marks[(*path, name)].text)
            yield name, built

    def _where(self, node: yaml.Node) -> str:
        return f"{self.origin}:{node.start_mark.line + 1}" if self.lines else self.origin
