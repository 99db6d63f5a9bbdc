"""Turns every error of ours into two lines and its exit code: a user never meets a traceback of a known problem."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from executor.errors import ConfigError, ExecutorError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Why a file or device that stdout was sent to takes no more."""


class Guarded(TyperGroup):
    """The group of all commands; the order of registration is the order of the help."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what it raises of ours is said on stderr and becomes the exit code."""
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:  # whoever closed it (>&-) wants nothing said
                sys.stdout.flush()
            return result
        except ExecutorError as error:
            tell(error)
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            if error.errno not in _NO_ROOM or error.filename is not None:
                raise
            _drop_output()
            tell(ExecutorError(f"the output cannot be written: {error.strerror}", "make room where it goes"))
            raise typer.Exit(1) from None


def _drop_output() -> None:
    """What still waits to be written cannot be: at its end Python would try again, and print a traceback."""
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open for as long as the process runs


def tell(error: ExecutorError) -> None:
    """Say on stderr what is wrong and what to do, without secrets."""
    from executor.cli.output import clean, err
    from executor.logs import redact

    console = err()
    console.print(f"[bold red]error:[/] {_escaped(clean(redact(error.message)))}")
    if error.remedy:
        console.print(f"[bold green]remedy:[/] {_escaped(clean(redact(error.remedy)))}")


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def usage(message: str, remedy: str) -> ConfigError:
    """A wrong use of the command line: exit code 2, with what to type instead."""
    return ConfigError(message, remedy)


def printable_streams() -> None:
    """What cannot show a character gets a question mark instead of a crash; to a closed stderr nothing is said."""
    if sys.stderr is None:  # 2>&-: the log writes there, and whatever is opened next would be taken for it
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open for as long as the process runs
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
