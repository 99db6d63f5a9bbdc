from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.config.document import read, scalar
from executor.errors import ConfigError


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "no",
        "on",
        "off",
        "Yes",
        "y",
        "0x1f",
        "0o17",
        "1_000",
        "12:30:45",
        "2024-01-01",
        ".inf",
        ".nan",
        "1.2.3",
        "e5",
        "-",
        "12e9999999999999999999",
        "1e-99999999999999999999",
    ],
)
def test_what_yaml_1_1_would_have_turned_into_something_else_stays_text(text):
    assert scalar(text) == text


@pytest.mark.parametrize(("text", "value"), [("", None), ("~", None), ("null", None), ("true", True), ("False", False)])
def test_the_words_of_the_core_schema(text, value):
    assert scalar(text) is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("-3", -3),
        ("+4", 4),
        ("9" * 60, int("9" * 60)),
        ("0.1", Decimal("0.1")),
        ("1e-3", Decimal("0.001")),
        (".5", Decimal("0.5")),
    ],
)
def test_numbers_are_exact(text, value):
    read_back = scalar(text)
    assert read_back == value
    assert type(read_back) is type(value)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_decimal_survives(number):
    assert scalar(format(number, "f")) == number


def test_quoted_scalars_are_text():
    assert read("a: '10'\nb: \"true\"\nc: |\n  5\n", "f").value == {"a": "10", "b": "true", "c": "5\n"}


def test_marks_tell_line_and_text_as_written():
    document = read("a:\n  - x: 007\n", "config.yaml")
    mark = document.mark(("a", 0, "x"))
    assert (mark.origin, mark.text) == ("config.yaml:2", "007")
    assert document.mark(("a", 0, "nobody wrote this")).origin == "config.yaml:2"
    assert document.mark(("b",)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: the key 'a' stands twice"),
        ("x: {a: 1, a: 2}", "f:1: the key 'a' stands twice"),
        ("a: [1\nb: 2", "f:2: this is not YAML"),
        ("a: !!int 3", "f:1: tags"),
        ("a: !!python/object/apply:os.system [x]", "f:1: tags"),
        ("[a, b]: 1", "f:1: a key must be plain text"),
        ("a: &x [*x]", "f:1: nested too deep"),
        ("a: " + "[" * 5000, "f: nested too deep"),
        ("a: \x00", "f: this is not YAML"),
        ("a: &a [x]\n" + "".join(f"{b}: &{b} [{f'*{a},' * 9}]\n" for a, b in pairwise("abcdefghi")), "f:1: more than"),
    ],
)
def test_what_is_refused_names_its_line(text, words):
    with pytest.raises(ConfigError) as caught:
        read(text, "f")
    assert caught.value.message.startswith(words)
    assert caught.value.remedy


def test_a_syntax_error_never_quotes_the_text():
    with pytest.raises(ConfigError) as caught:
        read('api_key: "CANARY\nb: [', "f")
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("text", ["api_secret: *s3cr3t", "<<: *s3cr3t", "%TAG !s3cr3t! x\n%TAG !s3cr3t! y\n---\na: 1"])
def test_what_is_not_yaml_is_told_without_the_words_of_the_file(text):
    with pytest.raises(ConfigError) as caught:
        read(text, "f")
    assert "s3cr3t" not in str(caught.value)
