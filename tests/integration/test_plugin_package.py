"""The guide, step by step: a package with a strategy and a rule, installed by pip, found by entry point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CONFIG = """
version: 1
sources:
  - {name: fractrade, type: fractrade, agents: [a]}
routes:
  - {source: fractrade, strategy: my_edge, with: {factor: 0.25}, accounts: [main]}
risk:
  - {rule: my_edge_px, max_px: 250000}
"""


class Shell:
    """Commands in a folder of their own, with what was installed into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {**os.environ, "PYTHONPATH": str(folder / "site"), "PYTHONASYNCIODEBUG": "0"}

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            check=False,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def executor(self, *words: str) -> Any:
        return json.loads(self.run("-m", "executor", *words, "--json"))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """``executor init --plugin my_edge`` and pip, as the guide says."""
    shell = Shell(tmp_path_factory.mktemp("plugin"))
    shell.executor("init", "--plugin", "my_edge")
    words = ("-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", "site")
    shell.run(*words, "./my_edge")
    return shell


def test_it_is_listed_and_keeps_its_promises(shell: Shell) -> None:
    listed = {(row["name"], row["origin"]) for row in shell.executor("plugins", "list")["plugins"]}
    assert {("my_edge", "my-edge 0.1.0"), ("my_edge_px", "my-edge 0.1.0")} <= listed
    for name, options in (("my_edge", "{factor: 0.25}"), ("my_edge_px", "{max_px: 100}")):
        assert shell.executor("plugins", "test", name, "--with", options)["passed"]


def test_a_configuration_may_name_it(shell: Shell) -> None:
    (shell.folder / "config.yaml").write_text(CONFIG)
    assert shell.executor("config", "validate")["valid"]
