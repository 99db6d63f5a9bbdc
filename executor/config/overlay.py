"""Lays `.env`, environment and --set over a document: later layers win, list items go by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import Any

from dotenv import dotenv_values

from executor.config.document import Document, Mark, Path, read
from executor.errors import ConfigError

PREFIX = "EXECUTOR__"
NAME_KEYS = {"sources": "name", "accounts": "name", "risk": "rule", "notify": "type"}
"""The key by which each list's items are addressed."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint at the nearest known word, or the words there are."""
    words = list(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known here: {', '.join(words)}" if words else "none is known here"


def read_dotenv(folder: FilePath) -> dict[str, str]:
    """The variables of the ``.env`` file in this folder; empty without one."""
    file = folder / ".env"
    if not file.is_file():
        return {}
    try:
        values = dotenv_values(file, interpolate=False, encoding="utf-8")
    except (OSError, UnicodeError):
        raise ConfigError(".env: cannot be read", "save it as UTF-8 text with lines NAME=value") from None
    return {name: value for name, value in values.items() if value is not None}


def lay_over(document: Document, dotenv: Mapping[str, str], environ: Mapping[str, str], sets: Iterable[str]) -> None:
    """Writes every override into the document: ``.env`` first, then the environment, then ``--set``."""
    for segments, text, origin in (
        *_variables(dotenv, ".env"),
        *_variables(environ, "environment"),
        *(_set_option(item) for item in sets),
    ):
        _assign(document, segments, text, origin)


def _variables(variables: Mapping[str, str], where: str) -> Iterator[tuple[list[str], str, str]]:
    for name in sorted(variables):
        if name.startswith(PREFIX):
            yield name.removeprefix(PREFIX).lower().split("__"), variables[name], f"{where}: {name}"


def _set_option(item: str) -> tuple[list[str], str, str]:
    key, equals, text = item.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {_shown(key)}: there is no value", "write it as --set block.key=value")
    return key.strip().split("."), text, f"--set {key.strip()}"


def _shown(key: str) -> str:
    """What was meant as a key, no further than a key can go: behind a wrong sign stands the value, perhaps a secret."""
    found = re.match(r"[\w.-]*", key)
    return f"{found[0]} …" if found and found[0] != key else key


def _assign(document: Document, segments: list[str], text: str, origin: str) -> None:
    new = read(text, origin, lines=False)
    if not new.marks:
        new.marks[()] = Mark(origin, "")
    path: Path = ()
    if document.value is None:
        document.value = {}
    node = document.value
    for position, segment in enumerate(segments):
        part = _part(document, path, node, segment, origin)
        path = (*path, part)
        if position == len(segments) - 1:
            document.put(path, new)
        elif _child(node, part) is None:
            document.put(path, Document({} if segment not in NAME_KEYS else [], {(): Mark(origin)}))
        node = _child(node, part)


def _child(node: Any, part: str | int) -> Any:
    return node.get(part) if isinstance(node, dict) else node[part]


def _part(document: Document, path: Path, node: Any, segment: str, origin: str) -> str | int:
    """The key or list position that a segment names here."""
    if isinstance(node, list):
        return _position(document, path, node, segment, origin)
    if not isinstance(node, dict):
        raise ConfigError(f"{origin}: '{'.'.join(map(str, path))}' has no keys of its own", "shorten the path")
    return next((key for key in node if _same(key, segment)), segment)


def _position(document: Document, path: Path, items: list[Any], segment: str, origin: str) -> int:
    """Which item of a list is meant; a risk rule that is not there yet is added, because it can only refuse more."""
    if segment.isdecimal() and int(segment) < len(items):
        return int(segment)
    block = str(path[-1])
    key = NAME_KEYS.get(block, "name")
    names = [str(item.get(key)) for item in items if isinstance(item, dict)]
    for index, item in enumerate(items):
        if isinstance(item, dict) and _same(str(item.get(key)), segment):
            return index
    if block == "risk":
        document.marks[(*path, len(items), key)] = Mark(origin, segment)
        items.append({key: segment})
        return len(items) - 1
    hint = did_you_mean(segment, names or [str(index) for index in range(len(items))])
    raise ConfigError(f"{origin}: {block} has no '{segment}'; {hint}", f"the items of {block} go by their {key}")


def _same(name: str, segment: str) -> bool:
    return name == segment or _folded(name) == _folded(segment)


def _folded(name: str) -> str:
    """Variables are upper-case letters, digits and underscores only."""
    return re.sub(r"[^a-z0-9]", "_", name.lower())
