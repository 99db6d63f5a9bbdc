"""doctor: what a start would refuse to build is found before it."""

from __future__ import annotations

import pytest

from executor import config, plugins
from executor.app.doctor import unbuilt

PLUGINS = """
from executor.api import Options

class Strategy:
    Options = Options
    def __init__(self, options):
        raise RuntimeError("no luck")

class Rule:
    Options = Options
    @classmethod
    def from_options(cls, options):
        raise RuntimeError("no luck")

class Notifier:
    def __init__(self):
        raise RuntimeError("no luck")
"""

BASE = "version: 1\nsources: [{name: f, type: fractrade, agents: [a]}]\naccounts: [{name: main}]\n"


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("routes: [{source: f, accounts: [main], strategy: 'p.py:Strategy'}]", "strategies", "no luck"),
        ("risk: [{rule: 'p.py:Rule'}]", "risk", "no luck"),
        ("notify: [{type: 'p.py:Notifier'}]", "notify", "no luck"),
        ("notify: [{type: webhook}]", "notify", "a webhook has no address"),
        ("notify: [{type: webhook, url_env: NO_URL}]", "notify", "is no address"),
        ("heartbeat: {url_env: NO_URL}", "heartbeat", "is no address"),
    ],
)
def test_what_a_start_would_not_build_fails_before_it(tmp_path, text, name, said):
    (tmp_path / "p.py").write_text(PLUGINS)
    loaded = config.load_text(BASE + text, tmp_path / "config.yaml", [], {"NO_URL": "hunter2"}, plugins)
    (check,) = unbuilt(loaded)
    assert (check.name, check.level) == (name, "fail")
    assert said in check.text
    assert "hunter2" not in check.text + check.remedy


def test_a_secret_that_is_told_already_is_not_told_twice(tmp_path):
    text = BASE + "notify: [{type: webhook, url_env: UNSET}]"
    loaded = config.load_text(text, tmp_path / "config.yaml", [], {}, plugins)
    assert not list(unbuilt(loaded, {"secret notify.url"}))
    assert list(unbuilt(loaded))


def test_what_can_be_built_is_no_finding(tmp_path):
    routes = "routes: [{source: f, accounts: [main]}]\nrisk: [{rule: max_leverage, max: 2}]"
    loaded = config.load_text(BASE + routes, tmp_path / "config.yaml", [], {}, plugins)
    assert not list(unbuilt(loaded))
