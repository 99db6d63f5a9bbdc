from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from executor.config import load_text
from executor.config.document import read
from executor.errors import ConfigError


class NoOptions:
    """A plugin that takes anything."""


class Registry:
    def names(self, group):
        return ("p",)

    def load(self, group, name, base):
        return NoOptions


BLOCKS = (
    "version",
    "mode",
    "sources",
    "accounts",
    "routes",
    "hyperliquid",
    "risk",
    "execution",
    "server",
    "logging",
    "odd",
)
NAMES = st.sampled_from(
    ["main", "p", "name", "type", "rule", "source", "accounts", "with", "raw", "port", "0", "-1", "", "²", "x y"]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.decimals(-1, 1, places=2).map(str) | NAMES
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(BLOCKS), VALUES | st.lists(st.dictionaries(NAMES, VALUES, max_size=4)), max_size=5
)
SETS = st.lists(
    st.builds(
        lambda path, value: f"{'.'.join(path)}={value}", st.lists(st.sampled_from(BLOCKS) | NAMES, max_size=4), NAMES
    ),
    max_size=3,
)
VARIABLES = st.dictionaries(st.text("_AZ09", max_size=8).map("EXECUTOR__".__add__), st.text(max_size=5), max_size=2)


def load(text, sets=(), variables=None):
    """The loaded configuration, or nothing where it was refused with a remedy; any other exception is a failure."""
    try:
        return load_text(text, Path("nowhere/config.yaml"), sets, variables or {}, Registry())
    except ConfigError as error:
        return None if error.remedy else pytest.fail(f"no remedy: {error}")


@given(st.text())
@example("? a")
@example("a: *b")
@example("%YAML 9.9\n---\na: 1")
@example("a: 1\n---\nb: 2")
def test_any_text_is_a_document_or_a_config_error(text):
    load(text)


@given(DOCUMENTS, SETS, VARIABLES)
def test_any_document_and_anything_laid_over_it_is_a_configuration_or_a_config_error(document, sets, variables):
    loaded = load(yaml.safe_dump(document), sets, variables)
    assert loaded is None or loaded.show()


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_quoted_text_stays_what_it_is(text):
    assert read(yaml.safe_dump({"a": text}, default_style='"', allow_unicode=True), "f").value == {"a": text}
