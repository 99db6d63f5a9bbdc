"""The documentation mentions everything there is. To check more, add a row to ``PROMISED``."""

import importlib.util
import re
from pathlib import Path

import pytest

from executor import plugins
from executor.config import config_template, json_schema

ROOT = Path(__file__).parents[1]
BUILT_IN = "fractrade-hyperliquid-executor"


def docs():
    """Everything a user reads, as one text."""
    return "\n".join(
        path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
    )


def config_keys():
    """Every key the file may have, those of the built-in sources and rules included."""
    schema = json_schema(plugins, ROOT)
    found = set()

    def walk(node):
        if isinstance(node, dict):
            found.update(node["properties"] if isinstance(node.get("properties"), dict) else ())
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(schema)
    return {key for key in found if not key.endswith(("_file", "_cmd"))} - {"raw", "options", "secrets"}


def commands():
    """Every command of the command line, as it is typed."""
    if importlib.util.find_spec("executor.cli.main") is None:
        pytest.skip("there is no command line yet")
    from executor.cli.main import app
    from typer.main import get_command

    return set(_typed(get_command(app), "executor"))


def _typed(command, path):
    inner = getattr(command, "commands", {})
    for name, sub in inner.items():
        if not sub.hidden:
            yield from _typed(sub, f"{path} {name}")
    if not inner:
        yield path


def built_in(group):
    return {info.name for info in plugins.discover(group) if info.origin.startswith(BUILT_IN)}


PROMISED = {
    "config keys": config_keys,
    "commands": commands,
    "sources": lambda: built_in("executor.sources"),
    "strategies": lambda: built_in("executor.strategies"),
    "risk rules": lambda: built_in("executor.risk_rules"),
    "notifiers": lambda: built_in("executor.notifiers"),
    "plugin doors": lambda: set(plugins.GROUPS),
    "scripts": lambda: {"scripts/demo", "scripts/test", "scripts/check", "scripts/setup"},
}


@pytest.mark.parametrize("what", PROMISED)
def test_the_documentation_mentions_all(what):
    text = docs()
    missing = sorted(word for word in PROMISED[what]() if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text))
    assert not missing


def test_the_contracts_keys_are_in_the_shipped_configuration():
    shown = config_template()
    top = ("version", "mode", "sources", "accounts", "routes", "hyperliquid", "risk", "execution", "protection")
    for key in (*top, "paper", "ledger", "server", "logging"):
        assert re.search(rf"^{key}:", shown, re.MULTILINE), key


def test_the_changelog_has_a_place_for_what_comes_next():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    sections = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
