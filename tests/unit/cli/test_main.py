import inspect
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from executor.cli.guard import Guarded, printable_streams, tell
from executor.cli.main import app
from executor.errors import ConfigError, ExecutorError

PROMISED = {
    "init", "doctor", "run", "demo", "status", "actions", "orders", "positions", "agents", "journal", "explain",
    "pause", "resume", "flatten", "reset", "replay", "export-frames", "config show", "config validate", "config schema",
    "plugins list", "plugins test", "paper-exchange", "mirror",
    "sim fractrade", "sim nexgent", "sim halyrd", "sim tradeready",
}  # fmt: skip
SIMS = {name for name in PROMISED if name.startswith("sim ")}
WITH_CONFIG = PROMISED - {"init", "demo", "plugins list", "plugins test", "paper-exchange"} - SIMS
WITH_JSON = PROMISED - {"run", "export-frames"}


def typed(command, path=()):
    inner = getattr(command, "commands", None)
    if not inner:
        yield " ".join(path), command
        return
    for name, sub in inner.items():
        yield from typed(sub, (*path, name))


COMMANDS = dict(typed(get_command(app)))


def flags(name):
    return {flag for parameter in COMMANDS[name].params for flag in parameter.opts}


def test_every_promised_command_is_there():
    assert set(COMMANDS) == PROMISED


@pytest.mark.parametrize(("names", "flag"), [(WITH_CONFIG, "--config"), (WITH_CONFIG, "--set"), (WITH_JSON, "--json")])
def test_commands_share_their_options(names, flag):
    assert not [name for name in names if flag not in flags(name)]


@pytest.mark.parametrize("name", ["status", "actions", "orders", "positions", "agents", "journal"])
def test_what_reads_the_ledger_takes_limit_and_account(name):
    assert {"--limit", "--account"} <= flags(name)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_what_it_does(name):
    assert COMMANDS[name].help
    assert len(inspect.cleandoc(COMMANDS[name].help).splitlines()) == 1


@pytest.mark.parametrize(
    "error", [ConfigError("it is [bold]wrong[/] \x1b[2J", "do \x07 right"), ExecutorError("wrong")]
)
def test_an_error_is_said_with_its_remedy_and_without_control_characters(error, capsys):
    tell(error)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {error.message[:5]}")
    assert ("remedy: do \\x07 right" in said.err) == bool(error.remedy)
    assert "\x1b" not in said.err


def test_an_error_is_said_without_secrets(capsys):
    tell(ExecutorError("wss://h/?api_key=abcd1234", "--set sources.one.api_secret=abcd1234"))
    assert "abcd1234" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "config", "plugins", "sim", *sorted(COMMANDS)])
def test_every_command_has_help(name):
    done = CliRunner().invoke(app, [*name.split(), "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.output


def test_a_command_that_says_nothing_works_where_stdout_was_closed():
    quiet, called = typer.Typer(cls=Guarded), []
    quiet.callback()(lambda: None)
    quiet.command("be-still")(lambda: called.append(True))
    with redirect_stdout(None):
        quiet(["be-still"], standalone_mode=False)
    assert called == [True]


def test_a_log_line_finds_its_way_where_stderr_was_closed():
    with redirect_stderr(None):
        printable_streams()
        assert sys.stderr is not None
        assert sys.stderr.write("a line") == 6
        sys.stderr.close()
