"""The options commands share, and the configuration they lead to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from executor.cli.guard import usage

if TYPE_CHECKING:
    from executor.config import Loaded

MOST = 10**15
"""More rows than any ledger has, and a number every program can write."""

ConfigFile = Annotated[
    Path, typer.Option("--config", "-c", metavar="PATH", help="The configuration; relative paths inside start there.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Lay one value over the configuration; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; logs go to stderr.")]
Limit = Annotated[
    int, typer.Option("--limit", min=1, max=MOST, metavar="N", help="At most so many rows, newest first.")
]
Account = Annotated[str | None, typer.Option("--account", "-a", metavar="A", help="This account alone.")]

CONFIG = Path("config.yaml")
LIMIT = 50


def loaded(config: Path, overrides: list[str] | None) -> Loaded:
    """The effective configuration; raises ``ConfigError``."""
    from executor import plugins
    from executor.config import load

    return load(config, overrides or (), os.environ, plugins)


class _Registry:
    """The plugins for a command that trades by none of them: one that cannot be loaded leaves its keys unread."""

    def names(self, group: str) -> Sequence[str]:
        from executor import plugins

        return plugins.names(group)

    def load(self, group: str, name: str, base: Path) -> type[Any]:
        from executor import plugins
        from executor.errors import PluginError

        try:
            return plugins.load(group, name, base)
        except PluginError as error:
            raise PluginError(error.message, error.remedy) from ModuleNotFoundError(name)


def commanded(config: Path, overrides: list[str] | None) -> Loaded:
    """The same for looking and commanding: nobody waits for a plugin's file to be mended to stop a worker."""
    from executor.config import load

    return load(config, overrides or (), os.environ, _Registry())


def known_account(name: str | None, loaded: Loaded, others: list[str] | None = None) -> None:
    """Raises when an account of this name is neither configured nor among ``others``."""
    names = [account.name for account in loaded.config.accounts]
    if name is None or name in names or name in (others or ()):
        return
    from executor.config.overlay import did_you_mean

    raise usage(f"there is no account '{name}'", did_you_mean(name, names))
