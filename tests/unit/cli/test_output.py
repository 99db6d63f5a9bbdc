import io
import json

from rich.console import Console
from rich.text import Text

from executor.cli.output import clean, print_json, put


def test_what_a_terminal_would_obey_is_shown_as_text():
    assert clean("a\x1b[2Jb\rc\x9bd") == "a\\x1b[2Jb\\rc\\x9bd"
    assert clean("right\u202eleft") == "right\\u202eleft"
    assert clean("\ud800") == "\\ud800"
    assert clean("two\nlines · ünïcode") == "two\nlines · ünïcode"
    assert clean(12) == "12"


def test_json_is_one_ascii_document(capsys):
    print_json({"a": "\x1b[31m", "b": "ü", "c": None})
    told = capsys.readouterr().out
    assert told.isascii()
    assert "\x1b" not in told
    assert json.loads(told) == {"a": "\x1b[31m", "b": "ü", "c": None}


def test_nothing_is_padded_in_a_pipe():
    file = io.StringIO()
    put(Console(file=file, width=80), Text("short   "))
    assert file.getvalue() == "short\n"
