"""Where text goes: one JSON document or a table to stdout, everything else to stderr; colours on a terminal alone.

What came from outside (frames, a server's words) passes ``clean`` first: a terminal obeys control characters.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDE = 10_000
"""Columns of an output that is no terminal: nothing is cut or folded, whoever reads it can search it."""


def out() -> Console:
    """The console of results."""
    return _console(sys.stdout)


def err() -> Console:
    """The console of errors, questions and progress."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    """NO_COLOR takes every escape sequence away, bold included (no-color.org speaks of colour alone)."""
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    console = Console(file=stream, highlight=False, soft_wrap=False, color_system=None if plain else "auto")
    if not console.is_terminal:
        console.width = WIDE
    return console


def show(*parts: RenderableType) -> None:
    """Tables and lines to stdout; where that is no terminal, without trailing blanks."""
    console = out()
    for part in parts:
        put(console, part)


def put(console: Console, part: RenderableType) -> None:
    """One table or line to the console's stream."""
    if console.is_terminal:
        console.print(part)
        return
    with console.capture() as captured:
        console.print(part)
    console.file.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def is_terminal() -> bool:
    """Whether a person can be asked something."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def print_json(document: Any) -> None:
    """One JSON document on stdout, ASCII alone: safe in every terminal and pipe."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def print_line(document: Any) -> None:
    """One JSON document on one line."""
    sys.stdout.write(json.dumps(document, default=str) + "\n")


def clean(text: object) -> str:
    """The text with what a terminal would obey (or must not show) as escapes; line breaks stay."""
    return "".join(char if char.isprintable() or char == "\n" else _escape(char) for char in str(text))


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")
