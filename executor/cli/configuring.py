"""The commands about the configuration: init, config show, validate and schema, plugins list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from executor.cli.options import CONFIG, ConfigFile, Json, Overrides, loaded
from executor.cli.output import print_json, show
from executor.cli.plugging import skeleton
from executor.errors import ConfigError

_NEXT = "set agents and secrets there, then: executor config validate · executor doctor · executor run"


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if it is not there.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    plugin: Annotated[
        str | None, typer.Option("--plugin", metavar="NAME", help="Instead: a package with a strategy and a rule.")
    ] = None,
    json_out: Json = False,
) -> None:
    """Write a commented config.yaml (dry-run) and .env.example, or the skeleton of a plugin."""
    from executor.config import config_template, env_template

    texts = {folder / "config.yaml": config_template(), folder / ".env.example": env_template()}
    following = _NEXT if folder == Path() else f"cd {folder}, {_NEXT}"
    if plugin is not None:
        texts, following = skeleton(folder, plugin), f"then: pip install -e {plugin} · executor plugins test {plugin}"
    there = [path for path in texts if path.exists()]
    if there and not force:
        raise ConfigError(f"{there[0]} is there already", "name another folder, or overwrite it with --force")
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be written: {error.strerror}", "name another folder") from None
    if json_out:
        print_json({"written": [str(path) for path in texts]})
        return
    from executor.cli.words import cell

    show(*(cell(f"wrote {path}") for path in texts), cell(following))


def config_show(config: ConfigFile = CONFIG, overrides: Overrides = None, json_out: Json = False) -> None:
    """The effective configuration, with where each value came from; secrets masked."""
    document = loaded(config, overrides).show()
    if json_out:
        print_json(document)
        return
    from executor.cli.tables import Sheet
    from executor.cli.words import cell

    rows = [{"key": key, **leaf} for key, leaf in _leaves(document)]
    columns = (
        ("key", lambda row: cell(row["key"], "bold")),
        ("value", lambda row: cell(_value(row["value"]))),
        ("from", lambda row: cell(row["from"], "dim" if row["from"] == "default" else "cyan")),
    )
    show(Sheet(columns, rows))


def _leaves(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, inner in node.items():
        key = f"{path}.{name}" if path else name
        if set(inner) == {"value", "from"} and isinstance(inner["from"], str):
            yield key, inner
        else:
            yield from _leaves(inner, key)


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def config_validate(config: ConfigFile = CONFIG, overrides: Overrides = None, json_out: Json = False) -> None:
    """Check the configuration and say everything that is wrong with it."""
    from executor.config import without_channel

    try:
        settings = loaded(config, overrides)
    except ConfigError as error:
        if json_out:
            print_json({"valid": False, "path": str(config), "error": error.message, "remedy": error.remedy})
        raise
    unheard = [f"{text}: `executor run` refuses that" for text in without_channel(settings.config)]
    warnings = [*settings.warnings, *unheard]
    if json_out:
        print_json({"valid": True, "path": str(config), "mode": settings.config.mode, "warnings": warnings})
        return
    from executor.cli.words import cell

    show(*(cell(f"warning: {warning}", "yellow") for warning in warnings))
    show(cell(f"{config} is valid ({settings.config.mode})", "green"))


def config_schema(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,  # no value changes it: who writes it for every command may here too
    json_out: Json = False,
) -> None:
    """The JSON Schema of the configuration, every registered plugin included; JSON with or without --json."""
    from executor import plugins
    from executor.config import json_schema

    print_json(json_schema(plugins, config.absolute().parent))


def plugins_list(json_out: Json = False) -> None:
    """What is registered, and from where."""
    from executor import plugins

    rows = [
        {"name": info.name, "group": info.group, "origin": info.origin, "target": info.target}
        for group in plugins.GROUPS
        for info in plugins.discover(group)
    ]
    if json_out:
        print_json({"plugins": rows})
        return
    from executor.cli.tables import Sheet
    from executor.cli.words import cell

    columns = (
        ("name", lambda row: cell(row["name"], "bold")),
        ("group", lambda row: cell(row["group"])),
        ("from", lambda row: cell(row["origin"], "cyan")),
        ("class", lambda row: cell(row["target"], "dim")),
    )
    show(Sheet(columns, rows))
