"""options: a plugin that cannot be loaded keeps a worker from starting, and nobody from looking at it or ending it."""

from __future__ import annotations

import pytest

from executor.cli.options import commanded, loaded
from executor.errors import ConfigError

TEXT = """
version: 1
sources: [{name: f, type: fractrade, agents: [a]}]
accounts: [{name: main}]
routes: [{source: f, accounts: [main], strategy: "half_saved.py:Mine"}]
"""


@pytest.mark.parametrize("half_saved", ["def (", "raise ValueError('no')", "class Other: ...", None])
def test_a_plugin_that_cannot_be_loaded_keeps_nobody_from_commanding(tmp_path, half_saved):
    (tmp_path / "config.yaml").write_text(TEXT)
    if half_saved is not None:
        (tmp_path / "half_saved.py").write_text(half_saved)
    with pytest.raises(ConfigError, match="half_saved"):
        loaded(tmp_path / "config.yaml", None)
    assert [one.name for one in commanded(tmp_path / "config.yaml", None).config.accounts] == ["main"]


def test_what_else_is_wrong_is_told_to_whoever_commands_too(tmp_path):
    (tmp_path / "config.yaml").write_text("version: 1\nacounts: []\n")
    with pytest.raises(ConfigError, match="accounts"):
        commanded(tmp_path / "config.yaml", None)
