"""The commands for people who write plugins: plugins test, and the package that init --plugin writes."""

from __future__ import annotations

import re
import sys
from keyword import iskeyword
from pathlib import Path
from typing import Annotated, Any

import typer

from executor.cli.guard import usage
from executor.cli.options import Json
from executor.cli.output import print_json, show

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")

With = Annotated[
    str, typer.Option("--with", metavar="KEYS", help="Its options as they stand in the configuration: '{factor: 0.5}'.")
]
Group = Annotated[str | None, typer.Option("--group", metavar="GROUP", help="Its door, where it could be several.")]


def plugins_test(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A registered name, or path/to/file.py:Class.")],
    options: With = "{}",
    group: Group = None,
    json_out: Json = False,
) -> None:
    """Call a plugin with ordinary and hostile inputs; exit 1 where it breaks a promise."""
    from executor.testing.conformance import check_plugin

    door, kind = _found(name, group)
    rows = check_plugin(door, kind, _keys(options))
    broken = any(row.outcome == "fail" for row in rows)
    documents = [{"check": row.check, "outcome": row.outcome, "detail": row.detail} for row in rows]
    if json_out:
        print_json({"plugin": name, "group": door, "passed": not broken, "checks": documents})
    else:
        _table(documents)
    if broken:
        raise typer.Exit(1)


def _table(rows: list[dict[str, str]]) -> None:
    from executor.cli.tables import Sheet
    from executor.cli.words import cell

    styles = {"pass": "green", "fail": "bold red", "skip": "dim"}
    columns = (
        ("check", lambda row: cell(row["check"], "bold")),
        ("outcome", lambda row: cell(row["outcome"], styles[row["outcome"]])),
        ("detail", lambda row: cell(row["detail"])),
    )
    show(Sheet(columns, rows))


def _found(name: str, group: str | None) -> tuple[str, type[Any]]:
    """The door and the class; raises ``ConfigError`` or ``PluginError``."""
    from executor import plugins
    from executor.testing.conformance import group_of

    if group is not None and group not in plugins.GROUPS:
        raise usage(f"there is no group '{group}'", f"there are {', '.join(plugins.GROUPS)}")
    if ":" in name:
        kind = plugins.load_file(name, Path.cwd())
        found = group or group_of(kind)
        if found is None:
            raise usage(f"'{name}' looks like no plugin", "say which with --group")
        return found, kind
    groups = [group] if group else [one for one in plugins.GROUPS if name in plugins.names(one)]
    if len(groups) > 1:
        raise usage(f"'{name}' is registered in {' and '.join(groups)}", "say which with --group")
    if not groups:
        raise usage(f"no plugin is called '{name}'", "see: executor plugins list; or write path/to/file.py:Class")
    return groups[0], plugins.load(groups[0], name, Path.cwd())


def _keys(text: str) -> dict[str, Any]:
    from executor.config.document import read

    value = read(text, "--with").value
    if not isinstance(value, dict):
        raise usage("--with takes keys and values", "for example --with '{factor: 0.5}'")
    return value


def skeleton(folder: Path, name: str) -> dict[Path, str]:
    """Every file of a new plugin's package, by where it belongs; raises for what is no name for one."""
    from executor.cli.skeleton import files

    taken = {"executor", "strategies", "tests", *sys.stdlib_module_names}
    if not _NAME.fullmatch(name) or iskeyword(name) or name in taken:
        raise usage(
            f"'{name}' is no name for a plugin",
            "small letters, digits and _, beginning with a letter; no word or module of Python",
        )
    return {folder / name / path: text for path, text in files(name).items()}
