"""The commands to a worker: pause, resume, flatten, reset; they take effect whether or not one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from executor.cli.guard import usage
from executor.cli.options import CONFIG, Account, ConfigFile, Json, Overrides, commanded, known_account
from executor.cli.output import clean, is_terminal, print_json, show

if TYPE_CHECKING:
    from executor.config import Loaded


def pause(
    config: ConfigFile = CONFIG, overrides: Overrides = None, json_out: Json = False, account: Account = None
) -> None:
    """Take no entries until resumed; exits and stops go on."""
    _command("pause", commanded(config, overrides), account, json_out)


def resume(
    config: ConfigFile = CONFIG, overrides: Overrides = None, json_out: Json = False, account: Account = None
) -> None:
    """Let entries go again, after a pause or a flatten."""
    _command("resume", commanded(config, overrides), account, json_out)


def flatten(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
    account: Account = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Close everything on the account, whoever opened it, and take no entries until resumed."""
    settings = commanded(config, overrides)
    known_account(account, settings)
    if not yes:
        _ask(settings, account)
    _command("flatten", settings, account, json_out)


def reset(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The breaker's rule, e.g. daily_loss.")],
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
    account: Account = None,
) -> None:
    """Reset a breaker, so that entries may go again."""
    _command("reset", commanded(config, overrides), account, json_out, rule)


def _ask(settings: Loaded, account: str | None) -> None:
    """A typed yes; where nobody can be asked, ``--yes`` must have been given."""
    if not is_terminal():
        raise usage("flatten closes every position, and nobody can be asked here", "add --yes if that is meant")
    names = account or ", ".join(one.name for one in settings.config.accounts)
    where = f"{settings.config.mode}, {settings.config.hyperliquid.network}"
    typer.confirm(f"Close every position of {names} ({where}) at market?", abort=True, err=True)


def _command(name: str, settings: Loaded, account: str | None, json_out: bool, rule: str | None = None) -> None:
    known_account(account, settings)
    from executor.app.control import command

    answer = command(settings, name, account, rule)
    if json_out:
        print_json(answer)
    else:
        _told(answer)
    if answer.get("done") is False:
        raise typer.Exit(1)


_ALONE = {"flatten": "no worker ran: this command acted itself"}


def _told(answer: dict[str, Any]) -> None:
    from executor.cli.words import cell

    by = (
        "the running worker"
        if answer.get("worker")
        else _ALONE.get(answer["command"], "no worker runs: it is recorded")
    )
    accounts = clean(", ".join(answer.get("accounts") or ()))
    show(cell(f"{answer['command']} {accounts}: {answer['effect']} ({by})", "green"))
