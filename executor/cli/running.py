"""The commands that make the program work: run, demo, replay, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from executor.cli.guard import usage
from executor.cli.options import CONFIG, ConfigFile, Json, Overrides, loaded
from executor.cli.output import clean, err, print_json, show
from executor.errors import ConfigError

if TYPE_CHECKING:
    from executor.app.doctor import Check
    from executor.config import Loaded

_MARKS = {"pass": ("✓ pass", "green"), "warn": ("! warn", "yellow"), "fail": ("✗ fail", "bold red")}


def run(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    live: Annotated[
        bool, typer.Option("--live", help="Real orders; the configuration must say mode: live too.")
    ] = False,
    duration: Annotated[
        float | None, typer.Option("--duration", min=0, metavar="S", help="End by itself after so many seconds.")
    ] = None,
) -> None:
    """The worker: until SIGINT or SIGTERM, or for a time."""
    settings = loaded(config, overrides)
    _mode_agrees(settings, live)
    from executor.config import require_channels

    require_channels(settings.config)
    from executor.app.main import run as run_worker

    raise typer.Exit(run_worker(settings, live=live, duration_s=duration))


def _mode_agrees(settings: Loaded, live: bool) -> None:
    """Real orders take two yeses: the configuration's and the command's."""
    if settings.config.live and not live:
        raise usage(
            "the configuration says mode: live, which places real orders",
            "say so too with `executor run --live`, or try it first with --set mode=dry_run",
        )
    if live and not settings.config.live:
        raise usage(
            "--live was given, but the configuration says mode: dry_run",
            "leave --live out for dry-run, or write mode: live into the configuration",
        )


def demo(
    every: Annotated[
        bool, typer.Option("--all", help="All four signal systems at once, with the traps their real servers set.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1, metavar="S", help="End after so many, with what was seen.")
    ] = None,
    json_out: Json = False,
) -> None:
    """See it all work: a simulated signal system, the worker in dry-run, the paper exchange on a recorded market."""
    if every:
        from executor.app.demo_all import run_demo_all
        from executor.cli.demo_all_view import AllView

        raise typer.Exit(run_demo_all(seconds=seconds, json_out=json_out, show=AllView(json_out)))
    from executor.app.demo import run_demo
    from executor.cli.demo_view import DemoView

    raise typer.Exit(run_demo(seconds=seconds, json_out=json_out, show=DemoView(json_out)))


def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="Frames, as JSON lines.")],
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
) -> None:
    """Recorded frames through the whole pipeline into the paper exchange, on a virtual clock."""
    settings = loaded(config, overrides)
    from executor.app.replay import run_replay
    from executor.cli.demo_view import DemoView

    raise typer.Exit(run_replay(settings, file, json_out=json_out, show=DemoView(json_out)))


def doctor(config: ConfigFile = CONFIG, overrides: Overrides = None, json_out: Json = False) -> None:
    """Check all that can be checked before trading, each with its remedy; exit code 1 if any check fails."""
    import asyncio

    from executor.app.doctor import checks

    try:
        settings = loaded(config, overrides)
    except ConfigError as error:
        _report([_config_check(error)], json_out)
        raise typer.Exit(1) from None
    _quiet_logs()
    from executor.cli.words import cell

    with err().status("checking …") as status:
        found = asyncio.run(checks(settings, lambda what: status.update(cell(f"checking {what} …"))))
    _report(found, json_out)
    raise typer.Exit(int(any(check.level == "fail" for check in found)))


def _config_check(error: ConfigError) -> Check:
    from executor.app.doctor import Check

    return Check("config", "fail", error.message, error.remedy)


def _quiet_logs() -> None:
    """What fails is in the report; the libraries' own words about it would stand in its way."""
    from executor import logs

    logs.configure("ERROR")


def _report(found: list[Check], json_out: bool) -> None:
    rows = [{"name": c.name, "level": c.level, "text": c.text, "remedy": c.remedy} for c in found]
    counts = {level: sum(check.level == level for check in found) for level in _MARKS}
    if json_out:
        print_json({"ok": not counts["fail"], "counts": counts, "checks": rows})
        return
    from rich.text import Text

    from executor.cli.tables import Sheet
    from executor.cli.words import Row, cell

    def what(row: Row) -> Any:
        text = Text(clean(row["text"]))
        if row["remedy"] and row["level"] != "pass":
            text.append("\nremedy: ", "bold green").append(clean(row["remedy"]))
        return text

    columns = (
        ("", lambda row: cell(*_MARKS[row["level"]])),
        ("check", lambda row: cell(row["name"], "bold")),
        ("what", what),
    )
    show(Sheet(columns, rows), cell(", ".join(f"{count} {level}" for level, count in counts.items()), "bold"))
