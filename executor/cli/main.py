"""The command ``executor``: every command by name, in the order of the help. Each loads what it needs when it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from executor import __version__
from executor.cli import configuring, control, plugging, reading, running, servers
from executor.cli.guard import Guarded, printable_streams

_PANELS: dict[str, tuple[tuple[str, Callable[..., None]], ...]] = {
    "Begin": (("init", configuring.init), ("demo", running.demo), ("doctor", running.doctor), ("run", running.run)),
    "Look": (
        ("status", reading.status),
        ("actions", reading.actions),
        ("orders", reading.orders),
        ("positions", reading.positions),
        ("agents", reading.agents),
        ("mirror", reading.mirror),
        ("journal", reading.journal),
        ("explain", reading.explain),
    ),
    "Command": (
        ("pause", control.pause),
        ("resume", control.resume),
        ("flatten", control.flatten),
        ("reset", control.reset),
    ),
    "Tools": (
        ("replay", running.replay),
        ("export-frames", reading.export_frames),
        ("paper-exchange", servers.paper_exchange),
    ),
}

_GROUPS: dict[str, tuple[str, tuple[tuple[str, Callable[..., None]], ...]]] = {
    "config": (
        "The configuration.",
        (
            ("show", configuring.config_show),
            ("validate", configuring.config_validate),
            ("schema", configuring.config_schema),
        ),
    ),
    "plugins": (
        "Sources, strategies, risk rules, notifiers.",
        (("list", configuring.plugins_list), ("test", plugging.plugins_test)),
    ),
    "sim": (
        "Signal systems, simulated on this machine.",
        (
            ("fractrade", servers.sim_fractrade),
            ("nexgent", servers.sim_nexgent),
            ("halyrd", servers.sim_halyrd),
            ("tradeready", servers.sim_tradeready),
        ),
    ),
}

app = typer.Typer(
    name="executor",
    cls=Guarded,
    help="Turns the signals of AI trading agents into Hyperliquid orders: exactly once, protected, explained.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"executor {__version__}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """Turns the signals of AI trading agents into Hyperliquid orders: exactly once, protected, explained."""
    printable_streams()


def _register() -> None:
    for panel, commands in _PANELS.items():
        for name, function in commands:
            app.command(name, rich_help_panel=panel)(function)
    for name, (purpose, commands) in _GROUPS.items():
        group = typer.Typer(name=name, help=purpose, no_args_is_help=True, pretty_exceptions_enable=False)
        for command, function in commands:
            group.command(command)(function)
        app.add_typer(group, rich_help_panel="Tools")


_register()
