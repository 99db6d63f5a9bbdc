"""Turns every error of ours into two lines and its exit code: a user never meets a traceback of a known problem."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from executor.errors import ConfigError, ExecutorError

INTERRUPTED = 130


class Guarded(TyperGroup):
    """The group of all commands; the order of registration is the order of the help."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what it raises of ours is said on stderr and becomes the exit code."""
        try:
            return super().invoke(ctx)
        except ExecutorError as error:
            tell(error)
            raise typer.Exit(error.exit_code) from None


def tell(error: ExecutorError) -> None:
    """Say on stderr what is wrong and what to do."""
    from executor.cli.output import clean, err

    console = err()
    console.print(f"[bold red]error:[/] {_escaped(clean(error.message))}")
    if error.remedy:
        console.print(f"[bold green]remedy:[/] {_escaped(clean(error.remedy))}")


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def usage(message: str, remedy: str) -> ConfigError:
    """A wrong use of the command line: exit code 2, with what to type instead."""
    return ConfigError(message, remedy)


def printable_streams() -> None:
    """A terminal that cannot show a character gets a question mark instead of a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
